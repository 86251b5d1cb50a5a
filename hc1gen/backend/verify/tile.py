"""What a tile computes, proved: the weights, the scales, and that nothing else has a part in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .circuit import REGISTER, Circuit, Net, Unreadable
from .linear import View

PORTS = ("clk", "step", "first", "last", "x", "read", "beat", "acc", "mantissa", "shift")


@dataclass(frozen=True)
class Shape:
    """What is told of a tile, not read: rows that come out at a time, how many times, bits of an activation, and how
    many of a product's lowest bits are rounded away."""

    lanes: int
    beats: int
    act_bits: int
    drop_bits: int
    row_groups: int

    @property
    def group_beats(self) -> int:
        """Beats of a group; the last one may have fewer."""
        return -(-self.beats // self.row_groups)

    def chosen(self, beat: int | None = None, group: int = 0) -> dict[str, int]:
        """Numbers on the ports that choose rows: of a group, or of the group with a beat."""
        place = {} if beat is None else {"beat": beat % self.group_beats}
        return place | ({"group": group if beat is None else beat // self.group_beats} if self.row_groups > 1 else {})

    @property
    def half(self) -> int:
        """What is added to a product before its lowest bits are dropped."""
        return 1 << self.drop_bits >> 1

    def rounded(self, products: np.ndarray) -> np.ndarray:
        """Products without their lowest bits, rounded half up."""
        return (products + self.half) >> self.drop_bits


@dataclass(frozen=True)
class Reading:
    """What a tile holds for each place of each beat: weights [beats * lanes, columns], mantissa, shift [beats * lanes].

    faults: place → what is wrong with it beside its numbers; unread: places with faults that hide their numbers, for
    which zeros stand here.
    """

    weights: np.ndarray
    mantissa: np.ndarray
    shift: np.ndarray
    faults: dict[int, str]
    unread: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Row:
    """A register that begins with `start` and counts `weights @ plane + plain`, in the sign plane
    `inverted - weights @ plane`."""

    weights: np.ndarray
    start: int
    plain: int
    inverted: int


class TileProof:
    """Reads a tile whose arithmetic stands in adders: either view, from yosys, before mapping.

    Proved for each place, from any state, for the protocol of `act_bits` steps (`first` with the first of them, `last`
    with the last) and a read: acc = round_half_up(weights @ vector / 2**drop_bits), exactly, in two's complement;
    mantissa and shift are constants;
    without step a row keeps its value, without read the outputs do.
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
        """Everything, place by place."""
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
        """The row of a group that comes out at one place, and the constant that is added to it."""
        bits = self._lane("acc", lane)
        form = view.form(self._next(bits))
        modulus = 1 << len(bits)
        places = {coefficient % modulus: net for net, coefficient in form.coefficients.items() if coefficient % modulus}
        register = [places.pop(1 << i) for i in range(len(bits)) if 1 << i in places]
        if places or len(register) != len(set(register)):
            raise Unreadable("what is read out is not one register and a constant")
        whole = self._whole(register, group) if len(register) == len(bits) else register
        return self._row(tuple(whole), group), form.constant

    def _check_product(self, row: Row, constant: int, width: int) -> None:
        """What comes out of a row and a constant, modulo two to the width, is the rounded product.

        The register holds all but the lowest bits of `start + counts`; a whole number can be added behind them.
        """
        drop, bits = self.shape.drop_bits, width + self.shape.drop_bits
        step, modulus = 1 << (self.shape.act_bits - 1), 1 << bits
        surplus = (constant << drop) + row.start + (step - 1) * row.plain + step * row.inverted - self.shape.half
        if surplus % modulus:
            raise Unreadable(f"its constant is off by {_signed(surplus % modulus, bits)}")
        if step * int(np.abs(row.weights).sum()) >= modulus // 2:
            raise Unreadable(f"{width} bits do not hold its largest result")

    def _row(self, register: tuple[Net, ...], group: int) -> Row:
        """What a row's register counts in a group, least significant bit first; none: a place that is always 0."""
        if not register:
            return Row(np.zeros(len(self._column), np.int64), self.shape.half, 0, 0)
        if (group, register) not in self._rows:
            self._rows[group, register] = self._counted(register, self._views(group))
        return self._rows[group, register]

    def _whole(self, register: list[Net], group: int) -> list[Net]:
        """A register of which only the lower bits are read out, with the bits that are shifted into them."""
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
            raise Unreadable("the first plane counts otherwise than the next")
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
        """Weights and constant of what a step adds above the low bits of a register.

        kept: what it must keep of its old value: bit → weight. None: nothing, but below what is added.
        """
        form = view.form(self._next(register))
        modulus, step = 1 << len(register), self._step
        own = {net: form.coefficients.pop(net, 0) % modulus for net in register}
        if kept is None and sum(own.values()) >= step:
            raise Unreadable("the first plane does not begin anew")
        if kept is not None and any(own[net] != kept.get(net, 0) for net in register):
            raise Unreadable("a step does not halve what was counted before")
        counts = np.zeros(len(self._column), np.int64)
        for net, coefficient in form.coefficients.items():
            signed = _signed(coefficient % modulus, len(register))
            if signed and net not in self._column:
                raise Unreadable("it depends on something that is no input of it")
            if signed:
                counts[self._column[net]] = signed
        if (counts % step).any() or form.constant % step:
            raise Unreadable("a step adds to bits that were counted before")
        return counts // step, form.constant % modulus // step

    @property
    def _step(self) -> int:
        """What a count of one adds to a register: below it are the bits that fell out and are not dropped."""
        return 1 << (self.shape.act_bits - 1 - self.shape.drop_bits)

    def _check_range(self, highest: int, start: int, width: int) -> None:
        """No step carries out of the register: halving and adding at most `highest` stays below two to its width."""
        step = self._step
        value = (highest + start) * step + step - 1  # the first plane may leave anything below what it adds
        for _ in range(self.shape.act_bits):
            if value >= 1 << width:
                raise Unreadable(f"a register of {width} bits overflows")
            value = (value >> 1) + highest * step

    def _check_held(self, view: View, bits: Sequence[Net]) -> None:
        if view.literals(self._next(bits)) != [2 * net for net in bits]:
            raise Unreadable("a register does not hold its value")

    @cached_property
    def _held(self) -> View:
        """The circuit where no step is taken, in whatever group."""
        return self._view(step=0)

    def _views(self, group: int) -> Mapping[str, View]:
        """The circuit in the steps of a group."""
        if group not in self._cases:
            chosen = self.shape.chosen(group=group)
            self._cases[group] = {
                "first": self._view(step=1, first=1, last=0, **chosen),
                "middle": self._view(step=1, first=0, last=0, **chosen),
                "last": self._view(step=1, first=0, last=1, **chosen),
            }
        return self._cases[group]

    def _view(self, **ports: int) -> View:
        """The circuit with input ports at these numbers."""
        fixed = {
            net: number >> i & 1 for port, number in ports.items() for i, net in enumerate(self.circuit.inputs[port])
        }
        return View(self.circuit, fixed)

    def _lane(self, port: str, lane: int) -> tuple[Net, ...]:
        bits = self.circuit.outputs[port]
        width = len(bits) // self.shape.lanes
        return bits[lane * width : (lane + 1) * width]

    def _next(self, bits: Sequence[Net]) -> list[Net]:
        """What registers take at the next clock."""
        if not all(net in self._following for net in bits):
            raise Unreadable("an output is not a register")
        return [self._following[net] for net in bits]

    @cached_property
    def _following(self) -> dict[Net, Net]:
        clock = self.circuit.inputs["clk"]
        following: dict[Net, Net] = {}
        for cell in self.circuit.of_type(REGISTER):
            if cell.inputs["CLK"] != clock or not cell.number("CLK_POLARITY"):
                raise Unreadable(f"{self.circuit.name}: a register has another clock")
            following |= dict(zip(cell.outputs["Q"], cell.inputs["D"], strict=True))
        return following


def _signed(number: int, bits: int) -> int:
    """Two's complement."""
    return number - (number >> (bits - 1) << bits)
