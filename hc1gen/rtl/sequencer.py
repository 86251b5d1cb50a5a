"""The chip's control: prompts in, generated tokens out, and every token's way round the pipelines."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..network import Plan
from ..numeric.numerics import TEMPERATURE_BITS
from ..outcome import Outcome
from ..reason import Reason
from ..settings import LIMIT_BITS, SEED_BITS
from .issue import Issue, connect_issue
from .payloads import EPOCH_BITS, decision, output_token, prompt_token, tagged_token
from .rounds import COUNTER_BITS, Rounds

CLOCKS_BITS = 32


class _Events:
    """What happens in a clock, and the little that more than one part of the sequencer keeps in mind."""

    def __init__(self, plan: Plan, ahead: int):
        self.first, self.start = Signal(name="first"), Signal(name="start")  # a prompt's first, last token is taken
        self.decided, self.last = Signal(name="decided"), Signal(name="last")  # a decision is taken; an answer's last
        self.void = Signal(name="void")  # a decision makes stale what was issued behind the token that it follows
        self.length = Signal(range(plan.n.context + 1), name="length")  # of the text issued, less what is proposed
        self.accepted: Value = Const(0)  # a decision is for a proposal, so its token has been issued
        self.waiting: Value = Const(0)  # the token last put out could not be issued yet
        if ahead:
            self.accepted, self.waiting = Signal(name="accepted"), Signal(name="waiting")


class Sequencer(wiring.Component):
    """Issues a prompt's tokens at positions 0, 1, ... and then every token that follows, until one is the last.

    prompt: taken only when the previous prompt's last token has left `out`. What is longer than the context is cut to
    it, the rest is taken and dropped.
    limit, the largest number of generated tokens, 0 for any; temperature; seed; speculate: read when the prompt's
    first token is taken. held_temperature, held_seed: as read, from the next clock until the next prompt.
    out: generated tokens. clocks: while `out` is valid, the clocks from the previous token's appearance on `out` to
    this one's, or for the first token from the taking of the (cut) prompt's last token.
    issue: to the target's embedding; `predict` is set on the prompt's last token and all after it. epoch: what is
    issued now bears, and what bears another is stale: it must not be decided.
    sampled: the target's decision on what follows a token that had `predict` set. Dropped at once when it is stale;
    otherwise taken when `out` is free, and its token appears there `latency` clocks later, and on `issue` in that
    clock or, if that is occupied, when it gets free.

    With a draft that may run `ahead` >= 1 tokens ahead (0: a chip without one), there are also:
    draft_issue: the same tokens to the draft's embedding, while a prompt with `speculate` is answered; nothing is
    issued until both have taken the token before. proposed: what the draft says after a token that had `predict` set
    on `draft_issue`. Dropped at once when it is stale; otherwise taken when it can be issued at once, and no decision
    is taken: `push` records it, and it is issued to both behind the token it follows (not if the context ends there),
    to be verified. verify: the target's next decision is about the draft's proposal. pop: it was accepted; flush: all
    records are void. Both in the clock in which the decision is taken.
    drafted, accepted, rejected, flushed: see `Rounds`.

    A rejection, or a last token, makes stale what was issued behind the token that it follows: the epoch moves. While
    the draft is not asked nothing is behind, and the epoch stays, but a chip without a draft moves it after every
    answer.
    """

    COUNTERS = Rounds.COUNTERS
    latency = Issue.latency
    """Clocks from a decision taken to its token on `out`, and on `issue`; from a token of the prompt to `issue`."""
    pace = Issue.pace
    """Clocks from one token of a prompt to the next."""

    def __init__(self, plan: Plan, eos: tuple[int, ...], ahead: int = 0):
        self.plan = plan
        self.eos = eos
        self.ahead = ahead
        token_bits, position_bits, draft = plan.token_bits, plan.position_bits, ahead > 0
        tokens = stream.Signature(tagged_token(token_bits, position_bits))
        members = {
            "prompt": In(stream.Signature(prompt_token(token_bits))),
            "limit": In(LIMIT_BITS),
            "temperature": In(TEMPERATURE_BITS),
            "seed": In(SEED_BITS),
            "out": Out(stream.Signature(output_token(token_bits, draft))),
            "clocks": Out(CLOCKS_BITS),
            "held_temperature": Out(TEMPERATURE_BITS),
            "held_seed": Out(SEED_BITS),
            "issue": Out(tokens),
            "sampled": In(stream.Signature(decision(token_bits, position_bits, draft))),
            "epoch": Out(EPOCH_BITS),
        }
        if draft:
            members |= {
                "speculate": In(1),
                "draft_issue": Out(tokens),
                "proposed": In(tokens),
                **{name: Out(1) for name in ("verify", "push", "pop", "flush")},
                **{name: Out(COUNTER_BITS) for name in self.COUNTERS},
            }
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        e = _Events(self.plan, self.ahead)
        m.submodules.issue = issue = Issue(self.plan, draft=self.ahead > 0)
        connect_issue(m, issue, self)
        m.d.comb += [issue.x.p.position.eq(e.length), issue.epoch.eq(self.epoch + e.void)]
        # Nothing stale survives until its epoch comes again, as no pipeline ever holds more than two epochs, this one
        # and the one before. The target answers in order, and only a decision about a token of this epoch moves the
        # epoch on; whatever was issued in an earlier one was issued before that token, and has passed the head gate.
        # The draft answers in order too. With a draft, only decisions of speculating answers move the epoch, and the
        # first of those in every epoch is about a proposal, which is what the draft said after a token of this epoch;
        # so whatever was issued in an earlier one has left the draft. Would answers without the draft move the epoch,
        # they could bring one back while the draft, which takes no part in them, is still busy with it.
        with m.If(e.void):
            m.d.sync += self.epoch.eq(self.epoch + 1)
        self._states(m, e, issue)
        self._settings(m, e)
        self._output(m, e, self._reason(m, e))
        if self.ahead:
            self._speculate(m, e, issue)
        else:
            m.d.comb += e.void.eq(e.decided & e.last)
        return m

    def _states(self, m: Module, e: _Events, issue: Issue) -> None:
        """A prompt, its answer, and the wait until both are over; `swallow` is high during what is cut off."""
        swallow = Signal()
        m.d.comb += self.sampled.ready.eq(self._stale(self.sampled))
        with m.FSM():
            with m.State("PROMPT"):
                self._take_prompt(m, e, issue)
                with m.If(e.start):
                    m.d.sync += swallow.eq(~self.prompt.p.last)
                    m.next = "ANSWER"
            with m.State("ANSWER"):
                self._take_decision(m, e)
                self._issue_decided(m, e, issue)
                with m.If(e.decided & e.last):
                    m.d.sync += e.length.eq(0)
                    m.next = "FINISH"
            with m.State("FINISH"):
                with m.If(~self.out.valid & ~swallow):
                    m.next = "PROMPT"
        with m.If(swallow):
            m.d.comb += self.prompt.ready.eq(1)
            with m.If(self.prompt.valid & self.prompt.p.last):
                m.d.sync += swallow.eq(0)

    def _stale(self, x: stream.Interface) -> Value:
        """Whether the word on `x` is of an epoch that is over."""
        return x.p.tag.epoch != self.epoch

    def _take_prompt(self, m: Module, e: _Events, issue: Issue) -> None:
        """Issue the prompt's next token."""
        taken = self.prompt.valid & self.prompt.ready
        end = self.prompt.p.last | (e.length == self.plan.n.context - 1)
        m.d.comb += [
            self.prompt.ready.eq(issue.x.ready),
            issue.x.valid.eq(self.prompt.valid),
            issue.x.p.token.eq(self.prompt.p.token),
            issue.x.p.predict.eq(end),
            e.first.eq(taken & (e.length == 0)),
            e.start.eq(taken & end),
        ]
        with m.If(taken):
            m.d.sync += e.length.eq(e.length + 1)

    def _take_decision(self, m: Module, e: _Events) -> None:
        """Decide, whether `issue` is free or not.

        It may hold a stale token, behind others that cannot move while the head gate keeps the token that is being
        decided: only the decision lets them go.
        """
        stale, free = self._stale(self.sampled), ~self.out.valid & ~e.waiting
        m.d.comb += [self.sampled.ready.eq(stale | free), e.decided.eq(self.sampled.valid & ~stale & free)]
        if self.ahead:
            m.d.comb += e.accepted.eq(e.decided & (self.sampled.p.outcome == Outcome.ACCEPTED))

    def _issue_decided(self, m: Module, e: _Events, issue: Issue) -> None:
        """Issue the decided token, unless it is the last, or has been issued as a proposal.

        If it has to wait, it does so where it was put out: nothing else is put out before it is issued.
        """
        more, new = e.decided & ~e.last, Signal(name="new")
        m.d.comb += new.eq(e.waiting | more & ~e.accepted)
        with m.If(new):
            m.d.comb += [
                issue.x.valid.eq(1),
                issue.x.p.token.eq(Mux(e.waiting, self.out.p.token, self.sampled.p.token)),
                issue.x.p.predict.eq(1),
            ]
        with m.If(new & issue.x.ready | more & e.accepted):
            m.d.sync += e.length.eq(e.length + 1)
        if self.ahead:
            m.d.sync += e.waiting.eq(new & ~issue.x.ready)

    def _settings(self, m: Module, e: _Events) -> None:
        """Hold what concerns the samplers."""
        with m.If(e.first):
            m.d.sync += [self.held_temperature.eq(self.temperature), self.held_seed.eq(self.seed)]

    def _reason(self, m: Module, e: _Events) -> Value:
        """Why the token on `sampled` is the last one, by falling priority."""
        left = Signal(LIMIT_BITS, reset_less=True)  # tokens that may still be generated, 0 if any number
        with m.If(e.first):
            m.d.sync += left.eq(self.limit)
        with m.If(e.decided):
            m.d.sync += left.eq(left - left.any())
        reason = Signal(2)
        with m.If(Cat(self.sampled.p.token == eos for eos in self.eos).any()):
            m.d.comb += reason.eq(Reason.EOS)
        with m.Elif(left == 1):
            m.d.comb += reason.eq(Reason.LIMIT)
        with m.Elif(e.length == self.plan.n.context):
            m.d.comb += reason.eq(Reason.FULL)
        m.d.comb += e.last.eq(reason != Reason.MORE)
        return reason

    def _output(self, m: Module, e: _Events, reason: Value) -> None:
        """Put out the decided token, with the clocks since the one before or since the prompt's end."""
        elapsed = Signal(CLOCKS_BITS, reset_less=True)
        m.d.sync += elapsed.eq(elapsed + 1)
        with m.If(e.start | e.decided):
            m.d.sync += elapsed.eq(1)
        with m.If(self.out.ready):
            m.d.sync += self.out.valid.eq(0)
        with m.If(e.decided):
            m.d.sync += [
                self.out.valid.eq(1),
                self.out.p.token.eq(self.sampled.p.token),
                self.out.p.last.eq(e.last),
                self.out.p.reason.eq(reason),
                self.clocks.eq(elapsed),
            ]
            if self.ahead:
                m.d.sync += [
                    self.out.p.outcome.eq(self.sampled.p.outcome),
                    self.out.p.proposal.eq(self.sampled.p.proposal),
                ]

    def _speculate(self, m: Module, e: _Events, issue: Issue) -> None:
        """Ask the draft, record and issue what it proposes, and give up what a decision makes void."""
        m.submodules.rounds = rounds = Rounds(self.ahead)
        speculating, asked = Signal(name="speculating"), Signal(name="asked")
        m.d.comb += asked.eq(Mux(e.first, self.speculate, speculating))
        m.d.sync += speculating.eq(asked)
        rejected = e.decided & (self.sampled.p.outcome == Outcome.REJECTED)
        m.d.comb += [
            e.void.eq(speculating & (e.decided & e.last | rejected)),
            self.flush.eq(e.void),
            self.pop.eq(e.accepted),
            self.verify.eq(speculating & rounds.verify),
            issue.hear.eq(asked),
            issue.ask.eq(issue.x.p.predict),
            rounds.push.eq(self.push),
            rounds.decided.eq(e.decided),
            rounds.outcome.eq(self.sampled.p.outcome),
            rounds.flush.eq(self.flush),
            *(getattr(self, name).eq(getattr(rounds, name)) for name in self.COUNTERS),
        ]
        self._take_proposal(m, e, issue, rounds.more)

    def _take_proposal(self, m: Module, e: _Events, issue: Issue, more: Value) -> None:
        """Record a proposal and issue it behind the token it follows; ask for another if there may be `more`.

        Current proposals come only while an answer is made. They may wait for `issue`: while the target needs the
        proposal behind some token, nothing has been issued behind that token, so `issue` gets free.
        """
        tag = self.proposed.p.tag
        stale, free = self._stale(self.proposed), issue.x.ready & ~e.waiting & ~e.decided
        m.d.comb += [
            self.proposed.ready.eq(stale | free),
            self.push.eq(self.proposed.valid & ~stale & free),
        ]
        with m.If(self.push):
            m.d.comb += [
                issue.x.valid.eq(tag.position != self.plan.n.context - 1),
                issue.x.p.token.eq(self.proposed.p.token),
                issue.x.p.position.eq(tag.position + 1),
                issue.x.p.predict.eq(1),
                issue.ask.eq(more),
            ]
