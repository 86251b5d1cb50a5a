"""The example of docs/contributing.md: a third view of tiles, which a registry entry makes known everywhere."""

from pathlib import Path

import numpy as np
import pytest
from bench.stalls import STALL_PATTERNS
from chip.conversations import check_chip, converse
from cmvm.unit import check_tiles, make_tile, one_hot, steepest
from designs import VECTORS, Design

import hc1gen
from example_view.products_view import PRODUCTS
from hc1gen.backend.bake import bake
from hc1gen.frontend.checkpoint import load_checkpoint
from hc1gen.golden.calibrated import calibrated
from hc1gen.numeric.config import NumericConfig
from hc1gen.rtl import assemble
from hc1gen.rtl.tiles import VIEWS
from hc1gen.settings import Settings

CHECKPOINT = VECTORS / "gqa-old-config-f32"


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The view in the registry; in the package this is one line in `rtl/tiles/__init__.py`."""
    monkeypatch.setitem(VIEWS, PRODUCTS.name, PRODUCTS)


def test_tiles_give_the_golden_products(tmp_path: Path):
    """The same tiles in all views, this one among them, with and without row groups."""
    rng = np.random.default_rng(0)
    runs = {}
    for name, groups, weights in (
        ("one", 1, rng.integers(-4, 4, (7, 9))), ("groups", 2, rng.integers(-32, 32, (11, 6))),
    ):  # fmt: skip
        vectors = np.concatenate([one_hot(weights.shape[1], (8, -8, 127, -128)), steepest(weights, 8)])
        runs[name] = (make_tile(weights, lanes=3, row_groups=groups), vectors)
    check_tiles(runs, tmp_path, STALL_PATTERNS)


def test_a_chip_is_baked_in_it(tmp_path: Path):
    model = calibrated(load_checkpoint(CHECKPOINT), NumericConfig(), 10, 256)
    tokenizer = (CHECKPOINT / "tokenizer.json").read_bytes()
    bake(assemble.chip(model, 10, 6, 2), tmp_path / "chip", tokenizer, fabric=PRODUCTS.name)
    design = Design(tmp_path / "chip")
    tiles = [module for module in design.manifest.modules if module.kind == "tile"]
    assert tiles and {module.view for module in tiles} == {PRODUCTS.name}
    check_chip(design, [converse(design, [1, 2, 3], Settings(limit=4))], patterns=("none", "both"))


def test_verify_says_what_it_cannot_read(tmp_path: Path):
    """Its rows are no registers that count planes: no proof, and no match either."""
    pytest.importorskip("pyosys", reason="pyosys is not installed")
    model = hc1gen.load(CHECKPOINT)
    chip = model.quantize(context=10).plan(lanes=6).bake(tmp_path / "chip", fabric=PRODUCTS.name)
    report = chip.verify(model)
    assert not report.match
    circuits = [difference for difference in report.differences if difference.kind == "circuit"]
    assert len({difference.where for difference in circuits}) == len(chip.manifest.tiles)
