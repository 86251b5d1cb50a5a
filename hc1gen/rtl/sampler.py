"""The greedy sampler."""

from typing import NamedTuple

from amaranth.hdl import Const, Module, Mux, Signal, Value, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .plan import Plan
from .types import counter, lanes


class Candidate(NamedTuple):
    """A logit and the lane it is in."""

    logit: Value
    lane: Value


def larger(m: Module, low: Candidate, high: Candidate, name: str) -> Candidate:
    """The candidate with the larger logit; `low`, whose lane is the lower, wins a tie."""
    take_high = Signal(name=f"{name}_high")
    logit = Signal(signed(len(low.logit)), name=f"{name}_logit")
    m.d.comb += [take_high.eq(high.logit > low.logit), logit.eq(Mux(take_high, high.logit, low.logit))]
    return Candidate(logit, Mux(take_high, high.lane, low.lane))


class Argmax(wiring.Component):
    """Index of the largest logit of a vector; the lowest index wins a tie.

    x: beats of `plan.n.config.logit_bits` in plan.vocabulary order; padding lanes may hold anything and never win.
    y: the token, 2 clocks after the last beat. 1 beat per clock.
    """

    def __init__(self, plan: Plan):
        self.plan = plan
        super().__init__(
            {
                "x": In(stream.Signature(lanes(plan.lanes, plan.n.config.logit_bits))),
                "y": Out(stream.Signature(plan.token_bits)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan, bits = self.plan, self.plan.n.config.logit_bits
        beats = len(plan.vocabulary) // plan.lanes
        go, step = Signal(), Signal()
        m.d.comb += [go.eq(~self.y.valid | self.y.ready), self.x.ready.eq(go), step.eq(go & self.x.valid)]
        beat, last = counter(m, beats, step, "beat")

        # First stage: the best of a beat.
        full, is_first, is_last = Signal(), Signal(reset_less=True), Signal(reset_less=True)
        logit, token = Signal(signed(bits), reset_less=True), Signal(plan.token_bits, reset_less=True)
        best_lane = self._best_of_beat(m, last)
        with m.If(go):
            m.d.sync += full.eq(self.x.valid)
        with m.If(step):
            m.d.sync += [logit.eq(best_lane.logit), token.eq(beat * plan.lanes + best_lane.lane)]
            m.d.sync += [is_first.eq(~beat.any()), is_last.eq(last)]

        # Second stage: the best so far. A later beat must be strictly better.
        best = Signal(signed(bits), reset_less=True)
        with m.If(go):
            m.d.sync += self.y.valid.eq(full & is_last)
        with m.If(go & full & (is_first | (logit > best))):
            m.d.sync += [best.eq(logit), self.y.payload.eq(token)]
        return m

    def _best_of_beat(self, m: Module, last: Value) -> Candidate:
        """A tree of comparators over the lanes.

        The last beat's padding counts as the lowest logit there is, and loses the tie: real lanes come before it.
        """
        order, count = self.plan.vocabulary, self.plan.lanes
        lowest = Const(-1 << (self.plan.n.config.logit_bits - 1), signed(self.plan.n.config.logit_bits))
        level = []
        for lane in range(count):
            logit = self.x.payload[lane]
            padding = order[lane - count] is None
            level.append(Candidate(Mux(last, lowest, logit) if padding else logit, Const(lane, range(count))))
        depth = 0
        while len(level) > 1:
            pairs = zip(level[::2], level[1::2], strict=False)
            joined = [larger(m, low, high, f"tree{depth}_{i}") for i, (low, high) in enumerate(pairs)]
            level = joined + level[len(joined) * 2 :]
            depth += 1
        return level[0]
