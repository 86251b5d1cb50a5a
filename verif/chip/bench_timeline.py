"""The cocotb side of `timeline`: one answer with speculation, and the clock of every transfer that matters."""

import json
from pathlib import Path
from typing import Any

import cocotb
from bench.case import load_case
from bench.stream import Testbench
from cocotb.triggers import RisingEdge
from sequencer.bench_sequencer import output_words, prompt_words

from chip.bench_stages import Transfers

CASE = load_case()


@cocotb.test()
async def timeline(dut: Any) -> None:
    """The answer is the golden chip's; on the way, every stream is looked at in every clock."""
    bench = Testbench(dut, constants=CASE.conversations[0]["settings"])
    bench.drive("prompt", prompt_words(CASE.conversations[0]["prompt"]))
    answers = bench.expect("out", output_words())
    await bench.reset()
    bench._start()
    streams = {name: Transfers(dut, name) for name in CASE.streams}
    tokens, issued = [], streams["sequencer_issue"]
    while len(answers.words) < len(answers.expected):
        await RisingEdge(dut.clk)
        for stream in streams.values():
            stream.look()
        if len(issued.cycles) > len(tokens):
            tokens.append(int(dut.sequencer_issue__payload.value))
    found = {"tokens": tokens, "cycles": {name: stream.cycles for name, stream in streams.items()}}
    Path(CASE.answer).write_text(json.dumps(found))
