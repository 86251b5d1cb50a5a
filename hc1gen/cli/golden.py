"""hc1gen golden: the chip's arithmetic in numpy, talking."""

import time
from pathlib import Path
from typing import Any

import click

from ..backend.folder.target import is_baked
from ..frontend.tokenizer import Tokenizer
from ..golden.chip import GoldenChip
from ..golden.model import GoldenModel
from ..settings import Settings
from .baked import Baked
from .models import EMBEDDED, Calibration, Checkpoint, calibrated, check_draft, numeric_config
from .options import (
    PATH,
    calibration_options,
    check_manner,
    context_option,
    draft_options,
    json_option,
    manner_options,
    prompt_option,
    set_option,
    tokens_option,
)
from .output import Output
from .talk import Request, Voice, manner_fields, proposal_fields, request, told_manner, told_proposals


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
    model: Path, prompt: str, tokens: int, manner: Settings, draft: Path | None, ahead: int | None, context: int | None,
    calibration: Path | None, calibration_tokens: int, settings: tuple[str, ...], output: Output,
) -> None:  # fmt: skip
    """Let the integer golden model talk, token for token what the chip will say.

    MODEL is a checkpoint as for bake, or a baked folder; by default the model that comes with hc1gen.
    """
    if is_baked(model):
        if draft is not None:
            raise click.UsageError("a baked chip has its draft, or none; give the checkpoint instead")
        if context is not None or calibration is not None or settings:
            raise click.UsageError("a baked chip has its context, calibration and widths; give the checkpoint instead")
        baked = Baked.load(model)
        check_manner(manner, baked.draft is not None)
        asked = request(output, baked.tokenizer, prompt, tokens, baked.context, manner)
        fields = talk(output, baked.golden, baked.tokenizer, asked)
    else:
        check_manner(manner, draft is not None)
        config = numeric_config(settings)
        checkpoints = [Checkpoint.load(path) for path in (model, draft) if path is not None]
        target = checkpoints[0]
        positions = min(checkpoint.checked_context(context) for checkpoint in checkpoints)
        steps = check_draft(target, checkpoints[1], ahead, positions) if draft is not None else 0
        asked = request(output, target.tokenizer, prompt, tokens, positions, manner)
        texts = [Calibration.read(each, calibration, calibration_tokens, positions) for each in checkpoints]
        models = [
            GoldenModel(calibrated(output, checkpoint, config, positions, text), positions)
            for checkpoint, text in zip(checkpoints, texts, strict=True)
        ]
        chip = GoldenChip(models[0], models[1] if draft else None, steps)
        fields = talk(output, chip, target.tokenizer, asked)
    output.result(fields)


def talk(output: Output, chip: GoldenChip, tokenizer: Tokenizer, asked: Request) -> dict[str, Any]:
    """Speak, and return the JSON fields."""
    voice = Voice(output, tokenizer, asked, chip.target.model.model.eos)
    start = time.perf_counter()
    spoken = []
    try:
        for token in chip.generate(asked.ids, asked.settings):
            spoken.append(token)
            voice.say(token)
    finally:
        voice.end()
    speed = len(spoken) / (time.perf_counter() - start)
    models = [chip.target] if chip.draft is None else [chip.target, chip.draft]
    saturations = sum(sum(model.observer.saturations.values()) for model in models)
    fields = {
        "tokens": [token.token for token in spoken],
        "text": voice.text,
        "reason": spoken[-1].reason.name.lower(),
        "prompt_tokens": len(asked.ids),
        "context": chip.target.context,
        "tokens_per_second": round(speed, 1),
        "saturations": saturations,
        **manner_fields(asked.settings, chip.draft is not None),
        **proposal_fields(spoken, asked.settings, chip.draft is not None),
    }
    output.line()
    output.line(
        f"{len(spoken)} tokens behind {len(asked.ids)} of prompt, chosen {told_manner(fields)}, {speed:.0f} tokens/s; "
        f"ended by {fields['reason']}; {saturations} values saturated"
    )
    if fields["acceptance_rate"] is not None:
        output.line(told_proposals(fields))
    return fields
