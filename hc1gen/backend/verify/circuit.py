"""A module as yosys reads it: ports, cells and nets, each net a number, 0 and 1 being the constants."""

import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ...errors import CheckFailed
from ..synth.yosys import Yosys, require

Net = int
FALSE, TRUE = 0, 1
UNDEFINED = -1
"""The net of a bit that has no value. What depends on it cannot be read."""
REGISTER = "$dff"
"""Type of a register, once processes have become cells."""
_BITS = {"0": FALSE, "1": TRUE, "x": UNDEFINED, "z": UNDEFINED}


class Unreadable(Exception):
    """What stands in the Verilog is not of the form that can be read back; the message says where and why."""


@dataclass(frozen=True)
class Cell:
    """A cell: what is on its inputs and outputs, least significant bit first."""

    type: str
    parameters: dict[str, str]
    inputs: dict[str, tuple[Net, ...]]
    outputs: dict[str, tuple[Net, ...]]

    def number(self, name: str) -> int:
        """A parameter that is a number; one that does not matter is 0."""
        return int(self.parameters[name].replace("x", "0"), 2)


@dataclass(frozen=True)
class Circuit:
    """One module: `inputs` and `outputs` are its ports."""

    name: str
    inputs: dict[str, tuple[Net, ...]]
    outputs: dict[str, tuple[Net, ...]]
    cells: tuple[Cell, ...]

    @cached_property
    def drivers(self) -> dict[Net, Cell]:
        """The cell that drives a net; ports and constants have none. `Unreadable` where two do."""
        found: dict[Net, Cell] = {}
        for cell in self.cells:
            for bits in cell.outputs.values():
                for net in bits:
                    if net in found or net in (FALSE, TRUE):
                        raise Unreadable(f"{self.name}: net {net} has two drivers")
                    found[net] = cell
        return found

    @cached_property
    def read(self) -> set[Net]:
        """Nets that something reads."""
        pins = [bits for cell in self.cells for bits in cell.inputs.values()]
        return {net for bits in (*pins, *self.outputs.values()) for net in bits}

    def of_type(self, *types: str) -> Iterator[Cell]:
        return (cell for cell in self.cells if cell.type in types)


def read(commands: Iterable[str], where: Path | None = None) -> dict[str, Circuit]:
    """Every module that yosys holds after `commands`, run in folder `where`, by name.

    `Unreadable` with yosys' words where it stops, `ToolMissing` where pyosys is not installed.
    """
    require()
    with tempfile.TemporaryDirectory() as folder:
        out, yosys = Path(folder) / "modules.json", Yosys()
        try:
            yosys.run("read", [*commands, f'write_json "{out}"'], where)
            modules = json.loads(out.read_bytes())["modules"]
        except (CheckFailed, OSError, ValueError) as error:
            raise Unreadable(str(error)) from error
        finally:
            yosys.stop()
    return {name.removeprefix("\\"): circuit(name, module) for name, module in modules.items()}


def circuit(name: str, module: dict[str, Any]) -> Circuit:
    """A module of yosys' JSON."""

    def ports(direction: str) -> dict[str, tuple[Net, ...]]:
        return {port: _nets(p["bits"]) for port, p in module["ports"].items() if p["direction"] == direction}

    return Circuit(name, ports("input"), ports("output"), tuple(map(_cell, module["cells"].values())))


def _cell(cell: dict[str, Any]) -> Cell:
    """Directions are missing where yosys does not know the module: then nothing can be said of its pins."""
    directions = cell.get("port_directions", {})
    pins = {port: _nets(bits) for port, bits in cell["connections"].items()}
    outputs = {port: bits for port, bits in pins.items() if directions.get(port) == "output"}
    inputs = {port: bits for port, bits in pins.items() if port not in outputs}
    return Cell(cell["type"], cell["parameters"], inputs, outputs)


def _nets(bits: Sequence[int | str]) -> tuple[Net, ...]:
    return tuple(bit if isinstance(bit, int) else _BITS[bit] for bit in bits)
