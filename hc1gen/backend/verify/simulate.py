"""Simulates a circuit with many input patterns at once. The value of a net is an integer; bit k is for pattern k."""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from .circuit import FALSE, TRUE, UNDEFINED, Cell, Circuit, Net, Unreadable

Word = list[int]
"""The values of several nets, least significant net first."""


def flatten(circuit: Circuit, modules: Mapping[str, Circuit]) -> Circuit:
    """Returns `circuit` with the instances of `modules` replaced by their cells. `modules` contain no instances."""
    fresh = 1 + max((net for cell in circuit.cells for bits in _pins(cell).values() for net in bits), default=TRUE)
    cells: list[Cell] = []
    for cell in circuit.cells:
        module = modules.get(cell.type)
        if module is None:
            cells.append(cell)
            continue
        names = {FALSE: FALSE, TRUE: TRUE, UNDEFINED: UNDEFINED}
        for port, bits in _pins(cell).items():
            inner = module.inputs.get(port) or module.outputs.get(port, ())
            names |= dict(zip(inner, bits, strict=True))
        for part in module.cells:
            for bits in _pins(part).values():
                for net in bits:
                    if net not in names:
                        names[net], fresh = fresh, fresh + 1
            cells.append(replace(part, inputs=_renamed(part.inputs, names), outputs=_renamed(part.outputs, names)))
        cells += _feedthroughs(module, cell)
    return replace(circuit, cells=tuple(cells))


def _pins(cell: Cell) -> dict[str, tuple[Net, ...]]:
    return {**cell.inputs, **cell.outputs}


def _renamed(pins: Mapping[str, tuple[Net, ...]], names: Mapping[Net, Net]) -> dict[str, tuple[Net, ...]]:
    return {port: tuple(names[net] for net in bits) for port, bits in pins.items()}


def _feedthroughs(module: Circuit, cell: Cell) -> Iterable[Cell]:
    """Yields a buffer for each output of the module that is connected directly to an input or a constant."""
    pins = _pins(cell)
    sources = {FALSE: FALSE, TRUE: TRUE}
    for port, bits in module.inputs.items():
        sources |= dict(zip(bits, pins.get(port, ()), strict=False))
    for port, bits in module.outputs.items():
        for net, outside in zip(bits, pins.get(port, ()), strict=False):
            if net in sources:
                yield Cell("$_BUF_", {}, {"A": (sources[net],)}, {"Y": (outside,)})


@dataclass(frozen=True)
class Register:
    """A register of one bit: q takes d on the rising edge of its clock, while `enable` has the value `enabled`.

    If not `rising`, it takes d on the falling edge.
    """

    q: Net
    d: Net
    clock: Net
    rising: bool = True
    enable: Net = TRUE
    enabled: bool = True
    forced: tuple[tuple[Net, bool, bool], ...] = ()
    """Asynchronous sets and resets: (net, its active value, the value of q then). The last active one wins."""


class Simulator:
    """Simulates `count` copies of a circuit, one for each pattern, with one clock `clk`. Registers start at 0."""

    def __init__(self, circuit: Circuit, count: int):
        self.circuit, self.count = circuit, count
        _check_known(circuit)
        self._ones = (1 << count) - 1
        self._registers = [register for cell in circuit.cells for register in registers(cell)]
        self._latches = {cell.outputs["Q"][0] for cell in circuit.cells if cell.type in LATCHES}
        followed = [net for r in self._registers for net in (r.d, r.enable, *(n for n, *_ in r.forced))]
        self._order = _sorted(circuit, [*followed, *(net for bits in circuit.outputs.values() for net in bits)])
        self._clocking = _sorted(circuit, [r.clock for r in self._registers])
        self._values: dict[Net, int] = {FALSE: 0, TRUE: self._ones} | {r.q: 0 for r in self._registers}
        self._values |= dict.fromkeys(self._latches, 0)

    def scramble(self, rng: random.Random) -> None:
        """Puts random values into all registers and latches."""
        for net in (*(r.q for r in self._registers), *self._latches):
            self._values[net] = rng.getrandbits(self.count)

    def spread(self, count: int) -> None:
        """Makes `count` copies of all patterns: the block of all present patterns is repeated `count` times."""
        factor = sum(1 << (i * self.count) for i in range(count))
        self._values = {net: value * factor for net, value in self._values.items()}
        self.count *= count
        self._ones = (1 << self.count) - 1

    def set(self, port: str, values: Sequence[int]) -> None:
        """Sets an input port: one value, which covers all patterns, for each bit of the port."""
        self._values |= dict(zip(self.circuit.inputs[port], values, strict=True))

    def set_all(self, port: str, number: int) -> None:
        """Sets an input port to the same number in every pattern."""
        self.set(port, [self._ones * (number >> i & 1) for i in range(len(self.circuit.inputs[port]))])

    def settle(self) -> None:
        """Evaluates the logic from the inputs and registers while the clock is low."""
        if "clk" in self.circuit.inputs:
            self.set_all("clk", 0)
        self._evaluate(self._order)

    def tick(self) -> None:
        """Simulates a clock cycle: the falling edge, and then the rising edge."""
        self.settle()
        self._evaluate(self._clocking)
        values, before = self._values, dict(self._values)
        self.set_all("clk", 1)
        self._evaluate(self._clocking)
        for r in self._registers:
            low, high = before.get(r.clock, 0), values.get(r.clock, 0)
            edge = (high & ~low if r.rising else low & ~high) & _when(before[r.enable], r.enabled)
            q = (before[r.d] & edge) | (before[r.q] & ~edge)
            for net, active, value in r.forced:
                now = _when(before[net], active)
                q = q | now if value else q & ~now
            values[r.q] = q & self._ones

    def output(self, port: str) -> Word:
        """Returns the values on an output port, least significant bit first."""
        return [self._values[net] for net in self.circuit.outputs[port]]

    def _evaluate(self, cells: Sequence[Cell]) -> None:
        values, ones = self._values, self._ones
        for cell in cells:
            function = GATES.get(cell.type)
            if function is not None:
                a, b, s = (values[cell.inputs[pin][0]] if pin in cell.inputs else 0 for pin in "ABS")
                values[cell.outputs["Y"][0]] = function(a, b, s, ones) & ones
            elif cell.type in LATCHES:
                gate, q = values[cell.inputs["E"][0]], cell.outputs["Q"][0]
                gate = _when(gate, LATCHES[cell.type])
                values[q] = ((values[cell.inputs["D"][0]] & gate) | (values[q] & ~gate)) & ones
            else:
                words = {port: [values[net] for net in bits] for port, bits in cell.inputs.items()}
                width = len(cell.outputs["Y"])
                found = WORDS[cell.type](words, width, ones)
                values |= dict(zip(cell.outputs["Y"], found + [0] * (width - len(found)), strict=True))


def _when(value: int, active: bool) -> int:
    """Returns in which patterns a net has its active value. Bits above the patterns may be set."""
    return value if active else ~value


def registers(cell: Cell) -> list[Register]:
    """Returns the registers in a cell, one for each bit; none if the cell is no register."""
    kind, _, code = cell.type.removeprefix("$_").removesuffix("_").partition("_")
    if cell.type == "$dff":
        rising = bool(cell.number("CLK_POLARITY"))
        pairs = zip(cell.outputs["Q"], cell.inputs["D"], strict=True)
        return [Register(q, d, cell.inputs["CLK"][0], rising) for q, d in pairs]
    if not cell.type.startswith("$_") or kind not in ("DFF", "DFFE", "DFFSR"):
        return []
    pin = {port: bits[0] for port, bits in _pins(cell).items()}
    basic = Register(pin["Q"], pin["D"], pin["C"], code[0] == "P")
    if kind == "DFFE":
        return [replace(basic, enable=pin["E"], enabled=code[1] == "P")]
    if kind == "DFFSR":
        return [replace(basic, forced=((pin["S"], code[1] == "P", True), (pin["R"], code[2] == "P", False)))]
    forced = ((pin["R"], code[1] == "P", code[2] == "1"),) if len(code) == 3 else ()
    return [replace(basic, forced=forced)]


def _check_known(circuit: Circuit) -> None:
    """Raises `Unreadable`, which names all cell types that cannot be simulated, because their function is not known."""
    types = {cell.type: cell for cell in circuit.cells}
    unknown = sorted(
        name for name, cell in types.items()
        if not (name in GATES or name in WORDS or name in LATCHES or registers(cell))
    )  # fmt: skip
    if unknown:
        told = f"nothing is known of a cell {', '.join(unknown)}; name its library with --liberty"
        raise Unreadable(f"{circuit.name}: {told}")


def _sorted(circuit: Circuit, wanted: Iterable[Net]) -> list[Cell]:
    """Returns the cells that the nets `wanted` depend on, each after the cells that it needs.

    Raises `Unreadable` for loops of logic and for bits without a driver.
    """
    done: set[Net] = {FALSE, TRUE}
    done.update(net for bits in circuit.inputs.values() for net in bits)
    done.update(r.q for cell in circuit.cells for r in registers(cell))
    order: list[Cell] = []
    stack = list(wanted)
    begun: set[Net] = set()
    while stack:
        net = stack[-1]
        if net in done:
            stack.pop()
            continue
        cell = circuit.drivers.get(net)
        if net == UNDEFINED or cell is None:
            raise Unreadable(f"{circuit.name}: a bit has no driver")
        missing = [n for bits in cell.inputs.values() for n in bits if n not in done]
        if not begun.isdisjoint(missing):
            raise Unreadable(f"{circuit.name}: a loop of logic")
        if missing:
            begun.add(net)
            stack += missing
        else:
            order.append(cell)
            done.update(*cell.outputs.values())
            begun.discard(net)
    return order


Gate = Callable[[int, int, int, int], int]
GATES: dict[str, Gate] = {
    "$_BUF_": lambda a, b, s, ones: a,
    "$_NOT_": lambda a, b, s, ones: a ^ ones,
    "$_AND_": lambda a, b, s, ones: a & b,
    "$_NAND_": lambda a, b, s, ones: ones ^ (a & b),
    "$_OR_": lambda a, b, s, ones: a | b,
    "$_NOR_": lambda a, b, s, ones: ones ^ (a | b),
    "$_XOR_": lambda a, b, s, ones: a ^ b,
    "$_XNOR_": lambda a, b, s, ones: ones ^ a ^ b,
    "$_ANDNOT_": lambda a, b, s, ones: a & ~b,
    "$_ORNOT_": lambda a, b, s, ones: a | (b ^ ones),
    "$_MUX_": lambda a, b, s, ones: (b & s) | (a & ~s),
    "$_NMUX_": lambda a, b, s, ones: ones ^ ((b & s) | (a & ~s)),
}
LATCHES = {"$_DLATCH_P_": True, "$_DLATCH_N_": False}
"""The type of a latch → the value of E at which Q follows D."""

Operation = Callable[[dict[str, Word], int, int], Word]


def _bitwise(gate: Gate) -> Operation:
    """Returns the operation that applies a gate to each bit of two unsigned operands, at the width of the result."""

    def apply(words: dict[str, Word], width: int, ones: int) -> Word:
        a, b = ((words.get(port, []) + [0] * width)[:width] for port in "AB")
        return [gate(x, y, 0, ones) & ones for x, y in zip(a, b, strict=True)]

    return apply


def _any(word: Iterable[int]) -> int:
    found = 0
    for value in word:
        found |= value
    return found


def _equal(words: dict[str, Word], width: int, ones: int) -> Word:
    size = max(len(words["A"]), len(words["B"]))
    return [ones & ~_any(_bitwise(GATES["$_XOR_"])(words, size, ones))]


def _pmux(words: dict[str, Word], width: int, ones: int) -> Word:
    """Returns A if no select bit is on, else the chosen part of B.

    A case statement never sets two select bits. If two were set, the result would be the OR of both parts.
    """
    default = ones & ~_any(words["S"])
    out = [a & default for a in words["A"]]
    for i, select in enumerate(words["S"]):
        for bit, value in enumerate(words["B"][i * width : (i + 1) * width]):
            out[bit] |= value & select
    return out


def _mux(words: dict[str, Word], width: int, ones: int) -> Word:
    (s,) = words["S"]
    return [(b & s) | (a & ~s) for a, b in zip(words["A"], words["B"], strict=True)]


def _add(words: dict[str, Word], width: int, ones: int) -> Word:
    """Returns the sum of two unsigned operands, at the width of the result."""
    carry, out = 0, []
    for a, b in zip(*((words[port] + [0] * width)[:width] for port in "AB"), strict=True):
        out.append(a ^ b ^ carry)
        carry = (a & b) | (carry & (a ^ b))
    return out


WORDS: dict[str, Operation] = {
    "$add": _add,
    "$buf": _bitwise(GATES["$_BUF_"]),
    "$not": _bitwise(GATES["$_NOT_"]),
    "$and": _bitwise(GATES["$_AND_"]),
    "$or": _bitwise(GATES["$_OR_"]),
    "$xor": _bitwise(GATES["$_XOR_"]),
    "$xnor": _bitwise(GATES["$_XNOR_"]),
    "$mux": _mux,
    "$pmux": _pmux,
    "$eq": _equal,
    "$logic_not": lambda words, width, ones: [ones & ~_any(words["A"])],
    "$logic_and": lambda words, width, ones: [_any(words["A"]) & _any(words["B"])],
    "$logic_or": lambda words, width, ones: [_any(words["A"]) | _any(words["B"])],
    "$reduce_or": lambda words, width, ones: [_any(words["A"])],
    "$reduce_bool": lambda words, width, ones: [_any(words["A"])],
    "$reduce_and": lambda words, width, ones: [ones & ~_any(ones ^ value for value in words["A"])],
}
