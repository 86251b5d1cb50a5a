"""Speculation control: the sequencer with both head gates, between pipelines that take their time.

What is not the chip's: two pipelines, in order, that hold up to `capacity` tokens and let them go when they like; a
draft that says any token and a target that decides anything, both when they like; any prompts, limits, and listeners.
"""

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream
from embedding.shapes import make_plan

from hc1gen.outcome import Outcome
from hc1gen.rtl.issue import Issue
from hc1gen.rtl.lm_head import HeadGate
from hc1gen.rtl.rounds import Rounds
from hc1gen.rtl.sequencer import Sequencer

from .prove import Break, Claims, Proof

PROMPT, ANSWER, FINISH = range(3)
"""States of the sequencer."""


@dataclass(frozen=True)
class Control:
    """The design; `capacity` of the target's and the draft's pipeline.

    patience: look only at runs in which no stall lasts longer than so many clocks; 0: at all runs.
    """

    context: int = 4
    vocab: int = 4
    eos: tuple[int, ...] = (3,)
    ahead: int = 2
    capacity: tuple[int, int] = (2, 2)
    patience: int = 0

    def __call__(self, m: Module, c: Claims) -> None:
        _Proof(self, m, c)


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

    def __init__(self, proof: "_Proof", name: str, x: stream.Interface, capacity: int):
        self.proof, self.name, self.x, self.capacity = proof, name, x, capacity
        m, c, ghost = proof.m, proof.c, proof.ghost
        entry = data.StructLayout({"tag": x.p.tag.shape(), "ghost": ghost})
        self.fifo = [Signal(entry, name=f"{name}{i}") for i in range(capacity)]
        self.count = count = Signal(range(capacity + 1), name=f"{name}_count")
        self.gate = gate = HeadGate(proof.plan)
        self.inside_gate = c.place(f"{name}_gate", gate, free=False)
        head = self.fifo[0]
        m.d.comb += [
            x.ready.eq(proof.may(f"{name}_takes", x.valid & (count != capacity), Const(1))),
            gate.epoch.eq(proof.dut.epoch),
            gate.position.ready.eq(1),
            gate.x.valid.eq(proof.may(f"{name}_moves", count != 0, gate.x.ready)),
            gate.x.p.tag.eq(head.tag),
            gate.x.p.lanes.as_value().eq(head.ghost.as_value()),
        ]
        self._fill(x.valid & x.ready, gate.x.valid & gate.x.ready)

    def _fill(self, push: Value, pop: Value) -> None:
        m, proof, name, x = self.proof.m, self.proof, self.name, self.x
        entered = proof.inside("issue").x
        self.stale = Signal(name=f"{name}_issue_stale")
        with m.If(proof.void):
            m.d.sync += self.stale.eq(1)
        with m.If(entered.valid & entered.ready):
            m.d.sync += self.stale.eq(0)  # it bears the epoch that begins
        self.memory = Signal(proof.plan.token_bits, name=f"{name}_memory")
        new = Signal(self.fifo[0].shape(), name=f"{name}_new")
        m.d.comb += [
            new.tag.eq(x.p.tag),
            new.ghost.context.eq(Mux(x.p.tag.position == proof.watched, x.p.token, self.memory)),
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
            m.d.sync += slot.ghost.stale.eq(following.ghost.stale | proof.void)

    def choose(self, can: Value, y: stream.Interface) -> None:
        """Let `y` say something about the token behind the gate, sometime when it `can`."""
        m, proof, gate, name = self.proof.m, self.proof, self.gate, self.name
        self.full, self.ghost = Signal(name=f"{name}_full"), Signal(proof.ghost, name=f"{name}_ghost")
        entering = Signal(proof.ghost, name=f"{name}_entering")
        m.d.comb += [
            entering.as_value().eq(gate.inner.payload.as_value()),
            gate.inner.ready.eq(~self.full),
            y.valid.eq(proof.may(f"{name}_chooses", self.full & can, y.ready)),
            y.p.tag.eq(gate.tag),
            gate.done.eq(y.valid & y.ready),
        ]
        with m.If(proof.void):
            m.d.sync += self.ghost.stale.eq(1)
        with m.If(gate.inner.valid & gate.inner.ready):
            m.d.sync += [self.full.eq(1), self.ghost.eq(entering)]
            m.d.sync += self.ghost.stale.eq(entering.stale | proof.void)
        with m.If(gate.done):
            m.d.sync += self.full.eq(0)

    @property
    def slots(self) -> list[Slot]:
        """All places, that of the oldest token first."""
        inside = Slot(self.full, self.gate.tag, self.ghost.stale, self.ghost.context)
        fifo = [Slot(self.count > i, s.tag, s.ghost.stale, s.ghost.context) for i, s in enumerate(self.fifo)]
        return [inside, *fifo, Slot(self.x.valid, self.x.p.tag, self.stale)]


def count(bits: list[Value]) -> Value:
    """How many are high."""
    return sum(bits, Const(0))


class _Proof:
    """Everything round the sequencer, and what is claimed.

    One position, any, is watched: its word is followed through the text and both pipelines.
    """

    def __init__(self, control: Control, m: Module, c: Claims):
        self.m, self.c, self.control = m, c, control
        token_bits = make_plan(1, 1, control.vocab).token_bits
        self.ghost = data.StructLayout({"context": token_bits, "stale": 1})
        self.plan = make_plan(1, 1, control.vocab, context=control.context, residual_bits=self.ghost.size)
        self.dut = dut = Sequencer(self.plan, control.eos, control.ahead)
        self.inside = c.place("dut", dut, free=False)
        self.stalls: dict[str, Value] = {}
        c.ports += [dut.limit, dut.temperature, dut.seed, dut.speculate, Value.cast(dut.prompt.payload)]
        self.watched = c.constant(self.plan.position_bits, "watched")
        self._text()
        self._queue()
        self.target = Path(self, "target", dut.issue, control.capacity[0])
        self.draft = Path(self, "draft", dut.draft_issue, control.capacity[1])
        self._choose()
        m.d.comb += dut.out.ready.eq(self.may("listens", dut.out.valid, Const(1)))
        self._claim()
        self._streams()
        self._control()
        for path in (self.target, self.draft):
            self._path(path)
        self._asked()
        self._words()
        self._progress()

    def may(self, name: str, can: Value, taken: Value) -> Signal:
        """High when `can` is and the solver does not stall; then high until `taken`."""
        free, go, was = self.c.free(1, f"{name}_free"), Signal(name=name), Signal(name=f"{name}_was")
        self.m.d.comb += go.eq(can & (free | was))
        self.m.d.sync += was.eq(go & ~taken)
        self.stalls[name] = can & ~go
        return go

    # What is round the sequencer -------------------------------------------------------------------------------------
    def _text(self) -> None:
        """The text as the world sees it: prompts, and what is decided. `answering`: the prompt is over."""
        m, c, dut = self.m, self.c, self.dut
        self.length, self.answering = Signal(range(self.control.context + 1)), Signal()
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
        with m.If(heard & (dut.prompt.p.last | (self.length == self.control.context - 1))):
            m.d.sync += self.answering.eq(1)
        with m.If(ends):
            m.d.sync += self.answering.eq(0)
        with m.If(heard & (self.length == 0)):
            m.d.sync += self.speculating.eq(dut.speculate)

    def _queue(self) -> None:
        """The draft queue, as its ports say it is."""
        m, dut, ahead = self.m, self.dut, self.control.ahead
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

    # What is to be proved --------------------------------------------------------------------------------------------
    def _claim(self) -> None:
        c, dut, p = self.c, self.dut, self.dut.sampled.p
        target, draft, head = self.target, self.draft, self.records[0]
        decided, verified = self.decided, self.decided & dut.verify
        watched = self.watched <= p.tag.position
        c.always("no stale token is decided", ~decided | ~target.ghost.stale)
        c.always("no stale proposal is recorded", ~dut.push | ~draft.ghost.stale)
        c.always("no stale proposal is decided", ~verified | ~head.ghost.stale)
        c.always("the last token is decided", ~decided | self.answering & (p.tag.position + 1 == self.length))
        c.always("each proposal is for its position", ~verified | (head.position == p.tag.position))
        c.always("target decides about the text", ~(decided & watched) | (target.ghost.context == self.word))
        c.always("draft proposed for the text", ~(verified & watched) | (head.ghost.context == self.word))
        c.always("target holds the text", ~(decided & watched) | (target.memory == self.word))
        c.always("draft holds the text", ~(verified & watched) | (draft.memory == self.word))
        c.always("draft is asked only to speculate", ~dut.verify | self.speculating)
        c.always("queue does not overflow", ~dut.push | (self.level != self.control.ahead))
        c.always("queue is not popped empty", ~dut.pop | (self.level != 0))
        c.always("queue has room while the draft writes", ~draft.full | (self.level != self.control.ahead))
        settled = dut.accepted + dut.rejected + dut.flushed + self.level
        c.always("all are counted once", dut.drafted == settled[: len(dut.drafted)])
        c.reached("accepted", decided & (p.outcome == Outcome.ACCEPTED))
        c.reached("rejected with a proposal behind", decided & (p.outcome == Outcome.REJECTED) & (self.level > 1))
        c.reached("one alone after all accepted", decided & (p.outcome == Outcome.SAMPLED) & self.speculating)

    def _streams(self) -> None:
        """Contracts, on both sides."""
        c, dut = self.c, self.dut
        for name in ("out", "issue", "draft_issue"):
            c.always_kept(name, getattr(dut, name))
        for x, name in ((dut.sampled, "sampled"), (dut.proposed, "proposed")):
            c.always_kept(name, x)
        inside = self.target.full & ~self.target.gate.done
        c.always("verify stands", ~c.past(inside, init=0) | (dut.verify == c.past(dut.verify)))

    # Invariants, from which the rest follows -------------------------------------------------------------------------
    def _control(self) -> None:
        dut, n, holds = self.dut, self.length, self.c.always
        e, rounds, state = self.inside("e"), self.inside("rounds"), self.inside.register("fsm_state")
        self.waiting = e.waiting
        self.recorded, self.kept = self.inside("recorded", rounds), self.inside("kept", rounds)
        holds("state", (state <= FINISH) & (self.answering == (state == ANSWER)))
        holds("length", (state != FINISH) | (n == 0))
        holds("answers follow prompts", ~self.answering | (n != 0))
        holds("prompts have room", (state != PROMPT) | (n < self.control.context))
        holds("length of the text", (n <= self.control.context) & (e.length == n - self.waiting))
        holds("swallow", ~self.inside("swallow") | (state != PROMPT))
        holds("speculating", self.inside("speculating") == self.speculating)
        holds("waiting", ~self.waiting | self.answering & (self.recorded == 0))
        holds("rounds", (self.recorded == self.kept + self.level) & (self.recorded <= self.control.ahead))
        holds("rounds of answers", self.answering & self.speculating | (self.recorded == 0))
        held = self.waiting & (self.watched == n - 1)
        holds("what waits", ~held | (dut.out.p.token == self.word))
        issued = Mux(n + self.level > self.control.context, self.control.context, n + self.level)
        self.issued = Mux(self.answering, Mux(self.waiting, n - 1, issued), n)

    def _path(self, path: Path) -> None:
        """Order, positions, and what is known of each token."""
        dut, slots, name, holds = self.dut, path.slots, path.name, self.c.always
        gate = path.inside_gate
        holds(f"{name} count", path.count <= path.capacity)
        holds(f"{name} gate", ~gate("passing") & ~gate("dropping") & (gate("busy") == path.full))
        holds(f"{name} beat", gate.register("beat_index") == 0)
        holds(f"{name} inside is wanted", ~path.full | path.gate.tag.predict)
        for i, slot in enumerate(slots):
            which = f"{name} {i}"
            holds(f"{which} epoch", ~slot.valid | (slot.stale == (slot.tag.epoch != dut.epoch)))
            younger = Const(0)
            for j, other in enumerate(slots[i + 1 :], i + 1):
                next_ = slot.valid & other.valid & ~younger
                holds(f"{which} order {j}", ~(slot.valid & other.valid) | ~other.stale | slot.stale)
                follows = other.tag.position == slot.tag.position + 1
                holds(f"{which} position {j}", ~(next_ & ~slot.stale) | follows)
                younger = younger | other.valid
            holds(f"{which} last", ~(slot.current & ~younger) | (slot.tag.position == self.issued - 1))

    def _asked(self) -> None:
        """Who is asked about what."""
        dut, n, holds = self.dut, self.length, self.c.always
        at_target, at_draft = self.target.slots, self.draft.slots
        running = self.answering & ~self.waiting
        for i, slot in enumerate(at_target):
            holds(f"target {i} gone", ~slot.current | ~self.waiting)
            wanted = self.answering & (slot.tag.position >= n - 1)
            holds(f"target {i} wanted", ~slot.current | (slot.tag.predict == wanted))
        holds("target is never at a stale token", ~self.target.full | ~self.target.ghost.stale)
        wanted = count([slot.current & slot.tag.predict for slot in at_target])
        holds("target has what is not decided", ~running | (wanted == self.issued - n + 1))
        asked = count([slot.current & slot.tag.predict for slot in at_draft])
        room = (self.recorded < self.control.ahead) & (n + self.level <= self.control.context)
        holds("draft is at one proposal", asked == (running & self.speculating & room))
        for i, slot in enumerate(at_draft):
            holds(f"draft {i} heard", ~slot.current | self.speculating)
            at_end = slot.tag.position == n - 1 + self.level
            holds(f"draft {i} asked", ~(slot.current & slot.tag.predict) | at_end)
            holds(f"draft {i} ahead", ~(slot.current & self.recorded.any()) | (slot.tag.position >= n - 1 + self.level))
            holds(f"draft {i} fresh", ~(slot.valid & slot.stale) | (self.recorded == 0))
        behind = (n == 0) | self.waiting & (dut.issue.p.tag.position >= n - 1)
        for path in (self.target, self.draft):
            holds(f"{path.name} void is behind", ~(path.x.valid & path.stale) | behind)

    def _words(self) -> None:
        """The watched word, wherever it is: in the text, or proposed for it."""
        n, holds = self.length, self.c.always
        intended: Value = self.word
        for i, record in enumerate(self.records):
            intended = Mux(self.watched == n + i, record.token, intended)
        for i, record in enumerate(self.records):
            valid, known = self.level > i, self.watched <= record.position
            holds(f"record {i} fresh", ~valid | ~record.ghost.stale)
            holds(f"record {i} position", ~valid | (record.position == n - 1 + i))
            holds(f"record {i} context", ~(valid & known) | (record.ghost.context == intended))
        for path in (self.target, self.draft):
            for i, slot in enumerate(path.slots[:-1]):
                known = slot.current & (self.watched <= slot.tag.position)
                holds(f"{path.name} {i} context", ~known | (slot.context == intended))
            last = path.slots[-1]
            there = last.current & (last.tag.position == self.watched)
            holds(f"{path.name} issued", ~there | (path.x.p.token == intended))
            heard = self.watched < self.issued - last.current
            hears = self.speculating if path is self.draft else Const(1)
            holds(f"{path.name} memory", ~(heard & hears) | (path.memory == intended))

    def _progress(self) -> None:
        """Something happens, that is a token of a prompt is taken or one is decided, after finitely many moves.

        `rank` bounds their number. Every move but one that happens lowers it. In every clock there is a move that the
        solver can only put off, or that comes by itself; and it can be made until the rank falls or something happens.
        """
        m, c, dut, control = self.m, self.c, self.dut, self.control
        state, swallow = self.inside.register("fsm_state"), self.inside("swallow")
        happens = self.decided | dut.prompt.valid & dut.prompt.ready
        token = 7  # more than both pipelines hold of a token that was issued just now
        moves: dict[str, Value] = {"listens": dut.out.valid}
        rank = dut.out.valid + (state == FINISH) + self.waiting * token + (control.ahead - self.recorded) * token
        for path in (self.target, self.draft):
            weights = [1, *[2] * path.capacity, 3]
            rank = rank + sum((s.valid * weight for s, weight in zip(path.slots, weights, strict=True)), Const(0))
            moves[f"{path.name}_takes"] = path.x.valid & (path.count != path.capacity)
            moves[f"{path.name}_moves"] = (path.count != 0) & path.gate.x.ready
        empty = ~dut.issue.valid & ~dut.draft_issue.valid
        stale = self.draft.ghost.stale
        moves["draft_chooses"] = self.draft.full & (stale | empty & ~self.waiting)
        moves["target_chooses"] = self.target.full & (~dut.verify | (self.level != 0)) & ~dut.out.valid & ~self.waiting
        moves["prompt_comes"] = (state == PROMPT) & empty | swallow
        itself = self.waiting & empty | (state == FINISH) & ~dut.out.valid & ~swallow

        now = Signal(range(self.most + 1), name="rank")
        m.d.comb += now.eq(rank)
        falls, happened = now < c.past(now), c.past(happens) | ~self.c.past(Const(1), init=0)
        c.always("rank is bounded", rank <= self.most)
        c.always("rank does not rise", happened | (now <= c.past(now)))
        c.always("there is a move", itself | Cat(moves.values()).any())
        c.always("what comes by itself", ~c.past(itself, init=0) | happened | falls)
        for name, can in moves.items():
            stalled = self.stalls[name]
            c.always(f"{name} if not stalled", ~c.past(can & ~stalled, init=0) | happened | falls)
            c.always(f"{name} later", ~c.past(can & stalled, init=0) | happened | falls | can)
        if control.patience:
            self._in_time(moves, now, happened, falls)

    def _in_time(self, moves: dict[str, Value], rank: Value, happened: Value, falls: Value) -> None:
        """Something happens within `(patience + 1) * (most + 1)` clocks.

        still: for how many clocks the rank has not fallen; some move has been put off in all of them.
        """
        m, c, patience = self.m, self.c, self.control.patience
        limit = (patience + 1) * (self.most + 1)
        still, since = Signal(range(patience + 2)), Signal(range(limit + 1))
        m.d.comb += [
            still.eq(Mux(happened | falls, 0, c.past(still) + 1)),
            since.eq(Mux(happened, 0, c.past(since) + 1)),
        ]
        put_off = []
        for name, stalled in self.stalls.items():
            waited = Signal(range(patience + 1), name=f"{name}_waited")
            m.d.sync += waited.eq(Mux(stalled, waited + 1, 0))
            c.assume(~stalled | (waited != patience))
            c.always(f"{name} waits no longer", waited <= patience)
            put_off += [moves[name] & (waited >= still)]
        c.always("a move is put off", (still == 0) | Cat(put_off).any())
        c.always("the rank falls in time", since <= (patience + 1) * (self.most - rank) + still)
        c.always("something happens in time", since < limit)

    @property
    def most(self) -> int:
        """The largest rank."""
        control = self.control
        return 2 + 7 * (control.ahead + 1) + sum(4 + 2 * capacity for capacity in control.capacity)


VOID = "e.void.eq(speculating & (e.decided & e.last | rejected)),\n        self.flush.eq(e.void),"
EPOCH_KEPT = "e.void.eq(speculating & e.decided & e.last), self.flush.eq(e.void | rejected),"
CURRENT = "self.x.p.tag.predict & (self.x.p.tag.epoch == self.epoch)"
FREE, ISSUED = "~self.out.valid & ~e.waiting", "~self.out.valid & ~self.issue.valid & ~e.waiting"

BREAKS = {
    "epoch_kept": Break(Sequencer._speculate, VOID, EPOCH_KEPT, "no_stale_token_is_decided"),
    "not_flushed": Break(
        Sequencer._speculate, "self.flush.eq(e.void)", "self.flush.eq(e.void & e.last)", "no_stale_proposal_is_decided"
    ),
    "stale_recorded": Break(
        Sequencer._take_proposal, "valid & ~stale & free", "valid & free", "no_stale_proposal_is_recorded"
    ),
    "epoch_ignored": Break(HeadGate.elaborate, CURRENT, "self.x.p.tag.predict", "verify_stands"),
    "issued_twice": Break(Sequencer._issue_decided, "more & ~e.accepted)", "more)", "target_holds_the_text"),
    "one_pipeline_waits": Break(Issue.elaborate, ".all()", ".any()", "draft_issue_payload_stands"),
    "draft_hears_less": Break(Issue.elaborate, "eq(self.hear)", "eq(self.hear & self.ask)", "draft_holds_the_text"),
    "asked_too_often": Break(Rounds.elaborate, "recorded != self.ahead - 1", "1", "queue_does_not_overflow"),
    "popped_always": Break(
        Sequencer._speculate, "self.pop.eq(e.accepted)", "self.pop.eq(e.decided)", "queue_is_not_popped_empty"
    ),
    "miscounted": Break(Rounds.elaborate, "(recorded - kept - ~alone)", "(recorded - kept)", "all_are_counted_once"),
    "decision_waits": Break(Sequencer._take_decision, FREE, ISSUED, "target_chooses_if_not_stalled"),
    "proposal_waits": Break(
        Sequencer._take_proposal,
        "& ~e.waiting & ~e.decided",
        "& ~e.waiting & self.out.valid",
        "draft_chooses_if_not_stalled",
    ),
}
PROOFS = {
    "speculation": Proof(Control(), "prove", 1, BREAKS, reach=14),
    "speculation_in_time": Proof(
        Control(capacity=(1, 2), patience=3), "prove", 1,
        {"decision_waits": Break(Sequencer._take_decision, FREE, ISSUED, "a_move_is_put_off")}, reach=14,
    ),
    "speculation_narrow": Proof(Control(context=5, vocab=2, eos=(1,), ahead=3, capacity=(1, 2)), "prove", 1),
    "speculation_shallow": Proof(Control(context=3, vocab=2, eos=(), ahead=1, capacity=(1, 1)), "prove", 1),
    "speculation_deep": Proof(Control(context=8, ahead=4, capacity=(3, 3)), "prove", 1),
    "speculation_seen": Proof(Control(), "cover", 14),
}  # fmt: skip
