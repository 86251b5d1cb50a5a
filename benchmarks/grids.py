"""Other values than -4..3 for a row's weights: what they give in nats per token, and what they cost in full adders.

stories260K, rounded without training and calibrated on text that it writes itself. What a row may hold is a set of
integers of up to 6 bits times a scale: the chip bakes any of them, and adds up one or two signed base-8 digits of each.
Rounding is `follow` of hc1gen quantize; other sets of values, and a price on full adders (levels.py), are only tried
here.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from unittest.mock import patch

from common import ROOT, Fields, Table, conditions, script, show

# isort: split
import click
import numpy as np
from levels import Rounder, Sets, fitted, fixed

from hc1gen.cli.models import Checkpoint
from hc1gen.cli.options import AT_LEAST_ONE, json_option
from hc1gen.cli.output import Output
from hc1gen.cli.quantize import SENSITIVITY_TOKENS, WINDOW
from hc1gen.cli.texts import Text
from hc1gen.errors import InputError
from hc1gen.fabric.build import build
from hc1gen.fabric.digits import digits
from hc1gen.frontend import compare, reference
from hc1gen.frontend.model import HEAD, ModelIR, layer_tensor
from hc1gen.frontend.sampling import sample
from hc1gen.numeric.config import NumericConfig
from hc1gen.quant import posttrain as layers
from hc1gen.quant.grid import BITS
from hc1gen.quant.posttrain import METHODS, USUAL, posttrain
from hc1gen.quant.quantized import QuantizedModel, quantize
from hc1gen.quant.sensitivity import Sensitivity, choose, measure

SHARED = ROOT / ".." / "shared"
STORIES, SAMPLES = SHARED / "models" / "stories260K", SHARED / "text" / "stories260K-own-samples.npy"
UNIFORM, MIRRORED, SYMMETRIC, SIX_BITS = range(-4, 4), range(-3, 5), range(-4, 5), range(-32, 32)
POWERS = (-4, -2, -1, 0, 1, 2, 4, 8)
ONE_DIGIT = (-32, -24, -16, -8, *SYMMETRIC, 8, 16, 24)
"""All that one full adder makes."""
GROUPS = (("q", "k", "v"), ("o",), ("gate", "up"), ("down",))
"""Matrices that are rounded together, and are a tile together."""
HALF_ADDER, MAJORITY = 0.64, 0.5
"""Area, in full adders, as tests/fabric/test_fabric.py has it."""


@dataclass(frozen=True)
class Variant:
    """A row of the table: hc1gen quantize, all in `bits` or within a budget, or sets of values of this script."""

    name: str
    sets: Sets | None = None
    price: float = 0.0
    bits: int = BITS
    budget: float | None = None


BASE = "-4..3, hc1gen quantize"
PRICES = (1e-6, 2e-6, 4e-6)
VARIANTS = (
    Variant(BASE),
    Variant("-4..3, as the next ones are rounded", fixed(UNIFORM)),
    *(Variant(f"-4..3, an adder for {p:.0e} nats", fixed(UNIFORM), p) for p in (5e-7, 2e-6)),
    Variant("-4..3 or -3..4, what suits the row", fixed(UNIFORM, MIRRORED)),
    Variant("-4..4", fixed(SYMMETRIC)),
    Variant("-4..4, an adder for 5e-07 nats", fixed(SYMMETRIC), 5e-7),
    Variant("0, 1, 2, 4 and their negatives, 8 or -8", fixed(POWERS, tuple(-v for v in POWERS))),
    Variant("8 values fitted to each row", fitted),
    Variant("one digit: -4..4, 8, 16, 24, -8, ... -32", fixed(ONE_DIGIT)),
    *(Variant(f"one digit, an adder for {p:.0e} nats", fixed(ONE_DIGIT), p) for p in PRICES),
    *(Variant(f"-32..31, an adder for {p:.0e} nats", fixed(SIX_BITS), p) for p in (5e-7, *PRICES)),
    *(Variant(f"3 to 6 bits, --budget {b}", budget=b) for b in (1.05, 1.1, 1.2, 1.4)),
    Variant("4 bits", bits=4),
)  # fmt: skip


class Bench:
    """The float model, the text that it is calibrated on, and what it says about the text that is measured."""

    def __init__(self, sequences: int, windows: int, every: int):
        for path in (STORIES, SAMPLES):
            if not path.exists():
                raise InputError(path, "no such file; this benchmark needs ../shared")
        checkpoint = Checkpoint.load(STORIES)
        self.ir, self.every = checkpoint.ir, every
        self.calibration = sample(self.ir, sequences, WINDOW)
        self.rows = Text.read(checkpoint, SAMPLES, windows * 255, 255).rows
        self.said = [compare.log_softmax(reference.logits(self.ir, row[:-1])) for row in self.rows]

    @cached_property
    def sensitivities(self) -> list[Sensitivity]:
        return measure(self.ir, self.calibration[: SENSITIVITY_TOKENS // WINDOW])

    def measure(self, variant: Variant) -> Fields:
        """JSON fields of one variant, absolute."""
        start = time.perf_counter()
        model = quantize(self.made(variant), NumericConfig())
        seconds = time.perf_counter() - start
        integers = [m.weights for m in model.matrices]
        return {
            "values": variant.name,
            **self.said_by(model.dequantize(self.ir)),
            "digits": sum(int(np.count_nonzero(digits(each))) for each in integers),
            "adders": self.adders(model),
            "zeros": float(np.mean(np.concatenate([each.ravel() for each in integers]) == 0)),
            "seconds": round(seconds, 1),
        }

    def adders(self, model: QuantizedModel) -> float:
        """Of the fabric of some rows of each tile, in full adders."""
        return sum(area(tile[:: self.every].astype(np.int64)) for tile in tiles(model))

    def made(self, variant: Variant) -> ModelIR:
        """The rounded model."""
        method, bits = METHODS[USUAL], self.bits(variant)
        if variant.sets is None:
            return posttrain(self.ir, self.calibration, method, bits=bits)[0]
        rounder = Rounder(variant.sets, variant.price, self.group_nats() if variant.price else repeat(1.0))
        with patch.object(layers, "round_rows", rounder):
            return posttrain(self.ir, self.calibration, method)[0]

    def bits(self, variant: Variant) -> Mapping[str, int]:
        if variant.budget is not None:
            return choose(self.sensitivities, variant.budget)
        return {name: variant.bits for name, _ in self.ir.matrices()}

    def group_nats(self) -> Iterator[float]:
        """Nats that 3 bits cost in each group, in the order in which `posttrain` rounds them."""
        nats = {each.name: each.divergence[0] for each in self.sensitivities}
        for index in range(self.ir.config.layers):
            for group in GROUPS:
                yield sum(nats[layer_tensor(index, field)] for field in group)
        yield nats[HEAD]

    def said_by(self, ir: ModelIR) -> Fields:
        """Nats per token and divergence from the float model, in float arithmetic."""
        losses, against = [], compare.Against()
        for row, wanted in zip(self.rows, self.said, strict=True):
            p = compare.log_softmax(reference.logits(ir, row[:-1]))
            losses.append(-p[np.arange(len(p)), row[1:]])
            against.add(wanted, p)
        return {"nats": float(np.mean(losses)), "kl": against.fields()["kl"]}


def tiles(model: QuantizedModel) -> Iterator[np.ndarray]:
    """Integers of every tile: rows with common inputs stacked."""
    for index in range(model.model.layers):
        for group in GROUPS:
            yield np.concatenate([model.matrix(layer_tensor(index, field)).weights for field in group])
    yield model.matrix(HEAD).weights


def area(matrix: np.ndarray) -> float:
    """Adders of a matrix's fabric, in full adders."""
    adders = build(matrix).network.adders
    return sum(MAJORITY if a.s is None else 1 if len(a.inputs) == 3 else HALF_ADDER for a in adders)


def compared(fields: list[Fields]) -> list[Fields]:
    """Digits and adders relative to those of the base, the first of them."""
    return [
        each | {f"{name}_to_base": each[name] / fields[0][name] for name in ("digits", "adders")} for each in fields
    ]


def tables(result: Fields) -> list[Table]:
    """One row a variant, and which of them beat the base."""
    columns = ("values", "nats per token", "KL", "nonzero digits, to the base", "adders, to the base", "zero weights")
    found = result["variants"]
    rows = [
        [v["values"], v["nats"], v["kl"], v["digits_to_base"], v["adders_to_base"], f"{v['zeros']:.1%}"] for v in found
    ]
    wins = [
        f"{v['values']} ({v['nats'] - found[0]['nats']:+.3f} nats, {v['adders_to_base'] - 1:+.1%} adders)"
        for v in found[1:]
        if v["nats"] < found[0]["nats"] and v["adders_to_base"] <= 1
    ]
    note = (
        f"Weights on their grid, in float arithmetic (float model: {result['float']:.4f} nats). Calibrated on "
        f"{result['calibration']:,} tokens of its own. Adders: of the fabric of every {result['every']}th row of each "
        "tile. An adder for x nats: a nonzero digit has to save x nats per token, by the sensitivity of its tensor. "
        f"Lower nats at no more adders than the base: {'; '.join(wins) or 'none'}."
    )
    return [Table(f"stories260K on its own samples, {result['tokens']:,} tokens", columns, rows, note)]


@click.command("grids")
@click.option("--sequences", type=AT_LEAST_ONE, default=64, show_default=True, help="To calibrate on, of 256 tokens.")
@click.option("--windows", type=AT_LEAST_ONE, default=128, show_default=True, help="To measure on, of 255 tokens.")
@click.option(
    "--every", type=AT_LEAST_ONE, metavar="N", default=8, show_default=True, help="Build every Nth row of each tile."
)
@json_option
def main(sequences: int, windows: int, every: int, output: Output) -> None:
    """Measure sets of weight values: nats per token against full adders."""
    bench, found = Bench(sequences, windows, every), []
    with output.progress("rounding", len(VARIANTS)) as progress:
        for done, variant in enumerate(VARIANTS):
            progress(variant.name, done)
            found.append(bench.measure(variant))
    tokens = sum(len(row) - 1 for row in bench.rows)
    result: Fields = {
        "variants": compared(found), "float": bench.said_by(bench.ir)["nats"], "tokens": tokens,
        "calibration": int(bench.calibration.size), "every": every, "conditions": conditions(),
    }  # fmt: skip
    show(output, tables(result))
    output.result(result)


if __name__ == "__main__":
    script(main)
