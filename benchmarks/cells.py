"""Generic gates and flip-flops of the chip's blocks, counted by yosys; what was counted once is kept under build/."""

import hashlib
import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from common import ROOT, Fields

# isort: split
from hc1gen.backend.amaranth_modules import to_verilog
from hc1gen.errors import CheckFailed
from hc1gen.rtl.chip import Chip

CACHE = ROOT / "build" / "benchmarks" / "cells.json"
SCRIPT = (
    "proc -noopt", "flatten", "opt_expr", "opt_clean", "wreduce", "peepopt", "alumacc", "memory", "opt -fast",
    "techmap", "opt -fast", "clean",
)  # fmt: skip
"""Words to gates of two inputs and multiplexers, constants and unread logic removed; no ABC, no library."""


def blocks_of(chip: Chip) -> tuple[dict[str, str], Counter[str]]:
    """Verilog of every block that Amaranth writes, and how often it stands on the chip."""
    counts = Counter(placed.module for netlist in chip.netlists() for placed in netlist.instances)
    components = chip.components()
    return to_verilog(components), Counter({name: counts[name] for name in components})


def count(name: str, verilog: str) -> Fields:
    """`gates` and `flip_flops` of one block, memories and text modules left out."""
    key = hashlib.sha256("\n".join([*SCRIPT, verilog]).encode()).hexdigest()[:16]
    known = json.loads(CACHE.read_text()) if CACHE.is_file() else {}
    if key not in known:
        known[key] = _synthesise(name, verilog)
        CACHE.parent.mkdir(parents=True, exist_ok=True)
        CACHE.write_text(json.dumps(known, indent=1, sort_keys=True))
    return known[key]


def _synthesise(name: str, verilog: str) -> Fields:
    """In a process of its own: yosys talks on stdout, whatever it is told."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / f"{name}.v"
        source.write_text(verilog)
        run = subprocess.run(
            [sys.executable, __file__, str(source), f"{source}.json"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        if run.returncode:
            raise CheckFailed(f"{name}: yosys stopped: {run.stderr.decode()[-2000:]}")
        return json.loads(Path(f"{source}.json").read_text())


def _child(source: Path, result: Path) -> None:
    from pyosys import libyosys as ys

    design = ys.Design()
    for command in (f"read_verilog {source}", f"hierarchy -top {source.stem}", *SCRIPT):
        ys.run_pass(f"tee -q {command}", design)
    kinds = Counter(str(cell.type).removeprefix("\\") for cell in design.top_module().cells_.values())
    gates = {kind: n for kind, n in kinds.items() if kind.startswith("$_")}
    flip_flops = sum(n for kind, n in gates.items() if "DFF" in kind)
    others = {kind: n for kind, n in kinds.items() if kind not in gates and kind != "$scopeinfo"}
    fields = {"gates": sum(gates.values()) - flip_flops, "flip_flops": flip_flops, "instances": others}
    result.write_text(json.dumps(fields))


def chip_cells(chip: Chip) -> Fields:
    """JSON fields of a whole chip: each block once, and the sums over all its instances."""
    verilog, counts = blocks_of(chip)
    blocks = {name: {"instances": counts[name], **_plain(count(name, text))} for name, text in verilog.items()}
    sums = {kind: sum(b["instances"] * b[kind] for b in blocks.values()) for kind in ("gates", "flip_flops")}
    return {**sums, "blocks": blocks}


def _plain(fields: Fields) -> Fields:
    return {kind: fields[kind] for kind in ("gates", "flip_flops")}


if __name__ == "__main__":
    _child(Path(sys.argv[1]), Path(sys.argv[2]))
