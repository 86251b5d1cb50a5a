"""The sampler: the next token of a model from its logits, the likeliest one or a draw."""

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..network import Plan
from ..numeric.numerics import RANDOM_BITS, SLOPE_BITS
from .draw import Draw
from .exponentials import Exponentials
from .payloads import drawn_token
from .types import lanes


class Sampler(wiring.Component):
    """`golden.sampler.argmax` if `greedy`, else `golden.sampler.draw` of `golden.sampler.exponentials`.

    x: logits as in `Exponentials`. slope, greedy: from `Temperature`; a change while a vector is inside makes its
    token worthless, and nothing else. random: a word for every vector, taken with the vector's y, also when greedy.
    e: exponentials of the vector, once each, where `e_valid` is high; `e_beat` is the number of the beat. Before y.
    """

    full_latency = Exponentials.full_latency
    """Clocks from the last beat of x until `random` is looked at; later, all waits for it."""
    greedy_latency = full_latency
    """Clocks from the last beat of x to the likeliest token, where `random` waits."""
    recovery = Exponentials.recovery
    """Clocks from y, when it is taken, until a beat of the next vector is taken."""

    def __init__(self, plan: Plan):
        self.plan = plan
        e_bits = plan.n.config.sample_bits
        self.exponentials = Exponentials(plan)
        self.draw = Draw(plan, e_bits, plan.n.sample_sum_bits)
        assert self.exponentials.latency >= self.draw.scale_latency
        super().__init__(
            {
                "x": In(stream.Signature(lanes(plan.lanes, plan.n.config.logit_bits))),
                "slope": In(SLOPE_BITS),
                "greedy": In(1),
                "random": In(stream.Signature(RANDOM_BITS)),
                "y": Out(stream.Signature(drawn_token(plan.token_bits, e_bits, plan.n.sample_sum_bits))),
                "e": Out(data.ArrayLayout(unsigned(e_bits), plan.lanes)),
                "e_valid": Out(1),
                "e_beat": Out(range(max(self.exponentials.beats, 2))),
            }
        )

    @property
    def sum_latency(self) -> int:
        """Clocks from the last beat of x until the sum of the exponentials is known, where `random` waits."""
        last = self.exponentials.beats - 1
        return self.full_latency + self.exponentials.beat_latency(last) + self.draw.sum_latency

    def drawn_latency(self, beat: int) -> int:
        """Clocks from the last beat of x to a token that is drawn, and is in this beat, where `random` waits."""
        return self.sum_latency + self.exponentials.beat_latency(beat) + self.draw.find_latency

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.exponentials, m.submodules.draw = exponentials, draw = self.exponentials, self.draw
        wiring.connect(m, wiring.flipped(self.x), exponentials.x)
        greedy, ready, scan, leave = Signal(), Signal(), Signal(), Signal()
        with m.If(~exponentials.full):
            m.d.sync += greedy.eq(self.greedy)  # y must not vanish when the temperature changes
        m.d.comb += [
            ready.eq(exponentials.full & self.random.valid),
            leave.eq(self.y.valid & self.y.ready),
            self.y.valid.eq(ready & (greedy | draw.found)),
            self.y.p.token.eq(Mux(greedy, exponentials.largest, draw.token)),
            self.y.p.weight.eq(draw.weight),
            self.y.p.total.eq(draw.total),
            self.random.ready.eq(leave),
            exponentials.slope.eq(self.slope),
            exponentials.release.eq(leave),
            draw.w.eq(exponentials.e),
            draw.w_valid.eq(exponentials.e_valid),
            draw.w_beat.eq(exponentials.e_beat),
            draw.scan.eq(scan),
            draw.random.eq(self.random.payload),
            draw.clear.eq(leave),
            self.e.eq(exponentials.e),
            self.e_valid.eq(exponentials.e_valid & ~scan),
            self.e_beat.eq(exponentials.e_beat),
        ]
        with m.FSM():
            with m.State("LOGITS"):
                with m.If(ready & ~greedy):
                    m.d.comb += exponentials.replay.eq(1)
                    m.next = "SUM"
            with m.State("SUM"):
                with m.If(draw.summed):
                    m.d.comb += exponentials.replay.eq(1)
                    m.next = "SCAN"
            with m.State("SCAN"):
                m.d.comb += scan.eq(1)
                with m.If(leave):
                    m.next = "LOGITS"
        return m
