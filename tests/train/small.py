"""A run that takes seconds: a model of a few thousand random weights."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="hc1gen[train] is not installed: no torch")
import torch

from hc1gen.numeric.config import NumericConfig
from hc1gen.train.loop import Recipe
from hc1gen.train.run import Order, load

torch.set_num_threads(1)
VECTORS = Path(__file__).parents[1] / "frontend" / "vectors"
MODEL = VECTORS / "gqa-old-config-f32"
"""One layer, its head is not tied."""
TIED = VECTORS / "gqa-tied-bf16-sharded"
"""Three layers."""


def order(steps: int = 12, rate: float = 5e-3, model: Path = MODEL, **changes: Any) -> Order:
    """An order for `model` on its own text."""
    ir, tokenizer, folder = load(model)
    recipe = Recipe(steps, None, rate, "divergence", validations=2)
    plain = Order(
        folder, ir, tokenizer, None, recipe, NumericConfig(), bits={}, texts=(), validation=(), own=24, batch=4,
        window=15, validation_windows=4, seed=0, device="cpu", compiled=False,
    )  # fmt: skip
    return replace(plain, **changes)
