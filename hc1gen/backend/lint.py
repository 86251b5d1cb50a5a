"""`python -m hc1gen.backend.lint DESIGN`: Verilator's lint with every warning on, over a baked chip."""

import subprocess
import sys
from pathlib import Path

from ..errors import CheckFailed
from . import check, tools
from .folder.chip_folder import ChipFolder


def lint(rtl_dir: Path) -> None:
    """Raise `CheckFailed` with Verilator's words where `verilator -Wall` has anything to say."""
    folder, verilator = ChipFolder.read(rtl_dir), tools.verilator()
    command = [str(verilator.path), "--lint-only", "-Wall", "--top-module", "chip"]
    command += [str(path) for path in (folder.waivers, *folder.simulation_sources)]
    done = subprocess.run(command, env=verilator.env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CheckFailed(f"{rtl_dir}: not lint-clean\n{done.stderr}")


def verdict(rtl_dir: Path) -> str:
    """What is said of a clean design."""
    lint(rtl_dir)
    return "lint-clean under verilator -Wall"


if __name__ == "__main__":
    sys.exit(check.run(verdict))
