"""Speculation control: the sequencer with both head gates, between pipelines that take their time.

What is not the chip's: two pipelines, in order, that hold up to `capacity` tokens and let them go when they like; a
draft that says any token and a target that decides anything, both when they like; any prompts, limits, and listeners.
The epoch has 1 bit here, not EPOCH_BITS: what holds for two epochs holds for more.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream
from embedding.shapes import make_plan

from hc1gen.outcome import Outcome
from hc1gen.rtl import issue, lm_head, sequencer, types
from hc1gen.rtl.issue import Issue
from hc1gen.rtl.lm_head import HeadGate
from hc1gen.rtl.plan import Plan
from hc1gen.rtl.rounds import Rounds
from hc1gen.rtl.sequencer import Sequencer
from hc1gen.rtl.types import tagged

from .prove import Break, Claims, Proof

GENERATION_BITS = 3


@contextmanager
def epoch_of_one_bit() -> Iterator[None]:
    """Components made here have an epoch of 1 bit."""
    modules = (types, issue, lm_head, sequencer)
    before = types.EPOCH_BITS
    for module in modules:
        module.EPOCH_BITS = 1
    try:
        yield
    finally:
        for module in modules:
            module.EPOCH_BITS = before


@dataclass(frozen=True)
class Control:
    """The design: `ahead` of the sequencer, `capacity` of the target's and the draft's pipeline.

    patience: every stall lasts at most so many clocks, if it is not 0; limit: then something happens within so many.
    """

    context: int = 4
    vocab: int = 4
    eos: tuple[int, ...] = (3,)
    ahead: int = 2
    capacity: tuple[int, int] = (2, 2)
    patience: int = 0
    limit: int = 0

    def __call__(self, m: Module, c: Claims) -> None:
        with epoch_of_one_bit():
            _Environment(self, m, c)


class _Environment:
    """Everything round the sequencer, and what is claimed.

    One position, any, is watched. What a pipeline has heard there last goes along with every token as its `context`:
    that is what it will be decided by. `generation` counts rejections and ends of answers.
    """

    def __init__(self, control: Control, m: Module, c: Claims):
        self.m, self.c, self.control = m, c, control
        plan = make_plan(1, 1, control.vocab, context=control.context)
        self.ghost = data.StructLayout({"generation": GENERATION_BITS, "context": plan.token_bits})
        self.plan = make_plan(1, 1, control.vocab, context=control.context, residual_bits=self.ghost.size)
        self.dut = dut = Sequencer(self.plan, control.eos, control.ahead)
        self.inside = c.place("dut", dut, free=False)
        self.stalls: list[tuple[str, Value]] = []
        for name in ("limit", "temperature", "seed", "speculate"):
            c.ports.append(getattr(dut, name))
        c.ports.append(Value.cast(dut.prompt.payload))
        self.watched = c.constant(self.plan.position_bits, "watched")
        self._text()
        self._queue()
        self._propose(*self._pipeline("draft", dut.draft_issue, control.capacity[1]))
        self._decide(*self._pipeline("target", dut.issue, control.capacity[0]))
        m.d.comb += dut.out.ready.eq(self.may("listens", dut.out.valid, Const(1)))
        for name in ("out", "issue", "draft_issue"):
            c.always_kept(name, getattr(dut, name))
        if control.patience:
            self._fair()

    def may(self, name: str, can: Value, taken: Value) -> Signal:
        """High when `can` is and the solver does not stall; then high until `taken`."""
        free, go, was = self.c.free(1, f"{name}_free"), Signal(name=name), Signal(name=f"{name}_was")
        self.m.d.comb += go.eq(can & (free | was))
        self.m.d.sync += was.eq(go & ~taken)
        self.stalls.append((name, can & ~go))
        return go

    def _text(self) -> None:
        """The text as the world sees it: prompts and decisions. `answering`: the prompt is over."""
        m, c, dut = self.m, self.c, self.dut
        self.length, self.answering = Signal(range(self.control.context + 2)), Signal()
        self.word = Signal(self.plan.token_bits)  # at the watched position
        self.generation, self.next_generation = Signal(GENERATION_BITS), Signal(GENERATION_BITS)
        self.speculating = Signal()
        c.assume_kept(dut.prompt)
        m.d.comb += dut.prompt.valid.eq(self.may("prompt_comes", Const(1), dut.prompt.ready))
        heard = dut.prompt.valid & dut.prompt.ready & ~self.answering
        self.decided = Signal()
        m.d.comb += self.decided.eq(dut.sampled.valid & dut.sampled.ready & (dut.sampled.p.tag.epoch == dut.epoch))
        last = self.inside("e").last
        self.outcome = dut.sampled.p.outcome
        self.ends = self.decided & last
        m.d.comb += self.next_generation.eq(
            self.generation + (self.decided & (last | (self.outcome == Outcome.REJECTED)))
        )
        m.d.sync += self.generation.eq(self.next_generation)
        c.always("decisions only in answers", ~self.decided | self.answering)
        with m.If(heard | self.decided):
            m.d.sync += self.length.eq(Mux(self.ends, 0, self.length + 1))
            with m.If(self.length == self.watched):
                m.d.sync += self.word.eq(Mux(heard, dut.prompt.p.token, dut.sampled.p.token))
        with m.If(heard & (dut.prompt.p.last | (self.length == self.control.context - 1))):
            m.d.sync += self.answering.eq(1)
        with m.If(self.ends):
            m.d.sync += self.answering.eq(0)
        with m.If(heard & (self.length == 0)):
            m.d.sync += self.speculating.eq(dut.speculate)

    def _pipeline(self, name: str, x: stream.Interface, capacity: int) -> tuple[HeadGate, Signal]:
        """A pipeline behind `x`, its head gate, and the ghost of the token inside it."""
        m, c = self.m, self.c
        entry = data.StructLayout({"tag": x.p.tag.shape(), "ghost": self.ghost})
        fifo = [Signal(entry, name=f"{name}{i}") for i in range(capacity)]
        count = Signal(range(capacity + 1), name=f"{name}_count")
        gate = HeadGate(self.plan)
        c.place(f"{name}_gate", gate, free=False)
        out = self.may(f"{name}_moves", count != 0, gate.x.ready)
        m.d.comb += x.ready.eq(self.may(f"{name}_takes", x.valid & (count != capacity), Const(1)))
        m.d.comb += [
            gate.epoch.eq(self.dut.epoch),
            gate.position.ready.eq(1),
            gate.x.valid.eq(out),
            gate.x.p.tag.eq(fifo[0].tag),
            gate.x.p.lanes[0].eq(fifo[0].ghost.as_value()),
        ]
        # What is taken by the issue registers bears the generation of that clock.
        issue_in = self.inside("issue").x
        generation = Signal(GENERATION_BITS, name=f"{name}_generation")
        with m.If(issue_in.valid & issue_in.ready):
            m.d.sync += generation.eq(self.next_generation)
        memory, now = Signal(self.plan.token_bits, name=f"{name}_memory"), Signal(self.plan.token_bits)
        m.d.comb += now.eq(Mux(x.valid & (x.p.tag.position == self.watched), x.p.token, memory))
        new = Signal(entry, name=f"{name}_new")
        m.d.comb += [new.tag.eq(x.p.tag), new.ghost.generation.eq(generation), new.ghost.context.eq(now)]
        push, pop = x.valid & x.ready, gate.x.valid & gate.x.ready
        with m.If(push):
            m.d.sync += memory.eq(now)
        m.d.sync += count.eq(count + push - pop)
        for i in range(capacity):
            after = fifo[i + 1] if i + 1 < capacity else fifo[i]
            with m.If(pop):
                m.d.sync += fifo[i].eq(after)
            with m.If(push & (count - pop == i)):
                m.d.sync += fifo[i].eq(new)
        return gate, memory

    def _chooser(self, name: str, gate: HeadGate, can: Value, y: stream.Interface) -> tuple[Signal, data.View]:
        """Chooses a token, sometime: whether one is inside, and the ghost of that one."""
        m = self.m
        ghost, full = Signal(self.ghost, name=f"{name}_ghost"), Signal(name=f"{name}_full")
        m.d.comb += [
            gate.inner.ready.eq(~full),
            y.valid.eq(self.may(f"{name}_chooses", full & can, y.ready)),
            y.p.tag.eq(gate.tag),
            gate.done.eq(y.valid & y.ready),
        ]
        with m.If(gate.inner.valid & gate.inner.ready):
            m.d.sync += [full.eq(1), ghost.as_value().eq(gate.inner.p.as_value())]
        with m.If(gate.done):
            m.d.sync += full.eq(0)
        return full, ghost

    def _queue(self) -> None:
        """The draft queue, as its ports say it is."""
        m, c, dut, ahead = self.m, self.c, self.dut, self.control.ahead
        record = data.StructLayout(
            {"token": self.plan.token_bits, "position": self.plan.position_bits, "ghost": self.ghost}
        )
        self.level = Signal(range(ahead + 1))
        records = [Signal(record, name=f"record{i}") for i in range(ahead)]
        self.head, self.new = records[0], Signal(record)
        m.d.sync += self.level.eq(Mux(dut.flush, 0, self.level + dut.push - dut.pop))
        for i in range(ahead):
            with m.If(dut.pop & (i + 1 < ahead)):
                m.d.sync += records[i].eq(records[min(i + 1, ahead - 1)])
            with m.If(dut.push & (self.level - dut.pop == i)):
                m.d.sync += records[i].eq(self.new)
        c.always("queue does not overflow", ~dut.push | (self.level != ahead))
        c.always("queue is not popped empty", ~dut.pop | (self.level != 0))
        settled = [dut.accepted, dut.rejected, dut.flushed]
        c.always("every proposal is counted once", dut.drafted == (sum(settled, self.level))[: len(dut.drafted)])

    def _propose(self, gate: HeadGate, memory: Signal) -> None:
        """The draft, behind its head gate, says anything."""
        m, c, dut = self.m, self.c, self.dut
        full, ghost = self._chooser("draft", gate, Const(1), dut.proposed)
        self.draft_memory = memory
        m.d.comb += [
            dut.proposed.p.token.eq(c.free(self.plan.token_bits, "proposal")),
            self.new.token.eq(dut.proposed.p.token),
            self.new.position.eq(dut.proposed.p.tag.position),
            self.new.ghost.eq(ghost),
        ]
        c.always("queue has room for what the draft is at", ~full | (self.level != self.control.ahead))
        c.always("no stale proposal is recorded", ~dut.push | (ghost.generation == self.generation))

    def _decide(self, gate: HeadGate, memory: Signal) -> None:
        """The target, behind its head gate, decides anything."""
        m, c, dut = self.m, self.c, self.dut
        full, ghost = self._chooser("target", gate, ~dut.verify | (self.level != 0), dut.sampled)
        p = dut.sampled.p
        m.d.comb += [
            p.token.eq(c.free(self.plan.token_bits, "decision")),
            p.outcome.eq(c.free(2, "outcome")),
            p.proposal.eq(self.head.token),
        ]
        accepted = p.outcome == Outcome.ACCEPTED
        alone = p.outcome == Outcome.SAMPLED
        c.assume(~dut.sampled.valid | Mux(dut.verify, accepted | (p.outcome == Outcome.REJECTED), alone))
        c.assume(~dut.sampled.valid | ~accepted | (p.token == self.head.token))
        c.assume_kept(dut.sampled)
        c.assume_kept(dut.proposed)

        c.always("verify stands", ~(c.past(full & ~gate.done, 0)) | (dut.verify == c.past(dut.verify)))
        verified, decided = self.decided & dut.verify, self.decided
        watched = self.watched <= p.tag.position
        c.always("no stale token is decided", ~decided | (ghost.generation == self.generation))
        c.always("the last token is decided", ~decided | (p.tag.position + 1 == self.length))
        c.always("target decides about the text", ~(decided & watched) | (ghost.context == self.word))
        c.always("target holds the text", ~(decided & watched) | (memory == self.word))
        c.always("no stale proposal is decided", ~verified | (self.head.ghost.generation == self.generation))
        c.always("each proposal is for its position", ~verified | (self.head.position == p.tag.position))
        c.always("draft proposed for the text", ~(verified & watched) | (self.head.ghost.context == self.word))
        c.always("draft holds the text", ~(verified & watched) | (self.draft_memory == self.word))
        c.always("draft is asked only to speculate", ~verified | self.speculating)

        c.reached("accepted", decided & accepted)
        c.reached("rejected with a proposal behind", decided & (p.outcome == Outcome.REJECTED) & (self.level > 1))
        c.reached("all accepted, one alone", decided & alone & self.speculating)

    def _fair(self) -> None:
        """No stall lasts longer than `patience`: then something happens."""
        m, c, dut, control = self.m, self.c, self.dut, self.control
        for name, stalled in self.stalls:
            waited = Signal(range(control.patience + 1), name=f"{name}_waited")
            m.d.sync += waited.eq(Mux(stalled, waited + 1, 0))
            c.assume(~stalled | (waited != control.patience))
        since = Signal(range(control.limit + 1))
        happens = dut.out.valid & dut.out.ready | dut.prompt.valid & dut.prompt.ready
        m.d.sync += since.eq(Mux(happens, 0, since + 1))
        c.always("something happens", since != control.limit)
