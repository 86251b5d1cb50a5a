"""What library cells compute, from yosys' reading of a Liberty file: truth tables, found by evaluating all inputs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations
from typing import Any

MOST_INPUTS = 10
"""Of a cell whose function is worked out."""
_GATES: dict[str, Callable[[dict[str, int], int], int]] = {
    "$_NOT_": lambda p, ones: p["A"] ^ ones,
    "$_BUF_": lambda p, ones: p["A"],
    "$_AND_": lambda p, ones: p["A"] & p["B"],
    "$_OR_": lambda p, ones: p["A"] | p["B"],
    "$_XOR_": lambda p, ones: p["A"] ^ p["B"],
    "$_ANDNOT_": lambda p, ones: p["A"] & (p["B"] ^ ones),
}
"""Gates that yosys builds functions of: inputs to output, bit by bit."""


@dataclass(frozen=True)
class Cell:
    """A cell of a library.

    inputs: its pins; functions: output pin → truth table, bit k of it for the inputs whose bits make the number k,
    the first pin the lowest. Of a flip-flop, the function is that of the next state. state: the kind of yosys' storage
    cells inside, one of each; clocks: the pins that go to a storage cell's clock directly. None: not worked out.
    """

    name: str
    area: float
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    functions: Mapping[str, int] | None
    state: frozenset[str]
    clocks: frozenset[str]

    @property
    def combinational(self) -> bool:
        """Whether the outputs are functions of the inputs and nothing else."""
        return self.functions is not None and not self.state

    @cached_property
    def canonical(self) -> tuple[int, int]:
        """The same for all cells of one output with one function, whatever their pins are called: number of inputs,
        and of all orders of up to four pins the smallest truth table."""
        assert self.functions is not None
        count, (table,) = len(self.inputs), self.functions.values()
        orders = permutations(range(count)) if count <= 4 else [tuple(range(count))]
        return count, min(_reordered(table, count, order) for order in orders)


def _reordered(table: int, count: int, order: tuple[int, ...]) -> int:
    """The truth table of the same function with its inputs in another order."""
    return sum(
        (table >> sum((k >> i & 1) << place for i, place in enumerate(order)) & 1) << k for k in range(1 << count)
    )


def cell_of(name: str, module: Mapping[str, Any]) -> Cell:
    """A cell from its module in yosys' JSON."""
    ports = {port: entry for port, entry in module["ports"].items() if len(entry["bits"]) == 1}
    inputs = tuple(port for port, entry in ports.items() if entry["direction"] == "input")
    outputs = tuple(port for port, entry in ports.items() if entry["direction"] == "output")
    inside = list(module["cells"].values())
    storage = [cell for cell in inside if "DFF" in cell["type"] or "LATCH" in cell["type"]]
    clocks = {cell["connections"].get("C", [None])[0] for cell in storage}
    return Cell(
        name, float(module["attributes"].get("area", 0)), inputs, outputs, _functions(inputs, outputs, module),
        frozenset(cell["type"] for cell in storage), frozenset(p for p in inputs if ports[p]["bits"][0] in clocks),
    )  # fmt: skip


def _functions(inputs: tuple[str, ...], outputs: tuple[str, ...], module: Mapping[str, Any]) -> dict[str, int] | None:
    """Truth tables of the outputs, storage taken for wires; None where there is more than gates inside."""
    if not outputs or len(inputs) > MOST_INPUTS:
        return None
    ones = (1 << (1 << len(inputs))) - 1
    values: dict[object, int] = {"0": 0, "1": ones}
    for i, pin in enumerate(inputs):
        values[module["ports"][pin]["bits"][0]] = variable(i, len(inputs))
    todo = list(module["cells"].values())
    while todo:
        later = []
        for cell in todo:
            if not _evaluate(cell, values, ones):
                later.append(cell)
        if len(later) == len(todo):
            return None
        todo = later
    bits = {pin: module["ports"][pin]["bits"][0] for pin in outputs}
    return {pin: values[bit] for pin, bit in bits.items()} if all(b in values for b in bits.values()) else None


def variable(index: int, count: int) -> int:
    """The truth table of input `index` of `count`."""
    return sum(1 << k for k in range(1 << count) if k >> index & 1)


def _evaluate(cell: Mapping[str, Any], values: dict[object, int], ones: int) -> bool:
    """Put the output of a gate into `values`, if its inputs are there and it is a gate."""
    nets = {pin: bits[0] for pin, bits in cell["connections"].items()}
    output = "Q" if "Q" in nets else "Y"
    gate = (lambda p, ones: p["D"]) if "DFF" in cell["type"] else _GATES.get(cell["type"])
    needed = {"D"} if "DFF" in cell["type"] else nets.keys() - {output}
    if gate is None or not all(nets[pin] in values for pin in needed):
        return False
    values[nets[output]] = gate({pin: values[nets[pin]] for pin in needed}, ones)
    return True
