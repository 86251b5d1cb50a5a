"""`python -m hc1gen.backend.lint DESIGN`: Verilator's lint with every warning on, over a baked chip."""

import subprocess
import sys
from pathlib import Path

from ..errors import CheckFailed, Hc1genError
from . import tools
from .simulator import read_design


def lint(rtl_dir: Path) -> None:
    """Raise `CheckFailed` with Verilator's words where `verilator -Wall` has anything to say."""
    verilator = tools.verilator()
    command = [str(verilator.path), "--lint-only", "-Wall", "--top-module", "chip"]
    done = subprocess.run(
        [*command, *map(str, read_design(rtl_dir)[1])], env=verilator.env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CheckFailed(f"{rtl_dir}: not lint-clean\n{done.stderr}")


def main() -> int:
    """Exit code 0 where the design named on the command line is clean."""
    rtl_dir = Path(sys.argv[1])
    try:
        lint(rtl_dir)
    except Hc1genError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(f"{rtl_dir}: lint-clean under verilator -Wall")
    return 0


if __name__ == "__main__":
    sys.exit(main())
