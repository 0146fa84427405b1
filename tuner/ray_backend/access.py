"""Who may speak to Ray: a token of its own for the Ray of one run, and what a cluster asks of those who join it."""

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

from ray._common.utils import get_default_system_temp_dir
from ray._private.authentication.authentication_token_setup import AuthenticationTokenLoader, Config

from tuner.errors import Fault, LedgerError, UsageError
from tuner.ledger.lock import RunLock
from tuner.storage import Folder

_NAMES = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
_PREFIX = "ray-tuner-"
_LONGEST = 18  # of the name of the place for it: Unix sockets have short names, and Ray adds 67 characters
_SETTLED_S = 60.0
_PROBE_S = 60.0
_OPEN = (
    "the cluster at {address} has no authentication: anyone who reaches it can run code on it; make a token with "
    "`ray get-auth-token --generate`, copy ~/.ray/auth_token to every machine, and start Ray with RAY_AUTH_MODE=token"
)


@contextmanager
def asking_for_token() -> Iterator[None]:
    """Have a Ray that is started inside refuse whoever does not show this run's token.

    The token is the one that the environment names, otherwise a new one. It stands in the environment of this process,
    which Ray's daemons and workers inherit and other users of the machine cannot read; no file is written.
    """
    with _environment_as_before():
        os.environ["RAY_AUTH_MODE"] = "token"
        if "RAY_AUTH_TOKEN" not in os.environ and "RAY_AUTH_TOKEN_PATH" not in os.environ:
            os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
        _read_again()
        yield


@contextmanager
def showing_token(address: str) -> Iterator[tuple[str, ...]]:
    """Show the cluster at `address` the token that lies here if it asks for one, and none if it does not.

    Gives notes for the person: a cluster that asks for none lets anyone in. Raises UsageError where a token is missing or
    wrong, or nothing answers as Ray does.
    """
    answer = _probe(address)
    if answer not in ("open", "right"):
        raise UsageError([_refusal(address, answer)])
    with _environment_as_before():
        os.environ["RAY_AUTH_MODE"] = "disabled" if answer == "open" else "token"
        _read_again()
        yield (_OPEN.format(address=address),) if answer == "open" else ()


@contextmanager
def private_folder() -> Iterator[str]:
    """Give a folder for Ray's sockets and logs that no other user of the machine can enter; it goes with the run.

    Ray's own choice is one that every user can enter and write to. Folders of runs that were killed are cleared away.
    """
    asked, usual = Path(get_default_system_temp_dir()), Path("/tmp")
    place = usual if len(str(asked)) > _LONGEST and usual.is_dir() else asked
    _clear_away(place)
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=place, ignore_cleanup_errors=True) as folder:
        lock = RunLock(Folder.at(folder))
        lock.take()
        try:
            yield f"{folder}/r"  # Ray opens the folder that it is given to all
        finally:
            lock.give_back()


def _clear_away(place: Path) -> None:
    for folder in place.glob(f"{_PREFIX}*"):
        with suppress(LedgerError, OSError):  # it is held, of another user, or being cleared away by another run
            if time.time() - folder.stat().st_mtime > _SETTLED_S:  # a younger one may not be locked yet
                RunLock(Folder.at(str(folder))).take()
                shutil.rmtree(folder)


def _refusal(address: str, answer: str) -> Fault:
    token = (
        "put the cluster's own in ~/.ray/auth_token (`ray get-auth-token` on its head shows it), or in RAY_AUTH_TOKEN"
    )
    if answer == "missing":
        return Fault("--address", f"the cluster at {address!r} asks for a token, and none lies here", token)
    if answer == "wrong":
        return Fault("--address", f"the cluster at {address!r} refuses the token that lies here", token)
    what = f"no Ray cluster answers at {address!r}" + (f" ({answer})" if answer else "")
    remedy = "check the address with `ray status`, or leave --address out to run on this machine"
    return Fault("--address", what, remedy)


def _probe(address: str) -> str:
    """Return the answer of probe.py. A process of its own, since Ray prints what it is refused, and may end the process."""
    command = [sys.executable, "-P", str(Path(__file__).with_name("probe.py")), address]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PROBE_S, check=False)
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout.strip()


@contextmanager
def _environment_as_before() -> Iterator[None]:
    before = {name: os.environ[name] for name in _NAMES if name in os.environ}
    try:
        yield
    finally:
        for name in _NAMES:
            os.environ.pop(name, None)
        os.environ.update(before)


def _read_again() -> None:
    # Ray reads the mode when it is imported, and keeps a token once it has read it.
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()
