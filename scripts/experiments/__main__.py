"""The command line of the experiments: `scripts/bench remedies …` and `scripts/bench curves …`."""

from __future__ import annotations

import sys
from importlib import import_module

NAMES = ("remedies", "curves")


def main() -> int:
    """Run the experiment that the first argument names."""
    name, *arguments = sys.argv[1:] or [""]
    if name not in NAMES:
        print(f"error: no experiment is called {name!r}; choose one of {', '.join(NAMES)}", file=sys.stderr)
        return 2
    code: int = import_module(f"experiments.{name}.command").main(arguments)
    return code


if __name__ == "__main__":
    sys.exit(main())
