"""The cocotb side of `stages`: one token decoded, and the clock of every transfer on its way."""

import json
import random
from pathlib import Path
from typing import Any

import cocotb
from bench.case import load_case
from bench.stream import Testbench, clock_now
from cocotb.triggers import RisingEdge
from sequencer.bench_sequencer import prompt_words

CASE = load_case()


class Transfers:
    """The clock of every transfer on a stream."""

    def __init__(self, dut: Any, path: str):
        *scope, name = path.split(".")
        for part in scope:
            dut = getattr(dut, part)
        self.valid, self.ready = getattr(dut, f"{name}__valid"), getattr(dut, f"{name}__ready", None)
        self.cycles: list[int] = []

    def look(self) -> None:
        """Call it once a clock."""
        if self.valid.value and (self.ready is None or self.ready.value):
            self.cycles.append(clock_now())


@cocotb.test()
async def stages(dut: Any) -> None:
    """A random prompt up to the position; the token after the first answer is looked at."""
    bench = Testbench(dut, constants=CASE.constants)
    rng = random.Random(CASE.position)
    prompt = [rng.randrange(CASE.vocab) for _ in range(CASE.position)]
    bench.drive("prompt", prompt_words(prompt))
    answers = bench.expect("out", None)
    await bench.reset()
    bench._start()
    await RisingEdge(dut.out__valid)
    issue = clock_now() + 1  # the first answer is issued in the clock in which it appears
    streams = {name: Transfers(dut, name) for name in CASE.streams}
    while len(answers.words) < 2:
        await RisingEdge(dut.clk)
        for stream in streams.values():
            stream.look()
    found = {name: stream.cycles for name, stream in streams.items()} | {"issue": [issue]}
    found["out"] = found["out"][1:]  # without the first answer itself
    assert dut.clocks.value == found["out"][0] - issue, "the stages do not add up to the chip's own count"
    Path(CASE.answer).write_text(json.dumps(found))
