"""The chip's control: prompts in, generated tokens out, and every token's way round the pipeline."""

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..reason import Reason
from .embedding import tagged_token
from .plan import Plan
from .types import EPOCH_BITS

LIMIT_BITS = 16
CLOCKS_BITS = 32


def prompt_token(plan: Plan) -> data.StructLayout:
    """A prompt's token id; `last` marks the end of the prompt."""
    return data.StructLayout({"token": plan.token_bits, "last": 1})


def output_token(plan: Plan) -> data.StructLayout:
    """A generated token id; `last` marks the end of the answer, and `reason` (`Reason`) says why it ends."""
    return data.StructLayout({"token": plan.token_bits, "last": 1, "reason": 2})


class Sequencer(wiring.Component):
    """Issues a prompt's tokens at positions 0, 1, ... and then every sampled token, until one is the last.

    prompt: taken 1 token per clock, and only when the previous prompt's last token has left `out`. What is longer
    than the context is cut to it, the rest is taken and dropped.
    limit: the largest number of generated tokens, 0 for any; read when the (cut) prompt's last token is taken.
    out: generated tokens. clocks: while `out` is valid, the clocks from the previous token's appearance on `out` to
    this one's, or for the first token from the taking of the prompt's last token.
    issue: to the embedding, 1 clock after `prompt` or `sampled`; `predict` is set on the prompt's last token and all
    after it. sampled: what follows a token that had `predict` set, with that token's tag. Dropped when its epoch is
    not the current one; otherwise taken when `out` and `issue` are free, and it appears on both 1 clock later (on
    `out` alone if it is the last). The epoch counts answers, modulo 2**EPOCH_BITS.
    """

    def __init__(self, plan: Plan, eos: tuple[int, ...]):
        self.plan = plan
        self.eos = eos
        super().__init__(
            {
                "prompt": In(stream.Signature(prompt_token(plan))),
                "limit": In(LIMIT_BITS),
                "out": Out(stream.Signature(output_token(plan))),
                "clocks": Out(CLOCKS_BITS),
                "issue": Out(stream.Signature(tagged_token(plan))),
                "sampled": In(stream.Signature(tagged_token(plan))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        length = Signal(range(self.plan.n.context + 1))  # tokens issued in this sequence
        epoch = Signal(EPOCH_BITS)
        left = Signal(LIMIT_BITS, reset_less=True)  # tokens that may still be generated, 0 if any number
        reason = self._reason(m, left, length)
        with m.If(self.out.ready):
            m.d.sync += self.out.valid.eq(0)
        with m.If(self.issue.ready):
            m.d.sync += self.issue.valid.eq(0)
        stale = self.sampled.p.tag.epoch != epoch
        m.d.comb += self.sampled.ready.eq(stale)
        start, answer, swallow = Signal(), Signal(), Signal()
        with m.FSM():
            with m.State("PROMPT"):
                m.d.comb += self.prompt.ready.eq(~self.issue.valid | self.issue.ready)
                end = self.prompt.p.last | (length == self.plan.n.context - 1)
                with m.If(self.prompt.valid & self.prompt.ready):
                    self._issue(m, self.prompt.p.token, length, epoch, end)
                    m.d.comb += start.eq(end)
                with m.If(start):
                    m.d.sync += [left.eq(self.limit), swallow.eq(~self.prompt.p.last)]
                    m.next = "GENERATE"
            with m.State("GENERATE"):
                free = ~self.out.valid & ~self.issue.valid
                m.d.comb += self.sampled.ready.eq(stale | free)
                m.d.comb += answer.eq(self.sampled.valid & ~stale & free)
                with m.If(answer):
                    m.d.sync += left.eq(left - left.any())
                    with m.If(reason == Reason.MORE):
                        self._issue(m, self.sampled.p.token, length, epoch, Const(1))
                    with m.Else():
                        m.d.sync += [epoch.eq(epoch + 1), length.eq(0)]
                        m.next = "FINISH"
            with m.State("FINISH"):
                with m.If(~self.out.valid & ~swallow):
                    m.next = "PROMPT"
        with m.If(swallow):
            m.d.comb += self.prompt.ready.eq(1)
            with m.If(self.prompt.valid & self.prompt.p.last):
                m.d.sync += swallow.eq(0)
        self._output(m, start, answer, reason)
        return m

    def _reason(self, m: Module, left: Value, length: Value) -> Signal:
        """Why the token on `sampled` is the last one, by falling priority."""
        reason = Signal(2)
        token = self.sampled.p.token
        with m.If(Cat(token == eos for eos in self.eos).any()):
            m.d.comb += reason.eq(Reason.EOS)
        with m.Elif(left == 1):
            m.d.comb += reason.eq(Reason.LIMIT)
        with m.Elif(length == self.plan.n.context):
            m.d.comb += reason.eq(Reason.FULL)
        return reason

    def _issue(self, m: Module, token: Value, length: Signal, epoch: Value, predict: Value) -> None:
        """Issue `token` at the next position."""
        issued = self.issue.p
        m.d.sync += [
            self.issue.valid.eq(1),
            issued.token.eq(token),
            issued.tag.position.eq(length),
            issued.tag.sequence.eq(0),
            issued.tag.epoch.eq(epoch),
            issued.tag.predict.eq(predict),
            length.eq(length + 1),
        ]

    def _output(self, m: Module, start: Value, answer: Value, reason: Value) -> None:
        """Put out the sampled token when `answer` is high, with the clocks since the last `answer` or `start`."""
        elapsed = Signal(CLOCKS_BITS, reset_less=True)
        m.d.sync += elapsed.eq(elapsed + 1)
        with m.If(start | answer):
            m.d.sync += elapsed.eq(1)
        with m.If(answer):
            m.d.sync += [
                self.out.valid.eq(1),
                self.out.p.token.eq(self.sampled.p.token),
                self.out.p.last.eq(reason != Reason.MORE),
                self.out.p.reason.eq(reason),
                self.clocks.eq(elapsed),
            ]
