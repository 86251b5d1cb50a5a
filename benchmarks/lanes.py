"""What lanes buy: clocks of a token and cells of the chip, over lanes and KV heads per clock."""

import tempfile
import time
from dataclasses import replace
from pathlib import Path

from common import Fields, Table, conditions, script, show

# isort: split
import cells
import click

from hc1gen.backend import simulator
from hc1gen.backend.bake import bake
from hc1gen.cli.cost import kind_costs, kv_bits
from hc1gen.cli.models import EMBEDDED
from hc1gen.cli.options import json_option
from hc1gen.cli.output import Output
from hc1gen.frontend.checkpoint import load_checkpoint
from hc1gen.golden.calibrated import calibrated
from hc1gen.numeric.config import NumericConfig
from hc1gen.quant.quantized import QuantizedModel
from hc1gen.rtl import assemble
from hc1gen.rtl.chip import Chip
from hc1gen.rtl.clocks import POSITION, greedy_token, total
from hc1gen.settings import Settings

LANES = (4, 8, 16, 32, 64)
KV_HEADS = (1, 2, 4)
CONTEXT = 512
DEFAULT = (8, 4)
"""Lanes and KV heads per clock of a chip that is baked without options."""
POINTS = [(8, 4), (4, 4), (16, 4), (16, 1), (16, 2), (32, 4), (64, 4), (4, 1), (64, 1)]
"""Points whose cells are counted, the most wanted first."""
SIMULATED = ((8, 4, 1), (8, 4, 2), (4, 1, 1), (64, 2, 1), (32, 4, 1))
"""(lanes, KV heads per clock, layers) of the chips that are simulated against the model of latencies."""


def cut(model: QuantizedModel, layers: int) -> QuantizedModel:
    """The first layers of a model, with no end token: it speaks nonsense, in the same time for each layer."""
    first = model.first_layers(layers)
    return replace(first, model=replace(first.model, eos=()))


def chip_of(model: QuantizedModel, lanes: int, kv_heads: int) -> Chip:
    return assemble.chip(model, CONTEXT, lanes, kv_heads)


def token_clocks(design: Chip) -> int:
    """Clocks of the token at `POSITION`, by the latencies of the blocks."""
    return total(greedy_token(design.target, POSITION))


def simulated_clocks(design: Chip, jobs: int) -> int:
    """Clocks of the token at `POSITION`, in Verilator."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "chip"
        bake(design, folder, (EMBEDDED / "tokenizer.json").read_bytes())
        with simulator.ChipSimulator(simulator.build(folder, jobs)) as chip:
            answer = list(chip.run([1] * POSITION, Settings(limit=2)))
    return answer[1].clocks


def measure(output: Output, simulate: bool, count: bool, seconds: float, jobs: int) -> Fields:
    """JSON fields: clocks of all points, cells of as many as `seconds` allow, and the simulations."""
    with output.progress("calibrating"):
        model = calibrated(load_checkpoint(EMBEDDED), NumericConfig(), CONTEXT)
    grid = [(lanes, kv) for lanes in LANES for kv in KV_HEADS]
    points = {point: {"clocks": token_clocks(chip_of(model, *point))} for point in grid}
    if count:
        _count(output, model, points, seconds)
    checks = _check(output, model, jobs) if simulate else []
    target = chip_of(model, *DEFAULT).target
    return {
        "position": POSITION,
        "points": [{"lanes": lanes, "kv_heads_per_clock": kv, **p} for (lanes, kv), p in points.items()],
        "checks": checks,
        "full_adders": sum(kind.full_adders for kind in kind_costs(target)),
        "accumulator_flip_flops": sum(kind.accumulator_flip_flops for kind in kind_costs(target)),
        "kv_bits": kv_bits(target.network),
        "conditions": conditions(),
    }


def _count(output: Output, model: QuantizedModel, points: dict[tuple[int, int], Fields], seconds: float) -> None:
    start = time.monotonic()
    with output.progress("counting cells", len(POINTS)) as progress:
        for done, point in enumerate(POINTS):
            if time.monotonic() - start < seconds:
                progress("lanes {}, KV heads {}".format(*point), done)
                points[point] |= cells.chip_cells(chip_of(model, *point))


def _check(output: Output, model: QuantizedModel, jobs: int) -> list[Fields]:
    checks = []
    with output.progress("simulating", len(SIMULATED)) as progress:
        for done, (lanes, kv, layers) in enumerate(SIMULATED):
            progress(f"lanes {lanes}, KV heads {kv}, layers {layers}", done)
            design = chip_of(cut(model, layers), lanes, kv)
            simulated = simulated_clocks(design, jobs)
            derived = token_clocks(design)
            checks.append({"lanes": lanes, "kv_heads_per_clock": kv, "layers": layers, "derived": derived,
                           "simulated": simulated})  # fmt: skip
    return checks


def tables(result: Fields) -> list[Table]:
    """Clocks and cells by point, the parts of the default chip, and derived against simulated clocks."""
    points = {(p["lanes"], p["kv_heads_per_clock"]): p for p in result["points"]}
    rows = [[lanes, *(points[lanes, kv]["clocks"] for kv in KV_HEADS)] for lanes in LANES]
    heads = [f"{kv} KV heads per clock" for kv in KV_HEADS]
    checked = "; checked below." if result["checks"] else "; not checked in this run."
    found = [
        Table(f"Clocks of a token at position {result['position']}", ("lanes", *heads), rows,
              "Derived from the latencies of the blocks (`lanes.py`)" + checked),
    ]  # fmt: skip
    if "blocks" in points[DEFAULT]:
        found += [_sizes(result, points), _blocks(points[DEFAULT]["blocks"])]
    if result["checks"]:
        names = ("lanes", "kv_heads_per_clock", "layers", "derived", "simulated")
        checks = [[check[name] for name in names] for check in result["checks"]]
        found.append(Table("Derived clocks against simulated ones, the model cut to its first layers",
                           ("lanes", "KV heads per clock", "layers", "derived", "simulated"), checks))  # fmt: skip
    return found


def _sizes(result: Fields, points: dict[tuple[int, int], Fields]) -> Table:
    rows = [[*point, p["clocks"], p["gates"], p["flip_flops"]] for point, p in sorted(points.items()) if "gates" in p]
    note = (
        "Generic gates of at most three inputs, no logic optimisation beyond constants: for comparing points, not for "
        f"areas. Not counted, the same at each point: the tiles ({result['full_adders']:,} full adders, "
        f"{result['accumulator_flip_flops']:,} accumulator flip-flops), gain and embedding tables, and the KV caches "
        f"({result['kv_bits']:,} bits). Points that are not listed were not counted: they would take too long."
    )
    return Table("Cells of all blocks of the chip", ("lanes", "KV heads per clock", "clocks", "gates", "flip-flops"),
                 rows, note)  # fmt: skip


def _blocks(blocks: dict[str, Fields]) -> Table:
    kinds = ("gates", "flip_flops")
    rows = [
        [name, b["instances"], *(b[k] for k in kinds), *(b["instances"] * b[k] for k in kinds)]
        for name, b in blocks.items()
    ]
    columns = ("block", "instances", "gates", "flip-flops", "gates, all", "flip-flops, all")
    return Table("Blocks of the default chip, 8 lanes and 4 KV heads per clock", columns, rows)


@click.command()
@click.option("--simulate/--no-simulate", default=True, help="Check the clocks against short chips in Verilator.")
@click.option("--cells/--no-cells", "count", default=True, help="Count cells with yosys.")
@click.option("--seconds", type=float, default=3600, show_default=True, help="Begin to count no point after this.")
@click.option("--jobs", type=int, default=2, show_default=True, help="Compilers at a time.")
@json_option
def lanes(simulate: bool, count: bool, seconds: float, jobs: int, output: Output) -> int:
    """Clocks and cells over lanes and KV heads per clock. Exit code 1 where a simulation disagrees with the clocks."""
    result = measure(output, simulate, count, seconds, jobs)
    show(output, tables(result))
    output.result(result)
    return int(any(check["derived"] != check["simulated"] for check in result["checks"]))


if __name__ == "__main__":
    script(lanes)
