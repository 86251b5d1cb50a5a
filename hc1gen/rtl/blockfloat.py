"""Block floating point: a vector becomes mantissas under one power-of-two exponent, put out as bit-planes.

Nothing waits here but mantissas: a vector comes twice, first for its exponent, then to be cut to it.
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
    """`golden.blockfloat.block_float` of vectors of `beats` beats, each element with `lift` zeros appended.

    x: a vector, then the same vector again. y: mantissas of `bits` bits. shift: the exponent, from then until
    the next vector has come for the first time. enable: where it is low nothing is taken. With `weighted`, beat: the
    number of the beat on x; heavy: which of its elements count twice, answered in the same clock.
    """

    gap = 2
    """Clocks from the last beat of a vector's first coming until a beat of its second is taken."""
    latency = 0
    """Clocks from a beat of the second coming to its mantissas."""
    pace = 1
    """Clocks from one beat to the next, within a coming."""

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
        """The leading one of the disjunction of all magnitudes is that of the largest."""
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
        """What a magnitude has above the mantissa's bits, sign apart."""
        low, sign = self.bits - 1, x[-1].replicate(self.largest_shift)
        above = x.shift_right(low)[: self.largest_shift] ^ sign
        if not self.weighted:
            return above
        return Mux(self.heavy[lane], x.shift_right(low - 1)[: self.largest_shift] ^ sign, above)


class Planes(wiring.Component):
    """Mantissas in beats → bit-planes, least significant first.

    All of them so often as `passes` says for `user`, which stands. `busy` from the first plane until the last one has
    left.
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
        turn = Signal(self.bits, init=1)  # one bit walks: the plane that is on the output
        user = self.user if len(self.passes) > 1 else Const(0, 1)
        done = Signal(range(max(2, *self.passes)))  # passes
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
    """`golden.blockfloat.block_float` of a vector of `beats` beats that comes twice, as bit-planes.

    Planes leave least significant first.
    """

    plane_latency = Cut.latency + Planes.latency
    """Clocks from the last beat of a vector's second coming to its first plane."""
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
        """Clocks from the last beat of a vector's first coming to its first plane, where its second coming waits."""
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
    """Signed `x` (a signal: see `named`) clipped to the symmetric range of `bits` bits."""
    limit = (1 << (bits - 1)) - 1
    return Mux(x > limit, limit, Mux(x < -limit, -limit, x))[:bits].as_signed()


@wire.register
def _(node: network.BlockFloat, stage: Wiring) -> None:
    """A quantiser of its own for every vector that has no norm in front."""
    beats = len(node.order) // node.lanes
    block = stage.place(
        node.name, f"quantize_{node.kind}", node, lambda: BlockFloat(node.in_bits, node.lanes, beats, node.act_bits)
    )
    stage.take(block)


@clocks.register
def _(node: network.BlockFloat, walk: Walk) -> list[Step]:
    """From the last beat of the vector's first pass to the first bit-plane. Where the vector is computed twice rather
    than kept, the second pass may be what the quantiser waits for."""
    block, latency = walk.blocks[f"quantize_{node.kind}"], 0
    if walk.linear is not None and walk.linear.replays > 1:
        latency = walk.blocks[f"cmvm_{walk.linear.name}"].again + block.plane_latency
    return [Step(node.name, max(block.latency, latency), f"{node.name}_y", 0)]
