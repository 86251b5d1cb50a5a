"""Run as a process of its own, since yosys ends its process on an error: `python -m ... TOP MULTIPLIERS OUT FILE...`.

Maps the design `TOP` to ECP5 cells, with at most `MULTIPLIERS` blocks MULT18X18D: the widest products get them, the
others become logic.
"""

import contextlib
import sys
from pathlib import Path

from pyosys import libyosys

DSP_BITS = 18
"""Width of a multiplier block's inputs, unsigned products one less; wider products take several."""


def blocks(a_bits: int, b_bits: int) -> int:
    """Multiplier blocks that a product takes."""
    return -(-a_bits // DSP_BITS) * -(-b_bits // DSP_BITS)


def to_logic(widths: dict[str, tuple[int, int]], available: int) -> list[str]:
    """Names of the products (name → bits of the factors) for which no multiplier block is left, narrowest first."""
    left = []
    for name, (a, b) in sorted(widths.items(), key=lambda item: (-item[1][0] * item[1][1], item[0])):
        if 0 < blocks(a, b) <= available:
            available -= blocks(a, b)
        else:
            left.append(name)
    return left[::-1]


def products(module: libyosys.Module) -> dict[str, tuple[int, int]]:
    """Name and bits of the factors of every product; no bits where a factor is constant, since that takes no block."""
    found = {}
    cells = module.cells_
    for name in cells:
        cell = cells[name]
        if cell.type.str() == "$mul":
            constant = any(cell.getPort(libyosys.IdString(f"\\{port}")).is_fully_const() for port in "AB")
            a, b = (cell.getParam(libyosys.IdString(f"\\{port}_WIDTH")).as_int() for port in "AB")
            found[name.str()] = (0, 0) if constant else (a, b)
    return found


def main(top: str, multipliers: int, out: str, sources: list[str]) -> None:
    """Write the mapped netlist to `out`, as JSON."""
    design = libyosys.Design()

    def run(command: str) -> None:
        libyosys.run_pass(command, design)

    for path in (Path(source).resolve() for source in sources):
        with contextlib.chdir(path.parent):  # slang takes no quotes, and the way there may have spaces
            # Slang keeps a count of ones short, where yosys' own reader adds bit by bit.
            run(f"read_slang --top {path.stem} {path.name}" if path.suffix == ".sv" else f"read_verilog {path.name}")
    run(f"synth_ecp5 -top {top} -run begin:coarse")
    for command in ("proc", "flatten", "opt_expr", "opt_clean", "opt", "wreduce", "peepopt", "opt_clean"):
        run(command)
    module = design.top_module()
    for name in to_logic(products(module), multipliers):
        module.cells_[libyosys.IdString(name)].set_bool_attribute(libyosys.IdString("\\to_logic"), True)
    run("chtype -set $__soft_mul t:$mul a:to_logic %i")  # the name under which synth_ecp5 knows them
    run(f"synth_ecp5 -top {top} -run coarse: -json {out}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4:])
