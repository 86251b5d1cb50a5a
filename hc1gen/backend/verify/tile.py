"""Reads a tile and proves what it computes: its weights, its scales, and that nothing else affects the result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .circuit import REGISTER, Circuit, Net, Unreadable
from .linear import View

PORTS = ("clk", "step", "first", "last", "x", "read", "beat", "acc", "mantissa", "shift")


@dataclass(frozen=True)
class Shape:
    """The known properties of a tile, which are not read from the Verilog.

    lanes: rows that are read out per beat. beats: beats of all rows. act_bits: width of an activation. drop_bits: low
    bits of a product that are rounded away. row_groups: groups of rows, which share registers.
    """

    lanes: int
    beats: int
    act_bits: int
    drop_bits: int
    row_groups: int

    @property
    def group_beats(self) -> int:
        """Beats of a row group. The last group may have fewer."""
        return -(-self.beats // self.row_groups)

    def chosen(self, beat: int | None = None, group: int = 0) -> dict[str, int]:
        """Returns port → number for the ports that choose rows: those of `group`, or with `beat` those of its group."""
        place = {} if beat is None else {"beat": beat % self.group_beats}
        return place | ({"group": group if beat is None else beat // self.group_beats} if self.row_groups > 1 else {})

    @property
    def half(self) -> int:
        """The number that is added to a product before its lowest bits are dropped, to round it."""
        return 1 << self.drop_bits >> 1

    def rounded(self, products: np.ndarray) -> np.ndarray:
        """Returns products without their lowest `drop_bits` bits, rounded half up."""
        return (products + self.half) >> self.drop_bits


@dataclass(frozen=True)
class Reading:
    """The numbers that were read from a tile. A place is one lane of one beat.

    weights: [places, columns]; mantissa, shift: [places]. faults: place → what is wrong with its circuit, in words.
    unread: the places with a fault because of which their numbers cannot be read; their numbers are 0 here.
    """

    weights: np.ndarray
    mantissa: np.ndarray
    shift: np.ndarray
    faults: dict[int, str]
    unread: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Row:
    """What the register of a row computes. It starts with `start`.

    For each bit-plane it adds `weights @ plane + plain`, and for the sign plane `inverted - weights @ plane`.
    """

    weights: np.ndarray
    start: int
    plain: int
    inverted: int


class TileProof:
    """Reads a tile in which adders can be recognised: the behavioural or the structural view, before mapping.

    The protocol is `act_bits` steps, `first` with the first of them and `last` with the last, and then a read. For each
    place the following is proved, whatever the registers held before:
    - acc = round_half_up(weights @ vector / 2**drop_bits), exactly, in two's complement.
    - mantissa and shift are constants.
    - Without `step` the register of a row keeps its value, and without `read` the outputs keep theirs.
    """

    def __init__(self, circuit: Circuit, shape: Shape):
        missing = [port for port in PORTS if port not in {**circuit.inputs, **circuit.outputs}]
        if missing:
            raise Unreadable(f"{circuit.name}: no port {', '.join(missing)}")
        self.circuit, self.shape = circuit, shape
        self._column = {net: i for i, net in enumerate(circuit.inputs["x"])}
        self._rows: dict[tuple[int, tuple[Net, ...]], Row] = {}
        self._cases: dict[int, dict[str, View]] = {}

    def read(self) -> Reading:
        """Reads all places. Faults do not stop it: they are in the result."""
        places = self.shape.beats * self.shape.lanes
        weights = np.zeros((places, len(self._column)), np.int64)
        mantissa, shift, faults = np.zeros(places, np.int64), np.zeros(places, np.int64), {}
        unread = set(range(places))
        held = self._view(read=0)
        for beat in range(self.shape.beats):
            view = self._view(read=1, **self.shape.chosen(beat))
            group = beat // self.shape.group_beats
            for lane in range(self.shape.lanes):
                place = beat * self.shape.lanes + lane
                try:
                    if not beat:
                        self._check_held(held, [n for port in PORTS[-3:] for n in self._lane(port, lane)])
                    mantissa[place] = view.constant(self._next(self._lane("mantissa", lane)))
                    shift[place] = _signed(view.constant(bits := self._next(self._lane("shift", lane))), len(bits))
                    row, constant = self._read_out(view, lane, group)
                    weights[place] = row.weights
                    unread.remove(place)
                    self._check_product(row, constant, len(self._lane("acc", lane)))
                except Unreadable as fault:
                    faults[place] = str(fault)
        return Reading(weights, mantissa, shift, faults, frozenset(unread))

    def _read_out(self, view: View, lane: int, group: int) -> tuple[Row, int]:
        """Returns the row of a group that is read out at one lane, and the constant that is added to it."""
        bits = self._lane("acc", lane)
        form = view.form(self._next(bits))
        modulus = 1 << len(bits)
        places = {coefficient % modulus: net for net, coefficient in form.coefficients.items() if coefficient % modulus}
        register = [places.pop(1 << i) for i in range(len(bits)) if 1 << i in places]
        if places or len(register) != len(set(register)):
            raise Unreadable("the output is not one register plus a constant")
        whole = self._whole(register, group) if len(register) == len(bits) else register
        return self._row(tuple(whole), group), form.constant

    def _check_product(self, row: Row, constant: int, width: int) -> None:
        """Checks that a row plus a constant is the rounded product, modulo two to the width.

        The register holds `start` plus all counts, without the lowest bits. The constant is added to the others.
        Raises `Unreadable` if the constant is wrong or the width does not hold every product.
        """
        drop, bits = self.shape.drop_bits, width + self.shape.drop_bits
        step, modulus = 1 << (self.shape.act_bits - 1), 1 << bits
        surplus = (constant << drop) + row.start + (step - 1) * row.plain + step * row.inverted - self.shape.half
        if surplus % modulus:
            raise Unreadable(f"its constant is off by {_signed(surplus % modulus, bits)}")
        if step * int(np.abs(row.weights).sum()) >= modulus // 2:
            raise Unreadable(f"{width} bits do not hold its largest result")

    def _row(self, register: tuple[Net, ...], group: int) -> Row:
        """Returns what a row's register computes in a group. register: its nets, least significant bit first.

        An empty register belongs to a place that is always 0.
        """
        if not register:
            return Row(np.zeros(len(self._column), np.int64), self.shape.half, 0, 0)
        if (group, register) not in self._rows:
            self._rows[group, register] = self._counted(register, self._views(group))
        return self._rows[group, register]

    def _whole(self, register: list[Net], group: int) -> list[Net]:
        """Returns all bits of a register of which `register` are the lower ones, which are read out.

        The upper bits are found from the lower ones, because they are shifted into them.
        """
        while True:
            coefficients = self._views(group)["middle"].form(self._next(register)).coefficients
            upper = [
                net for net, coefficient in coefficients.items()
                if net in self._following and net not in register
                and coefficient % (1 << len(register)) == 1 << (len(register) - 1)
            ]  # fmt: skip
            if len(upper) != 1:
                return register
            register = [*register, *upper]

    def _counted(self, register: tuple[Net, ...], views: Mapping[str, View]) -> Row:
        self._check_held(self._held, register)
        half = {net: 1 << i for i, net in enumerate(register[1:])}
        weights, plain = self._count(views["middle"], register, half)
        begun, at_first = self._count(views["first"], register, None)
        inverted_weights, inverted = self._count(views["last"], register, half)
        start = at_first - plain
        if (begun != weights).any() or start < 0:
            raise Unreadable("the first bit-plane is not counted like the others")
        if (inverted_weights != -weights).any():
            raise Unreadable("the sign plane is not counted inverted")
        highest = [plain + weights[weights > 0].sum(), inverted - weights[weights < 0].sum()]
        if min(plain + weights[weights < 0].sum(), inverted - weights[weights > 0].sum()) < 0:
            raise Unreadable("a count may be negative")
        self._check_range(int(max(highest)), start, len(register))
        return Row(weights, start, plain, inverted)

    def _count(
        self, view: View, register: tuple[Net, ...], kept: Mapping[Net, int] | None
    ) -> tuple[np.ndarray, int]:  # fmt: skip
        """Returns the weights and the constant that a step adds to a register, above its low bits.

        kept: register bit → the weight with which the step must keep it. None: the step must not keep the old value;
        only bits below those that it adds to may remain.
        """
        form = view.form(self._next(register))
        modulus, step = 1 << len(register), self._step
        own = {net: form.coefficients.pop(net, 0) % modulus for net in register}
        if kept is None and sum(own.values()) >= step:
            raise Unreadable("the first bit-plane does not clear the register")
        if kept is not None and any(own[net] != kept.get(net, 0) for net in register):
            raise Unreadable("a step does not halve what was counted before")
        counts = np.zeros(len(self._column), np.int64)
        for net, coefficient in form.coefficients.items():
            signed = _signed(coefficient % modulus, len(register))
            if signed and net not in self._column:
                raise Unreadable("it depends on a net that is neither its input nor its register")
            if signed:
                counts[self._column[net]] = signed
        if (counts % step).any() or form.constant % step:
            raise Unreadable("a step adds to bits that were counted before")
        return counts // step, form.constant % modulus // step

    @property
    def _step(self) -> int:
        """What a count of one adds to a register. The bits below it have been shifted down and are not dropped yet."""
        return 1 << (self.shape.act_bits - 1 - self.shape.drop_bits)

    def _check_range(self, highest: int, start: int, width: int) -> None:
        """Checks that no step overflows a register of `width` bits. Raises `Unreadable` if one can.

        Each step halves the register and adds at most `highest`.
        """
        step = self._step
        value = (highest + start) * step + step - 1  # the bits below `step` may hold anything after the first plane
        for _ in range(self.shape.act_bits):
            if value >= 1 << width:
                raise Unreadable(f"a register of {width} bits overflows")
            value = (value >> 1) + highest * step

    def _check_held(self, view: View, bits: Sequence[Net]) -> None:
        if view.literals(self._next(bits)) != [2 * net for net in bits]:
            raise Unreadable("a register does not hold its value")

    @cached_property
    def _held(self) -> View:
        """The circuit in a clock without a step, for any group."""
        return self._view(step=0)

    def _views(self, group: int) -> Mapping[str, View]:
        """Returns the circuit in the steps of a group: its first step, its middle steps and its last step."""
        if group not in self._cases:
            chosen = self.shape.chosen(group=group)
            self._cases[group] = {
                "first": self._view(step=1, first=1, last=0, **chosen),
                "middle": self._view(step=1, first=0, last=0, **chosen),
                "last": self._view(step=1, first=0, last=1, **chosen),
            }
        return self._cases[group]

    def _view(self, **ports: int) -> View:
        """Returns the circuit with input ports fixed to these numbers."""
        fixed = {
            net: number >> i & 1 for port, number in ports.items() for i, net in enumerate(self.circuit.inputs[port])
        }
        return View(self.circuit, fixed)

    def _lane(self, port: str, lane: int) -> tuple[Net, ...]:
        bits = self.circuit.outputs[port]
        width = len(bits) // self.shape.lanes
        return bits[lane * width : (lane + 1) * width]

    def _next(self, bits: Sequence[Net]) -> list[Net]:
        """Returns the nets that registers take at the next clock. Raises `Unreadable` if a bit is no register."""
        if not all(net in self._following for net in bits):
            raise Unreadable("an output is not a register")
        return [self._following[net] for net in bits]

    @cached_property
    def _following(self) -> dict[Net, Net]:
        clock = self.circuit.inputs["clk"]
        following: dict[Net, Net] = {}
        for cell in self.circuit.of_type(REGISTER):
            if cell.inputs["CLK"] != clock or not cell.number("CLK_POLARITY"):
                raise Unreadable(f"{self.circuit.name}: the clock of a register is not the rising edge of clk")
            following |= dict(zip(cell.outputs["Q"], cell.inputs["D"], strict=True))
        return following


def _signed(number: int, bits: int) -> int:
    """Returns an unsigned number of `bits` bits read as two's complement."""
    return number - (number >> (bits - 1) << bits)
