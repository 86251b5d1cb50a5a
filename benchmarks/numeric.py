"""What each numeric choice costs: cross-entropy of the integer golden model, one width of the config at a time.

The float reference has the same quantised weights. Every row changes one field of the default config.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, lru_cache
from pathlib import Path

from common import ROOT, Fields, Table, conditions, script, show, verdict

# isort: split
import click
import numpy as np

from hc1gen.cli.models import EMBEDDED, Checkpoint, text_tokens
from hc1gen.cli.options import PATH, json_option
from hc1gen.cli.output import Output
from hc1gen.errors import InputError
from hc1gen.frontend import reference
from hc1gen.frontend.evaluate import nll
from hc1gen.golden.calibrate import choose_formats, sample_text
from hc1gen.golden.model import GoldenModel, Session
from hc1gen.golden.observer import RangeObserver
from hc1gen.numeric.config import Formats, NumericConfig, widened
from hc1gen.numeric.numerics import Numerics
from hc1gen.quant.quantized import QuantizedModel, quantize

TEXT = Path("../shared/text/tinystories-val.txt")
DOCUMENT = ROOT / "docs" / "numeric.md"
BOUND = 0.01
"""Nats per token that the integers of the default config may cost."""
WINDOW = 255
CONTEXT = 512
CALIBRATION_TOKENS = 512

STEPS: dict[str, tuple[int, ...]] = {
    "act_bits": (6, 7, 10), "drop_bits": (0, 1, 2, 4), "scale_bits": (5, 8, 10), "gain_bits": (6, 10),
    "residual_frac": (5, 7, 8), "norm_bits": (9, 11, 12), "square_bits": (5, 9), "mantissa_bits": (12,),
    "rsqrt_bits": (7, 10), "rsqrt_index": (5,),
    "angle_bits": (7, 10), "angle_index": (5,), "quarter_bits": (8, 14), "phase_bits": (20, 32), "qkv_bits": (10, 12),
    "query_bits": (9, 11), "kv_bits": (6, 7, 9, 10), "score_frac": (4, 5, 8), "prob_bits": (7, 10), "exp_index": (5,),
    "recip_bits": (7, 10), "recip_index": (5,), "attention_frac": (2, 6), "gate_frac": (7, 9), "gate_bits": (12, 14),
    "up_bits": (8, 12), "silu_range": (4,), "silu_index": (4, 6), "intermediate_bits": (14, 18), "logit_bits": (10, 16),
    "kv_margin_bits": (1,), "margin_bits": (0, 2),
}  # fmt: skip
"""Values to try beside the default."""
CALIBRATED = ("qkv_bits", "query_bits", "kv_bits", "logit_bits", "up_bits", "intermediate_bits", "gate_bits")
"""Widths that calibration makes wide: they do not change what it sees."""
QUANTISED = ("scale_bits", "gain_bits", "residual_frac")
"""Fields that change the integers of the model itself."""


class Scribe(GoldenModel):
    """Keeps what is written with it: `texts` has the tokens of each session."""

    def __init__(self, model: QuantizedModel, context: int):
        super().__init__(model, context)
        self.texts: list[list[int]] = []

    def session(self) -> Session:
        self.texts.append([])
        return _Noted(self)


class _Noted(Session):
    golden: Scribe

    def forward(
        self, tokens: np.ndarray, observe: Callable[[int, np.ndarray], None] | None = None
    ) -> np.ndarray:  # fmt: skip
        self.golden.texts[-1].extend(int(t) for t in tokens)
        return super().forward(tokens, observe)


@dataclass(eq=False)
class Bench:
    """The model, the text, and everything that rows have in common."""

    checkpoint: Checkpoint
    windows: list[np.ndarray]
    float_losses: np.ndarray = field(init=False)
    quantised_losses: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.ir = self.checkpoint.ir
        shape = self.ir.config
        self.wide = Formats.wide(shape.layers, shape.kv_heads * shape.head_dim // 2)
        dequantised = self.quantised(NumericConfig()).dequantize(self.ir)
        self.float_losses = self.losses(lambda row: reference.logits(self.ir, row), self.windows)
        self.quantised_losses = self.losses(lambda row: reference.logits(dequantised, row), self.windows)

    def losses(self, logits: Callable[[np.ndarray], np.ndarray], rows: list[np.ndarray]) -> np.ndarray:
        """Nats of every predicted token, in the order of the text."""
        return np.concatenate([nll(logits(row[:-1]), row[1:]) for row in rows])

    @lru_cache  # noqa: B019  one Bench lives as long as the process
    def _quantised(self, key: tuple[int, ...]) -> QuantizedModel:
        return quantize(self.ir, NumericConfig(**dict(zip(QUANTISED, key, strict=True))))

    def quantised(self, config: NumericConfig) -> QuantizedModel:
        """The weights on their grid; only `QUANTISED` matters to them."""
        model = self._quantised(tuple(getattr(config, name) for name in QUANTISED))
        return replace(model, config=config)

    @cached_property
    def text(self) -> list[np.ndarray]:
        """What the default config writes while it is calibrated. All rows are calibrated on it: none has luck."""
        config = widened(NumericConfig())
        scribe = Scribe(self.quantised(config).with_formats(config, self.wide), CONTEXT)
        sample_text(scribe, CALIBRATION_TOKENS)
        return [np.array(tokens) for tokens in scribe.texts if tokens]

    @lru_cache  # noqa: B019
    def _peaks(self, config: NumericConfig) -> tuple[Numerics, dict[str, np.ndarray]]:
        """What calibration sees, as in `golden.calibrate.calibrate`; `config` in wide formats."""
        golden = GoldenModel(
            self.quantised(config).with_formats(config, self.wide), CONTEXT, RangeObserver(keep_peaks=True)
        )
        for window in self.text:
            golden.session().forward(window)
        return golden.n, golden.observer.peaks

    def calibrated(self, config: NumericConfig) -> QuantizedModel:
        """As `hc1gen bake` calibrates, but for the text; rows that let it see the same share one run."""
        default = NumericConfig()
        wide = replace(widened(config), margin_bits=default.margin_bits, kv_margin_bits=default.kv_margin_bits)
        numerics, peaks = self._peaks(wide)
        return self.quantised(config).with_formats(config, choose_formats(config, numerics, peaks))

    def integer(self, config: NumericConfig, rows: list[np.ndarray]) -> tuple[np.ndarray, int]:
        """Losses of the integer golden model, and how many values saturated."""
        model = self.calibrated(config)
        golden = GoldenModel(model, CONTEXT)
        losses = self.losses(golden.logits, rows)
        return losses, sum(golden.observer.saturations.values())


def windows_of(ids: list[int], bos: int | None) -> list[np.ndarray]:
    """Windows of 255 tokens behind BOS; the last one may be shorter, so that every token is predicted once."""
    start = [] if bos is None else [bos]
    return [np.array(start + ids[i : i + WINDOW]) for i in range(0, len(ids), WINDOW)]


def measure(text: Path, tokens: int, step_tokens: int, names: Sequence[str], output: Output) -> Fields:
    """JSON fields: the default config on `tokens`, every step of fields `names` on the first `step_tokens`."""
    if not text.is_file():
        raise InputError(text, "no such file; give a UTF-8 text of stories with --text")
    unknown = [f"unknown field {name}; there are {', '.join(STEPS)}" for name in names if name not in STEPS]
    if unknown:
        raise InputError("--field", unknown)
    checkpoint = Checkpoint.load(EMBEDDED)
    ids = text_tokens(checkpoint, text)[:tokens]
    if len(ids) < tokens:
        raise InputError(text, f"holds {len(ids)} tokens, expected {tokens}; choose fewer --tokens")
    bench = Bench(checkpoint, windows_of(ids, checkpoint.ir.config.bos))
    base, saturations = bench.integer(NumericConfig(), bench.windows)
    result = {
        "tokens": len(base),
        "float": float(bench.float_losses.mean()),
        "quantised": float(bench.quantised_losses.mean()),
        "integer": float(base.mean()),
        "cost": float((base - bench.quantised_losses).mean()),
        "saturations": saturations,
        "step_tokens": step_tokens,
    }
    short = windows_of(ids[:step_tokens], checkpoint.ir.config.bos)
    plan = [(name, value) for name in names for value in STEPS[name]]
    result["steps"] = []
    with output.progress("measuring widths", len(plan)) as progress:
        for done, (name, value) in enumerate(plan):
            progress(f"{name}={value}", done)
            result["steps"].append(_step(bench, name, value, base[:step_tokens], short))
    return result | {"conditions": conditions()}


def _step(bench: Bench, name: str, value: int, base: np.ndarray, rows: list[np.ndarray]) -> Fields:
    default = getattr(NumericConfig(), name)
    entry: Fields = {"field": name, "default": default, "value": value, "difference": None, "saturations": None}
    config = replace(NumericConfig(), **_allowed(name, value))
    try:
        config.verify()
        losses, saturations = bench.integer(config, rows)
    except (InputError, ValueError) as error:
        return entry | {"refused": str(error)}
    error = float((losses - base).std() / np.sqrt(len(base)))
    return entry | {"difference": float((losses - base).mean()), "standard_error": error, "saturations": saturations}


def _allowed(name: str, value: int) -> dict[str, int]:
    """The field, and those that the config binds to it: it is never measured with a combination that is refused."""
    default = NumericConfig()
    bound = {name: value}
    if name == "qkv_bits":
        bound["query_bits"] = min(default.query_bits, value)
    return bound


def tables(result: Fields) -> list[Table]:
    """What the integers cost, and what every width costs."""
    cost = result["cost"]
    summary = Table(
        f"Cross-entropy on {result['tokens']:,} tokens, nats per token",
        ("model", "cross-entropy", "above the line before", "saturated values"),
        [
            ["checkpoint, float", result["float"], None, None],
            ["3-bit weights, float", result["quantised"], round(result["quantised"] - result["float"], 5), None],
            ["integer golden model", result["integer"], round(cost, 5), result["saturations"]],
        ],
        f"Required of the integers: at most {BOUND} nats; {verdict(cost, BOUND)}.",
    )
    docs = {f.name: f.metadata["doc"] for f in fields(NumericConfig)}
    rows: dict[str, list[Fields]] = {}
    for step in result["steps"]:
        rows.setdefault(step["field"], []).append(step)
    steps = Table(
        f"One width at a time, against the default config on {result['step_tokens']:,} tokens",
        ("field", "what it is", "default", "value: nats above the default, ± standard error (saturated values)"),
        [[f"`{n}`", docs[n], s[0]["default"], "; ".join(map(_told, s))] for n, s in rows.items()],
        "Differences are paired, token by token; below about twice the standard error they are noise. All rows are "
        "calibrated on the same 512 tokens, those that the default config writes.",
    )
    return [summary, steps] if rows else [summary]


def _told(step: Fields) -> str:
    if step["difference"] is None:
        return f"{step['value']}: refused"
    told = f"{step['value']}: {step['difference']:+.4f} ± {step['standard_error']:.4f}"
    return f"{told} ({step['saturations']:,})" if step["saturations"] else told


def write(tables_: list[Table]) -> None:
    """Replace the generated part of docs/numeric.md."""
    text = DOCUMENT.read_text()
    body = "\n".join(table.markdown() for table in tables_)
    pattern = re.compile(r"(<!-- generated: [^\n]* -->\n).*(<!-- end -->)", re.DOTALL)
    DOCUMENT.write_text(pattern.sub(lambda m: f"{m[1]}\n{body}\n{m[2]}", text))


@click.command()
@click.option("--text", type=PATH, help="UTF-8 text of stories [../shared/text/tinystories-val.txt].")
@click.option("--tokens", type=int, default=20000, show_default=True, help="Tokens for the default config.")
@click.option("--step-tokens", type=int, default=10000, show_default=True, help="Tokens for every other row.")
@click.option("--field", "only", multiple=True, help="Only this field; repeatable.")
@click.option("--steps/--no-steps", default=True, help="Without: the default config only.")
@click.option("--write", "write_document", is_flag=True, help="Put the tables into docs/numeric.md.")
@json_option
def numeric(
    text: Path | None, tokens: int, step_tokens: int, only: tuple[str, ...], steps: bool, write_document: bool,
    output: Output,
) -> int:  # fmt: skip
    """Measure what every width of the chip costs. Exit code 1 where the default config costs too much."""
    names = (only or tuple(STEPS)) if steps else ()
    result = measure(text or ROOT / TEXT, tokens, min(step_tokens, tokens), names, output)
    show(output, tables(result))
    if write_document:
        write(tables(result))
    output.result(result)
    return int(result["cost"] > BOUND)


if __name__ == "__main__":
    script(numeric)
