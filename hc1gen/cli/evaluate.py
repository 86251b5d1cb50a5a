"""hc1gen eval: models side by side on the same texts, in nats per token."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

import click
import numpy as np

from ..api import EMBEDDED, Calibration, Model, NumericConfig, load
from ..api.choices import default_context
from ..errors import InputError
from ..frontend import reference
from ..frontend.compare import Against, log_softmax, loss_fields
from ..golden.model import GoldenModel
from ..quant.quantized import QuantizedModel
from .options import AT_LEAST_ONE, PATH, calibration_options, json_option
from .output import Output
from .texts import Text
from .widths import numeric_config, set_option

Logits = Callable[[np.ndarray], np.ndarray]
USUAL_WINDOW = 255
VIEWS = {"float": "float", "quantized": "rounded weights, float", "integer": "integer golden model"}
"""Ways to run a checkpoint: as it stands; rounded to 3 bits, in float arithmetic; in the chip's integers."""


@dataclass(eq=False)
class Candidate:
    """A model, and what is needed to quantise it when its integers are asked for first."""

    name: str
    model: Model
    context: int
    config: NumericConfig
    calibration: Calibration
    output: Output

    @cached_property
    def integers(self) -> QuantizedModel:
        with self.output.tasks() as progress:
            return self.model.quantize(self.context, self.config, self.calibration, progress).integers

    @cached_property
    def golden(self) -> GoldenModel:
        return GoldenModel(self.integers, self.context)

    def view(self, name: str) -> Logits:
        """Tokens [T] → logits [T, V] of one of VIEWS."""
        if name == "integer":
            return self.golden.logits
        ir = self.model.ir if name == "float" else self.integers.dequantize(self.model.ir)
        return lambda row: reference.logits(ir, row)


@dataclass(frozen=True, eq=False)
class Run:
    """One line of the result: a model in one view."""

    model: str
    view: str
    logits: Logits


@click.command("eval")
@click.argument("models", type=PATH, nargs=-1, metavar="[MODEL]...")
@click.option("--text", "texts", type=PATH, multiple=True, required=True, metavar="FILE",
              help="Text to predict: UTF-8, or a .npy of token ids; repeatable.")  # fmt: skip
@click.option("--against", type=PATH, metavar="MODEL", help="The float model to compare with [the first MODEL].")
@click.option("--view", "views", type=click.Choice(list(VIEWS)), multiple=True,
              help="How to run the models; repeatable [all].")  # fmt: skip
@click.option("--tokens", type=AT_LEAST_ONE, default=20000, show_default=True,
              help="Tokens to use of each text, rounded up to whole windows.")  # fmt: skip
@click.option("--window", type=AT_LEAST_ONE,
              help=f"Tokens of a window behind BOS [{USUAL_WINDOW}, or as many as the models can see].")  # fmt: skip
@calibration_options
@set_option
@json_option
def evaluate(
    models: tuple[Path, ...], texts: tuple[Path, ...], against: Path | None, views: tuple[str, ...], tokens: int,
    window: int | None, calibration: Calibration, settings: tuple[str, ...], output: Output,
) -> None:  # fmt: skip
    """Compare models on texts: in float, with 3-bit weights in float arithmetic, and as integer golden models.

    Each line is compared with one float model. All models must have the same tokenizer.
    """
    config, paths = numeric_config(settings), models or (EMBEDDED,)
    loaded = {path: load(path) for path in dict.fromkeys([against or paths[0], *paths])}
    right = loaded[against or paths[0]]
    checkpoints = _named({path: loaded[path] for path in dict.fromkeys(paths)})
    window = window or min(USUAL_WINDOW, *(each.ir.config.max_positions for each in loaded.values()))
    read = [Text.read(right, file, tokens, window) for file in texts]
    _check(right, checkpoints, read)
    longest = max(text.rows.shape[1] - 1 for text in read)
    candidates = []
    for name, checkpoint in checkpoints.items():
        context = max(default_context(checkpoint), longest)
        candidates.append(Candidate(name, checkpoint, context, config, calibration, output))
    asked = [view for view in VIEWS if not views or view in views]
    runs = [Run(each.name, view, each.view(view)) for each in candidates for view in asked]
    results = [measure(output, right, runs, text) for text in read]
    golden = [each.golden for each in candidates] if "integer" in asked else []
    fields = {
        "against": right.ir.name,
        "texts": results,
        **_simple(results[0]["models"][: len(asked)]),
        "saturations": sum(sum(each.observer.saturations.values()) for each in golden),
        "windows": results[0]["windows"],
        "window": window,
    }
    _show(output, fields)
    output.result(fields)


def _named(checkpoints: dict[Path, Model]) -> dict[str, Model]:
    """Models by the names of their folders, or by their paths where two have the same."""
    names = Counter(each.ir.name for each in checkpoints.values())
    return {each.ir.name if names[each.ir.name] == 1 else str(p): each for p, each in checkpoints.items()}


def _check(right: Model, checkpoints: dict[str, Model], texts: list[Text]) -> None:
    """InputError where models cannot be compared token by token, or one cannot read a text."""
    problems = []
    for name, checkpoint in checkpoints.items():
        if difference := right.tokenizer.difference(checkpoint.tokenizer, "this model's"):
            problems.append(f"{name} differs from {right.ir.name}: {difference}; compare models of the same tokenizer")
        problems += [f"{name}, {text.file}: {p}" for text in texts for p in text.problems(checkpoint)]
    if problems:
        raise InputError("eval", problems)


def measure(output: Output, right: Model, runs: Sequence[Run], text: Text) -> dict[str, Any]:
    """JSON fields of one text: every run alone and against the float model `right`, and pairs of models."""
    losses: list[list[float]] = [[] for _ in runs]
    against = [Against() for _ in runs]
    pairs = {
        (i, j): Against() for (i, a), (j, b) in combinations(enumerate(runs), 2)
        if a.view == b.view and a.model != b.model
    }  # fmt: skip
    with output.progress(f"evaluating {text.file.name}", len(text.rows)) as progress:
        for done, row in enumerate(text.rows):
            wanted = log_softmax(reference.logits(right.ir, row[:-1]))
            said = [log_softmax(run.logits(row[:-1])) for run in runs]
            for loss, versus, p in zip(losses, against, said, strict=True):
                loss.extend(-p[np.arange(len(p)), row[1:]])
                versus.add(wanted, p)
            for (i, j), pair in pairs.items():
                pair.add(said[i], said[j])
            progress("", done + 1)
    size = text.size(right)
    lines = [
        {"model": run.model, "view": run.view, **loss_fields(loss, size), **versus.fields()}
        for run, loss, versus in zip(runs, losses, against, strict=True)
    ]
    together = [
        {"models": [runs[i].model, runs[j].model], "view": runs[i].view, **pair.fields()}
        for (i, j), pair in pairs.items()
    ]
    return {"text": str(text.file), "windows": len(text.rows), "bytes": size, "models": lines, "pairs": together}


def _simple(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """JSON fields of the first model on the first text by view, and what the steps cost, as far as they are there."""
    kept = ("cross_entropy", "perplexity", "tokens")
    fields: dict[str, Any] = {line["view"]: {name: line[name] for name in kept} for line in lines}
    steps = {"quantized_minus_float": ("quantized", "float"), "integer_minus_quantized": ("integer", "quantized")}
    fields["difference"] = {
        name: fields[a]["cross_entropy"] - fields[b]["cross_entropy"]
        for name, (a, b) in steps.items() if a in fields and b in fields
    }  # fmt: skip
    return fields


COLUMNS = {
    "cross-entropy": "cross_entropy", "perplexity": "perplexity", "bits per byte": "bits_per_byte", "KL": "kl",
    "agreement": "agreement", "acceptance": "acceptance", "tokens": "tokens",
}  # fmt: skip


def _show(output: Output, fields: dict[str, Any]) -> None:
    for text in fields["texts"]:
        rows = [
            [line["model"], VIEWS[line["view"]], *("" if line[key] is None else line[key] for key in COLUMNS.values())]
            for line in text["models"]
        ]
        output.table(f"{text['text']}, nats per token", ("model", "as", *COLUMNS), rows)
        pairs = [[*p["models"], VIEWS[p["view"]], p["kl"], p["agreement"], p["acceptance"]] for p in text["pairs"]]
        if pairs:
            columns = ("model", "with", "as", "KL", "agreement", "acceptance")
            output.table("pairs: how often the first accepts what the second proposes", columns, pairs)
    costs = {"quantized_minus_float": "weights cost", "integer_minus_quantized": "integers cost"}
    facts: dict[str, object] = {costs[key]: f"{value:+.4f} nats" for key, value in fields["difference"].items()}
    output.facts({**facts, "KL, agreement, acceptance": f"against {fields['against']} in float",
                  "saturated values": fields["saturations"]})  # fmt: skip
