"""hc1gen golden: the chip's arithmetic in numpy, talking."""

import time
from pathlib import Path
from typing import Any

import click

from ..backend.bake import is_baked
from ..frontend.tokenizer import Tokenizer
from ..golden.model import GoldenModel
from ..quant.quantized import QuantizedModel
from .baked import Baked
from .models import EMBEDDED, Calibration, Checkpoint, calibrated, numeric_config
from .options import (
    PATH,
    calibration_options,
    context_option,
    json_option,
    prompt_option,
    set_option,
    tokens_option,
)
from .output import Output
from .talk import Request, Voice, request


@click.command()
@click.argument("model", type=PATH, default=EMBEDDED, metavar="[MODEL]")
@prompt_option
@tokens_option(default=64)
@context_option
@calibration_options
@set_option
@json_option
def golden(
    model: Path, prompt: str, tokens: int, context: int | None, calibration: Path | None, calibration_tokens: int,
    settings: tuple[str, ...], output: Output,
) -> None:  # fmt: skip
    """Let the integer golden model talk, token for token what the chip will say.

    MODEL is a checkpoint as for bake, or a baked folder; by default the model that comes with hc1gen.
    """
    if is_baked(model):
        if context is not None or calibration is not None or settings:
            raise click.UsageError("a baked chip has its context, calibration and widths; give the checkpoint instead")
        chip = Baked.load(model)
        asked = request(output, chip.tokenizer, prompt, tokens, chip.context)
        fields = talk(output, chip.model, chip.context, chip.tokenizer, asked)
    else:
        config = numeric_config(settings)
        checkpoint = Checkpoint.load(model)
        positions = checkpoint.checked_context(context)
        asked = request(output, checkpoint.tokenizer, prompt, tokens, positions)
        text = Calibration.read(checkpoint, calibration, calibration_tokens, positions)
        quantized = calibrated(output, checkpoint, config, positions, text)
        fields = talk(output, quantized, positions, checkpoint.tokenizer, asked)
    output.result(fields)


def talk(output: Output, model: QuantizedModel, context: int, tokenizer: Tokenizer, asked: Request) -> dict[str, Any]:
    """Speak, and return the JSON fields."""
    chip = GoldenModel(model, context)
    voice = Voice(output, tokenizer, asked, model.model.eos)
    start = time.perf_counter()
    spoken = []
    try:
        for token in chip.generate(asked.ids, asked.limit):
            spoken.append(token)
            voice.say(token.token)
    finally:
        voice.end()
    speed = len(spoken) / (time.perf_counter() - start)
    saturations = sum(chip.meter.saturations.values())
    fields = {
        "tokens": [token.token for token in spoken],
        "text": voice.text,
        "reason": spoken[-1].reason.name.lower(),
        "prompt_tokens": len(asked.ids),
        "context": context,
        "tokens_per_second": round(speed, 1),
        "saturations": saturations,
    }
    output.line()
    output.line(
        f"{len(spoken)} tokens behind {len(asked.ids)} of prompt, {speed:.0f} tokens/s; "
        f"ended by {fields['reason']}; {saturations} values saturated"
    )
    return fields
