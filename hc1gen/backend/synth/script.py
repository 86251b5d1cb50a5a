"""What yosys is told for a job: from words to gates with adders as boxes, then from gates to cells."""

from collections.abc import Iterable
from pathlib import Path

from .jobs import Job
from .library import Library

HERE = Path(__file__).parent
BOXES, MULTIPLY, ARITH, CONSTANTS = (f'"{HERE / name}.v"' for name in ("boxes", "multiply", "arith", "constants"))
FEWEST_GATED = 8
"""Flip-flops that are worth a clock gate."""
_CLEAN = "+strash;&get,-n;&fraig,-x;&put;scorr;dc2;"
MAPPERS = (
    _CLEAN + "strash;&get,-n;&dch,-f;&nf;&put",  # yosys' own
    _CLEAN + "dc2;strash;dch;amap,-m",
)
"""ABC scripts for area: which one is better by up to 7 % depends on the module (docs/synthesis.md)."""
GENERIC = "AND,NAND,OR,NOR,XOR,XNOR,ANDNOT,ORNOT,MUX"
"""Gates without a library."""
OPT = "opt -nosdff"
"""A synchronous reset stays in the logic before the flip-flop: so the flip-flop's enable can gate its clock."""
LEGAL = "dfflegalize -cell $_DFF_P_ 01 -cell $_DFFE_PP_ 01"
WORDS = (
    OPT, "wreduce", "peepopt", "share", OPT,
    f"techmap -map {MULTIPLY}", OPT, "alumacc", "maccmap", OPT,
    "memory -nomap", "opt_clean", "memory_map -rom-only", OPT,  # a memory in a block is a table, or left for an error
)  # fmt: skip
"""Words get smaller, products and sums become adders, tables logic."""
GATES = (
    f"techmap -map {ARITH}", "techmap", f"{OPT} -fast",
    *(f"techmap -map {CONSTANTS}", "simplemap", f"{OPT} -full") * 2,  # twice: what is found may show more; see fold.py
    "simplemap", "opt_clean -purge",  # opt -full may leave a multiplexer of words
)  # fmt: skip
"""Words become gates and adders."""


def to_gates(job: Job, boxes: Iterable[Path], out: Path) -> list[str]:
    """Read and elaborate a job. Adders become boxes, as `boxes` are, the rest gates and flip-flops; written as JSON."""
    return [
        f"read_verilog {BOXES}",
        *(f'read_verilog -sv -lib "{path}"' for path in boxes if path != job.source),
        _read(job),
        f"hierarchy -check -top {job.name}",
        "proc",
        "flatten -noscopeinfo",
        *WORDS,
        *GATES,
        f"select {job.name}",
        f'write_json -selected "{out}"',
    ]


def _read(job: Job) -> str:
    """Slang keeps a count of ones short, where yosys' own reader adds bit by bit; it stumbles over Amaranth's names.

    The file is where yosys runs: slang takes no quotes, and the way there may have spaces.
    """
    name = job.source.name
    return f"read_slang --top {job.name} {name}" if job.source.suffix == ".sv" else f"read_verilog {name}"


def to_cells(
    job: Job, gates: Path, library: Library | None, liberty: Path, mapper: str, json: Path, verilog: Path
) -> list[str]:
    """Map what `to_gates` left to cells, with `library` by ABC script `mapper`; written as JSON and as Verilog."""
    if library is None:
        start, mapping = [], [LEGAL, f"{OPT} -fast", f"abc -g {GENERIC}"]
    else:
        start = [f'read_liberty -lib -ignore_miss_func "{liberty}"']
        cells = [f'dfflibmap -liberty "{liberty}"', f'abc -liberty "{liberty}" -script "{mapper}"']
        mapping = [LEGAL, *_gated(library), f"{OPT} -full", "simplemap", *cells]
    end = ["opt_clean -purge", f'write_json -selected "{json}"', f'write_verilog -noattr -selected "{verilog}"']
    return [*start, f'read_json "{gates}"', f"cd {job.name}", *mapping, *end]


def _gated(library: Library) -> list[str]:
    """Clock gates for registers with an enable, where the library has them; else a multiplexer for each bit."""
    gate = library.clock_gate
    if gate is None:
        return []
    tied = "".join(f" -tie_lo {pin}" for pin in gate.low)
    return [f"clockgate -pos {gate.cell} {gate.enable}:{gate.clock}:{gate.out}{tied} -min_net_size {FEWEST_GATED}"]
