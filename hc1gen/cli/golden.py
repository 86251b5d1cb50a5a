"""hc1gen golden: the chip's arithmetic in numpy, talking."""

from pathlib import Path
from typing import Any

import click

from ..api import EMBEDDED, BakedChip, Calibration, ChipPlan, open_chip
from ..backend.folder.target import is_baked
from ..frontend.tokenizer import Tokenizer
from .chips import Wanted
from .options import (
    PATH,
    Manner,
    calibration_options,
    check_manner,
    context_option,
    draft_options,
    json_option,
    manner_options,
    prompt_option,
    tokens_option,
)
from .output import Output
from .talk import Request, Voice, manner_fields, proposal_fields, request, told_manner, told_proposals
from .widths import numeric_config, set_option


@click.command()
@click.argument("model", type=PATH, default=EMBEDDED, metavar="[MODEL]")
@prompt_option
@tokens_option(default=64)
@manner_options
@draft_options
@context_option
@calibration_options
@set_option
@json_option
def golden(
    model: Path, prompt: str, tokens: int, manner: Manner, draft: Path | None, ahead: int | None, context: int | None,
    calibration: Calibration, settings: tuple[str, ...], output: Output,
) -> None:  # fmt: skip
    """Let the golden model answer a prompt, token for token as the chip will.

    MODEL is a checkpoint as for bake, or a baked folder; by default the model that comes with hc1gen.
    """
    if is_baked(model):
        if draft is not None:
            raise click.UsageError("a baked chip has its draft, or none; give the checkpoint instead")
        if context is not None or calibration.text is not None or settings:
            raise click.UsageError("a baked chip has its context, calibration and widths; give the checkpoint instead")
        chip = open_chip(model)
        check_manner(manner, chip.draft is not None)
        asked = request(output, chip.tokenizer, prompt, tokens, chip.context, manner)
        output.result(talk(output, chip, chip.tokenizer, asked))
    else:
        check_manner(manner, draft is not None)
        wanted = Wanted.of(model, draft, numeric_config(settings), calibration, ahead=ahead, context=context)
        asked = request(output, wanted.target.tokenizer, prompt, tokens, wanted.choices.context, manner)
        output.result(talk(output, wanted.plan(output), wanted.target.tokenizer, asked))


def talk(output: Output, chip: BakedChip | ChipPlan, tokenizer: Tokenizer, asked: Request) -> dict[str, Any]:
    """Speak, and return the JSON fields."""
    draft, eos = chip.draft is not None, chip.golden_chip.target.model.model.eos
    voice = Voice(output, tokenizer, asked.prompt, eos)
    try:
        answer = chip.golden(asked.prompt.text, asked.tokens, *asked.manner, on_token=voice.say)
    finally:
        voice.end()
    speed = len(answer.tokens) / answer.seconds
    fields = {
        "tokens": [token.token for token in answer.tokens],
        "text": answer.text,
        "reason": answer.reason.name.lower(),
        "prompt_tokens": len(answer.prompt.ids),
        "context": chip.context,
        "tokens_per_second": round(speed, 1),
        "saturations": answer.saturations,
        **manner_fields(answer.settings, draft),
        **proposal_fields(answer.tokens, answer.settings, draft),
    }
    output.line()
    output.line(
        f"{len(answer.tokens)} tokens behind {len(answer.prompt.ids)} of prompt, chosen {told_manner(fields)}, "
        f"{speed:.0f} tokens/s; ended by {fields['reason']}; {answer.saturations} values saturated"
    )
    if fields["acceptance_rate"] is not None:
        output.line(told_proposals(fields))
    return fields
