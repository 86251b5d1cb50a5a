"""How far the generator scales: a random Llama of 10 million weights, quantised and written as CMVM tiles."""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import Fields, Table, conditions, script, show, verdict

# isort: split
import click
import numpy as np

from hc1gen.cli.bake import peak_memory
from hc1gen.cli.options import json_option
from hc1gen.cli.output import Output
from hc1gen.frontend.model import ModelConfig, ModelIR, expected_shapes
from hc1gen.numeric.config import Formats, LayerFormats, NumericConfig
from hc1gen.quant.quantized import QuantizedModel, quantize
from hc1gen.rtl import assemble
from hc1gen.rtl.tiles import VIEWS

SHAPE = ModelConfig(
    hidden=320, intermediate=896, layers=8, heads=10, kv_heads=5, head_dim=32, vocab=2048, max_positions=1024,
    rms_eps=1e-5, rope_theta=10000.0, tied=False, bos=1, eos=(2,),
)  # fmt: skip
LANES = 32
SECONDS, BYTES = 60.0, 2e9
"""What quantising and writing may take."""


def random_model(shape: ModelConfig, seed: int = 1) -> ModelIR:
    """Gaussian float32 weights: on no grid, so that every row is searched for its best scale."""
    rng = np.random.default_rng(seed)

    def tensor(name: str) -> np.ndarray:
        size = sizes[name]
        if len(size) == 1:
            return np.ones(size, np.float32)
        return rng.standard_normal(size, np.float32) * np.float32(size[1] ** -0.5)

    sizes = expected_shapes(shape)
    model = ModelIR.of(shape, {name: tensor(name) for name in sizes}, "0" * 64, "random-10m")
    model.verify()
    return model


def formats(shape: ModelConfig) -> Formats:
    """Formats as calibration would choose them for such weights; the tiles depend on them in their shifts only."""
    one = LayerFormats(key_frac=(4,) * (shape.kv_heads * shape.head_dim // 2), value_frac=5, up_frac=7)
    return Formats(residual_bits=16, score_raw_frac=8, logit_frac=9, layers=(one,) * shape.layers)


def write_tiles(model: QuantizedModel, folder: Path) -> Fields:
    """Every tile, line by line, to disk."""
    transformer = assemble.transformer(model, 512, LANES)
    sizes, weights = [], 0
    for tile in transformer.tiles():
        (made,) = VIEWS["behavioural"].files(tile)
        path = folder / Path(made.path).name
        with path.open("w") as file:
            file.writelines(f"{line}\n" for line in made.lines)
        sizes.append(path.stat().st_size)
        weights += tile.weights.size
    return {"weights": weights, "tiles": len(sizes), "bytes": sum(sizes)}


def child() -> Fields:
    """The measurement, in a process of its own."""
    ir = random_model(SHAPE)
    before = peak_memory()
    start = time.perf_counter(), time.process_time()
    model = quantize(ir, NumericConfig(), formats(SHAPE))
    middle = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        written = write_tiles(model, Path(folder))
    end = time.perf_counter()
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        **written,
        "quantise_seconds": round(middle - start[0], 2),
        "write_seconds": round(end - middle, 2),
        "seconds": round(end - start[0], 2),
        "processor_seconds": round(time.process_time() - start[1], 2),
        "peak_memory_bytes": used.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        "model_memory_bytes": before,
    }


def measure() -> Fields:
    """JSON fields of one run."""
    run = subprocess.run([sys.executable, __file__, "--child"], capture_output=True, text=True, check=True)
    return {**json.loads(run.stdout), "conditions": conditions()}


def tables(result: Fields) -> list[Table]:
    """Time and memory against what is required."""
    megabytes = result["peak_memory_bytes"] / 1e6
    rows = [
        ["quantise", result["quantise_seconds"], "s", None],
        ["write the tiles", result["write_seconds"], "s", None],
        ["both", result["seconds"], "s", f"{SECONDS:.0f} s: {verdict(result['seconds'], SECONDS)}"],
        ["both, processor time", result["processor_seconds"], "s", None],
        ["peak memory", megabytes, "MB", f"{BYTES / 1e6:.0f} MB: {verdict(megabytes * 1e6, BYTES)}"],
    ]
    size = f"{result['weights'] / 1e6:.2f} million weights, {result['tiles']} tiles, {result['bytes'] / 1e6:.0f} MB"
    return [Table(f"A random Llama: {size} of Verilog", ("what", "figure", "unit", "required"), rows)]


@click.command()
@click.option("--child", "as_child", is_flag=True, hidden=True)
@json_option
def large(as_child: bool, output: Output) -> int:
    """Quantise a random Llama of 10 million weights and write its tiles. Exit code 1 where that takes too much."""
    if as_child:
        click.echo(json.dumps(child()))
        return 0
    with output.progress("quantising and writing 10 million weights"):
        result = measure()
    show(output, tables(result))
    output.result(result)
    return int(result["seconds"] > SECONDS or result["peak_memory_bytes"] > BYTES)


if __name__ == "__main__":
    script(large)
