"""The skip connection round a sublayer."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .plan import Plan
from .twice import Twice
from .types import counter, lanes, saturate, tag, tagged


class Residual(wiring.Component):
    """Adds what a sublayer makes of a token to the token: `y = saturate(x + back)`. Holds one token at a time.

    x: tagged beats. inner: the same beats on their way into the sublayer, in the clock in which `x` is taken, then all
    of them again. back: the sublayer's result, `plan.n.residual_bits` per lane. y: the sum, with x's tag, 1
    clock after `back`. 1 beat per clock on all of them; the next token's first beat is taken at the earliest 1 clock
    after this one's last `y` has left. tag: of the token inside, from the clock after its first beat is taken until
    the next token's first beat is taken.
    """

    def __init__(self, plan: Plan):
        self.plan = plan
        beat = lanes(plan.lanes, plan.n.residual_bits)
        whole = tagged(plan.position_bits, plan.lanes, plan.n.residual_bits)
        super().__init__(
            {
                "x": In(stream.Signature(whole)),
                "inner": Out(stream.Signature(beat)),
                "tag": Out(tag(plan.position_bits)),
                "back": In(stream.Signature(beat)),
                "y": Out(stream.Signature(whole)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bits, beats = self.plan.n.residual_bits, len(self.plan.residual) // self.plan.lanes
        m.submodules.twice = twice = Twice(self.plan.lanes, bits, beats)
        sums = Signal(lanes(self.plan.lanes, bits), reset_less=True)
        taken, given = Signal(), Signal()
        wiring.connect(m, twice.y, wiring.flipped(self.inner))
        m.d.comb += [
            twice.x.payload.eq(self.x.p.lanes),
            twice.turn.eq(given),
            self.y.p.lanes.eq(sums),
            self.y.p.tag.eq(self.tag),
            taken.eq(self.x.valid & self.x.ready),
            given.eq(self.back.valid & self.back.ready),
        ]
        with m.If(self.y.ready):
            m.d.sync += self.y.valid.eq(0)
        with m.If(taken):
            m.d.sync += self.tag.eq(self.x.p.tag)
        with m.If(given):
            m.d.sync += self.y.valid.eq(1)
            for i in range(self.plan.lanes):
                m.d.sync += sums[i].eq(saturate(twice.head[i] + self.back.payload[i], bits))
        self._control(m, twice, given, beats)
        return m

    def _control(self, m: Module, twice: Twice, given: Signal, beats: int) -> None:
        """Take all of a token and say it again, give all of it, and wait until it has left."""
        _, last = counter(m, beats, given, "beat")
        with m.FSM():
            with m.State("TAKE"):
                m.d.comb += [twice.x.valid.eq(self.x.valid), self.x.ready.eq(twice.x.ready)]
                with m.If(twice.done):
                    m.next = "GIVE"
            with m.State("GIVE"):
                m.d.comb += self.back.ready.eq(~self.y.valid | self.y.ready)
                with m.If(given & last):
                    m.next = "LEAVE"
            with m.State("LEAVE"):
                with m.If(self.y.ready):
                    m.next = "TAKE"
