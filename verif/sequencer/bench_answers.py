"""The cocotb side of the control's test: all conversations of a scenario, in a world that looks at every clock."""

from typing import Any

import cocotb
from bench.stalls import STALL_PATTERNS
from bench.stream import Monitor, Testbench

from sequencer.bench_sequencer import CASE, Checker, Prompts, output_words
from sequencer.pipelines import World

INTERRUPTS = (3, 30, 101, 400)
"""Clocks after which a reset hits a run, in a prompt or in an answer; one of them before each run that counts."""
TIMEOUT = 1_000_000


def add(bench: Testbench, scenario: dict, pattern: str, compare: bool) -> tuple[Prompts, Monitor, World]:
    """Both ends of the conversations, and the world between them."""
    conversations = scenario["conversations"]
    answers = bench.expect("out", output_words(conversations) if compare else None)
    prompts = Prompts(bench, STALL_PATTERNS[pattern].idle, conversations)
    world = World(bench.dut, scenario, pattern)
    bench.drivers += [prompts, world]
    return prompts, answers, world


@cocotb.test()
@cocotb.parametrize((("number", "pattern", "name"), CASE.runs))
async def answers(dut: Any, number: int, pattern: str, name: str) -> None:
    """After a run that a reset cut short, all conversations are right and in order."""
    scenario = CASE.scenarios[name]
    bench = Testbench(dut, pattern)
    add(bench, scenario, pattern, compare=False)
    await bench.interrupt(INTERRUPTS[number % len(INTERRUPTS)])
    prompts, shown, world = add(bench, scenario, pattern, compare=True)
    checker = Checker(dut, scenario["conversations"])
    await bench.reset()
    task = cocotb.start_soon(checker.run())
    await bench.run(TIMEOUT)
    task.cancel()
    assert checker.shown == len(shown.expected) == world.decided
    for want in scenario["wants"]:
        check(want, world)
    if pattern == "none" and scenario["brisk"]:
        first = len(scenario["conversations"][0]["prompt"])
        length = min(len(scenario["conversations"][1]["prompt"]), CASE.context)
        taken = prompts.cycles[first + length - 1] - prompts.cycles[first]
        assert taken == (length - 1) * CASE.pace, f"{taken} clocks from the first to the last of {length} tokens"


def check(want: str, world: World) -> None:
    """That a scenario is as hard as it is meant to be."""
    if want == "deep":
        assert world.deepest == CASE.ahead, f"never more than {world.deepest} records"
    if want == "blocked":
        assert world.blocked, "no replacement ever waited for what was on issue"
