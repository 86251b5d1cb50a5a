"""A small chip on an FPGA: through yosys and nextpnr to the bitstream of a ULX3S board, with an ECP5 of 85k LUTs."""

import shutil
import time
from pathlib import Path

from common import ROOT, Fields, Table, conditions, script, show, verdict

# isort: split
import click

from hc1gen.backend.bake import bake
from hc1gen.backend.folder.chip_folder import ChipFolder
from hc1gen.backend.fpga.build import Target, build
from hc1gen.backend.rebuild import rebuild
from hc1gen.cli.options import PATH, json_option
from hc1gen.cli.output import Output
from hc1gen.frontend.checkpoint import load_checkpoint
from hc1gen.golden.calibrated import calibrated
from hc1gen.numeric.config import NumericConfig
from hc1gen.quant import saved
from hc1gen.rtl import assemble
from hc1gen.rtl.clocks import greedy_token, total

CHECKPOINT = ROOT / "tests" / "frontend" / "vectors" / "gqa-old-config-f32"
"""Random weights, one layer, 20 wide: the embedded models are too large for this FPGA."""
LANES, KV_HEADS, CONTEXT = 2, 1, 32
ULX3S = Target("85k", "CABGA381", 156, 25_000_000, 2, 115_200, ROOT / "constraints" / "ulx3s.lpf")
OUT = ROOT / "build" / "fpga"
POSITION = 16
"""Of the token whose clocks are counted."""
WHAT = {
    "TRELLIS_COMB": "LUTs", "TRELLIS_FF": "flip-flops", "DP16KD": "block RAMs", "MULT18X18D": "multipliers",
    "TRELLIS_RAMW": "LUT RAMs", "TRELLIS_IO": "pins",
}  # fmt: skip
"""nextpnr's kinds of cells."""


def baked(out: Path) -> Path:
    """The small chip, baked anew."""
    shutil.rmtree(out, ignore_errors=True)
    model = calibrated(load_checkpoint(CHECKPOINT), NumericConfig(), CONTEXT)
    bake(assemble.chip(model, CONTEXT, LANES, KV_HEADS), out, (CHECKPOINT / "tokenizer.json").read_bytes())
    return out


def describe(rtl_dir: Path) -> Fields:
    """What the chip is, and the clocks of a token."""
    chip = ChipFolder.read(rtl_dir)
    manifest = chip.manifest
    target = rebuild(manifest, saved.load(chip.model), None).target
    return {
        "model": manifest.checkpoint.name,
        "weights": sum(tile.weights for tile in manifest.tiles),
        "context": manifest.context,
        "lanes": manifest.lanes,
        "token_clocks": total(greedy_token(target, min(POSITION, manifest.context - 1))),
    }


def measure(rtl_dir: Path, target: Target, out: Path, output: Output) -> Fields:
    """Build the bitstream; what it takes, how fast it is."""
    start = time.perf_counter()
    shutil.rmtree(out, ignore_errors=True)
    with output.progress(f"{rtl_dir.name} on an ECP5", total=3) as progress:
        steps = iter(range(3))
        built = build(rtl_dir, target, out, lambda step: progress(step, next(steps)))
    chip = describe(rtl_dir)
    return {
        **chip,
        "device": f"LFE5U-{target.device[:-1]}F",
        "used": built.used,
        "available": built.available,
        "fmax_mhz": built.fmax_mhz,
        "clock_mhz": built.clock_mhz,
        "tokens_per_second": round(built.clock_mhz * 1e6 / chip["token_clocks"], 1),
        "bitstream_bytes": (out / "board.bit").stat().st_size,
        "seconds": round(time.perf_counter() - start, 1),
        "conditions": conditions(),
    }


def tables(result: Fields) -> list[Table]:
    """Cells of the FPGA, and speed."""
    title = f"{result['model']}: {result['weights']:,} weights, {result['lanes']} lanes, on an {result['device']}"
    cells = [
        [name, result["used"][kind], result["available"][kind], 100 * result["used"][kind] / result["available"][kind]]
        for kind, name in WHAT.items()
        if kind in result["used"]
    ]
    fmax, clock = result["fmax_mhz"], result["clock_mhz"]
    speed = [
        ["highest clock (Fmax)", fmax, "MHz", f"{clock} MHz: {verdict(fmax, clock, least=True)}"],
        [f"a token at position {POSITION}", result["token_clocks"], "clocks", None],
        ["at the board's clock", result["tokens_per_second"], "tokens/s", None],
        ["bitstream", result["bitstream_bytes"], "bytes", None],
        ["yosys, nextpnr and ecppack", result["seconds"], "s", None],
    ]
    return [Table(title, ("cells", "used", "there are", "%"), cells),
            Table("Speed", ("what", "figure", "unit", "required"), speed)]  # fmt: skip


@click.command()
@click.argument("design", type=PATH, required=False)
@click.option("-o", "--out", type=PATH, default=OUT, help="Folder to write [build/fpga].")
@json_option
def fpga(design: Path | None, out: Path, output: Output) -> None:
    """Build the bitstream of DESIGN, a baked chip, or of a small random model that is baked for it.

    Exit code 1 where it does not fit or is slower than the board's clock.
    """
    result = measure(design or baked(out / "chip"), ULX3S, out / "board", output)
    show(output, tables(result))
    output.result(result)


if __name__ == "__main__":
    script(fpga)
