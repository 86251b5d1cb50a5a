"""The cocotb side: passes of weights with and without gaps, and a model that knows what every clock must show."""

import random
from collections.abc import Iterator
from typing import Any

import cocotb
from bench.case import load_case
from bench.stalls import STALL_PATTERNS
from bench.stream import Testbench
from cocotb.triggers import Event, RisingEdge

CASE = load_case()
SCALE_LATENCY = CASE.scale_latency


class Player:
    """Sends passes; between beats all inputs are noise. Compares every output in every clock."""

    def __init__(self, dut: Any, pauses: Iterator[int]):
        self.dut, self.pauses = dut, pauses
        self.done = Event()
        self.rng = random.Random(f"{cocotb.RANDOM_SEED} player")
        self.now = self.drawn = 0
        self.summed_at, self.found_at = None, None
        self.total: int | None = None
        self.draw: dict[str, Any] = {}

    def rest(self) -> None:
        """Nothing to weigh."""
        dut = self.dut
        dut.w_valid.value = dut.clear.value = 0
        for port in (dut.w, dut.w_beat, dut.scan, dut.random):
            port.value = self.rng.getrandbits(len(port))

    async def run(self) -> None:
        """Play all draws."""
        for draw in CASE.draws:
            self.draw = draw
            for after in draw["cuts"]:
                await self._cut_short(after)
            await self._sum()
            await self._wait(SCALE_LATENCY + next(self.pauses))
            await self._scan()
            await self._wait(next(self.pauses))
            await self._clear()
            self.drawn += 1
        self.done.set()
        while True:
            await self._clock()

    async def _cut_short(self, after: int) -> None:
        """A draw that is cleared `after` clocks from its start; `total` may change from then on."""
        self.total = None
        left = after
        for scan in (0, 1):
            for beat, weights in enumerate(self.draw["w"][:left]):
                self._put(weights, beat, scan)
                if beat == CASE.beats - 1 and not scan:
                    self.summed_at = self.now + 1 + CASE.sum_latency
                await self._clock()
            left = max(left - CASE.beats - SCALE_LATENCY, 0)
            if left:
                await self._wait(SCALE_LATENCY)
                self.found_at = 0  # somewhere: `random` was noise
        await self._clear()

    async def _sum(self) -> None:
        self.total = None
        for beat, weights in enumerate(self.draw["w"]):
            await self._wait(next(self.pauses))
            self._put(weights, beat, 0)
            if beat == CASE.beats - 1:
                self.summed_at, self.total = self.now + 1 + CASE.sum_latency, self.draw["total"]
            await self._clock()
        await self._wait(CASE.sum_latency - 1)
        self.rest()
        self.dut.random.value = self.draw["random"]
        await self._clock()
        self.rest()

    async def _scan(self) -> None:
        """The whole pass, or the beats up to the token's and a few more."""
        end = CASE.beats if self.rng.random() < 0.5 else min(self.draw["beat"] + self.rng.randint(1, 4), CASE.beats)
        for beat, weights in enumerate(self.draw["scanned"][:end]):
            await self._wait(next(self.pauses))
            self._put(weights, beat, 1)
            if beat == self.draw["beat"]:
                self.found_at = self.now + 1 + CASE.find_latency
            await self._clock()
        await self._wait(max(self.found_at - self.now, 0))

    async def _clear(self) -> None:
        """In the clock of the clear one more beat."""
        self._put(self.draw["w"][-1], CASE.beats - 1, self.rng.randrange(2))
        self.dut.clear.value = 1
        await self._clock()
        self.summed_at, self.found_at = None, None
        self.rest()

    def _put(self, weights: int, beat: int, scan: int) -> None:
        dut = self.dut
        dut.w.value, dut.w_beat.value, dut.scan.value, dut.w_valid.value = weights, beat, scan, 1

    async def _wait(self, count: int) -> None:
        for _ in range(count):
            self.rest()
            await self._clock()

    async def _clock(self) -> None:
        dut = self.dut
        await RisingEdge(dut.clk)
        self.now += 1
        assert dut.summed.value == (self.now == self.summed_at), f"summed is {dut.summed.value} (clock {self.now})"
        if self.total is not None and self.summed_at and self.now >= self.summed_at:
            assert dut.total.value == self.total, f"total is {int(dut.total.value)}, expected {self.total}"
        if self.found_at == 0:
            return
        found = self.found_at is not None and self.now >= self.found_at
        assert dut.found.value == found, f"found is {dut.found.value} (clock {self.now})"
        if found and self.draw["token"] is not None:
            got = int(dut.token.value), int(dut.weight.value)
            want = self.draw["token"], self.draw["weight"]
            assert got == want, f"token, weight: got {got}, expected {want} (clock {self.now})"

    def __str__(self) -> str:
        return f"{self.drawn} of {len(CASE.draws)} drawn"


def add(bench: Testbench, pattern: str) -> Player:
    """The player of all draws."""
    player = Player(bench.dut, STALL_PATTERNS[pattern].idle.clocks(f"{cocotb.RANDOM_SEED} player"))
    bench.drivers.append(player)
    return player


@cocotb.test()
@cocotb.parametrize(pattern=CASE.patterns)
async def draws(dut: Any, pattern: str) -> None:
    """Runs cut short by a reset leave no trace; then every token drawn is the golden model's."""
    bench = Testbench(dut, pattern)
    beats = CASE.beats
    for after in (1, beats, beats + 1, beats + 2, beats + 5, beats + 8, 2 * beats + 8, 7 * beats):
        add(bench, pattern)
        await bench.interrupt(after)
    player = add(bench, pattern)
    await bench.run(CASE.timeout)
    assert player.drawn == len(CASE.draws)
