"""Tiles written, spoilt and read back."""

import re
from pathlib import Path

import numpy as np
from cmvm.unit import make_tile, text_of

from hc1gen.backend.verify.jobs import BEHAVIOURAL, STRUCTURAL, Source, TileJob, run
from hc1gen.backend.verify.tile import Reading, Shape
from hc1gen.rtl.tiles import Tile
from hc1gen.rtl.tiles.structural import adders


def random_tile(rows: int, columns: int, lanes: int, seed: int = 0, row_groups: int = 1) -> Tile:
    """Weights of all values, a row of zeros, one of 6 bits, orders shuffled, rows and columns padded."""
    rng = np.random.default_rng(seed)
    weights = np.clip(np.round(rng.normal(size=(rows, columns)) * 1.5), -4, 3)
    weights[rows // 3] = rng.integers(-32, 32, columns)
    weights[rows // 2] = 0
    order = [int(i) for i in rng.permutation(rows)]
    columns_ = [*map(int, rng.permutation(columns)), None]
    return make_tile(weights, lanes=lanes, rows=order, columns=columns_, row_groups=row_groups)


def text(tile: Tile, view: str) -> str:
    """The tile's Verilog."""
    return text_of(tile, view)


def source(folder: Path, view: str, verilog: str) -> Source:
    """The Verilog of module `tile` as a file, the adders beside it."""
    path, others = folder / ("tile.sv" if view == BEHAVIOURAL else "tile.v"), ()
    path.write_text(verilog)
    if view == STRUCTURAL:
        others = (folder / "adders.v",)
        others[0].write_text("\n".join(adders()) + "\n")
    return Source("tile", path, view, others)


def read(folder: Path, view: str, tile: Tile, verilog: str) -> Reading | str:
    """What verify reads."""
    return run(TileJob(source(folder, view, verilog), shape(tile)))


def shape(tile: Tile) -> Shape:
    return Shape(tile.lanes, tile.beats, tile.act_bits, tile.drop_bits, tile.row_groups)


def expected(tile: Tile) -> Reading:
    """What a tile that is right holds, place by place."""

    def of(values: np.ndarray) -> np.ndarray:
        return np.array([0 if row is None else values[row] for row in tile.rows])

    weights = [tile.lane_weights[row] if row is not None else np.zeros(len(tile.columns)) for row in tile.rows]
    return Reading(np.array(weights, np.int64), of(tile.mantissa), of(tile.shift), {})


def same(a: Reading | str, b: Reading) -> bool:
    """Whether two readings are equal in everything."""
    if isinstance(a, str):
        return False
    arrays = ("weights", "mantissa", "shift")
    return a.faults == b.faults and all(np.array_equal(getattr(a, name), getattr(b, name)) for name in arrays)


def digits(verilog: str) -> list[int]:
    """Where the digits of constants stand; but of signs, which count only where their mask is set."""
    constants = re.finditer(r"(?<!xs \^ )\b\d+'[hd]([0-9a-f]+)", verilog)
    return [at for constant in constants for at in range(constant.start(1), constant.end(1))]
