"""What training for 3 bits reaches: the embedded model and draft against the float model they were made from.

Nats per token of integer golden models, on the float model's own samples and on TinyStories' validation text.
"""

import tempfile
from pathlib import Path

from common import ROOT, Fields, Table, conditions, hc1gen, script, show, verdict

# isort: split
import click

from hc1gen import EMBEDDED, EMBEDDED_DRAFT
from hc1gen.cli.options import json_option
from hc1gen.cli.output import Output
from hc1gen.errors import InputError

SHARED = ROOT / ".." / "shared"
STORIES = SHARED / "models" / "stories260K"
SAMPLES, STEM = SHARED / "text" / "stories260K-own-samples.npy", SHARED / "text" / "tinystories"
TEXT, VALIDATION = STEM.with_name(f"{STEM.name}-train.txt"), STEM.with_name(f"{STEM.name}-val.txt")
SAMPLE_TOKENS, TEXT_TOKENS = 128 * 255, 25_500
"""The first 128 sequences, and 100 windows of 255 behind a BOS."""
GAP, AIM = 0.12, 0.08
"""Nats per token that 3 bits may cost, and should."""
ACCEPTANCE, ACCEPTANCE_AIM = 0.68, 0.72
"""Of the draft's tokens by the target at temperature 1."""
TARGET_ARGS = ("--own-samples", 15000, "--minutes", 52, "--threads", 2)
DRAFT_ARGS = ("--layers", 1, "--steps", 12000, "--threads", 2)


def train(folder: Path) -> tuple[Path, Path]:
    """Make both models anew, as docs/training.md says: about 80 minutes of two processors."""
    target, draft = folder / EMBEDDED.name, folder / EMBEDDED_DRAFT.name
    texts = ("--text", TEXT, "--validation", VALIDATION)
    hc1gen("train", STORIES, "-o", target, *texts, *TARGET_ARGS)
    hc1gen("train", STORIES, "-o", draft, "--teacher", target, *texts, *DRAFT_ARGS)
    return target, draft


def figures(text: Path, tokens: int, target: Path, draft: Path) -> Fields:
    """JSON fields: float, target and draft on a text, all but the first in integers, and the draft's acceptance."""
    common = ("--text", text, "--tokens", tokens)
    plain = hc1gen("eval", STORIES, *common, "--view", "float")
    fields = hc1gen("eval", target, draft, "--against", STORIES, *common, "--view", "integer")
    (found,) = fields["texts"]
    (pair,) = found["pairs"]
    kept = ("cross_entropy", "bits_per_byte", "kl", "agreement", "tokens")
    float_line, (target_line, draft_line) = plain["texts"][0]["models"][0], found["models"]
    return {
        "float": {key: float_line[key] for key in kept},
        "target": {key: target_line[key] for key in kept},
        "draft": {key: draft_line[key] for key in kept},
        "gap": target_line["cross_entropy"] - float_line["cross_entropy"],
        "acceptance": pair["acceptance"],
        "greedy": pair["agreement"],
    }


def tables(result: Fields) -> list[Table]:
    """Nats, and what the draft's proposals are worth."""
    rows, pairs = [], []
    for text, found in result["texts"].items():
        for name in ("float", "target", "draft"):
            line = found[name]
            gap = None if name == "float" else line["cross_entropy"] - found["float"]["cross_entropy"]
            rows.append([text, name, line["cross_entropy"], gap, line["bits_per_byte"], line["kl"], line["agreement"]])
        pairs.append([text, found["acceptance"], found["greedy"]])
    worst = max(found["gap"] for found in result["texts"].values())
    least = min(found["acceptance"] for found in result["texts"].values())
    columns = ("text", "model", "nats per token", "above float", "bits per byte", "KL to float", "agreement")
    needed = f"Required: at most {GAP} above float; {worst:.4f}, {verdict(worst, GAP)} (aim {AIM})."
    accepted = (
        f"Required: at least {ACCEPTANCE}; {least:.4f}, {verdict(least, ACCEPTANCE, True)} (aim {ACCEPTANCE_AIM})."
    )
    return [
        Table("stories260K in float, its 3-bit model and that one's draft in integers", columns, rows, needed),
        Table(
            "How well the draft proposes", ("text", "acceptance at temperature 1", "greedy agreement"), pairs, accepted
        ),
    ]


@click.command()
@click.option("--train", "anew", is_flag=True, help="Train both models first, in place of the embedded ones.")
@json_option
def training(anew: bool, output: Output) -> int:
    """Measure what training reaches. Exit code 1 where a requirement is missed."""
    for path in (STORIES, SAMPLES, VALIDATION):
        if not path.exists():
            raise InputError(path, "no such file; this benchmark needs ../shared")
    with tempfile.TemporaryDirectory() as folder:
        target, draft = train(Path(folder)) if anew else (EMBEDDED, EMBEDDED_DRAFT)
        texts = {
            "own samples": figures(SAMPLES, SAMPLE_TOKENS, target, draft),
            "TinyStories": figures(VALIDATION, TEXT_TOKENS, target, draft),
        }
    result = {"trained anew": anew, "texts": texts, "conditions": conditions()}
    show(output, tables(result))
    output.result(result)
    missed = any(each["gap"] > GAP or each["acceptance"] < ACCEPTANCE for each in texts.values())
    return int(missed)


if __name__ == "__main__":
    script(training)
