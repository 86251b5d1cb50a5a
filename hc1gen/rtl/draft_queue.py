"""The draft's proposals on their way to the target: each with the distribution that it was drawn from."""

from amaranth.hdl import Array, ClockSignal, Instance, Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..network import Plan
from .memory import Memory
from .payloads import drawn_token

DRAFT_EXPONENTIALS = "draft_exponentials"


def memories(plan: Plan, ahead: int) -> list[Memory]:
    """The memory that `DraftQueue` instantiates."""
    depth, width = ahead * (len(plan.vocabulary) // plan.lanes), plan.lanes * plan.n.config.sample_bits
    holds = "Exponentials of the draft, a vector for each token that it is ahead"
    return [Memory(DRAFT_EXPONENTIALS, depth, width, holds)]


class DraftQueue(wiring.Component):
    """A ring of `ahead` records, and for each the exponentials e_q of the whole vocabulary.

    write_valid: beat `write_beat` of the exponentials of the record to come is stored. push: that record is complete;
    the beats of this clock still belong to it. Until a push, beats written again replace those before. Neither
    happens while the queue is full. pop: drops the head; there is one. push and pop may come together.
    flush: empties the queue and wins over both.
    head: the oldest record, while head_valid is high: from 1 clock after its push. level: the number of records.
    read_en: `read_data` is, 1 clock later and until the next read, beat `read_beat` of the head's exponentials.

    The memory is the module of `memories`. A reset leaves it as it is.
    """

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
            # The slot that is being written stays the one being written.
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
        """Of a beat in the memory; its width is that of the memory's port."""
        address = Signal(range(max(self.ahead * self.beats, 2)), name=name)
        m.d.comb += address.eq(slot * self.beats + beat)
        return address
