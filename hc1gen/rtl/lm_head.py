"""The gate in front of the LM head: only tokens whose successor is wanted go through it."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .plan import Plan
from .types import counter, lanes, tag, tagged


class HeadGate(wiring.Component):
    """Swallows tokens with `predict` 0; passes the others on, one at a time, and holds the tag until `done`.

    inner: beats on their way to the final norm, combinational from `x`. done: the token has been sampled.
    """

    def __init__(self, plan: Plan):
        self.plan = plan
        super().__init__(
            {
                "x": In(stream.Signature(tagged(plan.position_bits, plan.lanes, plan.n.residual_bits))),
                "inner": Out(stream.Signature(lanes(plan.lanes, plan.n.residual_bits))),
                "tag": Out(tag(plan.position_bits)),
                "done": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        busy, wanted, taken = Signal(), Signal(), Signal()
        _, last = counter(m, len(self.plan.residual) // self.plan.lanes, taken, "beat_index")
        m.d.comb += [
            wanted.eq(self.x.payload.tag.predict),
            self.inner.payload.eq(self.x.payload.lanes),
            self.inner.valid.eq(self.x.valid & wanted & ~busy),
            self.x.ready.eq(~wanted | (self.inner.ready & ~busy)),
            taken.eq(self.x.valid & self.x.ready),
        ]
        with m.If(taken & wanted):
            m.d.sync += [self.tag.eq(self.x.payload.tag), busy.eq(last)]
        with m.If(self.done):
            m.d.sync += busy.eq(0)
        return m
