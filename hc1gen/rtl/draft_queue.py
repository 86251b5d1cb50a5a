"""The queue of the draft's proposals, from the draft to the target: each with the distribution it was drawn from."""

from amaranth.hdl import Array, ClockSignal, Instance, Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..network import Plan
from .memory import READ_LATENCY, Memory
from .payloads import drawn_token

DRAFT_EXPONENTIALS = "draft_exponentials"


def memories(plan: Plan, ahead: int) -> list[Memory]:
    """The one memory that `DraftQueue` instantiates: the draft's exponentials, a vector for each of `ahead` records."""
    depth, width = ahead * (len(plan.vocabulary) // plan.lanes), plan.lanes * plan.n.config.sample_bits
    holds = "Exponentials of the draft, a vector for each token that it is ahead"
    return [Memory(DRAFT_EXPONENTIALS, depth, width, holds)]


class DraftQueue(wiring.Component):
    """Holds the draft's proposals until the target decides on them, each with the draft's exponentials.

    It is a ring of `ahead` records. The exponentials of each record are in a memory.

    Parameters
        plan: the draft's plan; gives the lanes, the vocabulary and the widths.
        ahead: records that the queue holds, at least 1.
    Ports
        write_valid (in, 1 bit), write_beat (in), write_data (in, `plan.lanes` lanes of `sample_bits` bits): while
            `write_valid` is high, beat `write_beat` of the next record's exponentials is stored. A beat may be written
            again before the push; the last write counts.
        record (in, `drawn_token`), push (in, 1 bit): `push` adds `record`. Beats that are written in the same clock
            still belong to it. Neither `push` nor `write_valid` may be high while the queue is full.
        pop (in, 1 bit): removes the oldest record. The queue must not be empty. push and pop may come together.
        flush (in, 1 bit): empties the queue; a push or pop in the same clock has no effect.
        head (out, `drawn_token`), head_valid (out, 1 bit): the oldest record, while `head_valid` is high.
        level (out): the number of records, 0..`ahead`.
        read_en (in, 1 bit), read_beat (in), read_data (out, `plan.lanes` lanes of `sample_bits` bits): reads beat
            `read_beat` of the oldest record's exponentials. `read_data` holds it `read_latency` clocks after `read_en`,
            until the next read.
        A reset empties the queue, but leaves the content of the memory (see `memories`) as it is.
    Timing
        `latency`, `read_latency` and `pace`.
    """

    latency = 1
    """Clocks from a push into an empty queue to `head_valid`, and from any push, pop or flush to `level`."""
    read_latency = READ_LATENCY
    """Clocks from `read_en` to `read_data`."""
    pace = 1
    """Clocks from one push to the next, from one pop to the next, and from one read to the next."""

    def __init__(self, plan: Plan, ahead: int):
        self.ahead = ahead
        self.beats = len(plan.vocabulary) // plan.lanes
        beat = range(max(self.beats, 2))
        record = drawn_token(plan.token_bits, plan.n.config.sample_bits, plan.n.sample_sum_bits)
        exponentials = data.ArrayLayout(unsigned(plan.n.config.sample_bits), plan.lanes)
        super().__init__(
            {
                "record": In(record),
                "push": In(1),
                "write_valid": In(1),
                "write_beat": In(beat),
                "write_data": In(exponentials),
                "flush": In(1),
                "pop": In(1),
                "head": Out(record),
                "head_valid": Out(1),
                "level": Out(range(ahead + 1)),
                "read_en": In(1),
                "read_beat": In(beat),
                "read_data": Out(exponentials),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        first, free = (Signal(range(max(self.ahead, 2)), name=name) for name in ("first", "free"))
        records = Array(Signal(self.record.shape(), name=f"record{i}", reset_less=True) for i in range(self.ahead))
        m.d.comb += [self.head.eq(records[first]), self.head_valid.eq(self.level != 0)]
        with m.If(self.push):
            m.d.sync += records[free].eq(self.record)
        with m.If(self.flush):
            # `free` stays: the beats that are written for the next record remain in their slot.
            m.d.sync += [self.level.eq(0), first.eq(free)]
        with m.Else():
            m.d.sync += self.level.eq(self.level + self.push - self.pop)
            for slot, moves in ((first, self.pop), (free, self.push)):
                with m.If(moves):
                    m.d.sync += slot.eq(Mux(slot == self.ahead - 1, 0, slot + 1))
        m.submodules.memory = Instance(
            DRAFT_EXPONENTIALS,
            i_clk=ClockSignal(),
            i_write_en=self.write_valid,
            i_write_addr=self._address(m, free, self.write_beat, "write_address"),
            i_write_data=self.write_data,
            i_read_en=self.read_en,
            i_read_addr=self._address(m, first, self.read_beat, "read_address"),
            o_read_data=self.read_data,
        )
        return m

    def _address(self, m: Module, slot: Signal, beat: Signal, name: str) -> Signal:
        """Returns the memory address of a beat of a slot, as wide as the memory's address port."""
        address = Signal(range(max(self.ahead * self.beats, 2)), name=name)
        m.d.comb += address.eq(slot * self.beats + beat)
        return address
