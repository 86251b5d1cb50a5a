"""From a path on the command line to a model that is ready: loaded, quantised, calibrated."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from ..errors import InputError, problem
from ..frontend.checkpoint import load_checkpoint
from ..frontend.gguf import SUFFIX as GGUF_SUFFIX
from ..frontend.gguf import load_gguf
from ..frontend.model import ModelIR
from ..frontend.textfile import read_text
from ..frontend.tokenizer import Tokenizer
from ..frontend.weights import find_entry
from ..golden.calibrate import calibrate
from ..golden.chip import AHEAD
from ..network import Plan
from ..numeric.config import Formats, NumericConfig
from ..numeric.numerics import Numerics
from ..quant.quantized import QuantizedModel, quantize
from .output import Output

EMBEDDED = Path(__file__).parents[1] / "models" / "tinystories-w3"
EMBEDDED_DRAFT = EMBEDDED.with_name("tinystories-w3-draft")
USUAL_CONTEXT, USUAL_LANES = 512, 8
LARGE = 2_000_000
"""Weights from which quantisation takes seconds."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that has been read, and the tokenizer beside it."""

    ir: ModelIR
    tokenizer: Tokenizer
    tokenizer_file: Path

    @classmethod
    def load(cls, path: Path) -> "Checkpoint":
        """`InputError` for whatever is wrong with the checkpoint or its tokenizer."""
        ir = load_checkpoint(path)
        folder = find_entry(path).parent
        return cls(ir, Tokenizer.load(folder, ir.config), folder / "tokenizer.json")

    @classmethod
    def read(cls, path: Path) -> "Checkpoint":
        """As `load`, or from a GGUF file, which holds model and tokenizer: then that is the `tokenizer_file` too."""
        if path.suffix != GGUF_SUFFIX or path.is_dir():
            return cls.load(path)
        found = load_gguf(path)
        return cls(found.ir, Tokenizer(found.tokenizer, found.ir.config, path), path)

    def context(self, wanted: int | None) -> int:
        """The context asked for, or the usual one."""
        return min(self.ir.config.max_positions, USUAL_CONTEXT) if wanted is None else wanted

    def plan(
        self, config: NumericConfig, context: int | None, lanes: int, kv_heads: int | None, prefix: str = ""
    ) -> Plan:
        """The chip plan, verified, before formats are known."""
        shape = self.ir.config
        wide = Formats.wide(shape.layers, shape.kv_heads * shape.head_dim // 2)
        numerics = Numerics(config, wide, shape, self.context(context))
        plan = Plan(numerics, lanes, shape.kv_heads if kv_heads is None else kv_heads, prefix)
        plan.verify()
        return plan

    def checked_context(self, wanted: int | None) -> int:
        """`context`, or InputError where the model has fewer positions."""
        return self.plan(NumericConfig(), wanted, 1, None).n.context


def usual_lanes(wanted: int | None, *checkpoints: Checkpoint) -> int:
    """The lanes asked for, or the usual ones where no model is narrower."""
    return min(USUAL_LANES, *(each.ir.config.hidden for each in checkpoints)) if wanted is None else wanted


def check_draft(target: Checkpoint, draft: Checkpoint, ahead: int | None, context: int) -> int:
    """How far the draft may run ahead, by default AHEAD or what the context allows.

    `InputError` naming the first difference unless both have the same tokenizer and vocabulary, and where `ahead` does
    not fit the context.
    """
    difference = target.tokenizer.difference(draft.tokenizer)
    if difference is not None:
        todo = "take a draft trained with the target's tokenizer"
        raise InputError(draft.tokenizer_file.parent, f"the draft differs from the target: {difference}; {todo}")
    if context < 2:
        raise InputError("--draft", "a context of 1 leaves nothing to propose; leave the draft out")
    if ahead is not None and ahead >= context:
        raise InputError("--ahead", problem("ahead", ahead, f"1..{context - 1}", "it is less than the context"))
    return min(AHEAD, context - 1) if ahead is None else ahead


@dataclass(frozen=True)
class Calibration:
    """What to calibrate on: token windows, or the model's own text where there are none."""

    count: int
    windows: tuple[np.ndarray, ...] | None

    @classmethod
    def read(cls, checkpoint: Checkpoint, file: Path | None, count: int, context: int) -> "Calibration":
        """The first `count` tokens of a text file, cut into windows of the context."""
        if file is None:
            return cls(count, None)
        tokens = text_tokens(checkpoint, file)[:count]
        bos = checkpoint.ir.config.bos
        start = [] if bos is None or context == 1 else [bos]
        size = context - len(start)
        windows = tuple(np.array(start + tokens[i : i + size]) for i in range(0, len(tokens), size))
        return cls(len(tokens), windows)


def text_tokens(checkpoint: Checkpoint, file: Path) -> list[int]:
    """Token ids of a text file, without BOS; InputError where there are none."""
    text = read_text(file)
    tokens = checkpoint.tokenizer.encode_text(text) if text else []
    if not tokens:
        raise InputError(file, "holds no text; give a file with text of the kind the model is for")
    return tokens


def numeric_config(settings: Sequence[str]) -> NumericConfig:
    """The default config with FIELD=VALUE settings; InputError with every wrong one."""
    names = [f.name for f in fields(NumericConfig)]
    values, problems = {}, []
    for setting in settings:
        name, _, text = setting.partition("=")
        try:
            values[name] = int(text)
        except ValueError:
            problems.append(f"{setting}: expected FIELD=VALUE with a whole number")
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
            problems.append(f"unknown field {name}; {hint}")
    if problems:
        raise InputError("--set", problems)
    config = NumericConfig(**values)
    config.verify()
    return config


def quantized(output: Output, checkpoint: Checkpoint, config: NumericConfig) -> QuantizedModel:
    """The model on its grid, in wide formats."""
    weights = sum(array.size for _, array in checkpoint.ir.matrices())
    if weights < LARGE:
        return quantize(checkpoint.ir, config)
    with output.progress(f"quantising {weights:,} weights"):
        return quantize(checkpoint.ir, config)


def calibrated(
    output: Output, checkpoint: Checkpoint, config: NumericConfig, context: int, calibration: Calibration
) -> QuantizedModel:
    """The quantised model in the formats that fit it."""
    model = quantized(output, checkpoint, config)
    with output.progress(f"calibrating {checkpoint.ir.name}", calibration.count) as progress:

        def windows() -> Iterator[np.ndarray]:
            done = 0
            for window in calibration.windows or ():
                yield window
                done += len(window)
                progress("", min(done, calibration.count))

        text = None if calibration.windows is None else windows()
        return calibrate(model, context, calibration.count, text, lambda done: progress("", done))
