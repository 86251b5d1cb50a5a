"""`python -m hc1gen.backend.lint DESIGN`: Verilator's lint with every warning on, over a baked chip."""

import subprocess
import sys
from pathlib import Path

from ..errors import CheckFailed
from . import check, tools
from .simulator import read_design


def lint(rtl_dir: Path) -> None:
    """Raise `CheckFailed` with Verilator's words where `verilator -Wall` has anything to say."""
    verilator = tools.verilator()
    command = [str(verilator.path), "--lint-only", "-Wall", "--top-module", "chip"]
    command += map(str, read_design(rtl_dir).sources)
    done = subprocess.run(command, env=verilator.env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CheckFailed(f"{rtl_dir}: not lint-clean\n{done.stderr}")


def verdict(rtl_dir: Path) -> str:
    """What is said of a clean design."""
    lint(rtl_dir)
    return "lint-clean under verilator -Wall"


if __name__ == "__main__":
    sys.exit(check.run(verdict))
