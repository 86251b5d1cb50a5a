"""The logic functions of the cells of a Liberty library, as yosys reads them; of clock gates, from their attributes."""

import gzip
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from ...errors import InputError
from .circuit import Cell, Circuit, Net, Unreadable, read

GATE = re.compile(r'clock_gating_integrated_cell\s*:\s*"?(\w+)')
CELL = re.compile(r'\bcell\s*\(\s*"?(\w+)"?\s*\)\s*\{')
PIN = re.compile(r'\bpin\s*\(\s*"?(\w+)"?\s*\)\s*\{')
ROLES = ("clock", "enable", "test", "out")


def read_library(paths: Sequence[Path]) -> dict[str, Circuit]:
    """Returns all cells of these files, which together are one library, by name.

    Raises `InputError`, which names the file, if a file is no Liberty file.
    """
    cells: dict[str, Circuit] = {}
    for path in paths:
        try:
            cells |= read([f'read_liberty -ignore_miss_func "{path.resolve()}"'])
            cells |= {gate.name: gate for gate in clock_gates(_text(path))}
        except (Unreadable, OSError, EOFError, UnicodeDecodeError) as error:
            raise InputError(path, f"not a Liberty file: {error}") from error
    return cells


def read_models(path: Path) -> dict[str, Circuit]:
    """Returns the modules of a Verilog file that models cells, such as the adders of a netlist of generic cells.

    Raises `InputError` if the file cannot be read.
    """
    try:
        return read([f'read_verilog "{path.resolve()}"', "proc -noopt -norom"])
    except Unreadable as error:
        raise InputError(path, str(error)) from error


def _text(path: Path) -> str:
    content = path.read_bytes()
    return (gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content).decode()


def clock_gates(liberty: str) -> Iterator[Circuit]:
    """Yields the clock gates of a Liberty text. Yosys reads no function for them.

    A clock gate passes a clock pulse if its enable was on when the clock rose.
    """
    starts = [match.start() for match in CELL.finditer(liberty)] + [len(liberty)]
    for start, end in pairwise(starts):
        text = liberty[start:end]
        if (gate := GATE.search(text)) and gate[1].startswith("latch_posedge"):
            pins = list(_roles(text))
            named = {role: pin for pin, role in pins if role}
            if {"clock", "enable", "out"} <= named.keys():
                yield _clock_gate(CELL.match(text)[1], named)  # type: ignore[index]


def _roles(cell: str) -> Iterator[tuple[str, str | None]]:
    """Yields (pin, its role or None) for each pin of a clock gate; the roles are those in ROLES."""
    pins = list(PIN.finditer(cell))
    for pin, following in zip(pins, [*pins[1:], None], strict=True):
        text = cell[pin.end() : following.start() if following else None]
        yield pin[1], next((role for role in ROLES if re.search(rf"clock_gate_{role}_pin\s*:\s*\"?true", text)), None)


def _clock_gate(name: str, pins: dict[str, str]) -> Circuit:
    """Returns the circuit of a clock gate: a latch that is open while the clock is low, and an AND gate."""
    clock, enable, test, out, either, held = 2, 3, 4, 5, 6, 7
    inputs: dict[str, tuple[Net, ...]] = {pins["clock"]: (clock,), pins["enable"]: (enable,)}
    if "test" in pins:
        inputs[pins["test"]] = (test,)
    cells = (
        Cell("$_OR_", {}, {"A": (enable,), "B": (test if "test" in pins else enable,)}, {"Y": (either,)}),
        Cell("$_DLATCH_N_", {}, {"D": (either,), "E": (clock,)}, {"Q": (held,)}),
        Cell("$_AND_", {}, {"A": (clock,), "B": (held,)}, {"Y": (out,)}),
    )
    return Circuit(name, inputs, {pins["out"]: (out,)}, cells)
