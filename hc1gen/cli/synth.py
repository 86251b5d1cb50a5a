"""hc1gen synth: the chip as a netlist of library cells, and what it takes."""

from pathlib import Path
from typing import Any

import click

from ..api import open_chip
from ..backend.flow.sdc import CLOCK_NS
from ..backend.synth.compare import compare, read
from ..backend.synth.job import OUT
from ..backend.synth.run import GENERIC
from .options import AT_LEAST_ONE, PATH, json_option
from .output import Output, number

COLUMNS = ("module", "instances", "area µm²", "µm²/weight", "cells", "full adders", "flip-flops", "depth", "ns")
GENERIC_COLUMNS = ("module", "instances", "transistors", "gates", "cells", "full adders", "flip-flops", "depth")


@click.command()
@click.argument("rtl_dir", type=PATH)
@click.option("--liberty", type=PATH, multiple=True, help="A Liberty file of the library, may be gzipped; repeatable.")
@click.option(
    "--adders", type=click.Choice(["cells", "gates"]), default="cells", show_default=True,
    help="Take full adders from the library, or make them from gates where it has none.",
)  # fmt: skip
@click.option("--dont-use", multiple=True, metavar="CELL", help="A cell, or a pattern, to leave out; repeatable.")
@click.option(
    "--compare", "earlier", type=PATH, metavar="REPORT", help="Show what differs from an earlier report.json."
)
@click.option("--jobs", type=AT_LEAST_ONE, help="Modules that are mapped at the same time [processors].")
@json_option
def synth(
    rtl_dir: Path, liberty: tuple[Path, ...], adders: str, dont_use: tuple[str, ...], earlier: Path | None,
    jobs: int | None, output: Output,
) -> None:  # fmt: skip
    """Map a baked chip to the cells of a library, or to generic gates without one, and report area, cells and delay."""
    if not liberty and (dont_use or adders == "gates"):
        raise click.UsageError("--adders and --dont-use are for a library; name its files with --liberty")
    before = read(earlier) if earlier else None
    with output.tasks() as progress:
        found = open_chip(rtl_dir).synthesise(
            liberty, dont_use=dont_use, gates=adders == "gates", jobs=jobs or 0, progress=progress
        )
    report = found.to_json()
    _print(output, report)
    output.line(f"written to  {rtl_dir / OUT / (report['library'] or GENERIC)}")
    if before is not None:
        report |= {"compared": compare(before, report)}
        _print_comparison(output, report["compared"])
    output.result(report)


def _print(output: Output, report: dict[str, Any]) -> None:
    """One table: modules times their instances, sums by kind, the chip."""
    row = _row if report["library"] else _generic_row
    rows = [[name, m["instances"], *row(m, m["instances"])] for name, m in report["modules"].items()]
    rows += [[f"all {kind}s", "", *row(found, 1)] for kind, found in report["kinds"].items()]
    rows.append(["chip", "", *row(report, 1)])
    output.table(report["library"] or GENERIC, COLUMNS if report["library"] else GENERIC_COLUMNS, rows)
    slow = [name for name, m in report["modules"].items() if m["delay_ps"] > CLOCK_NS * 1000]
    if slow:
        output.note(f"slower than the {CLOCK_NS:.0f} ns of the constraints: {', '.join(slow)}")
    if report["buffers"]:
        area = number(round(report["buffer_um2"]))
        output.line(
            f"buffers     {report['buffers']:,}, {area} µm², for nets of many readers: in the delays, not in the areas"
        )
    output.line(f"memories    {number(report['memory_bits'])} bits, black boxes that are in no area")


def _row(m: dict[str, Any], count: int) -> list[object]:
    area = number(round(m["area_um2"] * count))
    per_weight = f"{m['area_per_weight_um2']:.3f}" if "weights" in m else ""
    return [area, per_weight, *_counts(m, count), m["logic_depth"], f"{m['delay_ps'] / 1000:.1f}"]


def _generic_row(m: dict[str, Any], count: int) -> list[object]:
    return [m["transistors"] * count, m["gates"] * count, *_counts(m, count), m["logic_depth"]]


def _counts(m: dict[str, Any], count: int) -> list[int]:
    return [m[name] * count for name in ("cells", "full_adders", "flip_flops")]


def _print_comparison(output: Output, found: dict[str, dict[str, dict[str, float]]]) -> None:
    rows = [
        [name, figure, number(d["before"]), number(d["now"]), f"{d['percent']:+.1f} %  {_word(d['percent'])}"]
        for name, differences in found.items()
        for figure, d in differences.items()
    ]
    if rows:
        output.table("against the earlier report", ("module", "figure", "before", "now", "change"), rows)
    else:
        output.line("compared    no figure differs from the earlier report")


def _word(percent: float) -> str:
    return "worse" if percent > 0 else "better"
