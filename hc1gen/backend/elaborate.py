"""`python -m hc1gen.backend.elaborate DESIGN`: yosys reads and elaborates a baked chip on generic cells."""

import json
import subprocess
import sys
import tempfile
from importlib import util
from pathlib import Path

from ..errors import CheckFailed, ToolMissing
from . import check
from .folder.chip_folder import ChipFolder

WORKER = """
import sys
from pyosys import libyosys
design = libyosys.Design()
for line in sys.stdin:
    libyosys.run_pass(line.strip(), design)
"""
"""Yosys ends its process on an error, so it gets one of its own."""


def elaborate(rtl_dir: Path) -> dict[str, int]:
    """Read the whole chip, resolve its hierarchy, turn processes into cells, check it. Cells of each type.

    Memories stay memories and counts stay sums of generic cells: this is elaboration, not mapping.
    Raises `CheckFailed` where yosys finds an error, `ToolMissing` where pyosys is not installed.
    """
    if util.find_spec("pyosys") is None:
        raise ToolMissing("pyosys: not installed; pip install 'hc1gen[dev]'")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "stat.json"
        commands = [_read(path.relative_to(rtl_dir)) for path in ChipFolder.read(rtl_dir).simulation_sources]
        commands += [
            "hierarchy -check -top chip",
            "proc -noopt",
            "memory_collect",
            "check -assert",
            f"tee -q -o {report} stat -json",
        ]
        script = "\n".join(commands)
        command = [sys.executable, "-c", WORKER]
        done = subprocess.run(command, cwd=rtl_dir, input=script, capture_output=True, text=True, check=False)
        if done.returncode:
            said = [line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line]
            raise CheckFailed(f"{rtl_dir}: yosys stopped: {' '.join(said) or done.stderr[-500:]}")
        modules = json.loads(report.read_text())["modules"]
    counts: dict[str, int] = {}
    for module in modules.values():
        for cell, count in module["num_cells_by_type"].items():
            counts[cell] = counts.get(cell, 0) + count
    return counts


def _read(path: Path) -> str:
    """Slang keeps a count of ones short, where yosys' own reader adds bit by bit: ten times the cells.

    It is for SystemVerilog; Amaranth's Verilog is Yosys' own. yosys runs in the chip's folder, since slang takes no
    quotes, and the way there may have spaces.
    """
    return f"read_slang --top {path.stem} {path}" if path.suffix == ".sv" else f"read_verilog {path}"


def verdict(rtl_dir: Path) -> str:
    """What is said of a design that elaborates."""
    counts = elaborate(rtl_dir)
    return f"yosys read and elaborated the chip, {sum(counts.values())} cells of {len(counts)} types"


if __name__ == "__main__":
    sys.exit(check.run(verdict))
