"""What the sampler's integers cost: how far the distribution that is drawn from is from the softmax of the logits."""

from dataclasses import replace

from common import Fields, Table, conditions, script, show

# isort: split
import click
import numpy as np

from hc1gen.cli.models import EMBEDDED
from hc1gen.cli.options import json_option
from hc1gen.cli.output import Output
from hc1gen.frontend.checkpoint import load_checkpoint
from hc1gen.golden import sampler
from hc1gen.golden.calibrated import calibrated
from hc1gen.golden.chip import GoldenChip
from hc1gen.golden.model import GoldenModel
from hc1gen.numeric.config import NumericConfig
from hc1gen.numeric.numerics import TEMPERATURE_FRAC, Numerics
from hc1gen.settings import Settings

CONTEXT, TEXTS = 256, 16
TEMPERATURES = (0.5, 1.0, 2.0)
STEPS = {"sample_bits": (8, 12, 16, 20), "sample_frac": (6, 10, 14), "sample_index": (3, 5, 8)}


def logits(golden: GoldenModel) -> np.ndarray:
    """Logits [T, V] of texts that the model writes at temperature 1."""
    rows = []
    for seed in range(TEXTS):
        said = GoldenChip(golden).generate([1], Settings(temperature=1 << TEMPERATURE_FRAC, seed=seed))
        rows.append(golden.session().forward(np.array([1, *(token.token for token in said)][:CONTEXT])))
    return np.concatenate(rows)


def distance(rows: np.ndarray, temperature: float, n: Numerics) -> Fields:
    """Means over positions, against the exact softmax: KL divergence in nats, total variation, and zero's share."""
    slope = sampler.slope(round(temperature * (1 << TEMPERATURE_FRAC)), n)
    exact = rows * (2.0**-n.formats.logit_frac / temperature)
    exact -= np.log(np.exp(exact - exact.max(axis=1, keepdims=True)).sum(axis=1, keepdims=True)) + exact.max(
        axis=1, keepdims=True
    )
    drawn = np.stack([sampler.exponentials(row, slope, n) for row in rows]).astype(float)
    drawn /= drawn.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        kl = np.where(drawn > 0, drawn * (np.log(drawn) - exact), 0).sum(axis=1)
    return {
        "kl": float(kl.mean()),
        "total_variation": float(np.abs(drawn - np.exp(exact)).sum(axis=1).mean() / 2),
        "never_drawn": float((np.exp(exact) * (drawn == 0)).sum(axis=1).mean()),
    }


def measure(output: Output) -> Fields:
    """JSON fields."""
    with output.progress("calibrating"):
        model = calibrated(load_checkpoint(EMBEDDED), NumericConfig(), CONTEXT)
    golden = GoldenModel(model, CONTEXT)
    with output.progress("writing texts"):
        rows = logits(golden)
    entries = []
    points = [("default", {}, t) for t in TEMPERATURES]
    points += [(f"{name}={value}", {name: value}, 1.0) for name, values in STEPS.items() for value in values]
    for what, fields, temperature in points:
        numerics = replace(golden.n, config=replace(golden.n.config, **fields))
        entries.append({"what": what, "temperature": temperature, **distance(rows, temperature, numerics)})
    return {"positions": len(rows), "points": entries, "conditions": conditions()}


def tables(result: Fields) -> list[Table]:
    """A line for each point."""
    names = ("kl", "total_variation", "never_drawn")
    rows = [[p["what"], p["temperature"], *(f"{p[name]:.1e}" for name in names)] for p in result["points"]]
    columns = ("widths", "temperature", "KL divergence, nats", "total variation", "probability of tokens never drawn")
    note = (
        f"Means over {result['positions']:,} positions of texts that the embedded model writes. The chip's own "
        "distribution is the integer one; speculation changes nothing about it (docs/speculation.md)."
    )
    return [Table("What is drawn from, against the exact softmax of the same logits", columns, rows, note)]


@click.command()
@json_option
def sampling(output: Output) -> None:
    """Measure what the widths of the sampler cost."""
    result = measure(output)
    show(output, tables(result))
    output.result(result)


if __name__ == "__main__":
    script(sampling)
