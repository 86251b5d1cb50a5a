"""hc1gen sim: the chip's Verilog in Verilator, talking, checked against the golden chip at every token."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from ..api import BakedChip, Difference, RunningChip, SimulatedToken, Simulation, Token, open_chip
from ..errors import CheckFailed
from .options import (
    PATH,
    Manner,
    check_manner,
    jobs_option,
    json_option,
    manner_options,
    prompt_option,
    tokens_option,
)
from .output import Output
from .talk import Request, Voice, manner_fields, proposal_fields, request, told_manner, told_proposals


@click.command()
@click.argument("rtl_dir", type=PATH)
@prompt_option
@tokens_option(default=64)
@manner_options
@jobs_option
@json_option
def sim(rtl_dir: Path, prompt: str, tokens: int, manner: Manner, jobs: int, output: Output) -> int:
    """Simulate a baked chip and compare every token with the golden model. Exit code 1 where they differ.

    RTL_DIR is a folder that bake has written. The simulator is built once and kept in RTL_DIR/sim.
    """
    chip = open_chip(rtl_dir)
    check_manner(manner, chip.draft is not None)
    asked = request(output, chip.tokenizer, prompt, tokens, chip.context, manner)
    fields = simulate(output, chip, asked, jobs)
    output.result(fields)
    return 0 if fields["match"] else CheckFailed.exit_code


def simulate(output: Output, chip: BakedChip, asked: Request, jobs: int) -> dict[str, Any]:
    """Build, answer, compare, show, and return the JSON fields.

    Where the draft speaks, the chip says as many tokens again without it, to tell how much it helps.
    """
    eos, plain = chip.golden_chip.target.model.model.eos, None
    start = time.perf_counter()
    with output.tasks() as progress:
        running = chip.simulator(jobs=jobs, progress=progress)
    build_seconds = time.perf_counter() - start
    with running:
        voice = Voice(output, chip.tokenizer, asked.prompt, eos)
        try:
            answer = running.ask(asked.prompt.text, asked.tokens, *asked.manner, on_token=voice.say)
        finally:
            voice.end()
        if chip.draft is not None and asked.manner.speculate and answer.match:
            plain = _without_draft(output, running, asked, len(answer.tokens))
    fields = _fields(chip, answer, plain, build_seconds)
    _show(output, chip, fields)
    return fields


def _fields(chip: BakedChip, answer: Simulation, plain: Simulation | None, build_seconds: float) -> dict[str, Any]:
    """JSON fields of an answer, and of the one without speculation where there is one."""
    clocks, draft = [token.clocks for token in answer.tokens], chip.draft is not None
    difference = _difference(answer, plain)
    return {
        "match": difference is None,
        "difference": difference,
        "tokens": [token.token for token in answer.tokens],
        "golden_tokens": [token.token for token in answer.golden or ()],
        "text": answer.text,
        "reason": answer.reason.name.lower(),
        "prompt_tokens": len(answer.prompt.ids),
        "context": chip.context,
        **manner_fields(answer.settings, draft),
        **proposal_fields(answer.tokens, answer.settings, draft),
        "counters": asdict(answer.counters) if answer.counters else None,
        "clocks": clocks,
        **_speed(answer, plain),
        "clocks_at_last_position": clocks[-1],
        "cycles": answer.cycles,
        "tokens_per_second": round(len(clocks) / answer.seconds, 2),
        "build_seconds": round(build_seconds, 3),
    }


def _without_draft(output: Output, running: RunningChip, asked: Request, count: int) -> Simulation:
    """The same prompt to the target alone: `count` tokens unless EOS or the context is in the way."""
    done = 0
    with output.progress("without speculation, for comparison", count) as progress:

        def said(token: SimulatedToken) -> None:
            nonlocal done
            done += 1
            progress("", done)

        temperature, seed, _ = asked.manner
        return running.ask(asked.prompt.text, count, temperature, seed, speculate=False, on_token=said)


def _difference(answer: Simulation, plain: Simulation | None) -> dict[str, Any] | None:
    """The first in the answer, or else in the one without speculation."""
    for run in (answer, plain):
        if run is not None and (found := run.difference) is not None:
            return {**_difference_fields(found), "without_speculation": run is plain}
    return None


def _difference_fields(found: Difference) -> dict[str, Any]:
    return {"index": found.index, "chip": _side(found.chip), "golden": _side(found.golden)}


def _speed(answer: Simulation, plain: Simulation | None) -> dict[str, Any]:
    """JSON fields: mean clocks of a token, and of one without speculation if that was tried and went well."""
    clocks = answer.clocks_per_token
    alone = plain.clocks_per_token if plain and plain.match else None
    return {
        "clocks_per_token": None if clocks is None else round(clocks, 1),
        "clocks_per_token_plain": None if alone is None else round(alone, 1),
        "tokens_plain": None if plain is None else len(plain.tokens),
        "speedup": None if clocks is None or alone is None else round(alone / clocks, 3),
    }


def _show(output: Output, chip: BakedChip, fields: dict[str, Any]) -> None:
    output.line()
    facts = {
        "check": _verdict(chip, fields),
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


def _verdict(chip: BakedChip, fields: dict[str, Any]) -> str:
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
        return f"{side['token']} {chip.tokenizer.decode([side['token']])!r} ({', '.join(words)})"

    where = " without speculation" if difference["without_speculation"] else ""
    place = f"DIFFERS at token {difference['index']}{where}"
    return f"{place}: the chip says {told(difference['chip'])}, the golden model {told(difference['golden'])}"


def _side(token: SimulatedToken | Token | None) -> dict[str, Any] | None:
    """All that chip and golden chip both say of a token; null where one says nothing."""
    if token is None:
        return None
    return {
        "token": token.token,
        "last": token.last,
        "reason": token.reason.name.lower(),
        "outcome": token.outcome.name.lower(),
        "proposal": token.proposal,
    }
