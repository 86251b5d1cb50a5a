"""What a mapped module is made of, in numbers, and how long its logic takes."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, fields
from typing import Self

from ...errors import CheckFailed
from .adders import BOXES, FULL, HALF, MAJORITY
from .library import Library
from .netlist import Bit, Netlist, pins_of

TRANSISTORS = {
    "$_NOT_": 2, "$_BUF_": 4, "$_NAND_": 4, "$_NOR_": 4, "$_AND_": 6, "$_OR_": 6, "$_ANDNOT_": 6, "$_ORNOT_": 6,
    "$_XOR_": 12, "$_XNOR_": 12, "$_MUX_": 12, HALF: 14, MAJORITY: 12, FULL: 28, "$_DFF_P_": 24, "$_DFFE_PP_": 36,
}  # fmt: skip
"""Of generic cells in static CMOS, the usual textbook circuits."""

WORST = ("logic_depth", "delay_ps")
"""Figures of which the largest counts, not the sum."""


@dataclass(frozen=True)
class Figures:
    """Of one module, or summed over many.

    area_um2: of all cells; register_um2: of flip-flops and clock gates in it; transistors: on generic cells, in place
    of area; logic_depth: cells on the longest path between registers and ports; delay_ps: of the slowest path by ABC,
    at no wire load, every input driven ideally; buffers, buffer_um2: what that takes for nets of many readers, no part
    of the areas; inside: black boxes, how many of each, no part of the others.
    """

    cells: int = 0
    area_um2: float = 0.0
    register_um2: float = 0.0
    full_adders: int = 0
    half_adders: int = 0
    flip_flops: int = 0
    clock_gates: int = 0
    gates: int = 0
    transistors: int = 0
    buffers: int = 0
    buffer_um2: float = 0.0
    logic_depth: int = 0
    delay_ps: float = 0.0
    inside: dict[str, int] = field(default_factory=dict)

    def __add__(self, other: Self) -> Self:
        """Sums; of depth and delay the larger."""
        worst = {name: max(getattr(self, name), getattr(other, name)) for name in WORST}
        both = Counter(self.inside) + Counter(other.inside)
        others = [f.name for f in fields(self) if f.name not in (*WORST, "inside")]
        return type(self)(**{n: getattr(self, n) + getattr(other, n) for n in others}, **worst, inside=dict(both))

    def __mul__(self, count: int) -> Self:
        """`count` instances."""
        values = {k: v if k in WORST else v * count for k, v in vars(self).items() if k != "inside"}
        return type(self)(**values, inside={name: n * count for name, n in self.inside.items()})


def measure(netlist: Netlist, library: Library | None, boxes: Collection[str]) -> Figures:
    """All but the delay; `CheckFailed` where a cell is neither the library's, a generic one, nor one of `boxes`."""
    types = netlist.types()
    found = {name: types.pop(name) for name in boxes if name in types}
    known = TRANSISTORS if library is None else library.cells
    unknown = sorted(types.keys() - known.keys())
    if unknown:
        raise CheckFailed(f"{netlist.name}: cells that were not mapped: {', '.join(unknown)}")
    roles = roles_of(library)
    counts = {role: sum(types[kind] for kind in kinds) for role, kinds in roles.items()}
    areas = {kind: 0.0 if library is None else library.cells[kind].area for kind in types}
    registers = roles["flip_flops"] | roles["clock_gates"]
    return Figures(
        cells=sum(types.values()),
        area_um2=round(sum(areas[kind] * n for kind, n in types.items()), 4),
        register_um2=round(sum(areas[kind] * n for kind, n in types.items() if kind in registers), 4),
        gates=sum(types.values()) - sum(counts.values()),
        transistors=sum(TRANSISTORS[kind] * n for kind, n in types.items()) if library is None else 0,
        logic_depth=_depth(netlist, library),
        inside=found,
        **counts,
    )


def roles_of(library: Library | None) -> dict[str, set[str]]:
    """Types of cells by the figure that counts them."""
    if library is None:
        flip_flops = {kind for kind in TRANSISTORS if "DFF" in kind}
        return {"full_adders": {FULL}, "half_adders": {HALF}, "flip_flops": flip_flops, "clock_gates": set()}
    full, half, gate = library.full_adder, library.half_adder, library.clock_gate
    return {
        "full_adders": {full.cell} if full else set(),
        "half_adders": {half.cell} if half else set(),
        "flip_flops": {library.flip_flop.name},
        "clock_gates": {gate.cell} if gate else set(),
    }


def logic_of(netlist: Netlist, library: Library | None) -> Iterator[tuple[str, dict[str, Bit], tuple[str, ...]]]:
    """(type, pins, output pins) of the cells without state."""
    for cell in netlist.cells.values():
        kind, pins = cell["type"], pins_of(cell)
        if library is not None and kind in library.cells and library.cells[kind].combinational:
            yield kind, pins, library.cells[kind].outputs
        elif library is None and kind in TRANSISTORS and "DFF" not in kind:
            yield kind, pins, ("s", "co") if kind in BOXES else ("Y",)


def _depth(netlist: Netlist, library: Library | None) -> int:
    """Cells on the longest path."""
    cells = [(pins, outputs) for _, pins, outputs in logic_of(netlist, library)]
    source = {pins[pin]: i for i, (pins, outputs) in enumerate(cells) for pin in outputs if pin in pins}
    before: list[list[int]] = [
        [source[net] for pin, net in pins.items() if pin not in outputs and net in source] for pins, outputs in cells
    ]
    after: dict[int, list[int]] = defaultdict(list)
    for i, sources in enumerate(before):
        for j in sources:
            after[j].append(i)
    left, depth = [len(sources) for sources in before], [1] * len(cells)
    ready = [i for i, n in enumerate(left) if n == 0]
    while ready:
        i = ready.pop()
        for j in after[i]:
            depth[j] = max(depth[j], depth[i] + 1)
            left[j] -= 1
            if left[j] == 0:
                ready.append(j)
    if any(left):
        raise CheckFailed(f"{netlist.name}: the logic has a loop")
    return max(depth, default=0)
