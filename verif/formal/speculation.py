"""Speculation control: the sequencer with both head gates, between pipelines that take their time."""

from dataclasses import dataclass

from amaranth.hdl import Const, Module, Mux, Value

from hc1gen.outcome import Outcome
from hc1gen.rtl.head_gate import HeadGate
from hc1gen.rtl.issue import Issue
from hc1gen.rtl.rounds import Rounds
from hc1gen.rtl.sequencer import Sequencer

from .progress import progress
from .prove import Break, Claims, Proof
from .world import ANSWER, FINISH, PROMPT, Path, Size, World


@dataclass(frozen=True)
class Control:
    """The design, and what is claimed of it.

    patience: look only at runs in which no stall lasts longer than so many clocks; 0: at all runs.
    """

    size: Size
    patience: int = 0

    def __call__(self, m: Module, c: Claims) -> None:
        world = World(self.size, m, c)
        answers_are_right(world)
        streams_keep_contracts(world)
        states(world)
        for path in (world.target, world.draft):
            path_in_order(world, path)
        asked(world)
        words(world)
        progress(world, self.patience)


def count(bits: list[Value]) -> Value:
    """How many are high."""
    return sum(bits, Const(0))


def answers_are_right(world: World) -> None:
    """What is to be proved."""
    c, dut, p = world.c, world.dut, world.dut.sampled.p
    target, draft, head = world.target, world.draft, world.records[0]
    decided, verified = world.decided, world.decided & dut.verify
    watched = world.watched <= p.tag.position
    c.always("no stale token is decided", ~decided | ~target.ghost.stale)
    c.always("no stale proposal is recorded", ~dut.push | ~draft.ghost.stale)
    c.always("no stale proposal is decided", ~verified | ~head.ghost.stale)
    c.always("the last token is decided", ~decided | world.answering & (p.tag.position + 1 == world.length))
    c.always("each proposal is for its position", ~verified | (head.position == p.tag.position))
    c.always("target decides about the text", ~(decided & watched) | (target.ghost.context == world.word))
    c.always("draft proposed for the text", ~(verified & watched) | (head.ghost.context == world.word))
    c.always("target holds the text", ~(decided & watched) | (target.memory == world.word))
    c.always("draft holds the text", ~(verified & watched) | (draft.memory == world.word))
    c.always("draft is asked only to speculate", ~dut.verify | world.speculating)
    c.always("queue does not overflow", ~dut.push | (world.level != world.size.ahead))
    c.always("queue is not popped empty", ~dut.pop | (world.level != 0))
    c.always("queue has room while the draft writes", ~draft.full | (world.level != world.size.ahead))
    settled = dut.accepted + dut.rejected + dut.flushed + world.level
    c.always("all are counted once", dut.drafted == settled[: len(dut.drafted)])
    c.reached("accepted", decided & (p.outcome == Outcome.ACCEPTED))
    c.reached("rejected with a proposal behind", decided & (p.outcome == Outcome.REJECTED) & (world.level > 1))
    c.reached("one alone after all accepted", decided & (p.outcome == Outcome.SAMPLED) & world.speculating)


def streams_keep_contracts(world: World) -> None:
    """Contracts, on both sides."""
    c, dut = world.c, world.dut
    for name in ("out", "issue", "draft_issue"):
        c.always_kept(name, getattr(dut, name))
    for x, name in ((dut.sampled, "sampled"), (dut.proposed, "proposed")):
        c.always_kept(name, x)
    inside = world.target.full & ~world.target.gate.done
    c.always("verify stands", ~c.past(inside, init=0) | (dut.verify == c.past(dut.verify)))


# Invariants, from which the rest follows


def states(world: World) -> None:
    """Of the sequencer, and what it counts."""
    dut, n, holds = world.dut, world.length, world.c.always
    e, rounds, state = world.inside("e"), world.inside("rounds"), world.inside.register("fsm_state")
    holds("state", (state <= FINISH) & (world.answering == (state == ANSWER)))
    holds("length", (state != FINISH) | (n == 0))
    holds("answers follow prompts", ~world.answering | (n != 0))
    holds("prompts have room", (state != PROMPT) | (n < world.size.context))
    holds("length of the text", (n <= world.size.context) & (e.length == n - world.waiting))
    holds("swallow", ~world.inside("swallow") | (state != PROMPT))
    holds("speculating", world.inside("speculating") == world.speculating)
    holds("waiting", ~world.waiting | world.answering & (world.recorded == 0))
    at_most = world.recorded <= world.size.ahead
    holds("rounds", (world.recorded == world.inside("kept", rounds) + world.level) & at_most)
    holds("rounds of answers", world.answering & world.speculating | (world.recorded == 0))
    held = world.waiting & (world.watched == n - 1)
    holds("what waits", ~held | (dut.out.p.token == world.word))


def path_in_order(world: World, path: Path) -> None:
    """Order, positions, and what is known of each token."""
    dut, slots, name, holds = world.dut, path.slots, path.name, world.c.always
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
        holds(f"{which} last", ~(slot.current & ~younger) | (slot.tag.position == world.issued - 1))


def asked(world: World) -> None:
    """Who is asked about what."""
    dut, n, holds = world.dut, world.length, world.c.always
    at_target, at_draft = world.target.slots, world.draft.slots
    running = world.answering & ~world.waiting
    for i, slot in enumerate(at_target):
        holds(f"target {i} gone", ~slot.current | ~world.waiting)
        wanted = world.answering & (slot.tag.position >= n - 1)
        holds(f"target {i} wanted", ~slot.current | (slot.tag.predict == wanted))
    holds("target is never at a stale token", ~world.target.full | ~world.target.ghost.stale)
    wanted = count([slot.current & slot.tag.predict for slot in at_target])
    holds("target has what is not decided", ~running | (wanted == world.issued - n + 1))
    asked = count([slot.current & slot.tag.predict for slot in at_draft])
    room = (world.recorded < world.size.ahead) & (n + world.level <= world.size.context)
    holds("draft is at one proposal", asked == (running & world.speculating & room))
    for i, slot in enumerate(at_draft):
        holds(f"draft {i} heard", ~slot.current | world.speculating)
        at_end = slot.tag.position == n - 1 + world.level
        holds(f"draft {i} asked", ~(slot.current & slot.tag.predict) | at_end)
        holds(f"draft {i} ahead", ~(slot.current & world.recorded.any()) | (slot.tag.position >= n - 1 + world.level))
        holds(f"draft {i} fresh", ~(slot.valid & slot.stale) | (world.recorded == 0))
    behind = (n == 0) | world.waiting & (dut.issue.p.tag.position >= n - 1)
    for path in (world.target, world.draft):
        holds(f"{path.name} void is behind", ~(path.x.valid & path.stale) | behind)


def words(world: World) -> None:
    """The watched word, wherever it is: in the text, or proposed for it."""
    n, holds = world.length, world.c.always
    intended: Value = world.word
    for i, record in enumerate(world.records):
        intended = Mux(world.watched == n + i, record.token, intended)
    for i, record in enumerate(world.records):
        valid, known = world.level > i, world.watched <= record.position
        holds(f"record {i} fresh", ~valid | ~record.ghost.stale)
        holds(f"record {i} position", ~valid | (record.position == n - 1 + i))
        holds(f"record {i} context", ~(valid & known) | (record.ghost.context == intended))
    for path in (world.target, world.draft):
        for i, slot in enumerate(path.slots[:-1]):
            known = slot.current & (world.watched <= slot.tag.position)
            holds(f"{path.name} {i} context", ~known | (slot.context == intended))
        last = path.slots[-1]
        there = last.current & (last.tag.position == world.watched)
        holds(f"{path.name} issued", ~there | (path.x.p.token == intended))
        heard = world.watched < world.issued - last.current
        hears = world.speculating if path is world.draft else Const(1)
        holds(f"{path.name} memory", ~(heard & hears) | (path.memory == intended))


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
    "speculation": Proof(Control(Size()), "prove", 1, BREAKS, reach=14),
    "speculation_in_time": Proof(
        Control(Size(capacity=(1, 2)), patience=3), "prove", 1,
        {"decision_waits": Break(Sequencer._take_decision, FREE, ISSUED, "a_move_is_put_off")}, reach=14,
    ),
    "speculation_narrow": Proof(Control(Size(context=5, vocab=2, eos=(1,), ahead=3, capacity=(1, 2))), "prove", 1),
    "speculation_shallow": Proof(Control(Size(context=3, vocab=2, eos=(), ahead=1, capacity=(1, 1))), "prove", 1),
    "speculation_deep": Proof(Control(Size(context=8, ahead=4, capacity=(3, 3))), "prove", 1),
    "speculation_seen": Proof(Control(Size()), "cover", 14),
}  # fmt: skip
