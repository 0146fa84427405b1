"""Ask a Ray cluster whether it wants a token. A script with one argument, the address; imports nothing of tuner.

Prints one word: `open` where none is asked for, `right`, `wrong` or `missing` for the token that lies here; where nothing
answers, a reason.
"""

from __future__ import annotations

import os
import sys

from ray._private.authentication.authentication_token_setup import AuthenticationTokenLoader, Config
from ray._private.services import GcsClient, canonicalize_bootstrap_address_or_die
from ray.exceptions import AuthenticationError, RaySystemError, RpcError


def main(address: str) -> str:
    """Return the word."""
    try:
        place = canonicalize_bootstrap_address_or_die(address)
        if _lets_in(place, "disabled"):
            return "open"
        if not AuthenticationTokenLoader.instance().has_token(ignore_auth_mode=True):
            return "missing"
        return "right" if _lets_in(place, "token") else "wrong"
    except (ConnectionError, ValueError, RaySystemError, RpcError) as error:
        return (str(error).splitlines() or [type(error).__name__])[0]


def _lets_in(place: str, mode: str) -> bool:
    os.environ["RAY_AUTH_MODE"] = mode
    Config.initialize("")
    try:
        GcsClient(address=place)
    except AuthenticationError:
        return False
    return True


if __name__ == "__main__":
    sys.stdout.write(main(sys.argv[1]) + "\n")
