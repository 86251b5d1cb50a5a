"""The registers through which every token of the text enters the target and the draft."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..network import Plan
from .payloads import EPOCH_BITS, concatenated, placed_token, tagged_token


class Issue(wiring.Component):
    """Hands every token of the text to the target and, on a chip with a draft, to the draft.

    It takes a token only when both models have taken the token before, or take it in this clock. So both always get the
    same text.

    Parameters
        plan: the target's plan; gives the widths of a token and of a position.
        draft: whether the chip has a draft.
    Ports
        x (in, stream of `placed_token`): a token for the target, its position, and `predict`.
        epoch (in, EPOCH_BITS bits): the epoch that goes into the token's tag; stands with x.
        issue (out, stream of `tagged_token`): the tokens for the target.
        Only with a draft:
        hear (in, 1 bit): whether the draft gets this token too; stands with x.
        ask (in, 1 bit): the `predict` that the draft gets with the token; stands with x.
        draft_issue (out, stream of `tagged_token`): the tokens for the draft. A token that goes to both models becomes
            valid on `issue` and `draft_issue` in the same clock.
        A reset drops the token in the registers.
    Timing
        `latency` and `pace`.
    """

    latency = 1
    """Clocks from the transfer of x until the token is valid on `issue`."""
    pace = 1
    """Clocks from one token to the next."""

    def __init__(self, plan: Plan, draft: bool):
        self.draft = draft
        tokens = stream.Signature(tagged_token(plan.token_bits, plan.position_bits))
        placed = stream.Signature(placed_token(plan.token_bits, plan.position_bits))
        members = {"x": In(placed), "epoch": In(EPOCH_BITS), "issue": Out(tokens)}
        if draft:
            members |= {"hear": In(1), "ask": In(1), "draft_issue": Out(tokens)}
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        outputs = [self.issue, self.draft_issue] if self.draft else [self.issue]
        m.d.comb += self.x.ready.eq(Cat(~y.valid | y.ready for y in outputs).all())
        taken = self.x.valid & self.x.ready
        for y in outputs:
            with m.If(y.ready):
                m.d.sync += y.valid.eq(0)
        tag = self.issue.p.tag
        with m.If(taken):
            m.d.sync += [
                self.issue.valid.eq(1),
                self.issue.p.token.eq(self.x.p.token),
                tag.position.eq(self.x.p.position),
                tag.sequence.eq(0),
                tag.epoch.eq(self.epoch),
                tag.predict.eq(self.x.p.predict),
            ]
        if self.draft:
            asked = Signal()
            with m.If(taken):
                m.d.sync += [self.draft_issue.valid.eq(self.hear), asked.eq(self.ask)]
            fields = {name: tag[name] for name, _ in tag.shape()} | {"predict": asked}
            m.d.comb += [
                self.draft_issue.p.token.eq(self.issue.p.token),
                self.draft_issue.p.tag.eq(concatenated(tag.shape(), fields)),
            ]
        return m


def connect_issue(m: Module, issue: Issue, outer: wiring.Component) -> None:
    """Connects the output streams of `issue` to the streams of the same name of the component that contains it."""
    for name in ("issue", "draft_issue") if issue.draft else ("issue",):
        connect(m, getattr(issue, name), flipped(getattr(outer, name)))
