"""`python -m hc1gen.backend.elaborate DESIGN`: yosys reads and elaborates a baked chip on generic cells."""

import sys
from pathlib import Path

from ..errors import CheckFailed, Hc1genError, ToolMissing
from .simulator import read_design
from .verilator_config import CONFIG


def elaborate(rtl_dir: Path) -> dict[str, int]:
    """Read the whole chip, resolve its hierarchy, turn processes into cells, check it. Cells of each kind.

    Memories stay memories and counts stay sums of generic cells: this is elaboration, not mapping.
    Raises `CheckFailed` where yosys finds an error, `ToolMissing` where pyosys is not installed.
    """
    try:
        from pyosys import libyosys as ys
    except ImportError as error:
        raise ToolMissing("pyosys: not installed; pip install 'hc1gen[dev]'") from error
    design = ys.Design()
    sources = [path for path in read_design(rtl_dir)[1] if path.name != CONFIG]
    try:
        for path in sources:
            # Slang keeps a count of ones one cell, where yosys' own reader adds bit by bit: ten times the cells. It
            # takes SystemVerilog only; Amaranth's Verilog is Yosys' own.
            reader = f"read_slang --top {path.stem}" if path.suffix == ".sv" else "read_verilog"
            ys.run_pass(f"tee -q {reader} {path}", design)
        for command in ("hierarchy -check -top chip", "proc -noopt", "check -assert"):
            ys.run_pass(f"tee -q {command}", design)
    except RuntimeError as error:
        raise CheckFailed(f"{rtl_dir}: yosys stopped: {error}") from error
    counts: dict[str, int] = {}
    for module in design.modules_.values():
        for cell in module.cells_.values():
            kind = str(cell.type)
            counts[kind] = counts.get(kind, 0) + 1
    return counts


def main() -> int:
    """Exit code 0 where the design named on the command line elaborates."""
    rtl_dir = Path(sys.argv[1])
    try:
        counts = elaborate(rtl_dir)
    except Hc1genError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    cells = sum(counts.values())
    print(f"{rtl_dir}: yosys read and elaborated the chip, {cells} cells and instances of {len(counts)} kinds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
