"""A Verilog module as yosys reads it: ports, cells and nets. A net is a number; nets 0 and 1 are the constants."""

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
"""The net of a bit without a defined value (x or z). Nothing that depends on it can be read."""
REGISTER = "$dff"
"""The cell type of a register, after yosys' pass `proc`."""
_BITS = {"0": FALSE, "1": TRUE, "x": UNDEFINED, "z": UNDEFINED}


class Unreadable(Exception):
    """The Verilog does not have the form that can be read back. The message says where and why."""


@dataclass(frozen=True)
class Cell:
    """A cell, with the nets on each input and output port, least significant bit first."""

    type: str
    parameters: dict[str, str]
    inputs: dict[str, tuple[Net, ...]]
    outputs: dict[str, tuple[Net, ...]]

    def number(self, name: str) -> int:
        """Returns a parameter that is a number. Undefined bits (x) count as 0."""
        return int(self.parameters[name].replace("x", "0"), 2)


@dataclass(frozen=True)
class Circuit:
    """One module. inputs, outputs: port → its nets, least significant bit first."""

    name: str
    inputs: dict[str, tuple[Net, ...]]
    outputs: dict[str, tuple[Net, ...]]
    cells: tuple[Cell, ...]

    @cached_property
    def drivers(self) -> dict[Net, Cell]:
        """Net → the cell that drives it. Input ports and constants have no entry.

        Raises `Unreadable` if a net has two drivers.
        """
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
        """The nets that a cell or an output port reads."""
        pins = [bits for cell in self.cells for bits in cell.inputs.values()]
        return {net for bits in (*pins, *self.outputs.values()) for net in bits}

    def of_type(self, *types: str) -> Iterator[Cell]:
        """Yields the cells of these types."""
        return (cell for cell in self.cells if cell.type in types)


def read(commands: Iterable[str], where: Path | None = None) -> dict[str, Circuit]:
    """Runs yosys `commands` in the folder `where`. Returns all modules that yosys holds then, by name.

    Raises `Unreadable` with yosys' message if a command fails, and `ToolMissing` if pyosys is not installed.
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
    """Makes a circuit of a module in yosys' JSON netlist format."""

    def ports(direction: str) -> dict[str, tuple[Net, ...]]:
        return {port: _nets(p["bits"]) for port, p in module["ports"].items() if p["direction"] == direction}

    return Circuit(name, ports("input"), ports("output"), tuple(map(_cell, module["cells"].values())))


def _cell(cell: dict[str, Any]) -> Cell:
    """Makes a cell of yosys' JSON. If yosys does not know the cell's module, all its ports count as inputs."""
    directions = cell.get("port_directions", {})
    pins = {port: _nets(bits) for port, bits in cell["connections"].items()}
    outputs = {port: bits for port, bits in pins.items() if directions.get(port) == "output"}
    inputs = {port: bits for port, bits in pins.items() if port not in outputs}
    return Cell(cell["type"], cell["parameters"], inputs, outputs)


def _nets(bits: Sequence[int | str]) -> tuple[Net, ...]:
    return tuple(bit if isinstance(bit, int) else _BITS[bit] for bit in bits)
