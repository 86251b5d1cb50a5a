"""A cell library as synthesis needs it: the cells worth using, chosen by what they compute and not by their names."""

import hashlib
import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from math import inf
from pathlib import Path

from ...errors import CheckFailed, InputError, problem
from . import liberty
from .cells import Cell, cell_of, variable
from .yosys import Yosys

_A, _B = variable(0, 2), variable(1, 2)
_X, _Y, _Z = (variable(i, 3) for i in range(3))
XOR2, AND2 = _A ^ _B, _A & _B
XOR3, MAJORITY = _X ^ _Y ^ _Z, _X & _Y | _X & _Z | _Y & _Z
NOT1, SAME1, NAND2, NOR2 = 0b01, 0b10, 0b0111, 0b0001
MOST_INPUTS = 6
"""Of a cell that ABC finds a place for."""
UNFIT = ("dont_use", "is_isolation_cell", "is_level_shifter", "pad_cell")
"""Attributes of cells that logic is not mapped to."""


@dataclass(frozen=True)
class Adder:
    """A full adder, half adder or majority cell: its input pins, and for `s` and `co` the output pin and whether it is
    inverted."""

    cell: str
    inputs: tuple[str, ...]
    outputs: Mapping[str, tuple[str, bool]]

    @property
    def inverting(self) -> bool:
        """Whether all outputs are inverted."""
        return all(inverted for _, inverted in self.outputs.values())

    @property
    def self_dual(self) -> bool:
        """Whether complements on the inputs make complements on all outputs, as any sum or majority of three does."""
        return len(self.inputs) == 3 and len({inverted for _, inverted in self.outputs.values()}) == 1


@dataclass(frozen=True)
class ClockGate:
    """An integrated clock gate: the clock runs on while `enable` was 1 before its edge; `low` are pins tied to 0."""

    cell: str
    clock: str
    enable: str
    out: str
    low: tuple[str, ...]


@dataclass(frozen=True)
class Library:
    """What of a library is used.

    name: the library's own; text: Liberty of the used cells only; digest: of all that a mapping depends on;
    cells: name → cell; half_adder: only where it is smaller than gates; majority: of three, a carry without its sum;
    flip_flop: the one that is used.
    """

    name: str
    text: str
    digest: str
    cells: Mapping[str, Cell]
    full_adder: Adder | None
    half_adder: Adder | None
    majority: Adder | None
    inverter: Cell
    buffer: Cell
    flip_flop: Cell
    clock_gate: ClockGate | None

    def split_adders(self) -> str:
        """Its Liberty text with every cell of two outputs as two cells of one, called CELL_PIN."""
        whole = liberty.parse(Path(self.name), self.text)
        cells = []
        for name, text in whole.cells().items():
            outputs = self.cells[name].outputs
            if self.cells[name].combinational and len(outputs) == 2:
                cells += [liberty.without_pin(text, a, f"{name}_{b}") for a, b in (outputs, outputs[::-1])]
            else:
                cells.append(text)
        return whole.text(cells)


def load(paths: Sequence[Path], yosys: Yosys, dont_use: Iterable[str] = (), gates: bool = False) -> Library:
    """The library that the Liberty files `paths` make up, without the cells that match a pattern of `dont_use`.

    gates: adders are made of gates. `InputError` where a file is not Liberty, a pattern matches no cell, or the library
    has no inverter, no NAND or NOR of two inputs, no flip-flop, or no full adder although `gates` is not asked for.
    """
    whole = liberty.read(paths)
    texts = whole.cells()
    banned = _banned(whole.name, texts, list(dont_use))
    found = _read(whole, yosys)
    found = {name: cell for name, cell in found.items() if name not in banned}
    gate = _clock_gate({name: text for name, text in texts.items() if name not in _matching(texts, dont_use)})
    full, half = _adder(found.values(), 3, s=XOR3, co=MAJORITY), _adder(found.values(), 2, s=XOR2, co=AND2)
    if gates:
        full = half = None
    elif full is None:
        todo = "give all files of the library, or build adders of gates with --adders gates"
        raise InputError(whole.name, problem("cells", "no full adder", "a cell with sum and carry of three bits", todo))
    logic = _logic(found)
    half = half if half and found[half.cell].area < _gates_of_half_adder(logic) else None
    majority = _adder(logic, 3, co=MAJORITY)
    inverter, buffer = _inverter_and_buffer(whole.name, logic)
    flip_flop = _flip_flop(whole.name, found, inverter.area)
    names = {cell.name for cell in (*logic, flip_flop)} | {part.cell for part in (full, half, gate) if part}
    text = whole.text(_usable(texts[name]) for name in sorted(names))
    used = {name: found[name] if name in found else _gate_cell(texts[name], gate) for name in sorted(names)}
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Library(whole.name, text, digest, used, full, half, majority, inverter, buffer, flip_flop, gate)


def _read(whole: liberty.Liberty, yosys: Yosys) -> dict[str, Cell]:
    """Every cell that yosys can read."""
    with tempfile.TemporaryDirectory() as folder:
        source, result = Path(folder) / "library.lib", Path(folder) / "cells.json"
        source.write_text(whole.text(whole.cells().values()))
        try:
            yosys.run(whole.name, [f'read_liberty -ignore_miss_func "{source}"', f'write_json "{result}"'])
        except CheckFailed as error:
            todo = "get the library's files again"
            raise InputError(whole.name, problem("Liberty files", error, "cells that yosys reads", todo)) from error
        modules = json.loads(result.read_text())["modules"]
    return {name: cell_of(name, module) for name, module in modules.items()}


def _matching(names: Iterable[str], patterns: Iterable[str]) -> set[str]:
    patterns = list(patterns)
    return {name for name in names if any(fnmatch(name, pattern) for pattern in patterns)}


def _banned(library: str, texts: Mapping[str, str], patterns: list[str]) -> set[str]:
    """Cells not to be used, by the library's word or by the user's."""
    unknown = [pattern for pattern in patterns if not _matching(texts, [pattern])]
    if unknown:
        expected = f"a cell or a pattern of cells of {library}"
        raise InputError(
            "--dont-use", [problem("cell", pattern, expected, "see the library for its names") for pattern in unknown]
        )
    facts = {name: liberty.attributes(text) for name, text in texts.items()}
    unfit = {name for name, own in facts.items() if any(own.get(a) == "true" for a in UNFIT)}
    return unfit | _matching(texts, patterns)


def _usable(text: str) -> str:
    """A chosen cell, for tools that look at `dont_use`: clock gates are so marked, and are what is wanted here."""
    return text.replace("dont_use", "hc1gen_dont_use_of_library") if "dont_use" in text else text


def _logic(cells: Mapping[str, Cell]) -> list[Cell]:
    """The smallest cell of each function of one output."""
    best: dict[tuple[int, int], Cell] = {}
    for cell in sorted(cells.values(), key=lambda cell: (cell.area, len(cell.name), cell.name)):
        if cell.combinational and 0 < len(cell.inputs) <= MOST_INPUTS and len(cell.outputs) == 1 and cell.area > 0:
            best.setdefault(cell.canonical, cell)
    return list(best.values())


def _inverter_and_buffer(library: str, logic: Iterable[Cell]) -> tuple[Cell, Cell]:
    """Both; `InputError` names all that ABC needs and that is not there."""
    found, todo = {cell.canonical: cell for cell in logic}, "give all files of the library"
    problems = []
    if (1, NOT1) not in found:
        problems.append(problem("cells", "no inverter", "one", todo))
    if (1, SAME1) not in found:
        problems.append(problem("cells", "no buffer", "one, which ABC cannot do without", todo))
    if not {(2, NAND2), (2, NOR2)} & found.keys():
        problems.append(problem("cells", "neither NAND nor NOR of two inputs", "one of them", todo))
    if problems:
        raise InputError(library, problems)
    return found[1, NOT1], found[1, SAME1]


def _adder(cells: Iterable[Cell], count: int, **tables: int) -> Adder | None:
    """The smallest cell of `count` inputs with these outputs, truth tables by role, each of them inverted or not."""
    ones = (1 << (1 << count)) - 1
    found = []
    for cell in cells:
        if cell.functions is None or cell.state or len(cell.inputs) != count or len(cell.outputs) != len(tables):
            continue
        outputs = {
            role: (pin, table != wanted)
            for role, wanted in tables.items()
            for pin, table in cell.functions.items()
            if table in (wanted, wanted ^ ones)
        }
        if len(outputs) == len(tables):
            found.append((cell.area, cell.name, Adder(cell.name, cell.inputs, outputs)))
    return min(found)[2] if found else None


def _gates_of_half_adder(logic: Iterable[Cell]) -> float:
    """The area of a sum and a carry in gates, either of them inverted."""
    areas = {cell.canonical: cell.area for cell in logic}
    sums, carries = (0b0110, 0b1001), (0b1000, 0b0111)
    return sum(min(areas.get((2, table), inf) for table in tables) for tables in (sums, carries))


def _flip_flop(library: str, cells: Mapping[str, Cell], inverter: float) -> Cell:
    """The smallest with a data input and a rising clock; one with a reset as well only where there is no other."""
    found = []
    for cell in cells.values():
        kinds = {kind[:8] for kind in cell.state}
        if cell.functions is None or len(cell.clocks) != 1 or not kinds or not kinds <= {"$_DFF_P_", "$_DFF_PP"}:
            continue
        data = [p for i, p in enumerate(cell.inputs) for t in cell.functions.values() if _is(t, i, len(cell.inputs))]
        if not data or len(cell.inputs) > 3:
            continue
        straight = any(t == variable(cell.inputs.index(data[0]), len(cell.inputs)) for t in cell.functions.values())
        cost = cell.area + (0 if straight else inverter)
        found.append((len(cell.inputs), cost, cell.name))
    if not found:
        expected = "one with a data input and a rising clock"
        raise InputError(library, problem("cells", "no flip-flop", expected, "give all files of the library"))
    return cells[min(found)[2]]


def _is(table: int, index: int, count: int) -> bool:
    """Whether a truth table is input `index`, inverted or not."""
    wanted = variable(index, count)
    return table in (wanted, wanted ^ ((1 << (1 << count)) - 1))


def _clock_gate(texts: Mapping[str, str]) -> ClockGate | None:
    """The smallest clock gate for a rising edge; yosys does not read these cells, so their text has to say it."""
    found = []
    for name, text in texts.items():
        own = liberty.attributes(text) if "clock_gating_integrated_cell" in text else {}
        if not own.get("clock_gating_integrated_cell", "").startswith("latch_posedge"):
            continue
        pins = liberty.pins(text)
        roles = {role: [pin for pin, body in pins.items() if body.get(f"clock_gate_{role}_pin") == "true"]
                 for role in ("clock", "enable", "out", "test")}  # fmt: skip
        if all(len(roles[role]) == 1 for role in ("clock", "enable", "out")):
            area = float(own.get("area", 0)) or inf
            gate = ClockGate(name, roles["clock"][0], roles["enable"][0], roles["out"][0], tuple(roles["test"]))
            found.append((len(gate.low), area, name, gate))
    return min(found)[3] if found else None


def _gate_cell(text: str, gate: ClockGate | None) -> Cell:
    """The clock gate as a cell whose function is not worked out."""
    assert gate is not None
    inputs = (gate.clock, gate.enable, *gate.low)
    area = float(liberty.attributes(text).get("area", 0))
    return Cell(gate.cell, area, inputs, (gate.out,), None, frozenset({"clock gate"}), frozenset({gate.clock}))
