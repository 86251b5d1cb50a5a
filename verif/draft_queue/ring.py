"""The cocotb side: everything a draft and a target may do, at random, against lists, clock by clock."""

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import cocotb
from bench.case import load_case
from bench.stream import Testbench
from cocotb.triggers import RisingEdge

CASE = load_case()


@dataclass
class Model:
    """Records with their beats, the oldest first; `beats` of the record to come; what was read last.

    heads and reads: what the queue is still to show, the next clock's first: the number of records and the oldest one;
    the beat that was read.
    """

    queue: list[tuple[int, dict[int, int]]] = field(default_factory=list)
    beats: dict[int, int] = field(default_factory=dict)
    read: int | None = None
    heads: list[tuple[int, int | None]] = field(default_factory=lambda: [(0, None)] * CASE.latency)
    reads: list[int | None] = field(default_factory=lambda: [None] * CASE.read_latency)

    def note(self) -> None:
        """What has become of the queue is to be shown, each part at its time."""
        self.heads.append((len(self.queue), self.queue[0][0] if self.queue else None))
        self.reads.append(self.read)


class Bench:
    """The draft writes the beats of a record in any order, some of them twice, then pushes it or thinks again."""

    def __init__(self, dut: Any, rng: random.Random):
        self.dut, self.rng, self.model = dut, rng, Model()
        self.seen: Counter[str] = Counter()

    async def clock(self) -> None:
        """Do something, and see what came of the clock before."""
        dut, rng, model = self.dut, self.rng, self.model
        full, empty = len(model.queue) == CASE.ahead, not model.queue
        # In half of the time the draft is quick, so that the queue is full often; in the other the target is.
        quick = self.seen["clocks"] // 200 % 2
        write = not full and rng.random() < 0.9
        beat = rng.choice([b for b in range(CASE.beats) if b not in model.beats] or range(CASE.beats))
        complete = len(model.beats.keys() | ({beat} if write else set())) == CASE.beats
        push = not full and complete and rng.random() < 0.9
        pop = not empty and rng.random() < (0.1 if quick else 0.6)
        flush, reset = rng.random() < 0.01, rng.random() < 0.002
        read = not empty and rng.random() < 0.7
        read_beat = rng.randrange(CASE.beats)
        record, data = rng.getrandbits(CASE.record_bits), rng.getrandbits(CASE.beat_bits)
        dut.push.value, dut.record.value = int(push), record
        dut.write_valid.value, dut.write_beat.value, dut.write_data.value = int(write), beat, data
        dut.pop.value, dut.flush.value, dut.rst.value = int(pop), int(flush), int(reset)
        dut.read_en.value, dut.read_beat.value = int(read), read_beat
        await RisingEdge(dut.clk)
        self._compare()
        things = {"full": full, "both": push and pop, "push and flush": push and flush, "pop and flush": pop and flush}
        self.seen.update(["clocks", *(name for name, happened in things.items() if happened)])

        if read:
            model.read = model.queue[0][1][read_beat]
        if write:
            model.beats[beat] = data
        if reset:  # the slots begin anew
            self.model = Model(read=model.read, reads=[*model.reads, model.read])
            return
        if flush:
            model.queue.clear()
        else:
            if pop:
                model.queue.pop(0)
            if push:
                model.queue.append((record, model.beats))
        if (push and not flush) or rng.random() < 0.05:
            model.beats = {}
        model.note()

    def _compare(self) -> None:
        dut, (level, head), read = self.dut, self.model.heads.pop(0), self.model.reads.pop(0)
        assert dut.level.value == level
        assert dut.head_valid.value == int(level > 0)
        if head is not None:
            assert dut.head.value == head
        if read is not None:
            assert dut.read_data.value == read


@cocotb.test()
async def ring(dut: Any) -> None:
    """Levels, heads and beats are those of the lists, and everything that may coincide did."""
    bench = Bench(dut, random.Random(cocotb.RANDOM_SEED))
    testbench = Testbench(dut)
    await testbench.reset()
    for _ in range(CASE.clocks):
        await bench.clock()
    assert len(bench.seen) == 5 or CASE.ahead == 1, bench.seen
