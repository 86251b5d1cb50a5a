"""What a weight costs: the combinational fabric of constant matrices, mapped to cell libraries, form beside form."""

import re
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

from common import ROOT, Fields, Table, conditions, script, show, verdict

# isort: split
import click
import numpy as np

from hc1gen.backend.synth import library as libraries
from hc1gen.backend.synth.figures import Figures
from hc1gen.backend.synth.job import Mapper
from hc1gen.backend.synth.jobs import Job, Sources
from hc1gen.backend.synth.yosys import Yosys
from hc1gen.cli.models import EMBEDDED
from hc1gen.cli.options import PATH, json_option
from hc1gen.cli.output import Output
from hc1gen.errors import InputError, problem
from hc1gen.fabric.build import build
from hc1gen.frontend.checkpoint import load_checkpoint
from hc1gen.golden.calibrated import rounded
from hc1gen.network import Linear, Mantissas, Projection, beats_of
from hc1gen.numeric.config import NumericConfig
from hc1gen.rtl import assemble
from hc1gen.rtl.tiles import VIEWS, Tile, needed_bits
from hc1gen.rtl.tiles.structural import instances, number

PDK = ROOT.parent / "shared" / "pdk"
WORK = ROOT / "build" / "fabric"
"""What was mapped before is kept here."""
LIBRARIES = {"asap7": "asap7/*.lib.gz", "sky130": "sky130*.lib.gz"}
SIGMA = 1.5
"""Of Gaussian weights before they are rounded and clipped to -4..3: a quarter of them is zero."""
GAUSSIAN = {"64x64": (64, 64), "64x512": (512, 64), "576x576": (576, 576)}
"""Inputs x rows → shape."""
REQUIRED = {
    ("64x64", "asap7"): (0.135, 0.115), ("64x64", "sky130"): (12.5, 11.5), ("64x512", "asap7"): (0.125, 0.105),
    ("576x576", "asap7"): (0.125, 0.105), ("default model", "asap7"): (0.15, 0.12),
}  # fmt: skip
"""(at most, aim) in µm² per weight."""
SOLVER_SECONDS, TIMES_PARALLEL = 120, 15
TILE_LANES = 8
NEVER = 1 << 30


def gaussian(shape: tuple[int, int]) -> np.ndarray:
    weights = np.random.default_rng(0).standard_normal(shape) * SIGMA
    return np.clip(np.round(weights), -4, 3).astype(np.int64)


def default_model() -> dict[str, np.ndarray]:
    """Every matrix that is a tile of the embedded model, rows with common inputs stacked."""
    model = rounded(load_checkpoint(EMBEDDED), NumericConfig())
    return {tile.name: tile.weights.astype(np.int64) for tile in assemble.transformer(model, 1, 1, 1).tiles()}


# Forms: Verilog of a module `name` with input x and the rows on y.


def shared(name: str, weights: np.ndarray, **options: int) -> Iterator[str]:
    """The product's own fabric, without registers."""
    fabric = build(weights, **options)
    bits = [len(row.bits) for row in fabric.rows]
    yield f"module {name} (input wire [{weights.shape[1] - 1}:0] x, output wire [{sum(bits) - 1}:0] y);"
    names = [f"x[{j}]" for j in range(weights.shape[1])]
    names += [f"n{net}" for net in range(len(names), len(fabric.network.arrival))]
    yield from instances(fabric.network, names)
    values = ", ".join(number(row.bits, names) for row in reversed(fabric.rows))
    yield f"    assign y = {{{values}}};\nendmodule"


def counted(name: str, weights: np.ndarray) -> Iterator[str]:
    """Grouped by magnitude and counted, the rest left to yosys."""
    width = int(np.abs(weights).sum(axis=1).max()).bit_length()
    count = weights.shape[1]
    yield f"module {name} (input wire [{count - 1}:0] x, output wire [{len(weights) * width - 1}:0] y);"
    for r, row in enumerate(weights):
        groups = [
            [f"{'~' if row[j] < 0 else ''}x[{j}]" for j in np.flatnonzero(np.abs(row) == m)] for m in (1, 2, 3, 4)
        ]
        terms = [f"{width}'d{m} * ({' + '.join(f'{width}({bit})' for bit in g)})".replace(f"{width}(", f"{width}'(")
                 for m, g in zip((1, 2, 3, 4), groups, strict=True) if g]  # fmt: skip
        yield f"    assign y[{r * width} +: {width}] = {' + '.join(terms) or '0'};"
    yield "endmodule"


def parallel(name: str, weights: np.ndarray) -> Iterator[str]:
    """All eight bits at once, `w * x + w * x + ...`: what other generators emit."""
    count, width = weights.shape[1], 8 + int(np.abs(weights).sum(axis=1).max()).bit_length()
    yield f"module {name} (input wire [{8 * count - 1}:0] x, output wire [{len(weights) * width - 1}:0] y);"
    for j in range(count):
        yield f"    wire signed [7:0] x{j} = x[{8 * j} +: 8];"
    for r, row in enumerate(weights):
        terms = " + ".join(f"({int(row[j])}) * x{j}" for j in np.flatnonzero(row)) or "0"
        yield f"    wire signed [{width - 1}:0] y{r} = {terms};"
        yield f"    assign y[{r * width} +: {width}] = y{r};"
    yield "endmodule"


def da4ml(name: str, weights: np.ndarray) -> Iterator[str]:
    """da4ml's adder graph for inputs of one bit (Sun et al., arXiv:2507.04535), an adder a line."""
    from da4ml.cmvm import solve

    count = weights.shape[1]
    pipeline = solve(weights.T.astype(np.float32), qintervals=[(0.0, 1.0, 1.0)] * count, latencies=[0.0] * count)
    yield f"module {name} (input wire [{count - 1}:0] x, output wire [{len(weights) * 16 - 1}:0] y);"
    values = [(f"$signed({{1'b0, x[{j}]}})", 0) for j in range(count)]  # (expression, power of two it is in units of)
    for stage, solution in enumerate(pipeline.solutions):
        made: list[tuple[str, int]] = []
        for i, op in enumerate(solution.ops):
            if op.opcode == -1:
                expression, unit = values[op.id0]
                made.append((expression, unit + int(solution.inp_shifts[op.id0])))
                continue
            (a, unit_a), (b, unit_b) = made[op.id0], made[op.id1]
            unit_b += op.data
            unit = min(unit_a, unit_b)
            bits = int(max(abs(op.qint.min), abs(op.qint.max)) / 2.0**unit).bit_length() + 1
            sign = "-" if op.opcode == 1 else "+"
            sum_of_two = f"({a} <<< {unit_a - unit}) {sign} ({b} <<< {unit_b - unit})"
            yield f"    wire signed [{bits - 1}:0] v{stage}_{i} = {sum_of_two};"
            made.append((f"v{stage}_{i}", unit))
        ends = zip(solution.out_idxs, solution.out_shifts, solution.out_negs, strict=True)
        values = [("16'sd0", 0) if i < 0 else (f"(-{made[i][0]})" if negative else made[i][0], made[i][1] + int(shift))
                  for i, shift, negative in ends]  # fmt: skip
    for r, (expression, unit) in enumerate(values):
        yield f"    wire signed [15:0] y{r} = {expression} <<< {unit};"
        yield f"    assign y[{16 * r} +: 16] = y{r};"
    yield "endmodule"


def tile(name: str, weights: np.ndarray, row_groups: int) -> Iterator[str]:
    """A whole tile: the fabric, accumulators, read-out and its constants."""
    config, count = NumericConfig(), len(weights)
    mantissa = np.random.default_rng(1).integers(1 << config.scale_bits - 1, 1 << config.scale_bits, count)
    columns = Mantissas(tuple(range(weights.shape[1])), range(1), 0, config.act_bits, config.drop_bits)
    projection = Projection(name, count, config.qkv_bits, 0)
    node = Linear(name, name, (projection,), columns, beats_of(range(count), TILE_LANES), TILE_LANES, row_groups)
    shift, bits = np.full(count, config.act_bits), needed_bits(node, weights)
    made = Tile(node, (name,), weights.astype(np.int8), mantissa, shift, config.scale_bits, bits)
    (file,) = VIEWS["structural"].files(made)
    yield from file.lines


Form = Callable[[str, np.ndarray], Iterator[str]]
FORMS: dict[str, Form] = {
    "hc1gen": shared,
    "plain tree": lambda name, w: shared(name, w, least=NEVER, triples=False),
    "common parts only": lambda name, w: shared(name, w, triples=False),
    "shared triples only": lambda name, w: shared(name, w, least=NEVER),
    "counted, left to yosys": counted,
    "da4ml, one-bit inputs": da4ml,
    "w * x in parallel": parallel,
}
TILES: dict[str, Form] = {
    "in one row group": lambda name, w: tile(name, w, 1),
    "in two row groups": lambda name, w: tile(name, w, 2),
}


class Bench:
    """Maps modules to the libraries that are there."""

    def __init__(self, pdk: Path, work: Path):
        self.yosys, self.work = Yosys(), work
        self.libraries = {}
        for name, pattern in LIBRARIES.items():
            files = sorted(pdk.glob(pattern))
            if not files:
                raise InputError(
                    pdk, problem("Liberty files", f"no {pattern}", f"those of {name}", "give their folder")
                )
            self.libraries[name] = libraries.load(files, self.yosys)

    def map(self, name: str, source: Path) -> dict[str, Figures]:
        """Library → figures of a module."""
        sources = Sources(self.work, (), (), (), name)
        found = {}
        for library in self.libraries.values():
            with tempfile.TemporaryDirectory(dir=self.work) as scratch:
                found[library.name] = Mapper(library, sources, Path(scratch), self.yosys).run(Job(name, "tile", source))
        return dict(zip(self.libraries, found.values(), strict=True))

    def measure(self, case: str, form: str, weights: np.ndarray) -> Fields:
        """One matrix in one form."""
        name = re.sub(r"\W+", "_", f"m_{case}_{form}").lower()
        start = time.thread_time()
        lines = list((FORMS | TILES)[form](name, weights))
        seconds = time.thread_time() - start
        source = self.work / f"{name}{'.sv' if form.startswith('counted') else '.v'}"
        source.write_text("\n".join(lines) + "\n")
        mapped = {library: _figures(f, weights.size) for library, f in self.map(name, source).items()}
        return {"case": case, "form": form, "weights": int(weights.size), "solver_seconds": round(seconds, 1), **mapped}


def _figures(f: Figures, weights: int) -> Fields:
    names = ("cells", "full_adders", "half_adders", "flip_flops", "logic_depth", "delay_ps", "area_um2", "register_um2")
    return {name: getattr(f, name) for name in names} | {"area_per_weight_um2": f.area_um2 / weights}


def cases(quick: bool) -> list[tuple[str, str, np.ndarray]]:
    """(case, form, weights), the longest first."""
    small = gaussian(GAUSSIAN["64x64"])
    found = [("64x64", form, small) for form in reversed(FORMS)] + [("64x64 tile", form, small) for form in TILES]
    for name in () if quick else ("576x576", "64x512"):  # without da4ml: over five minutes for 64x512
        found += [(name, form, gaussian(GAUSSIAN[name])) for form in ("hc1gen", "plain tree")]
    return found if quick else found + [(name, "hc1gen", w) for name, w in default_model().items()]


def summed(measured: list[Fields]) -> Fields:
    """All matrices of the default model as one."""
    weights = sum(each["weights"] for each in measured)
    total: Fields = {"case": "default model", "form": "hc1gen", "weights": weights}
    total["solver_seconds"] = round(sum(each["solver_seconds"] for each in measured), 1)
    for library in LIBRARIES:
        own = [each[library] for each in measured]
        total[library] = {
            name: sum(f[name] for f in own)
            for name in ("cells", "full_adders", "half_adders", "area_um2", "register_um2")
        }
        total[library] |= {name: max(f[name] for f in own) for name in ("logic_depth", "delay_ps")}
        total[library]["area_per_weight_um2"] = total[library]["area_um2"] / weights
    return total


def tables(fields: Fields) -> list[Table]:
    """Area of every form, and what is required."""
    measured = [m for m in fields["measured"] if not m["case"].endswith("tile")]
    rows = [
        [
            m["case"], m["form"], m["sky130"]["full_adders"] / m["weights"],
            *(m[library]["area_per_weight_um2"] for library in LIBRARIES),
            *(m[library]["delay_ps"] for library in LIBRARIES), m["solver_seconds"],
        ]
        for m in measured
    ]  # fmt: skip
    required = []
    for m, library in product(measured, LIBRARIES):
        if m["form"] == "hc1gen" and (m["case"], library) in REQUIRED:
            most, aim = REQUIRED[m["case"], library]
            area = m[library]["area_per_weight_um2"]
            verdicts = (f"at most {most}: {verdict(area, most)}", f"below {aim}: {verdict(area, aim)}")
            required.append([m["case"], library, area, *verdicts])
    columns = (
        "matrix",
        "form",
        "full adders per weight",
        "ASAP7, µm² per weight",
        "sky130, µm² per weight",
        "ASAP7, ps",
        "sky130, ps",
        "solver, s",
    )
    note = (
        f"Matrices: inputs x rows, Gaussian of standard deviation {SIGMA} (seed 0) rounded to -4..3, a quarter zeros."
    )
    return [
        Table("Combinational fabric after mapping", columns, rows, note),
        Table("What it must reach", ("matrix", "library", "µm² per weight", "required", "aim"), required),
        Table("Whole tiles: with accumulators, read-out and constants", *_tiles(fields["measured"])),
        Table("Ratios, 64x64, ASAP7", ("against", "times as large", "required"), _ratios(measured)),
    ]


def _tiles(measured: list[Fields]) -> tuple[tuple[str, ...], list[list[object]]]:
    """Columns and rows: area per weight of a whole tile, and its registers' share of it."""
    rows = [
        [
            m["case"], m["form"], m["sky130"]["flip_flops"],
            *(m[library]["area_per_weight_um2"] for library in LIBRARIES),
            *(m[library]["register_um2"] / m["weights"] for library in LIBRARIES),
        ]
        for m in measured if m["case"].endswith("tile")
    ]  # fmt: skip
    return ("tile", "rows", "flip-flops", "ASAP7, µm² per weight", "sky130, µm² per weight",
            "registers, ASAP7", "registers, sky130"), rows  # fmt: skip


def _ratios(measured: list[Fields]) -> list[list[object]]:
    areas = {m["form"]: m["asap7"]["area_um2"] for m in measured if m["case"] == "64x64"}
    needed = {"w * x in parallel": TIMES_PARALLEL, "da4ml, one-bit inputs": 1}
    found: list[list[object]] = []
    for form, area in areas.items():
        if form != "hc1gen":
            ratio = area / areas["hc1gen"]
            bound = needed.get(form)
            found.append(
                [form, round(ratio, 2), f"at least {bound}: {verdict(ratio, bound, least=True)}" if bound else ""]
            )
    return found


@click.command("fabric")
@click.option("--pdk", type=PATH, default=PDK, help="Folder with the Liberty files of ASAP7 and sky130.")
@click.option("--quick", is_flag=True, help="Only 64x64.")
@json_option
def main(pdk: Path, quick: bool, output: Output) -> None:
    """Area of the fabric in every form, on ASAP7 and sky130."""
    WORK.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(2) as pool:
        bench = Bench(pdk, WORK)
        measured = list(pool.map(lambda case: bench.measure(*case), cases(quick)))
    whole = [m for m in measured if m["case"].startswith(("layer", "head"))]
    shown = [m for m in measured if m not in whole] + ([summed(whole)] if whole else [])
    fields = {"measured": shown, "matrices": whole, "conditions": conditions()}
    show(output, tables(fields))
    output.result(fields)


if __name__ == "__main__":
    script(main)
