"""hc1gen verify: whether the Verilog still is the model."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from ..api import VerifyReport, load, open_chip
from ..backend.folder.layout import MANIFEST
from ..backend.verify.verify import find
from ..errors import CheckFailed
from .options import PATH, json_option
from .output import Output

SHOWN = 20
"""Differences that people are shown."""
PROVED = "proved by rewriting sums"
METHODS = {
    "structural": "proved by rewriting adders",
    "mapped": "driven with unit vectors; linearity is assumed, and tried on random vectors",
}
"""How a view is read where that is not PROVED."""


@click.command()
@click.argument("path", type=PATH, metavar="RTL_DIR|NETLIST")
@click.option("--model", type=PATH, required=True, help="The checkpoint that the chip was baked from.")
@click.option("--draft", type=PATH, help="The checkpoint of the chip's draft, if it has one.")
@click.option("--liberty", type=PATH, multiple=True, help="A Liberty file of a mapped netlist; repeatable.")
@click.option("--jobs", type=click.IntRange(min=1), help="Modules that are read at the same time [processors].")
@json_option
def verify(
    path: Path, model: Path, draft: Path | None, liberty: tuple[Path, ...], jobs: int | None, output: Output
) -> int:
    """Read the model back from the Verilog and compare it with its checkpoint. Exit code 1 where they differ.

    RTL_DIR is a folder that bake has written; NETLIST is a folder in it that synth has written, or one file of that.
    """
    start = time.perf_counter()
    folder, netlist = find(path)
    target, proposer = load(model), None if draft is None else load(draft)
    with output.tasks() as progress:
        report = open_chip(folder, whole=False).verify(
            target, proposer, netlist=netlist, liberty=liberty, jobs=jobs or 0, progress=progress
        )
    fields = {
        "match": report.match,
        "differences": [asdict(difference) for difference in report.differences],
        "roots": report.roots,
        "read": {view: {**numbers, "method": METHODS.get(view, PROVED)} for view, numbers in report.numbers.items()},
        "files": report.files,
        "seconds": round(time.perf_counter() - start, 3),
    }
    _show(output, report, fields)
    output.result(fields)
    return 0 if report.match else CheckFailed.exit_code


def _show(output: Output, report: VerifyReport, fields: dict[str, Any]) -> None:
    for difference in report.differences[:SHOWN]:
        output.line(str(difference))
    if len(report.differences) > SHOWN:
        output.line(f"... and {len(report.differences) - SHOWN:,} more; --json has them all")
    if report.differences:
        output.line()
    if report.numbers:
        columns = ("view", "weights", "scales", "gains", "embedding", "method")
        rows = [[view, *numbers.values(), METHODS.get(view, PROVED)] for view, numbers in report.numbers.items()]
        output.table("read back from the Verilog", columns, rows)
    verdict = "the Verilog is the model" if report.match else f"{len(report.differences):,} differences"
    if any(difference.kind == "model" and difference.where == MANIFEST for difference in report.differences):
        verdict = "another model than the chip was baked from: nothing else was compared"
    output.facts({"verdict": verdict, "Merkle root": report.roots.get("checkpoint", "not compared"),
                  "files": report.files, "took": f"{fields['seconds']:.1f} s"})  # fmt: skip
