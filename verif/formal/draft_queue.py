"""The draft queue: records leave in the order in which they came, each with its own exponentials."""

from amaranth.hdl import Module, Mux, Signal, Value
from embedding.shapes import make_plan

from hc1gen.rtl.draft_queue import DraftQueue, memories

from .prove import Break, Claims, Proof

AHEAD = 3
PLAN = make_plan(1, 1, 2)
"""Two beats of one lane."""


class Followed:
    """A queue used as it asks to be, and one record in it, chosen by the solver, with one of its beats.

    ahead: the records before it, while it is `queued`.
    """

    def __init__(self, m: Module, c: Claims):
        self.dut = dut = DraftQueue(PLAN, AHEAD)
        self.inside = c.place("dut", dut)
        c.assume(~(dut.push | dut.write_valid) | (dut.level != AHEAD))
        c.assume(~dut.pop | dut.head_valid)
        c.assume((dut.write_beat < dut.beats) & (dut.read_beat < dut.beats))
        chosen = dut.push & ~dut.flush & c.free(1, "choose")
        self.record = Signal(dut.record.shape())
        self.queued, self.ahead = Signal(), Signal(range(AHEAD))
        with m.If(dut.pop):
            m.d.sync += [self.ahead.eq(self.ahead - 1), self.queued.eq(self.queued & self.ahead.any())]
        with m.If(chosen & ~self.queued):
            m.d.sync += [self.queued.eq(1), self.record.eq(dut.record), self.ahead.eq(dut.level - dut.pop)]
        with m.If(dut.flush):
            m.d.sync += self.queued.eq(0)
        self.taken = chosen & ~self.queued
        self.at_head = self.queued & (self.ahead == 0)


def order(m: Module, c: Claims) -> None:
    """First in, first out; a record keeps its slot, and nothing is written to it."""
    f = Followed(m, c)
    dut, first, free = f.dut, f.inside("first"), f.inside("free")
    records = f.inside("records")
    slot = Signal.like(free)
    with m.If(f.taken):
        m.d.sync += slot.eq(free)
    here = first + f.ahead
    c.always("head is the oldest", ~f.at_head | dut.head_valid & (dut.head == f.record))
    c.always("head is read", ~f.at_head | (first == slot))
    c.always("what is queued is not written", ~f.queued | ~dut.write_valid | (free != slot))
    end = first + dut.level
    c.always("level", (dut.level <= AHEAD) & (first < AHEAD) & (free == Mux(end >= AHEAD, end - AHEAD, end)))
    c.always("place", ~f.queued | (f.ahead < dut.level) & (slot == Mux(here >= AHEAD, here - AHEAD, here)))
    c.always("kept", ~f.queued | (Value.cast(records[slot]) == Value.cast(f.record)))


def beats(m: Module, c: Claims) -> None:
    """What is read of the head is what was written for it last before its push, or in the clock of its push.

    latest: the chosen beat of the record to come, if it is `written`; data: that of the followed record, if `sure`.
    """
    f = Followed(m, c)
    dut, beat = f.dut, c.constant(1, "beat")
    bits = len(dut.write_data.as_value())
    before, latest, data, expected = (Signal(bits, name=name) for name in ("before", "latest", "data", "expected"))
    was_written, written, sure, answers = Signal(), Signal(), Signal(), Signal()
    writes = dut.write_valid & (dut.write_beat == beat)
    m.d.comb += [
        latest.eq(Mux(writes, dut.write_data.as_value(), before)),
        written.eq(was_written | writes),
    ]
    m.d.sync += [before.eq(latest), was_written.eq(written & ~(dut.push & ~dut.flush))]
    with m.If(f.taken):
        m.d.sync += [data.eq(latest), sure.eq(written)]
    with m.If(dut.read_en):
        m.d.sync += [answers.eq((dut.read_beat == beat) & f.at_head & sure), expected.eq(data)]
    c.always("beats are the record's", ~answers | (dut.read_data.as_value() == expected))
    c.reached("read", answers)


MEMORY = {memory.name: memory.verilog() for memory in memories(PLAN, AHEAD)}
FLUSH = (DraftQueue.elaborate, "first.eq(free)", "first.eq(0)")
WRAP = (DraftQueue.elaborate, "slot == self.ahead - 1, 0", "slot == self.ahead - 2, 0")
ADDRESS = (DraftQueue._address, "slot * self.beats + beat", "slot + beat")

PROOFS = {
    "queue_order": Proof(
        order, "prove", 1,
        {"flush": Break(*FLUSH, "head_is_the_oldest"), "wrap": Break(*WRAP, "head_is_the_oldest")},
        sources=MEMORY,
    ),
    "queue_beats": Proof(
        beats, "bmc", 16,
        {"flush": Break(*FLUSH, "beats_are_the_record's"), "address": Break(*ADDRESS, "beats_are_the_record's")},
        sources=MEMORY,
    ),
    "queue_beats_seen": Proof(beats, "cover", 8, sources=MEMORY),
}  # fmt: skip
