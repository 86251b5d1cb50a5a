"""Counts the draft's proposals: in the current round of speculation, and by their outcome since reset."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..outcome import Outcome

COUNTER_BITS = 32


class Rounds(wiring.Component):
    """Counts the draft's proposals: in the current round of speculation, and by their outcome since reset.

    A round begins with the last token of a prompt, with a token that the target chose alone, or with a token that
    replaces a rejected proposal. In a round the draft proposes up to `ahead` tokens. If the target accepts all of them,
    it chooses the next token alone.

    Parameters
        ahead: most proposals of a round, at least 1.
    Ports
        push (in, 1 bit): a proposal is recorded.
        decided (in, 1 bit), outcome (in, 2 bits): the target has decided on its next token, with this `Outcome`.
            `decided` never comes together with `push`.
        flush (in, 1 bit): only with `decided`; the proposals that are still recorded are dropped.
        more (out, 1 bit): the round has room for another proposal after the one that is pushed in this clock.
        verify (out, 1 bit): the draft is asked for the target's next token, so the target verifies a proposal.
        drafted, accepted, rejected, flushed (out, COUNTER_BITS bits each): since reset, the proposals that were
            recorded, accepted, rejected, and dropped before the target verified them. At any time
            `drafted = accepted + rejected + flushed + proposals in the queue`, modulo 2**COUNTER_BITS.
        A reset sets all counts to 0.
    Timing
        All outputs change in the clock after an input pulse.
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
        # Proposals of this round: recorded, and accepted so far.
        recorded, kept = Signal(range(self.ahead + 1)), Signal(range(self.ahead + 1))
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
