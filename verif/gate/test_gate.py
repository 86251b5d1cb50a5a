"""A small chip after synthesis, on generic cells and on those of sky130, under the testbenches of its RTL."""

from pathlib import Path

import numpy as np
import pytest
from chip.conversations import check_chip
from chip.test_small_chips import plain
from cmvm.together import Run, check_together
from cmvm.unit import Unit, one_hot, steepest, words_of
from designs import Recipe, design
from layer.test_layer import check_layer

from gate.mapped import SKY130, Mapped, broken, mapped
from hc1gen.rtl.tiles.tile import Tile

pytestmark = pytest.mark.gate

RECIPE = Recipe("gqa-old-config-f32", lanes=2, kv_heads_per_clock=1, context=24, eos=2, fabric="both")
BREAKS = 3
"""Broken copies of a netlist, each of which must fail."""


@pytest.fixture(scope="module", params=["generic", "sky130"])
def chip(request) -> Mapped:
    if request.param == "sky130" and not SKY130.is_file():
        pytest.skip(f"no {SKY130.name} in ../shared/pdk")
    return mapped(design(RECIPE), SKY130 if request.param == "sky130" else None)


def tiles(chip: Mapped) -> list[Tile]:
    return list(chip.hardware.target.tiles())


def check_tile(chip: Mapped, tile: Tile, sources: list[Path]) -> None:
    """One-hot vectors of every size, vectors that reach the bounds of the sums, random ones."""
    rng = np.random.default_rng(1)
    width = tile.weights.shape[1]
    vectors = [
        one_hot(width, (8, -8, 1, 127, -128)),
        steepest(tile.weights[:4], 8),
        rng.integers(-128, 128, (20, width)),
    ]
    scale_bits = chip.plan.n.config.scale_bits
    run = Run(Unit(tile, scale_bits=scale_bits), *words_of(tile, np.concatenate(vectors), scale_bits))
    check_together(f"gate_{tile.name}", {tile.name: run}, ["both"], sources)


def of_tile(chip: Mapped, tile: Tile) -> list[Path]:
    """Its netlist the last one."""
    return [*chip.common, chip.netlists / f"{tile.name}.v"]


@pytest.mark.parametrize("kind", ["qkv", "out", "gate_up", "down", "head"])
def test_tile(chip, kind):
    tile = next(tile for tile in tiles(chip) if tile.node.name == kind)
    check_tile(chip, tile, of_tile(chip, tile))


@pytest.mark.parametrize("seed", range(BREAKS))
def test_broken_tile_fails(chip, tmp_path, seed):
    tile = next(tile for tile in tiles(chip) if tile.node.name == "out")
    *rest, netlist = of_tile(chip, tile)
    with pytest.raises(AssertionError, match=r"y: word \d+: got"):
        check_tile(chip, tile, [*rest, broken(netlist, tmp_path, seed)])


def test_layer(chip):
    check_layer(chip)


def test_chip(chip):
    """Every vector of every layer, the answers, every reason to end."""
    talks = plain(chip)
    talks.sort(key=lambda talk: min(len(talk.prompt), len(talk.answer)), reverse=True)
    prompt = len(talks[0].prompt)
    assert prompt > 3 and len(talks[0].answer) > 2, "the first answer must be long enough to be cut short"
    check_chip(chip, talks, patterns=["none", "both"], interrupts=[(1, 0), (3, 0), (prompt, 2)])


def test_broken_chip_fails(chip, tmp_path):
    """A cell of the block that all rows of a tile go through."""
    netlist = chip.netlists / "requant_layer.v"
    sources = [broken(netlist, tmp_path, 1) if path == netlist else path for path in chip.sources]
    with pytest.raises(AssertionError, match="got"):
        check_chip(chip, plain(chip)[:1], patterns=["none"], sources=sources)
