"""The sampler: the next token of a model from its logits, the likeliest one or a draw."""

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..network import Plan
from ..quant.numerics import RANDOM_BITS, SLOPE_BITS
from .draw import Draw
from .exponentials import Exponentials
from .payloads import drawn_token
from .types import lanes


class Sampler(wiring.Component):
    """`golden.sampler.argmax` if `greedy`, else `golden.sampler.draw` of `golden.sampler.exponentials`.

    x: logits as in `Exponentials`. slope, greedy: from `Temperature`; a change while a vector is inside makes its
    token worthless, and nothing else. random: a word for every vector, taken with the vector's y, also when greedy.
    e: exponentials of the vector, once each, where `e_valid` is high; `e_beat` is the number of the beat. Before y.

    y, from the last beat of x, where `random` waits: 2 clocks if greedy, else `beats + DRAW_CLOCKS + k` clocks if the
    token is in beat k. x is ready again in the clock after y is taken.
    """

    DRAW_CLOCKS = 13
    """2 until the vector is full, 5 and `beats` until its sum is known, 6 and k until the token is found."""

    def __init__(self, plan: Plan):
        self.plan = plan
        e_bits = plan.n.config.sample_bits
        self.exponentials = Exponentials(plan)
        self.draw = Draw(plan, e_bits, plan.n.sample_sum_bits)
        assert self.exponentials.LATENCY >= self.draw.SCALE_CLOCKS
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
