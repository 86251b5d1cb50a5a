"""A tile and its controller give the golden matrix-vector product, whatever the weights, the orders and the inputs."""

from dataclasses import replace

import numpy as np
import pytest
from bench.stalls import STALL_PATTERNS

from cmvm.together import Run, check_together
from cmvm.unit import Unit, check_tiles, make_tile, one_hot, renamed, steepest, text_of, timing, words_of
from hc1gen.errors import InputError
from hc1gen.golden.arith import matmul, round_shift
from hc1gen.rtl.tiles.tile import Tile

Case = tuple[Tile, np.ndarray]

EXTREMES = np.array(
    [[-4] * 16, [3] * 16, [-4, 3] * 8, [3, -4] * 8, [-1] * 16, [1] * 16, [0] * 16, [-4] * 8 + [3] * 8, [0] * 15 + [-4]]
)
"""Rows of one weight, of the two extremes in turn, of nothing."""


def random_weights(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-4, 4, (rows, columns))


def random_vectors(count: int, width: int, act_bits: int = 8) -> np.ndarray:
    low = -(1 << (act_bits - 1))
    return np.random.default_rng(3).integers(low, -low, (count, width))


def every_weight() -> Case:
    """One bit in one column at a time, the first of which give every weight back; a row and a column are zero."""
    weights = random_weights(11, 20)
    weights[4] = 0
    weights[:, 7] = 0
    weights[0, :8] = np.arange(-4, 4)
    tile = make_tile(weights, lanes=4)
    vectors = one_hot(20, (8, -8, 1, -1, 4, 12, 127, -127))
    assert (round_shift(matmul(vectors[:20], weights.T), tile.drop_bits) == weights.T).all()
    return tile, vectors


def permuted_stack() -> Case:
    """Three matrices in one tile; rows and columns permuted, with padding at both ends and between."""
    rng = np.random.default_rng(4)
    parts = [random_weights(r, 13, seed) for seed, r in enumerate((6, 1, 5))]
    rows: list[int | None] = [*map(int, rng.permutation(12))]
    columns: list[int | None] = [*map(int, rng.permutation(13))]
    for place in (9, 3, 0):
        rows.insert(place, None)
        columns.insert(place, None)
    tile = make_tile(*parts, lanes=4, rows=rows, columns=[*columns, None])
    return tile, np.concatenate([one_hot(13, (8, -128)), random_vectors(40, 13)])


def in_groups(rows: int, lanes: int, count: int) -> Case:
    """A tile in several row groups; rows without weights in some of them."""
    weights = random_weights(rows, 9)
    weights[1::3] = 0
    tile = make_tile(weights, lanes=lanes, row_groups=count)
    return tile, np.concatenate([one_hot(9, (8, -128)), random_vectors(20, 9), steepest(weights[:2], 8)])


def thin(rows: int, columns: int, lanes: int) -> Case:
    weights = np.resize(np.array([-4, 3, 1, 0, -2, 2, -3]), (rows, columns))
    vectors = np.concatenate([one_hot(columns, (4, -4)), random_vectors(10, columns)])
    return make_tile(weights, lanes=lanes), vectors


def wide() -> Case:
    """As wide as the default model's down projection."""
    weights = random_weights(12, 172)
    vectors = np.concatenate([one_hot(172, (8,)), random_vectors(20, 172), steepest(weights[:2], 8)])
    return make_tile(weights, lanes=8), vectors


def six_bits(row_groups: int) -> Case:
    """Rows of 6 bits and of 4 among those of 3; every weight of 6 bits is there."""
    weights = random_weights(9, 32)
    weights[2], weights[5] = np.arange(-32, 0), np.arange(32)
    weights[7] = np.resize(np.arange(-8, 8), 32)
    tile = make_tile(weights, lanes=2, row_groups=row_groups)
    return tile, np.concatenate([one_hot(32, (8, -128)), random_vectors(20, 32), steepest(weights[[2, 5, 7]], 8)])


def test_products_under_all_stalls(tmp_path):
    cases = {
        "stack": permuted_stack(),
        "row": thin(1, 9, 1),
        "wide_beat": thin(1, 9, 3),
        "column": thin(7, 1, 2),
        "one": thin(1, 1, 1),
        "halves": in_groups(11, 2, 2),
        "thirds": in_groups(5, 1, 3),
        "six_bits": six_bits(1),
        "six_bits_in_halves": six_bits(2),
        "zeros": (make_tile(np.zeros((3, 5)), lanes=2), random_vectors(8, 5)),
    }
    check_tiles(cases, tmp_path, STALL_PATTERNS)


def test_rows_read_twice(tmp_path):
    """All beats of a vector, then the same beats from the same accumulators."""
    runs, text = {}, ""
    for name, (tile, vectors) in {"rows": thin(7, 5, 2), "beat": thin(3, 5, 4)}.items():
        named = renamed(tile, name)
        unit = Unit(named, rereads=2)
        inputs, outputs = words_of(named, vectors)
        beats = list(outputs["y"])
        twice = [word for i in range(0, len(beats), tile.beats) for word in beats[i : i + tile.beats] * 2]
        runs[name] = Run(unit, inputs, {"y": twice}, timing(unit.control, len(vectors)))
        text += text_of(named)
    source = tmp_path / "tiles.sv"
    source.write_text(text)
    check_together("cmvm_twice", runs, STALL_PATTERNS, [source])


def test_every_weight_and_every_bound(tmp_path):
    """One-hot inputs; rows of extremes under inputs that reach the bounds of every partial sum; a wide matrix."""
    cases = {"weights": every_weight(), "wide": wide()}
    for act_bits, drop_bits in ((4, 2), (8, 0), (8, 1), (8, 3), (12, 10)):
        tile = make_tile(EXTREMES, lanes=9, act_bits=act_bits, drop_bits=drop_bits)
        vectors = np.concatenate([steepest(EXTREMES, act_bits), random_vectors(20, 16, act_bits)])
        cases[f"bounds{act_bits}_{drop_bits}"] = tile, vectors
    check_tiles(cases, tmp_path, ["none"])


@pytest.mark.parametrize("weight", [-4, -1, 1, 3])
@pytest.mark.parametrize("width", [1, 2, 3, 16, 31, 172])
def test_accumulator_holds_the_largest_product(weight, width):
    tile = make_tile(np.full((1, width), weight), lanes=1, drop_bits=0)
    assert 1 << (tile.acc_bits - 1) > 128 * width * abs(weight)


def test_shift_out_of_range_is_refused():
    tile = make_tile(np.ones((2, 3)), lanes=1)
    with pytest.raises(InputError, match="tile: a row needs a shift of 128: its scale is out of any range"):
        replace(tile, shift=np.array([5, -128]))
