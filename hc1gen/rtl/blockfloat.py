"""Block floating point: a vector becomes mantissas with one common power-of-two exponent, as bit-planes.

A vector passes twice. The first pass finds the exponent, and the second pass is cut to mantissas. So the vector needs
no memory here: only its mantissas are kept, until their planes have left.
"""

from collections.abc import Sequence
from functools import reduce
from operator import or_

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .. import network
from .cmvm import plane_layout
from .timing import Step, Walk, clocks
from .types import bit_length, counter, lanes, named, round_shift
from .wiring import Wiring, wire


class Cut(wiring.Component):
    """Finds the exponent of a vector in its first pass and cuts the vector to mantissas in its second pass.

    The magnitudes are combined by OR: the leading one of the result is that of the largest magnitude.

    Parameters
        in_bits: signed width of an element.
        count: lanes, elements of a beat.
        beats: beats of a vector.
        bits: signed width of a mantissa.
        lift: zeros that are appended to each element first.
        weighted: whether some elements count with twice their magnitude when the exponent is found.
    Ports
        x (in, stream of `count` elements of `in_bits` bits): a vector, then the same vector again.
        y (out, stream of `count` elements of `bits` bits): the mantissas, during the second pass.
        shift (out, unsigned, 0..largest_shift): the exponent. It stands from the second pass until the first pass of
            the next vector has ended.
        enable (in, 1 bit): while it is 0, nothing is taken.
        beat (out, unsigned, 0..beats - 1; only if `weighted`): number of the beat that is on x.
        heavy (in, `count` bits; only if `weighted`): 1 for each element of that beat that counts with twice its
            magnitude. It must answer `beat` in the same clock.
        Reset discards the vector inside.
    Timing
        gap, latency, pace.
    Golden counterpart
        `hc1gen.golden.blockfloat.block_float`.
    """

    gap = 2
    """Clocks from the last beat of a vector's first pass until a beat of its second pass is taken."""
    latency = 0
    """Clocks from a beat of the second pass to its mantissas."""
    pace = 1
    """Clocks from one beat to the next, within a pass."""

    def __init__(self, in_bits: int, count: int, beats: int, bits: int, lift: int = 0, weighted: bool = False):
        self.count, self.beats, self.bits, self.lift, self.weighted = count, beats, bits, lift, weighted
        self.largest_shift = max(0, in_bits + lift + weighted - bits)
        super().__init__(
            {
                **({"beat": Out(range(max(beats, 2))), "heavy": In(count)} if weighted else {}),
                "x": In(stream.Signature(lanes(count, in_bits))),
                "y": Out(stream.Signature(lanes(count, bits))),
                "shift": Out(range(max(self.largest_shift, 1) + 1)),
                "enable": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        taken, again, known = Signal(), Signal(), Signal()
        beat, last = counter(m, self.beats, taken, "beat_index")
        if self.weighted:
            m.d.comb += self.beat.eq(beat)
        m.d.comb += [
            self.x.ready.eq(self.enable & Mux(again, known & self.y.ready, 1)),
            self.y.valid.eq(self.enable & self.x.valid & known),
            taken.eq(self.x.valid & self.x.ready),
        ]
        with m.If(taken & last):
            m.d.sync += again.eq(~again)
        m.d.sync += known.eq(again & ~(taken & last))
        lifted = [named(m, Cat(Const(0, self.lift), x).as_signed(), f"x{i}") for i, x in enumerate(self.x.payload)]
        if self.largest_shift:
            self._find_shift(m, lifted, taken, taken & last, again)
        for i, x in enumerate(lifted):
            rounded = named(m, round_shift(x, self.shift)[: self.bits + 1].as_signed(), f"rounded{i}")
            m.d.comb += self.y.payload[i].eq(symmetric(rounded, self.bits))
        return m

    def _find_shift(self, m: Module, lifted: list[Signal], taken: Signal, ends: Value, again: Signal) -> None:
        """The exponent: the place of the leading one in the OR of all magnitudes, above the bits of a mantissa."""
        seen = Signal(self.largest_shift)
        with m.If(taken & ~again):
            m.d.sync += seen.eq(seen | reduce(or_, (self._above(i, x) for i, x in enumerate(lifted))))
        with m.If(ends & again):
            m.d.sync += seen.eq(0)
        found = Signal()
        m.d.sync += found.eq(ends & ~again)
        with m.If(found):
            m.d.sync += self.shift.eq(bit_length(seen))

    def _above(self, lane: int, x: Signal) -> Value:
        """The bits of a magnitude, without its sign, that are above those of a mantissa."""
        low, sign = self.bits - 1, x[-1].replicate(self.largest_shift)
        above = x.shift_right(low)[: self.largest_shift] ^ sign
        if not self.weighted:
            return above
        return Mux(self.heavy[lane], x.shift_right(low - 1)[: self.largest_shift] ^ sign, above)


class Planes(wiring.Component):
    """Collects the mantissas of a vector and gives them as bit-planes, the least significant plane first.

    Parameters
        count: lanes, elements of a beat.
        beats: beats of a vector.
        bits: width of a mantissa, and so the number of planes.
        passes: for each user, how often all planes leave, at least 1. Its length is the number of users.
    Ports
        user (in, unsigned; only with several users): selects one of `passes`. It must stand while planes leave.
        x (in, stream of `count` elements of `bits` bits): the mantissas.
        y (out, stream of `count * beats` bits): one bit of every mantissa, the first element in the low bit.
        busy (out, 1 bit): 1 from the first plane of a vector until its last plane has left. No beat is taken then.
        Reset discards the vector inside.
    Timing
        latency, pace, recovery.
    """

    latency = 1
    """Clocks from a vector's last beat to its first plane."""
    pace = 1
    """Clocks from one plane to the next."""
    recovery = 1
    """Clocks from a vector's last plane until a beat of the next vector is taken."""

    def __init__(self, count: int, beats: int, bits: int, passes: Sequence[int] = (1,)):
        self.count, self.beats, self.bits, self.passes = count, beats, bits, passes
        super().__init__(
            {
                **({"user": In(range(len(passes)))} if len(passes) > 1 else {}),
                "x": In(stream.Signature(lanes(count, bits))),
                "y": Out(stream.Signature(count * beats)),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        planes = [Signal(self.count * self.beats, name=f"plane{b}", reset_less=True) for b in range(self.bits)]
        taken, given = Signal(), Signal()
        _, full = counter(m, self.beats, taken, "beat_index")
        turn = Signal(self.bits, init=1)  # one-hot: the plane that is on the output
        user = self.user if len(self.passes) > 1 else Const(0, 1)
        done = Signal(range(max(2, *self.passes)))  # passes that have left
        last_pass = done == Array(passes - 1 for passes in self.passes)[user]
        m.d.comb += [
            self.busy.eq(self.y.valid),
            self.x.ready.eq(~self.y.valid),
            taken.eq(self.x.valid & self.x.ready),
            given.eq(self.y.valid & self.y.ready),
            self.y.payload.eq(reduce(or_, (plane & turn[b].replicate(len(plane)) for b, plane in enumerate(planes)))),
        ]
        with m.If(taken):
            m.d.sync += self.y.valid.eq(full)
            for b, plane in enumerate(planes):
                m.d.sync += plane.eq(Cat(plane[self.count :], *(x[b] for x in self.x.payload)))
        with m.If(given):
            m.d.sync += [self.y.valid.eq(~(turn[-1] & last_pass)), turn.eq(turn.rotate_left(1))]
            with m.If(turn[-1]):
                m.d.sync += done.eq(Mux(last_pass, 0, done + 1))
        return m


class BlockFloat(wiring.Component):
    """Block floating point of a vector that passes twice: bit-planes of its mantissas, and their exponent.

    Parameters
        in_bits: signed width of an element.
        count: lanes, elements of a beat.
        beats: beats of a vector.
        act_bits: signed width of a mantissa, and so the number of planes.
    Ports
        x (in, stream of `count` elements of `in_bits` bits): a vector, then the same vector again.
        y (out, stream of `plane_layout(count * beats)`): `act_bits` planes, least significant first; the exponent
            stands with all of them.
        Reset discards the vector inside.
    Timing
        latency, plane_latency, pace, recovery.
    Golden counterpart
        `hc1gen.golden.blockfloat.block_float`.
    """

    plane_latency = Cut.latency + Planes.latency
    """Clocks from the last beat of a vector's second pass to its first plane."""
    pace = Planes.pace
    """Clocks from one plane to the next."""
    recovery = Planes.recovery
    """Clocks from a vector's last plane until a beat of the next vector is taken."""

    def __init__(self, in_bits: int, count: int, beats: int, act_bits: int):
        self.cut = Cut(in_bits, count, beats, act_bits)
        self.planes = Planes(count, beats, act_bits)
        super().__init__(
            {
                "x": In(stream.Signature(lanes(count, in_bits))),
                "y": Out(stream.Signature(plane_layout(count * beats))),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from the last beat of a vector's first pass to its first plane, if the second pass is not late."""
        return self.cut.gap + (self.cut.beats - 1) * self.cut.pace + self.plane_latency

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.cut, m.submodules.planes = cut, planes = self.cut, self.planes
        wiring.connect(m, wiring.flipped(self.x), cut.x)
        wiring.connect(m, cut.y, planes.x)
        m.d.comb += [
            self.y.payload.plane.eq(planes.y.payload),
            self.y.valid.eq(planes.y.valid),
            planes.y.ready.eq(self.y.ready),
            cut.enable.eq(~planes.busy),
            self.y.payload.exponent.eq(cut.shift),
        ]
        return m


def symmetric(x: Value, bits: int) -> Value:
    """Signed `x` clipped to the symmetric range of `bits` bits, `-(2**(bits - 1) - 1)` to `2**(bits - 1) - 1`.

    `x` should be a signal, because it is used several times (see `types.named`).
    """
    limit = (1 << (bits - 1)) - 1
    return Mux(x > limit, limit, Mux(x < -limit, -limit, x))[:bits].as_signed()


@wire.register
def _(node: network.BlockFloat, stage: Wiring) -> None:
    """One block for each kind of vector that enters a matrix without a norm in front of it."""
    beats = len(node.order) // node.lanes
    block = stage.place(
        node.name, f"quantize_{node.kind}", node, lambda: BlockFloat(node.in_bits, node.lanes, beats, node.act_bits)
    )
    stage.take(block)


@clocks.register
def _(node: network.BlockFloat, walk: Walk) -> list[Step]:
    """From the last beat of the vector's first pass to the first bit-plane.

    If the vector is computed twice instead of being kept, its second pass may begin after the block is ready for it.
    """
    block, latency = walk.blocks[f"quantize_{node.kind}"], 0
    if walk.linear is not None and walk.linear.replays > 1:
        latency = walk.blocks[f"cmvm_{walk.linear.name}"].again + block.plane_latency
    return [Step(node.name, max(block.latency, latency), f"{node.name}_y", 0)]
