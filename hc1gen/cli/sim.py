"""hc1gen sim: the chip's Verilog in Verilator, talking, checked against the golden chip at every token."""

import re
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import click

from ..backend import simulator
from ..errors import CheckFailed
from ..golden.chip import Token as GoldenToken
from ..settings import Settings
from .baked import Baked
from .options import PATH, check_manner, jobs_option, json_option, manner_options, prompt_option, tokens_option
from .output import Output
from .talk import Request, Voice, manner_fields, proposal_fields, request, told_manner, told_proposals

COMPILED = re.compile(r"-o (\S+)\.o\b")


@click.command()
@click.argument("rtl_dir", type=PATH)
@prompt_option
@tokens_option(default=64)
@manner_options
@jobs_option
@json_option
def sim(rtl_dir: Path, prompt: str, tokens: int, manner: Settings, jobs: int, output: Output) -> int:
    """Simulate a baked chip and compare every token with the golden model. Exit code 1 where they differ.

    RTL_DIR is a folder that bake has written. The simulator is built once and kept in RTL_DIR/sim.
    """
    baked = Baked.load(rtl_dir)
    check_manner(manner, baked.draft is not None)
    asked = request(output, baked.tokenizer, prompt, tokens, baked.context, manner)
    fields = simulate(output, baked, asked, jobs)
    output.result(fields)
    return 0 if fields["match"] else CheckFailed.exit_code


@dataclass
class Duel:
    """The chip and the golden chip on one prompt, up to the first difference."""

    chip: list[simulator.Token] = field(default_factory=list)
    golden: list[GoldenToken] = field(default_factory=list)
    chip_seconds: float = 0.0

    def tokens(self, chip: Iterator[simulator.Token], golden: Iterator[GoldenToken]) -> Iterator[simulator.Token]:
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
            yield said
            if expected is None or _side(said) != _side(expected):
                return

    @property
    def difference(self) -> dict[str, Any] | None:
        """The first place where they differ, in anything that both say of a token; null for what is not there."""
        for index in range(max(len(self.chip), len(self.golden))):
            chip = _side(self.chip[index]) if index < len(self.chip) else None
            golden = _side(self.golden[index]) if index < len(self.golden) else None
            if chip != golden:
                return {"index": index, "chip": chip, "golden": golden}
        return None

    @property
    def clocks_per_token(self) -> float | None:
        """Mean over the tokens after the first; None where there are none."""
        clocks = [token.clocks for token in self.chip[1:]]
        return sum(clocks) / len(clocks) if clocks else None


def simulate(output: Output, baked: Baked, asked: Request, jobs: int) -> dict[str, Any]:
    """Build, speak, compare, show, and return the JSON fields.

    Where the draft speaks, the chip says as many tokens again without it, to tell how much it helps.
    """
    start = time.perf_counter()
    executable = build(output, baked.folder, jobs)
    build_seconds = time.perf_counter() - start
    duel, plain = Duel(), None
    with simulator.ChipSimulator(executable) as chip:
        voice = Voice(output, baked.tokenizer, asked, baked.model.model.eos)
        try:
            for token in duel.tokens(*_answers(chip, baked, asked.ids, asked.settings)):
                voice.say(token)
        finally:
            voice.end()
        cycles, counters = chip.cycles, chip.counters
        if baked.draft is not None and asked.settings.speculate and duel.difference is None:
            plain = _without_draft(output, chip, baked, asked, len(duel.chip))
    clocks = [token.clocks for token in duel.chip]
    difference = _difference(duel, plain)
    fields = {
        "match": difference is None,
        "difference": difference,
        "tokens": [token.token for token in duel.chip],
        "golden_tokens": [token.token for token in duel.golden],
        "text": voice.text,
        "reason": duel.chip[-1].reason.name.lower(),
        "prompt_tokens": len(asked.ids),
        "context": baked.context,
        **manner_fields(asked.settings, baked.draft is not None),
        **proposal_fields(duel.chip, asked.settings, baked.draft is not None),
        "counters": asdict(counters) if counters else None,
        "clocks": clocks,
        **_speed(duel, plain),
        "clocks_at_last_position": clocks[-1],
        "cycles": cycles,
        "tokens_per_second": round(len(clocks) / duel.chip_seconds, 2),
        "build_seconds": round(build_seconds, 3),
    }
    _show(output, baked, fields)
    return fields


def _answers(
    chip: simulator.ChipSimulator, baked: Baked, ids: list[int], settings: Settings
) -> tuple[Iterator[simulator.Token], Iterator[GoldenToken]]:
    return chip.run(ids, settings), baked.golden.generate(ids, settings)


def _without_draft(output: Output, chip: simulator.ChipSimulator, baked: Baked, asked: Request, count: int) -> Duel:
    """The same prompt to the target alone: `count` tokens unless EOS or the context is in the way."""
    duel, settings = Duel(), replace(asked.settings, limit=count, speculate=False)
    with output.progress("without speculation, for comparison", count) as progress:
        for done, _ in enumerate(duel.tokens(*_answers(chip, baked, asked.ids, settings)), 1):
            progress("", done)
    return duel


def _difference(duel: Duel, plain: Duel | None) -> dict[str, Any] | None:
    """The first in the answer, or else in the one without speculation."""
    for run in (duel, plain):
        if run is not None and (difference := run.difference) is not None:
            return {**difference, "without_speculation": run is plain}
    return None


def _speed(duel: Duel, plain: Duel | None) -> dict[str, Any]:
    """JSON fields: mean clocks of a token, and of one without speculation if that was tried and went well."""
    clocks = duel.clocks_per_token
    alone = plain.clocks_per_token if plain and plain.difference is None else None
    return {
        "clocks_per_token": None if clocks is None else round(clocks, 1),
        "clocks_per_token_plain": None if alone is None else round(alone, 1),
        "tokens_plain": None if plain is None else len(plain.chip),
        "speedup": None if clocks is None or alone is None else round(alone / clocks, 3),
    }


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
    facts = {
        "check": _verdict(baked, fields),
        "ended by": fields["reason"],
        "chosen": told_manner(fields),
        "speculation": told_proposals(fields) if fields["acceptance_rate"] is not None else None,
        "clocks per token": _told_clocks(fields),
        "simulation": f"{fields['tokens_per_second']:,} tokens/s, {fields['cycles']:,} clocks in all",
    }
    output.facts({name: value for name, value in facts.items() if value is not None})


def _told_clocks(fields: dict[str, Any]) -> str:
    last = f"{fields['clocks_at_last_position']:,} at the last position"
    if fields["clocks_per_token"] is None:
        return last
    mean = f"{fields['clocks_per_token']:,} (mean), {last}"
    if fields["speedup"] is None:
        return mean
    plain = fields["clocks_per_token_plain"]
    return f"{mean}; {plain:,} without speculation, so it is {fields['speedup']:.2f} times as fast"


def _verdict(baked: Baked, fields: dict[str, Any]) -> str:
    difference = fields["difference"]
    if difference is None:
        alone = fields["tokens_plain"]
        again = "" if alone is None else f", so are {alone} without speculation"
        return f"all {len(fields['tokens'])} tokens equal the golden model's{again}"

    def told(side: dict[str, Any] | None) -> str:
        if side is None:
            return "nothing"
        words = [side["reason"]]
        if side["proposal"] is not None:
            words.append(f"{side['outcome']} {side['proposal']}")
        return f"{side['token']} {baked.tokenizer.decode([side['token']])!r} ({', '.join(words)})"

    where = " without speculation" if difference["without_speculation"] else ""
    place = f"DIFFERS at token {difference['index']}{where}"
    return f"{place}: the chip says {told(difference['chip'])}, the golden model {told(difference['golden'])}"


def _side(token: simulator.Token | GoldenToken) -> dict[str, Any]:
    """All that chip and golden chip both say of a token."""
    return {
        "token": token.token,
        "last": token.last,
        "reason": token.reason.name.lower(),
        "outcome": token.outcome.name.lower(),
        "proposal": token.proposal,
    }
