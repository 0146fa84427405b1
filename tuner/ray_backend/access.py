"""What Ray needs to start: its token, or the one that a cluster asks for, and a folder for its sockets."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ray._private.authentication.authentication_token_setup import AuthenticationTokenLoader, Config

from tuner.errors import Fault, LedgerError, UsageError
from tuner.jobs.job_server import TOKEN_REMEDY
from tuner.ledger.lock import RunLock
from tuner.storage import Folder

_VARIABLES = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
_PREFIX = "ray-tuner-"
_TRIALS_PREFIX = "tuner-ray-"
_FOLDER_VARIABLES = ("RAY_TMPDIR", "TMPDIR")  # the first one that is set names the folder, as for Ray itself
_OTHER_VARIABLES = ("TEMP", "TMP")  # as Python's tempfile
_SYSTEM_FOLDERS = ("/tmp", "/var/tmp")
_MAX_PARENT_CHARACTERS = 18  # Unix socket paths are short, and Ray adds 67 characters
_MIN_AGE_S = 60.0  # of a folder to clear; a younger one may not be locked yet
_PROBE_TIMEOUT_S = 60.0
_OPEN_CLUSTER_NOTE = (
    "the cluster at {address} has no authentication, so anyone who reaches it can run code on it; make a token with "
    "`ray get-auth-token --generate`, copy ~/.ray/auth_token to every machine, and start Ray with RAY_AUTH_MODE=token"
)


@contextmanager
def asking_for_token() -> Iterator[None]:
    """Make a Ray that is started inside refuse clients without this run's token.

    The token is the one in the environment, or a new one. It is kept in the environment of this process. Ray's
    daemons and workers inherit it, and other users of the machine cannot read it. No file is written.
    """
    with _environment_restored():
        os.environ["RAY_AUTH_MODE"] = "token"
        if "RAY_AUTH_TOKEN" not in os.environ and "RAY_AUTH_TOKEN_PATH" not in os.environ:
            os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
        _reload_token()
        yield


@contextmanager
def showing_token(address: str) -> Iterator[tuple[str, ...]]:
    """Send this machine's token to the cluster at `address` if the cluster asks for one, and otherwise none.

    Yields notes for the user: a cluster that asks for no token lets anyone in. Raises UsageError if the token is missing
    or wrong, or if no Ray answers.
    """
    answer = _probe(address)
    if answer not in ("open", "right"):
        raise UsageError([_refusal(address, answer)])
    with _environment_restored():
        os.environ["RAY_AUTH_MODE"] = "disabled" if answer == "open" else "token"
        _reload_token()
        yield (_OPEN_CLUSTER_NOTE.format(address=address),) if answer == "open" else ()


def find_temporary_folder() -> tuple[Path, tuple[str, ...]]:
    """Return a folder that can hold Ray's sockets, and a note if it is not the one that a variable names.

    Raises UsageError if there is none.
    """
    named = next((name for name in _FOLDER_VARIABLES if os.environ.get(name)), "TMPDIR")
    asked, *others = (os.environ.get(name) for name in (named, *_OTHER_VARIABLES))
    problems: list[str] = []
    for place in filter(None, (asked, *_SYSTEM_FOLDERS, *others)):
        folder = Path(place).absolute()
        problem = _why_not(folder)
        if problem is None:
            if not (asked and problems):
                return folder, ()
            return folder, (f"{named} is {problems[0]}, so Ray's temporary files go to {folder}",)
        problems.append(f"{place!r}, {problem}")
    remedy = f"let {named} name a folder that you can write to, with at most {_MAX_PARENT_CHARACTERS} characters"
    raise UsageError([Fault(named, f"no folder can hold Ray's temporary files: not {', not '.join(problems)}", remedy)])


def _why_not(folder: Path) -> str | None:
    """Return why a folder cannot hold Ray's sockets, or None if it can."""
    try:
        tempfile.TemporaryDirectory(prefix=_PREFIX, dir=folder).cleanup()
    except OSError as error:
        return f"which cannot be used ({error.strerror or error})"
    is_long = len(str(folder)) > _MAX_PARENT_CHARACTERS
    return f"which is longer than {_MAX_PARENT_CHARACTERS} characters, too long for Unix sockets" if is_long else None


@contextmanager
def private_folder(parent: Path) -> Iterator[str]:
    """Yield a folder for Ray's sockets and logs that no other user of the machine can enter. Delete it afterwards.

    Ray's default folder is open to every user.
    """
    with _held_folder(parent, _PREFIX) as folder:
        yield f"{folder}/r"  # a folder inside, because Ray opens the folder it gets to every user


@contextmanager
def folder_for_trials() -> Iterator[str]:
    """Yield a folder for what Ray Tune writes about trials, which nobody reads. Delete it afterwards."""
    with _held_folder(Path(tempfile.gettempdir()), _TRIALS_PREFIX) as folder:
        yield folder


@contextmanager
def _held_folder(parent: Path, prefix: str) -> Iterator[str]:
    """Yield a new temporary folder, and hold a lock on it. Delete those that killed runs left in `parent`."""
    _delete_old_folders(parent, prefix)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=parent, ignore_cleanup_errors=True) as folder:
        lock = RunLock(Folder.at(folder))
        lock.take()
        try:
            yield folder
        finally:
            lock.release()


def _delete_old_folders(parent: Path, prefix: str) -> None:
    for folder in parent.glob(f"{prefix}*"):
        with suppress(LedgerError, OSError):  # in use, owned by another user, or being deleted by another run
            if time.time() - folder.stat().st_mtime > _MIN_AGE_S:
                RunLock(Folder.at(str(folder))).take()
                shutil.rmtree(folder)


def _refusal(address: str, answer: str) -> Fault:
    if answer == "missing":
        what = f"the cluster at {address!r} asks for a token, but this machine has none"
        return Fault("--address", what, TOKEN_REMEDY)
    if answer == "wrong":
        return Fault("--address", f"the cluster at {address!r} refuses this machine's token", TOKEN_REMEDY)
    what = f"no Ray cluster answers at {address!r}" + (f" ({answer})" if answer else "")
    remedy = "check it with `ray status` on the cluster's head node; without --address, `tuner run` uses this machine"
    return Fault("--address", what, remedy)


def _probe(address: str) -> str:
    """Return the answer of probe.py. It runs in its own process, because Ray prints refusals and may exit the process."""
    command = [sys.executable, "-P", str(Path(__file__).with_name("probe.py")), address]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PROBE_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout.strip()


@contextmanager
def _environment_restored() -> Iterator[None]:
    before = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
    try:
        yield
    finally:
        for name in _VARIABLES:
            os.environ.pop(name, None)
        os.environ.update(before)


def _reload_token() -> None:
    # Ray reads the mode at import, and caches the token.
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()
