"""A script that asks a Ray cluster whether it wants a token. Its argument is the address. It imports nothing of tuner.

It prints one word: `open` if the cluster asks for no token, otherwise `right`, `wrong` or `missing` for the token of this
machine. If no cluster answers, it prints the reason.
"""

from __future__ import annotations

import os
import sys

from ray._private.authentication.authentication_token_setup import AuthenticationTokenLoader, Config
from ray._private.services import GcsClient, canonicalize_bootstrap_address_or_die
from ray.exceptions import AuthenticationError, RaySystemError, RpcError


def main(address: str) -> str:
    """Return the word, or the reason."""
    try:
        endpoint = canonicalize_bootstrap_address_or_die(address)
        if _is_admitted(endpoint, "disabled"):
            return "open"
        if not AuthenticationTokenLoader.instance().has_token(ignore_auth_mode=True):
            return "missing"
        return "right" if _is_admitted(endpoint, "token") else "wrong"
    except (ConnectionError, ValueError, RaySystemError, RpcError) as error:
        return (str(error).splitlines() or [type(error).__name__])[0]


def _is_admitted(endpoint: str, mode: str) -> bool:
    os.environ["RAY_AUTH_MODE"] = mode
    Config.initialize("")
    try:
        GcsClient(address=endpoint)
    except AuthenticationError:
        return False
    return True


if __name__ == "__main__":
    sys.stdout.write(main(sys.argv[1]) + "\n")
