"""A mapped module, from yosys' JSON: what it is made of."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Bit = int | str
"""A net by its number, or a constant: 0, 1, x, z."""


@dataclass
class Instance:
    """A cell: its type, and the bit on each of its one-bit pins."""

    kind: str
    pins: dict[str, Bit]


@dataclass
class Netlist:
    """One module of yosys' JSON, kept whole in `document` so that it can be written back."""

    name: str
    document: dict[str, Any]

    @classmethod
    def read(cls, path: Path, name: str) -> "Netlist":
        """Module `name` of a file that write_json made."""
        return cls(name, json.loads(path.read_text()))

    def write(self, path: Path) -> None:
        """For read_json."""
        path.write_text(json.dumps(self.document))

    @property
    def module(self) -> dict[str, Any]:
        return self.document["modules"][self.name]

    @property
    def cells(self) -> dict[str, dict[str, Any]]:
        """Name → cell, as yosys writes it; to be changed by whoever maps."""
        return self.module["cells"]

    @property
    def inputs(self) -> list[Bit]:
        """Bits of the input ports."""
        return self._ports("input")

    @property
    def outputs(self) -> list[Bit]:
        """Bits of the output ports."""
        return self._ports("output")

    def _ports(self, direction: str) -> list[Bit]:
        ports = self.module["ports"].values()
        return [bit for port in ports if port["direction"] == direction for bit in port["bits"]]

    def types(self) -> Counter[str]:
        """How many cells of each type."""
        return Counter(cell["type"] for cell in self.cells.values())

    def rename(self, nets: Mapping[Bit, Bit]) -> None:
        """Put `nets[net]` in the place of each net of `nets`, and so on, wherever it is read or has a name."""

        def final(bit: Bit) -> Bit:
            while bit in nets:
                bit = nets[bit]
            return bit

        for cell in self.cells.values():
            cell["connections"] = {pin: [final(bit) for bit in bits] for pin, bits in cell["connections"].items()}
        for named in (*self.module["ports"].values(), *self.module["netnames"].values()):
            named["bits"] = [final(bit) for bit in named["bits"]]

    def fresh(self) -> int:
        """A net number above all that are used."""
        nets = (bit for cell in self.cells.values() for bits in cell["connections"].values() for bit in bits)
        ports = (bit for port in self.module["ports"].values() for bit in port["bits"])
        return max([bit for source in (nets, ports) for bit in source if isinstance(bit, int)], default=1) + 1


def pins_of(cell: Mapping[str, Any]) -> dict[str, Bit]:
    """Pin → bit of a cell whose pins have one bit each."""
    return {pin: bits[0] for pin, bits in cell["connections"].items() if bits}


class Builder:
    """Adds cells and nets to a netlist."""

    def __init__(self, netlist: Netlist):
        self._netlist, self._next, self._count = netlist, netlist.fresh(), len(netlist.cells)

    def net(self) -> Bit:
        """A new net."""
        self._next += 1
        return self._next - 1

    def add(self, kind: str, pins: dict[str, Bit]) -> None:
        """Add a gate of yosys', its output on Y."""
        while (name := f"$synth${self._count}") in self._netlist.cells:
            self._count += 1
        self._netlist.cells[name] = self.cell(kind, pins, {"Y"})

    def gate(self, kind: str, a: Bit, b: Bit) -> Bit:
        """Add a gate of two inputs; its output."""
        y = self.net()
        self.add(kind, {"A": a, "B": b, "Y": y})
        return y

    @staticmethod
    def cell(kind: str, pins: dict[str, Bit], outputs: set[str]) -> dict[str, Any]:
        """A cell as yosys writes it."""
        return {
            "hide_name": 1, "type": kind, "parameters": {}, "attributes": {},
            "port_directions": {pin: "output" if pin in outputs else "input" for pin in pins},
            "connections": {pin: [net] for pin, net in pins.items()},
        }  # fmt: skip
