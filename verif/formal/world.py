"""What is round the sequencer and both head gates in the proofs of speculation: everything that is not the chip's.

Two pipelines, in order, that hold up to `capacity` tokens and let them go when they like; a draft that says any token
and a target that decides anything, both when they like; any prompts, limits, and listeners.
"""

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream
from embedding.shapes import make_plan

from hc1gen.outcome import Outcome
from hc1gen.rtl.head_gate import HeadGate
from hc1gen.rtl.sequencer import Sequencer

from .prove import Claims

PROMPT, ANSWER, FINISH = range(3)
"""States of the sequencer."""


@dataclass(frozen=True)
class Size:
    """Of the design; `capacity` of the target's and the draft's pipeline."""

    context: int = 4
    vocab: int = 4
    eos: tuple[int, ...] = (3,)
    ahead: int = 2
    capacity: tuple[int, int] = (2, 2)


@dataclass
class Slot:
    """A place for a token on its way; `stale`: a rejection, or an answer's end, came after it."""

    valid: Value
    tag: data.View
    stale: Value
    context: Value | None = None
    """The word that the model has heard last at the watched position, when it heard this token."""

    @property
    def current(self) -> Value:
        return self.valid & ~self.stale


class Path:
    """A pipeline behind a stream of the sequencer, with its head gate and what chooses tokens behind that."""

    def __init__(self, world: "World", name: str, x: stream.Interface, capacity: int):
        self.world, self.name, self.x, self.capacity = world, name, x, capacity
        m, c, ghost = world.m, world.c, world.ghost
        entry = data.StructLayout({"tag": x.p.tag.shape(), "ghost": ghost})
        self.fifo = [Signal(entry, name=f"{name}{i}") for i in range(capacity)]
        self.count = count = Signal(range(capacity + 1), name=f"{name}_count")
        self.gate = gate = HeadGate(world.plan)
        self.inside_gate = c.place(f"{name}_gate", gate, free=False)
        head = self.fifo[0]
        m.d.comb += [
            x.ready.eq(world.may(f"{name}_takes", x.valid & (count != capacity), Const(1))),
            gate.epoch.eq(world.dut.epoch),
            gate.position.ready.eq(1),
            gate.x.valid.eq(world.may(f"{name}_moves", count != 0, gate.x.ready)),
            gate.x.p.tag.eq(head.tag),
            gate.x.p.lanes.as_value().eq(head.ghost.as_value()),
        ]
        self._fill(x.valid & x.ready, gate.x.valid & gate.x.ready)

    def _fill(self, push: Value, pop: Value) -> None:
        m, world, name, x = self.world.m, self.world, self.name, self.x
        entered = world.inside("issue").x
        self.stale = Signal(name=f"{name}_issue_stale")
        with m.If(world.void):
            m.d.sync += self.stale.eq(1)
        with m.If(entered.valid & entered.ready):
            m.d.sync += self.stale.eq(0)  # it bears the epoch that begins
        self.memory = Signal(world.plan.token_bits, name=f"{name}_memory")
        new = Signal(self.fifo[0].shape(), name=f"{name}_new")
        m.d.comb += [
            new.tag.eq(x.p.tag),
            new.ghost.context.eq(Mux(x.p.tag.position == world.watched, x.p.token, self.memory)),
            new.ghost.stale.eq(self.stale),
        ]
        with m.If(push):
            m.d.sync += self.memory.eq(new.ghost.context)
        m.d.sync += self.count.eq(self.count + push - pop)
        for i, slot in enumerate(self.fifo):
            following = Signal(slot.shape(), name=f"{name}_following{i}")
            m.d.comb += following.eq(slot)
            if i + 1 < self.capacity:
                with m.If(pop):
                    m.d.comb += following.eq(self.fifo[i + 1])
            with m.If(push & (self.count - pop == i)):
                m.d.comb += following.eq(new)
            m.d.sync += slot.eq(following)
            m.d.sync += slot.ghost.stale.eq(following.ghost.stale | world.void)

    def choose(self, can: Value, y: stream.Interface) -> None:
        """Let `y` say something about the token behind the gate, sometime when it `can`."""
        m, world, gate, name = self.world.m, self.world, self.gate, self.name
        self.full, self.ghost = Signal(name=f"{name}_full"), Signal(world.ghost, name=f"{name}_ghost")
        entering = Signal(world.ghost, name=f"{name}_entering")
        m.d.comb += [
            entering.as_value().eq(gate.inner.payload.as_value()),
            gate.inner.ready.eq(~self.full),
            y.valid.eq(world.may(f"{name}_chooses", self.full & can, y.ready)),
            y.p.tag.eq(gate.tag),
            gate.done.eq(y.valid & y.ready),
        ]
        with m.If(world.void):
            m.d.sync += self.ghost.stale.eq(1)
        with m.If(gate.inner.valid & gate.inner.ready):
            m.d.sync += [self.full.eq(1), self.ghost.eq(entering)]
            m.d.sync += self.ghost.stale.eq(entering.stale | world.void)
        with m.If(gate.done):
            m.d.sync += self.full.eq(0)

    @property
    def slots(self) -> list[Slot]:
        """All places, that of the oldest token first."""
        inside = Slot(self.full, self.gate.tag, self.ghost.stale, self.ghost.context)
        fifo = [Slot(self.count > i, s.tag, s.ghost.stale, s.ghost.context) for i, s in enumerate(self.fifo)]
        return [inside, *fifo, Slot(self.x.valid, self.x.p.tag, self.stale)]


class World:
    """A sequencer between pipelines, and the text that comes of it.

    One position, any, is watched: its word is followed through the text and both pipelines.
    """

    def __init__(self, size: Size, m: Module, c: Claims):
        self.m, self.c, self.size = m, c, size
        token_bits = make_plan(1, 1, size.vocab).token_bits
        self.ghost = data.StructLayout({"context": token_bits, "stale": 1})
        self.plan = make_plan(1, 1, size.vocab, context=size.context, residual_bits=self.ghost.size)
        self.dut = dut = Sequencer(self.plan, size.eos, size.ahead)
        self.inside = c.place("dut", dut, free=False)
        self.stalls: dict[str, Value] = {}
        c.ports += [dut.limit, dut.temperature, dut.seed, dut.speculate, Value.cast(dut.prompt.payload)]
        self.watched = c.constant(self.plan.position_bits, "watched")
        self._text()
        self._queue()
        self.target = Path(self, "target", dut.issue, size.capacity[0])
        self.draft = Path(self, "draft", dut.draft_issue, size.capacity[1])
        self._choose()
        m.d.comb += dut.out.ready.eq(self.may("listens", dut.out.valid, Const(1)))
        self.waiting, self.recorded = self.inside("e").waiting, self.inside("recorded", self.inside("rounds"))

    def may(self, name: str, can: Value, taken: Value) -> Signal:
        """High when `can` is and the solver does not stall; then high until `taken`."""
        free, go, was = self.c.free(1, f"{name}_free"), Signal(name=name), Signal(name=f"{name}_was")
        self.m.d.comb += go.eq(can & (free | was))
        self.m.d.sync += was.eq(go & ~taken)
        self.stalls[name] = can & ~go
        return go

    def _text(self) -> None:
        """The text as the world sees it: prompts, and what is decided. `answering`: the prompt is over."""
        m, c, dut = self.m, self.c, self.dut
        self.length, self.answering = Signal(range(self.size.context + 1)), Signal()
        self.word = Signal(self.plan.token_bits)  # at the watched position
        self.decided, self.void, self.speculating = Signal(), Signal(name="void_"), Signal(name="speculating_")
        m.d.comb += dut.prompt.valid.eq(self.may("prompt_comes", Const(1), dut.prompt.ready))
        c.assume_stands(dut.prompt.payload, dut.prompt.valid & ~dut.prompt.ready)
        heard = dut.prompt.valid & dut.prompt.ready & ~self.answering & (self.inside.register("fsm_state") == PROMPT)
        last = self.inside("e").last
        m.d.comb += [
            self.decided.eq(dut.sampled.valid & dut.sampled.ready & (dut.sampled.p.tag.epoch == dut.epoch)),
            self.void.eq(self.decided & (last | (dut.sampled.p.outcome == Outcome.REJECTED))),
        ]
        ends = self.decided & last
        with m.If(heard | self.decided):
            m.d.sync += self.length.eq(Mux(ends, 0, self.length + 1))
            with m.If(self.length == self.watched):
                m.d.sync += self.word.eq(Mux(heard, dut.prompt.p.token, dut.sampled.p.token))
        with m.If(heard & (dut.prompt.p.last | (self.length == self.size.context - 1))):
            m.d.sync += self.answering.eq(1)
        with m.If(ends):
            m.d.sync += self.answering.eq(0)
        with m.If(heard & (self.length == 0)):
            m.d.sync += self.speculating.eq(dut.speculate)

    def _queue(self) -> None:
        """The draft queue, as its ports say it is."""
        m, dut, ahead = self.m, self.dut, self.size.ahead
        bits = {"token": self.plan.token_bits, "position": self.plan.position_bits, "ghost": self.ghost}
        self.level = Signal(range(ahead + 1))
        self.records = [Signal(data.StructLayout(bits), name=f"record{i}") for i in range(ahead)]
        self.new = Signal(data.StructLayout(bits))
        m.d.sync += self.level.eq(Mux(dut.flush, 0, self.level + dut.push - dut.pop))
        for i, record in enumerate(self.records):
            following = Signal(record.shape(), name=f"following{i}")
            m.d.comb += following.eq(record)
            if i + 1 < ahead:
                with m.If(dut.pop):
                    m.d.comb += following.eq(self.records[i + 1])
            with m.If(dut.push & (self.level - dut.pop == i)):
                m.d.comb += following.eq(self.new)
            m.d.sync += record.eq(following)
            m.d.sync += record.ghost.stale.eq(following.ghost.stale | self.void)

    def _choose(self) -> None:
        """The draft says anything; the target decides anything, about a proposal if there should be one."""
        m, c, dut = self.m, self.c, self.dut
        proposal, decision = c.free(self.plan.token_bits, "proposal"), c.free(self.plan.token_bits, "decision")
        outcome, head = c.free(2, "outcome"), self.records[0]
        self.draft.choose(Const(1), dut.proposed)
        self.target.choose(~dut.verify | (self.level != 0), dut.sampled)
        m.d.comb += [
            dut.proposed.p.token.eq(proposal),
            self.new.token.eq(proposal),
            self.new.position.eq(dut.proposed.p.tag.position),
            self.new.ghost.eq(self.draft.ghost),
            dut.sampled.p.token.eq(decision),
            dut.sampled.p.outcome.eq(outcome),
            dut.sampled.p.proposal.eq(head.token),
        ]
        c.assume_stands(proposal, dut.proposed.valid & ~dut.proposed.ready)
        c.assume_stands(Cat(decision, outcome), dut.sampled.valid & ~dut.sampled.ready)
        accepted, rejected = outcome == Outcome.ACCEPTED, outcome == Outcome.REJECTED
        c.assume(Mux(dut.verify, accepted | rejected, outcome == Outcome.SAMPLED))
        c.assume(~accepted | (decision == head.token))

    @property
    def issued(self) -> Value:
        """Tokens of the text and proposals for it that have been issued, up to the context."""
        n, context = self.length, self.size.context
        proposed = Mux(n + self.level > context, context, n + self.level)
        return Mux(self.answering, Mux(self.waiting, n - 1, proposed), n)
