"""Netlists of yosys' JSON, simulated clock by clock on many patterns at once, one a bit of a Python integer."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hc1gen.backend.synth.library import Library
from hc1gen.backend.synth.netlist import Netlist, pins_of
from hc1gen.backend.synth.yosys import Yosys

GATES: dict[str, Callable[..., int]] = {
    "$_NOT_": lambda m, A: A ^ m,
    "$_AND_": lambda m, A, B: A & B,
    "$_OR_": lambda m, A, B: A | B,
    "$_XOR_": lambda m, A, B: A ^ B,
    "$_NAND_": lambda m, A, B: (A & B) ^ m,
    "$_NOR_": lambda m, A, B: (A | B) ^ m,
    "$_XNOR_": lambda m, A, B: A ^ B ^ m,
    "$_ANDNOT_": lambda m, A, B: A & (B ^ m),
    "$_ORNOT_": lambda m, A, B: A | (B ^ m),
    "$_MUX_": lambda m, A, B, S: (A & (S ^ m)) | (B & S),
}
GOLD = (
    "proc",
    "flatten -noscopeinfo",
    "opt",
    "memory_map",
    "techmap",
    "dfflegalize -cell $_DFF_P_ 01 -cell $_DFFE_PP_ 01",
    "clean",
)


def from_verilog(path: Path, name: str, folder: Path, library: Library | None = None, gold: bool = False) -> Netlist:
    """Module `name` of a Verilog file: as it is, with the cells of `library`; gold: made of gates by yosys alone."""
    out, commands = folder / "read.json", []
    if library:
        (folder / "read.lib").write_text(library.text)
        commands.append(f"read_liberty -lib -ignore_miss_func {folder / 'read.lib'}")
    steps = (f"hierarchy -top {name}", *GOLD) if gold else ("proc", "techmap", "opt_expr", "clean")
    Yosys().run(name, [*commands, f'read_verilog "{path}"', *steps, f"cd {name}", f"write_json -selected {out}"])
    return Netlist(name, json.loads(out.read_text()))


class Simulation:
    """A netlist from the state in which every register is 0."""

    def __init__(self, netlist: Netlist, library: Library | None = None, patterns: int = 64):
        self.netlist, self.library, self.ones = netlist, library, (1 << patterns) - 1
        self.state: dict[str, int] = {}
        for name, cell in netlist.cells.items():
            if self._stores(cell["type"]):
                self.state[name] = 0

    def clock(self, inputs: Mapping[str, list[int]]) -> dict[str, list[int]]:
        """One clock: values of the input ports' bits to those of the output ports before the edge."""
        values: dict[Any, int] = {"0": 0, "1": self.ones, "x": 0}
        ports = self.netlist.module["ports"]
        for port, bits in inputs.items():
            values |= dict(zip(ports[port]["bits"], bits, strict=True))
        self._settle(values)
        self.state = {name: self._next(name, values) for name in self.state}
        return {name: [values[b] for b in p["bits"]] for name, p in ports.items() if p["direction"] == "output"}

    def _stores(self, kind: str) -> bool:
        return "DFF" in kind if kind.startswith("$") else bool(self.library and self.library.cells[kind].state)

    def _settle(self, values: dict[Any, int]) -> None:
        todo = []
        for name, cell in self.netlist.cells.items():
            pins = pins_of(cell)
            if name in self.state:
                for pin, inverted in self._outputs(cell["type"]):
                    if pin in pins:
                        values[pins[pin]] = self.state[name] ^ (self.ones if inverted else 0)
            else:
                todo.append((cell["type"], pins))
        while todo:
            later = [(kind, pins) for kind, pins in todo if not self._gate(kind, pins, values)]
            assert len(later) < len(todo), f"undriven nets: {later[:3]}"
            todo = later

    def _outputs(self, kind: str) -> list[tuple[str, bool]]:
        """Output pins of a register with whether they are inverted; a clock gate has none that is data."""
        if kind.startswith("$"):
            return [("Q", False)]
        cell = self.library.cells[kind]
        if cell.functions is None:
            return []
        index, count = cell.inputs.index(self._data(kind)), len(cell.inputs)
        return [(pin, not _follows(table, index, count)) for pin, table in cell.functions.items()]

    def _data(self, kind: str) -> str:
        """The pin that a register's output follows, inverted or not."""
        cell = self.library.cells[kind]
        count = len(cell.inputs)
        ones, tables = (1 << (1 << count)) - 1, cell.functions.values()
        return next(
            pin
            for i, pin in enumerate(cell.inputs)
            for t in tables
            if _follows(t, i, count) or _follows(t ^ ones, i, count)
        )

    def _gate(self, kind: str, pins: dict[str, Any], values: dict[Any, int]) -> bool:
        if kind in GATES:
            inputs = {pin: net for pin, net in pins.items() if pin != "Y"}
            if not all(net in values for net in inputs.values()):
                return False
            values[pins["Y"]] = GATES[kind](self.ones, **{pin: values[net] for pin, net in inputs.items()})
            return True
        if kind.startswith("hc1gen_"):
            return self._adder(pins, values)
        assert self.library, f"unknown cell {kind}"
        cell = self.library.cells[kind]
        if not all(pins[pin] in values for pin in cell.inputs):
            return False
        for pin, table in cell.functions.items():
            if pin in pins:
                values[pins[pin]] = self._look_up(table, [values[pins[p]] for p in cell.inputs])
        return True

    def _adder(self, pins: dict[str, Any], values: dict[Any, int]) -> bool:
        nets = [pins[pin] for pin in "abc" if pin in pins]
        if not all(net in values for net in nets):
            return False
        a, b, c = ([values[net] for net in nets] + [0])[:3]
        for pin, value in (("s", a ^ b ^ c), ("co", a & b | a & c | b & c)):
            if pin in pins:
                values[pins[pin]] = value
        return True

    def _look_up(self, table: int, inputs: list[int]) -> int:
        found = 0
        for k in range(1 << len(inputs)):
            if table >> k & 1:
                term = self.ones
                for i, value in enumerate(inputs):
                    term &= value if k >> i & 1 else value ^ self.ones
                found |= term
        return found

    def _next(self, name: str, values: dict[Any, int]) -> int:
        cell = self.netlist.cells[name]
        kind, pins, now = cell["type"], pins_of(cell), self.state[name]
        if kind == "$_DFF_P_":
            return values[pins["D"]]
        if kind == "$_DFFE_PP_":
            return values[pins["D"]] & values[pins["E"]] | now & (values[pins["E"]] ^ self.ones)
        found = self.library.cells[kind]
        if found.functions is None:
            return 0
        gate = self._gate_of(pins[next(iter(found.clocks))])
        enable = self.ones if gate is None else values[gate]
        return values[pins[self._data(kind)]] & enable | now & (enable ^ self.ones)

    def _gate_of(self, clock: Any) -> Any:
        """The enable of the clock gate that drives a clock net; None where it is the clock itself."""
        gate = self.library.clock_gate
        for cell in self.netlist.cells.values():
            if gate and cell["type"] == gate.cell and pins_of(cell)[gate.out] == clock:
                return pins_of(cell)[gate.enable]
        return None


def _follows(table: int, index: int, count: int) -> bool:
    """Whether a truth table of `count` inputs is input `index`."""
    return all((table >> k & 1) == (k >> index & 1) for k in range(1 << count))
