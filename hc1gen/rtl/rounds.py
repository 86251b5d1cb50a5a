"""How far the draft is ahead of the target, and what becomes of the tokens it proposes."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..outcome import Outcome

COUNTER_BITS = 32


class Rounds(wiring.Component):
    """Counts the draft's tokens: in a round, to end it in time, and since reset, for whom it concerns.

    A round starts with a token that the target chose alone or in place of a proposal, or with a prompt's last token.
    In a round the draft proposes up to `ahead` tokens; when all are accepted, the target chooses the next one alone.

    push: a proposal is recorded. decided: the target has decided with `outcome`; never together with `push`. flush,
    only with `decided`: proposals that are still recorded are thrown away.
    more: the round has room for another proposal behind the one that is pushed now. verify: the target's next token
    is one that the draft is asked for.
    drafted, accepted, rejected, flushed: proposals recorded, and what became of them: `flushed` were never verified.
    drafted = accepted + rejected + flushed + those in the queue, modulo 2**COUNTER_BITS.
    """

    COUNTERS = ("drafted", "accepted", "rejected", "flushed")

    def __init__(self, ahead: int):
        self.ahead = ahead
        super().__init__(
            {
                "push": In(1),
                "decided": In(1),
                "outcome": In(2),
                "flush": In(1),
                "more": Out(1),
                "verify": Out(1),
                **{name: Out(COUNTER_BITS) for name in self.COUNTERS},
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        recorded, kept = Signal(range(self.ahead + 1)), Signal(range(self.ahead + 1))  # in this round
        m.d.comb += [self.more.eq(recorded != self.ahead - 1), self.verify.eq(kept != self.ahead)]
        with m.If(self.push):
            m.d.sync += [recorded.eq(recorded + 1), self.drafted.eq(self.drafted + 1)]
        alone = self.outcome == Outcome.SAMPLED
        with m.If(self.decided & (self.outcome == Outcome.ACCEPTED)):
            m.d.sync += [kept.eq(kept + 1), self.accepted.eq(self.accepted + 1)]
        with m.If(self.decided & (self.outcome == Outcome.REJECTED)):
            m.d.sync += self.rejected.eq(self.rejected + 1)
        with m.If(self.flush):
            m.d.sync += self.flushed.eq(self.flushed + (recorded - kept - ~alone))
        with m.If(self.flush | self.decided & alone):
            m.d.sync += [recorded.eq(0), kept.eq(0)]
        return m
