"""Checks the file of a cluster that `ray up` starts. Nothing is started, and no machine is asked.

Ray checks little of such a file before it has started machines. Some faults never lead to a message: workers do not come, or
anyone may use the head. All faults are found at once, each with its line.
"""

from __future__ import annotations

import io
import ipaddress
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from tuner.errors import Fault, SpaceError, did_you_mean
from tuner.space.document import Document, Key, Place, parse, raise_fault, read_text

_CLOUDS = ("aws", "gcp", "azure", "aliyun", "vsphere")
_COMMANDS = ("head_start_ray_commands", "worker_start_ray_commands")
_START = re.compile(r"\b(?:ray start|start-ray)\b")
_IN_BACKGROUND = re.compile(r"\bstart-ray\b|\b(?:nohup|setsid|systemd-run)\b|&\s*$")
_TUNER_RUN = re.compile(r"\btuner run (?=[\w./-])(?:[^\n]|(?<=\\)\n)*")
_FIRST_AUTOSCALER = "RAY_enable_autoscaler_v2=0"
_LOCAL_FOLDERS = ("/tmp/", "/home/", "/root/", "/var/tmp/")
# RFC 5737: addresses for documentation, which no machine has
_EXAMPLES = tuple(map(ipaddress.ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")))
_MOUNT_TOKEN = "run `ray get-auth-token --generate`, and write under file_mounts: ~/.ray/auth_token: ~/.ray/auth_token"
_TYPES = {
    "string": "text",
    "object": "keys with values",
    "array": "a list",
    "integer": "a whole number",
    "boolean": "true or false",
}

_Found: TypeAlias = Iterator[tuple[Key, str, str]]  # (key, fault, remedy)


def check_cluster_file(path: Path) -> tuple[Fault, ...]:
    """Return the faults of a cluster file, in the order of its lines. None: Ray can start what it describes.

    Relative paths in it start at the current folder, as they do for `ray up`.
    """
    try:
        file = _ClusterFile(_read(path))
    except SpaceError as error:
        return error.faults
    found = list(_against_schema(file)) or list(_refused_by_ray(file))
    for check in _CHECKS:
        found += check(file)
    placed = [*file.document.faults, *_run_directory(file), *(file.document.fault(*each) for each in found)]
    return tuple(fault for _, fault in sorted(placed, key=lambda each: each[0]))


def _read(path: Path) -> Document:
    source, text = str(path), read_text(path)
    kind = re.search(r"^kind: *(\w+)", text, re.MULTILINE)
    if kind and re.search(r"^apiVersion:", text, re.MULTILINE):
        what = f"describes a {kind[1]} for Kubernetes, not a cluster for `ray up`"
        raise_fault(source, what, f"check it with `kubectl apply --dry-run=server -f {source}`")
    document = parse(text, source, place=lambda line: Place(0, line, f"{source}:{line}"))
    if not isinstance(document.tree, dict):
        raise_fault(source, "holds no keys with values", "begin with cluster_name: …, or copy cluster.yaml")
    return document


@dataclass(frozen=True)
class _ClusterFile:
    """The file as data. Its parts are empty if they are absent or of a wrong type, which is a fault of its own."""

    document: Document

    def part(self, *key: str) -> Mapping[str, Any]:
        """Return the mapping at `key`."""
        value: Any = self.document.tree
        for name in key:
            value = value.get(name) if isinstance(value, dict) else None
        return value if isinstance(value, dict) else {}

    def commands(self, name: str) -> list[tuple[Key, str]]:
        """Return the commands of a list, each with its key."""
        commands = self.document.tree.get(name)
        listed = enumerate(commands) if isinstance(commands, list) else ()
        return [((name, index), command) for index, command in listed if isinstance(command, str)]

    @cached_property
    def starts(self) -> list[tuple[Key, str]]:
        """The commands that start Ray, on the head and on the workers."""
        return [(key, text) for name in _COMMANDS for key, text in self.commands(name) if _START.search(text)]

    @property
    def provider(self) -> str:
        """What the machines come from: local, aws, gcp."""
        return str(self.part("provider").get("type"))

    @property
    def has_workers(self) -> bool:
        """Whether the cluster has more than the head."""
        if self.provider == "local":
            return bool(self.part("provider").get("worker_ips"))
        return bool(self.document.tree.get("max_workers", 2))  # Ray's default


def _against_schema(file: _ClusterFile) -> _Found:
    """Find what Ray's schema refuses."""
    import jsonschema
    import ray.autoscaler

    schema = json.loads(Path(ray.autoscaler.__file__).with_name("ray-schema.json").read_text())
    tree = dict(file.document.tree)
    if file.provider == "local":
        tree.pop("min_workers", None)  # Ray moves it elsewhere before it looks
    for error in jsonschema.Draft7Validator(schema).iter_errors(tree):
        key: Key = tuple(error.absolute_path)
        if error.validator == "additionalProperties":
            known = error.schema.get("properties", {})
            for name in error.instance.keys() - known.keys():
                yield (*key, name), "Ray knows no such key", did_you_mean(name, known)
        elif error.validator == "required":
            for name in sorted(set(error.validator_value) - error.instance.keys()):
                yield key, f"{name!r} is missing", f"write {name}: …"
        elif error.validator == "type":
            types = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
            wanted = " or ".join(_TYPES.get(each, each) for each in map(str, types))
            yield key, f"is {file.document.written.get(key, 'nested')}, but must be {wanted}", f"make it {wanted}"
        else:
            yield key, error.message, "see Ray's page on cluster YAML configuration options"


def _refused_by_ray(file: _ClusterFile) -> _Found:
    """Find what Ray refuses when it fills in the rest of a file that fits its schema."""
    import click
    from ray.autoscaler._private.util import prepare_config, validate_config

    logging.getLogger("ray").setLevel(logging.CRITICAL)  # it would say what it fills in
    printed = io.StringIO()
    try:
        with redirect_stdout(printed), redirect_stderr(printed):
            validate_config(prepare_config(dict(file.document.tree)))
    except (click.ClickException, ValueError, RuntimeError, LookupError, TypeError, AttributeError) as error:
        message = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        yield (
            ("provider",),
            f"Ray refuses the file: {(message or type(error).__name__).splitlines()[0]}",
            "change what it names",
        )


def _unfilled(file: _ClusterFile) -> _Found:
    """Find values that stand for one's own."""
    for key, value in _texts(file.document.tree, ()):
        if re.search(r"\bEDIT\b", value):
            yield key, f"is {value!r}, which stands for a value of yours", "fill it in"
        elif _is_example(value):
            yield key, f"is {value}, which stands for an address of yours", "fill it in"


def _texts(value: Any, key: Key) -> Iterator[tuple[Key, str]]:
    if isinstance(value, str):
        yield key, value
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, child in children:
        yield from _texts(child, (*key, name))


def _is_example(value: str) -> bool:
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return False
    return any(address in network for network in _EXAMPLES)


def _start_commands(file: _ClusterFile) -> _Found:
    """Find start commands that are absent, or that do not start what the file describes."""
    for name in _COMMANDS:
        if name not in file.document.tree and (name.startswith("head") or file.has_workers):
            what = f"{name} is missing, and Ray's own commands start it without a token"
            yield (), what, "copy the commands from cluster.yaml"
    for key, command in file.starts:
        if key[0] == _COMMANDS[1] and "--address" not in command:
            yield key, "does not name the head, so the node joins no cluster", "add --address=$RAY_HEAD_IP:6379"
        if key[0] == _COMMANDS[0] and file.has_workers and "--autoscaling-config" not in command:
            what = "starts a head that does not know this file, so no other node ever starts"
            yield key, what, "add --autoscaling-config=~/ray_bootstrap_config.yaml"
        elif key[0] == _COMMANDS[0] and file.provider == "local" and _FIRST_AUTOSCALER not in command:
            what = (
                "uses version 2 of Ray's autoscaler, which takes the head for one of the others and starts one too few"
            )
            yield key, what, f"write {_FIRST_AUTOSCALER} before the command"
        if "--block" not in command:
            what = "starts Ray without --block, so nothing watches over it and a machine that shuts down is not drained"
            yield key, what, "start it with deploy/start-ray and --block, as cluster.yaml does"
        elif not _IN_BACKGROUND.search(command):
            what = "never ends because of --block, and `ray up` waits until it does"
            yield key, what, "write deploy/start-ray instead of `ray start`, as cluster.yaml does"


def _token(file: _ClusterFile) -> _Found:
    """Find a cluster that asks for no token, or for one that its nodes do not have."""
    texts = (*file.part("file_mounts"), *(text for _, text in _texts(file.document.tree, ())))
    is_brought = any("auth_token" in text.lower() for text in texts)
    for key, command in file.starts:
        if "RAY_AUTH_MODE=token" not in command:
            what = "starts Ray without a token, so anyone who reaches the machine can run code on it"
            yield key, what, f"write RAY_AUTH_MODE=token before the command{'' if is_brought else f'; {_MOUNT_TOKEN}'}"
        elif not is_brought:
            yield key, "asks for a token, but no node gets one, so Ray does not start", _MOUNT_TOKEN


def _local_files(file: _ClusterFile) -> _Found:
    """Find files of this machine that are not there."""
    for remote, local in file.part("file_mounts").items():
        if not isinstance(local, str):
            yield ("file_mounts", remote), "must be a path of this machine", "name a file or folder that exists"
        elif not Path(local).expanduser().exists():
            is_token = "auth_token" in remote
            remedy = "make it: `ray get-auth-token --generate`" if is_token else "name a file or folder that exists"
            yield ("file_mounts", remote), f"{local} does not exist in {_folder_of(local)}", remedy
        elif "auth_token" in remote and Path(local).expanduser().stat().st_mode & 0o077:
            what = f"{local} can be read by other users of this machine, and then by those of every node"
            yield ("file_mounts", remote), what, f"run `chmod 600 {local}`"
    private_key = file.part("auth").get("ssh_private_key")
    if isinstance(private_key, str) and not Path(private_key).expanduser().exists():
        remedy = "name the private key that opens the machines, or make one with `ssh-keygen`"
        yield ("auth", "ssh_private_key"), f"{private_key} does not exist", remedy


def _folder_of(local: str) -> str:
    return str(Path(local).expanduser().absolute().parent)


def _idle_machines(file: _ClusterFile) -> _Found:
    """Find a cloud without a word on when machines that do nothing stop."""
    if file.provider in _CLOUDS and "idle_timeout_minutes" not in file.document.tree:
        what = "idle_timeout_minutes is missing: it says when a machine that does nothing is given back"
        yield (), what, "write idle_timeout_minutes: 10"


def _run_directory(file: _ClusterFile) -> Iterator[tuple[Place, Fault]]:
    """Find commands, also in comments, whose run directory only one node can see."""
    text = file.document.text
    for command in _TUNER_RUN.finditer(text) if file.has_workers else ():
        runs = re.search(r"--runs[ =]+([^\s'\"]+)", command[0])
        if runs and not _is_local(runs[1]):
            continue
        line = text.count("\n", 0, command.start()) + 1
        shown = f"--runs {runs[1]}" if runs else "no --runs"
        where = f"{file.document.source}:{line}"
        what = f"`tuner run` with {shown} writes to a folder of one node, which the others cannot see"
        yield Place(0, line, where), Fault(where, what, "name a network mount, s3://, gs:// or hdfs://")


def _is_local(location: str) -> bool:
    return "://" not in location and (not location.startswith("/") or location.startswith(_LOCAL_FOLDERS))


_CHECKS: tuple[Callable[[_ClusterFile], _Found], ...] = (
    _unfilled,
    _start_commands,
    _token,
    _local_files,
    _idle_machines,
)
