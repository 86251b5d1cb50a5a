"""The registers through which every token of the text enters the pipelines."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..network import Plan
from .payloads import EPOCH_BITS, concatenated, placed_token, tagged_token


class Issue(wiring.Component):
    """Hands every token to the target and, on a chip with a draft, to the draft.

    x: a token for the target, 1 clock before it appears on `issue`, at most 1 per clock. It is taken only when both
    pipelines have taken the one before, so both always hear the same text. epoch: what it bears; stands with `x`.
    With a draft: `hear` says whether the draft gets the token as well, `ask` is the `predict` that it gets with it;
    both stand with `x`. `issue` and `draft_issue` become valid in the same clock.
    """

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
    """Make the outputs of `issue` those of the component around it."""
    for name in ("issue", "draft_issue") if issue.draft else ("issue",):
        connect(m, getattr(issue, name), flipped(getattr(outer, name)))
