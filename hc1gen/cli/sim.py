"""hc1gen sim: the chip's Verilog in Verilator, talking, checked against the golden model at every token."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median_low
from typing import Any

import click

from ..backend import simulator
from ..errors import CheckFailed
from ..golden.model import GoldenModel
from ..golden.model import Token as GoldenToken
from .baked import Baked
from .options import PATH, jobs_option, json_option, prompt_option, tokens_option
from .output import Output
from .talk import Request, Voice, request

COMPILED = re.compile(r"-o (\S+)\.o\b")


@click.command()
@click.argument("rtl_dir", type=PATH)
@prompt_option
@tokens_option(default=64)
@jobs_option
@json_option
def sim(rtl_dir: Path, prompt: str, tokens: int, jobs: int, output: Output) -> int:
    """Simulate a baked chip and compare every token with the golden model. Exit code 1 if one differs.

    RTL_DIR is a folder that bake has written. The simulator is built once and kept in RTL_DIR/sim.
    """
    baked = Baked.load(rtl_dir)
    asked = request(output, baked.tokenizer, prompt, tokens, baked.context)
    fields = simulate(output, baked, asked, jobs)
    output.result(fields)
    return 0 if fields["match"] else CheckFailed.exit_code


@dataclass
class Duel:
    """The chip and the golden model on one prompt, up to the first difference."""

    chip: list[simulator.Token] = field(default_factory=list)
    golden: list[GoldenToken] = field(default_factory=list)
    chip_seconds: float = 0.0

    def tokens(self, chip: Iterator[simulator.Token], golden: Iterator[GoldenToken]) -> Iterator[int]:
        """The chip's tokens as they come; ends behind the first that differs."""
        while True:
            start = time.perf_counter()
            said = next(chip, None)
            self.chip_seconds += time.perf_counter() - start
            expected = next(golden, None)
            if expected is not None:
                self.golden.append(expected)
            if said is None:
                return
            self.chip.append(said)
            yield said.token
            if self.difference is not None:
                return

    @property
    def difference(self) -> dict[str, Any] | None:
        """The first place where they differ, in tokens or in why they ended."""
        pairs = zip(self.chip, self.golden, strict=False)
        for index, (a, b) in enumerate(pairs):
            if (a.token, a.last, int(a.reason)) != (b.token, b.last, int(b.reason)):
                return {"index": index, "chip": _side(a), "golden": _side(b)}
        if len(self.chip) != len(self.golden):
            index = min(len(self.chip), len(self.golden))
            rest = self.chip[index:] or self.golden[index:]
            return {
                "index": index,
                "chip": None,
                "golden": None,
                ("chip" if self.chip[index:] else "golden"): _side(rest[0]),
            }
        return None


def simulate(output: Output, baked: Baked, asked: Request, jobs: int) -> dict[str, Any]:
    """Build, speak, compare, show, and return the JSON fields."""
    start = time.perf_counter()
    executable = build(output, baked.folder, jobs)
    build_seconds = time.perf_counter() - start
    duel = Duel()
    voice = Voice(output, baked.tokenizer, asked, baked.model.model.eos)
    golden = GoldenModel(baked.model, baked.context).generate(asked.ids, asked.limit)
    try:
        with simulator.ChipSimulator(executable) as chip:
            for token in duel.tokens(chip.run(asked.ids, asked.limit), golden):
                voice.say(token)
            cycles = chip.cycles
    finally:
        voice.end()
    clocks = [token.clocks for token in duel.chip]
    fields = {
        "match": duel.difference is None,
        "difference": duel.difference,
        "tokens": [token.token for token in duel.chip],
        "golden_tokens": [token.token for token in duel.golden],
        "text": voice.text,
        "reason": _reason(duel.chip[-1].reason),
        "prompt_tokens": len(asked.ids),
        "context": baked.context,
        "clocks": clocks,
        "clocks_per_token": median_low(clocks),
        "clocks_at_last_position": clocks[-1],
        "cycles": cycles,
        "tokens_per_second": round(len(clocks) / duel.chip_seconds, 2),
        "build_seconds": round(build_seconds, 3),
    }
    _show(output, baked, fields)
    return fields


def build(output: Output, folder: Path, jobs: int) -> Path:
    """The simulator, with what the tools are doing beside a clock where it has to be built first."""
    built = simulator.executable_of(folder)
    if built.exists():
        return built
    with output.progress("building the simulator") as progress:
        compiled = 0

        def watch(line: str) -> None:
            nonlocal compiled
            if match := COMPILED.search(line):
                compiled += 1
                progress(f"compiling file {compiled}: {Path(match[1]).name}", 0)
            elif not compiled:
                progress("verilator reads the chip", 0)

        progress("verilator reads the chip", 0)
        return simulator.build(folder, jobs, watch)


def _show(output: Output, baked: Baked, fields: dict[str, Any]) -> None:
    output.line()
    if fields["match"]:
        verdict = f"all {len(fields['tokens'])} tokens equal the golden model's"
    else:
        verdict = _describe(baked, fields["difference"])
    output.facts(
        {
            "check": verdict,
            "ended by": fields["reason"],
            "clocks per token": f"{fields['clocks_per_token']:,} (median), "
            f"{fields['clocks_at_last_position']:,} at the last position",
            "simulation": f"{fields['tokens_per_second']:,} tokens/s, {fields['cycles']:,} clocks in all",
        }
    )


def _describe(baked: Baked, difference: dict[str, Any]) -> str:
    def told(side: dict[str, Any] | None) -> str:
        if side is None:
            return "nothing"
        return f"{side['token']} {baked.tokenizer.decode([side['token']])!r} ({side['reason']})"

    place = f"DIFFERS at token {difference['index']}"
    return f"{place}: the chip says {told(difference['chip'])}, the golden model {told(difference['golden'])}"


def _side(token: simulator.Token | GoldenToken) -> dict[str, Any]:
    return {"token": token.token, "last": token.last, "reason": _reason(token.reason)}


def _reason(reason: int) -> str:
    """`more`, `eos`, `limit` or `full`."""
    return ("more", "eos", "limit", "full")[int(reason)]
