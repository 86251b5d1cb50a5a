"""Checks of a baked chip that run as `python -m hc1gen.backend.CHECK DESIGN`."""

import sys
from collections.abc import Callable
from pathlib import Path

from ..errors import Hc1genError


def run(check: Callable[[Path], str]) -> int:
    """Print what `check` says of the design that the command line names; returns the exit code."""
    rtl_dir = Path(sys.argv[1])
    try:
        verdict = check(rtl_dir)
    except Hc1genError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(f"{rtl_dir}: {verdict}")
    return 0
