"""The chip's control: it takes prompts, issues every token to the models, and puts out the generated tokens."""

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
    """The events of a clock, and the state that several methods of the sequencer share."""

    def __init__(self, plan: Plan, ahead: int):
        # first: the first token of a prompt is taken. start: the last one is taken.
        self.first, self.start = Signal(name="first"), Signal(name="start")
        # decided: a decision of the target is taken. last: the decided token is the last one of the answer.
        self.decided, self.last = Signal(name="decided"), Signal(name="last")
        # void: a decision makes everything stale that was issued after the token which it is about.
        self.void = Signal(name="void")
        # length: tokens of the text so far; proposals that are not accepted yet do not count.
        self.length = Signal(range(plan.n.context + 1), name="length")
        # accepted: the decided token is an accepted proposal, so it has been issued already.
        self.accepted: Value = Const(0)
        # waiting: the token that was put out last could not be issued yet.
        self.waiting: Value = Const(0)
        if ahead:
            self.accepted, self.waiting = Signal(name="accepted"), Signal(name="waiting")


class Sequencer(wiring.Component):
    """Issues the tokens of a prompt and then every generated token to the models, until the answer ends.

    A rejected proposal, and the last token of an answer, make all tokens stale that were issued after the token which
    the decision is about. The sequencer then increments the epoch, and every word with another epoch in its tag is
    stale. In an answer without speculation no token is issued ahead, so the epoch stays; but a chip without a draft
    increments it after every answer.

    Parameters
        plan: the target's plan; gives the context and the widths.
        eos: the token ids that end an answer.
        ahead: tokens that the draft may run ahead of the target; 0 for a chip without a draft.
    Ports
        prompt (in, stream of `prompt_token`): the tokens of a prompt, which get the positions 0, 1, .... A prompt is
            taken only when the last token of the answer before has left `out`. A prompt longer than the context is cut:
            the rest is taken and dropped.
        limit (in, LIMIT_BITS bits): most tokens to generate, 0 for no limit. This and the next three inputs are read
            when the first token of a prompt is taken.
        temperature (in, TEMPERATURE_BITS bits, TEMPERATURE_FRAC of them fraction), seed (in, SEED_BITS bits).
        speculate (in, 1 bit; only with a draft): whether the draft is asked in this answer.
        held_temperature, held_seed (out): the values that were read, from the next clock until the next prompt.
        out (out, stream of `output_token`): the generated tokens.
        clocks (out, CLOCKS_BITS bits): while `out` is valid, the clocks that its token took: since the token before
            became valid on `out` or, for the first token of an answer, since the last prompt token was taken.
        issue (out, stream of `tagged_token`): tokens for the target's embedding. `predict` is set on the last token of
            the prompt and on all tokens after it.
        epoch (out, EPOCH_BITS bits): the current epoch. The models must not decide on words of another one.
        sampled (in, stream of `decision`): the target's decision on the token that follows a token with `predict` set.
            A stale decision is dropped at once. Any other is taken when `out` is free. Its token is valid on `out`
            `latency` clocks later, and on `issue` in the same clock, or later if `issue` is still occupied.
        Only with a draft:
        draft_issue (out, stream of `tagged_token`): the same tokens for the draft's embedding, in an answer with
            `speculate`. Nothing is issued until both models have taken the token before.
        proposed (in, stream of `tagged_token`): the draft's proposal for the place after a token with `predict` set on
            `draft_issue`. A stale proposal is dropped at once. Any other is taken when it can be issued in this clock
            and no decision is taken. It is issued to both models at the next position, unless the context ends there.
        push (out, 1 bit): a proposal is taken and must be recorded.
        verify (out, 1 bit): the target's next decision is about a proposal.
        pop, flush (out, 1 bit each): the proposal was accepted; all records are void. Both come in the clock in which
            the decision is taken.
        drafted, accepted, rejected, flushed (out, COUNTER_BITS bits each): see `Rounds`.
        A reset drops the prompt and its answer, and sets the epoch and the counters to 0.
    Timing
        `latency` and `pace`.
    Golden counterpart
        `hc1gen.golden.chip.GoldenChip.generate`.
    """

    COUNTERS = Rounds.COUNTERS
    latency = Issue.latency
    """Clocks from a decision that is taken to its token on `out` and `issue`, and from a prompt token to `issue`."""
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
        # The epoch wraps around. Still, a stale word is never taken for a current one, because no model ever holds
        # words of more than two epochs: the current one and the one before.
        # The target answers in order, and only a decision about a token of the current epoch increments the epoch. All
        # words of earlier epochs were issued before that token, so they have passed the head gate by then.
        # The draft answers in order, too. On a chip with a draft, only decisions in answers with speculation increment
        # the epoch, and the first such decision of an epoch is about a proposal that the draft made after a token of
        # this epoch. So all words of earlier epochs have left the draft by then. Answers without speculation must not
        # increment the epoch: the draft takes no part in them and may still hold a word of an old epoch, and enough
        # such answers would make that epoch the current one again.
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
        """The state machine: a prompt, its answer, and the wait until both are over.

        `swallow` is high while the rest of a prompt that is too long is taken and dropped.
        """
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
        """Whether the word on `x` has another epoch than the current one."""
        return x.p.tag.epoch != self.epoch

    def _take_prompt(self, m: Module, e: _Events, issue: Issue) -> None:
        """Issues the next token of the prompt."""
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
        """Takes the target's decision, whether `issue` is free or not.

        It must not wait for `issue`. `issue` may hold a stale token that cannot move on, because the tokens before it
        wait for the head gate, and the head gate holds the token of this decision until the decision is taken.
        """
        stale, free = self._stale(self.sampled), ~self.out.valid & ~e.waiting
        m.d.comb += [self.sampled.ready.eq(stale | free), e.decided.eq(self.sampled.valid & ~stale & free)]
        if self.ahead:
            m.d.comb += e.accepted.eq(e.decided & (self.sampled.p.outcome == Outcome.ACCEPTED))

    def _issue_decided(self, m: Module, e: _Events, issue: Issue) -> None:
        """Issues the decided token, unless it is the last one or has been issued as a proposal already.

        If `issue` is occupied, the token waits in the register of `out`: no other token is put out before it is issued.
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
        """Holds the temperature and the seed, which the samplers and the random number generators use."""
        with m.If(e.first):
            m.d.sync += [self.held_temperature.eq(self.temperature), self.held_seed.eq(self.seed)]

    def _reason(self, m: Module, e: _Events) -> Value:
        """Returns why the token on `sampled` is the last one (`Reason`, 2 bits). The first reason that holds counts."""
        left = Signal(LIMIT_BITS, reset_less=True)  # tokens that may still be generated; 0: no limit
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
        """Puts out the decided token, with the clocks since the token before or since the end of the prompt."""
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
        """Asks the draft, records and issues its proposals, and flushes the proposals that a decision makes void."""
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
        """Records a proposal and issues it after the token that it follows. Asks for another one if there is `more`.

        Proposals that are not stale come only during an answer. They may wait for `issue` without a deadlock: as long
        as the target needs the proposal after some token, nothing was issued after that token, so `issue` becomes free.
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
