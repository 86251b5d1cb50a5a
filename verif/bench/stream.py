"""Drivers and monitors of valid/ready streams under cocotb, and the testbench that holds them together.

Everything happens at rising edges of `clk`: what is read there is the state before the edge, what is written takes
effect after it. A word is transferred at an edge where `valid` and `ready` are both high.
"""

import random
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.simtime import get_sim_time
from cocotb.task import Task
from cocotb.triggers import Combine, Event, RisingEdge, SimTimeoutError, Timer, with_timeout

from bench.stalls import STALL_PATTERNS, Pauses

PERIOD = 2
"""Simulator time steps per clock."""
RESET_CLOCKS = 1
"""A single clock must be enough; more would let a pipeline drain and hide a register without reset."""
DRAIN_CLOCKS = 16
"""After the last expected word, clocks in which a word too many still fails the test."""


def clock_now() -> int:
    """Clocks since the simulation began."""
    return int(get_sim_time("step")) // PERIOD


async def clocks(clk: Any, count: int) -> None:
    """Wait for `count` rising edges; whatever their number, Python wakes twice."""
    if count > 1:
        await Timer(PERIOD * count - 1, "step")  # to the falling edge before the last one
    if count:
        await RisingEdge(clk)


class Stream:
    """The signals `<name>__payload`, `__valid` and `__ready` of a top module, or with `inner.<name>` of an instance in
    it; without `ready`, it is always ready."""

    def __init__(self, dut: Any, name: str):
        self.name = name
        self.clk = dut.clk
        *scope, name = name.split(".")
        for part in scope:
            dut = getattr(dut, part)
        self.payload = getattr(dut, f"{name}__payload")
        self.valid = getattr(dut, f"{name}__valid")
        self.ready = getattr(dut, f"{name}__ready", None)

    def pauses(self, pauses: Pauses) -> Iterator[int]:
        """The pauses of this stream's bench side, different for each stream and test seed."""
        return pauses.clocks(f"{cocotb.RANDOM_SEED} {self.name}")


class Driver(Stream):
    """Sends words (payload integers) into the design; between words, the payload is noise."""

    def __init__(self, dut: Any, name: str, words: Iterable[int], idle: Pauses):
        super().__init__(dut, name)
        self.words = list(words)
        self.cycles: list[int] = []
        """The clock of each transfer so far."""
        self.done = Event()
        self._idle = self.pauses(idle)
        self._noise = random.Random(f"{cocotb.RANDOM_SEED} {name} noise")

    def rest(self) -> None:
        """Offer nothing."""
        self.valid.value = 0
        self.payload.value = self._noise.getrandbits(len(self.payload))

    async def run(self) -> None:
        """Send all words."""
        for word in self.words:
            if pause := next(self._idle):
                self.rest()
                await clocks(self.clk, pause)
            self.payload.value = word
            self.valid.value = 1
            await self._transfer()
            self.cycles.append(clock_now())
        self.rest()
        self.done.set()

    async def _transfer(self) -> None:
        await RisingEdge(self.clk)
        while self.ready is not None and not self.ready.value:
            await RisingEdge(self.ready)
            await RisingEdge(self.clk)

    def __str__(self) -> str:
        return f"{self.name}: {len(self.cycles)} of {len(self.words)} words sent"


class Monitor(Stream):
    """Takes words from the design, compares each with the expected one, and checks the rules of a stream:

    once `valid` is high, it stays high and the payload stays the same until the transfer.
    """

    def __init__(self, dut: Any, name: str, expected: Iterable[int] | None, stall: Pauses):
        super().__init__(dut, name)
        self.expected = None if expected is None else list(expected)
        self.words: list[int] = []
        self.cycles: list[int] = []
        """The clock of each transfer so far."""
        self.done = Event()
        self._stall = self.pauses(stall if self.ready is not None else Pauses())
        self._held: int | None = None

    def rest(self) -> None:
        """Take nothing, and expect nothing to be kept."""
        self._held = None
        if self.ready is not None:
            self.ready.value = 0

    async def run(self) -> None:
        """Take words for ever."""
        self._take_note()
        while True:
            if pause := next(self._stall):
                self._set_ready(0)
                await self._pause(pause)
            self._set_ready(1)
            await self._transfer()

    async def _pause(self, pause: int) -> None:
        for _ in range(pause):
            await RisingEdge(self.clk)
            self._check_held()
            self._held = int(self.payload.value) if self.valid.value else None

    async def _transfer(self) -> None:
        await RisingEdge(self.clk)
        self._check_held()
        while not self.valid.value:
            await RisingEdge(self.valid)
            await RisingEdge(self.clk)
        self._held = None
        self.words.append(int(self.payload.value))
        self.cycles.append(clock_now())
        self._compare()
        self._take_note()

    def _set_ready(self, value: int) -> None:
        if self.ready is not None:
            self.ready.value = value

    def _check_held(self) -> None:
        if self._held is None:
            return
        assert self.valid.value, f"{self.name}: valid fell before the transfer (clock {clock_now()})"
        now = int(self.payload.value)
        assert now == self._held, (
            f"{self.name}: payload changed before the transfer: {self._held:#x} became {now:#x} (clock {clock_now()})"
        )

    def _compare(self) -> None:
        if self.expected is None:
            return
        index, word = len(self.words) - 1, self.words[-1]
        assert index < len(self.expected), (
            f"{self.name}: a word too many: got {word:#x} after all {index} (clock {clock_now()})"
        )
        want = self.expected[index]
        assert word == want, f"{self.name}: word {index}: got {word:#x}, expected {want:#x} (clock {clock_now()})"

    def _take_note(self) -> None:
        if self.expected is None or len(self.words) == len(self.expected):
            self.done.set()

    def __str__(self) -> str:
        total = "any number" if self.expected is None else len(self.expected)
        return f"{self.name}: {len(self.words)} of {total} words received"


class Testbench:
    """One design with its drivers and monitors: clock, reset, run, and queues that must be empty at the end."""

    def __init__(self, dut: Any, pattern: str = "none", constants: Mapping[str, int] | None = None):
        self.dut = dut
        self.drivers: list[Driver] = []
        self.monitors: list[Monitor] = []
        self._pattern = STALL_PATTERNS[pattern]
        Clock(dut.clk, PERIOD, "step", impl="gpi").start()
        for port, value in (constants or {}).items():
            getattr(dut, port).value = value

    def drive(self, name: str, words: Iterable[int]) -> Driver:
        """Send `words` into the stream `name`."""
        self.drivers.append(Driver(self.dut, name, words, self._pattern.idle))
        return self.drivers[-1]

    def expect(self, name: str, words: Iterable[int] | None) -> Monitor:
        """Expect exactly `words` from the stream `name`; with None, take whatever comes."""
        self.monitors.append(Monitor(self.dut, name, words, self._pattern.stall))
        return self.monitors[-1]

    async def reset(self) -> None:
        """Reset the design, with all streams at rest."""
        for end in self._ends():
            end.rest()
        self.dut.rst.value = 1
        await clocks(self.dut.clk, RESET_CLOCKS)
        self.dut.rst.value = 0

    async def run(self, timeout: int = 100_000) -> None:
        """Reset; send and receive everything within `timeout` clocks; see that nothing more comes."""
        await self.reset()
        tasks = self._start()
        ends = self._ends()
        try:
            await with_timeout(Combine(*(end.done.wait() for end in ends)), timeout * PERIOD, "step")
        except SimTimeoutError:
            raise AssertionError("; ".join([f"not done after {timeout} clocks", *map(str, ends)])) from None
        await clocks(self.dut.clk, DRAIN_CLOCKS)
        self._stop(tasks)

    async def interrupt(self, after: int) -> None:
        """Reset, start as `run` does, and stop in the middle; the next `run` must not notice.

        The drivers and monitors are used up: add the next run's afterwards.
        """
        await self.reset()
        tasks = self._start()
        await clocks(self.dut.clk, after)
        self._stop(tasks)

    def _ends(self) -> list[Driver | Monitor]:
        return [*self.drivers, *self.monitors]

    def _start(self) -> list[Task[None]]:
        return [cocotb.start_soon(end.run()) for end in self._ends()]

    def _stop(self, tasks: list[Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        for end in self._ends():
            end.rest()
        self.drivers, self.monitors = [], []
