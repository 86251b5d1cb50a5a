"""Starts the testbench of one whole layer: the residual stream in and out, as the golden model says."""

import random

import numpy as np
import pytest
from bench.case import noise
from bench.runner import simulate
from bench.stalls import STALL_PATTERNS
from chip.conversations import vector_words
from designs import DEFAULT, Design, Recipe, design

from hc1gen.rtl.payloads import tag as tag_layout

RECIPES = [DEFAULT, Recipe("gqa-tied-bf16-sharded", lanes=5, kv_heads_per_clock=2, context=16)]
INTERRUPTS = (3, 40, 90, 170, 333)
"""Clocks after which a reset hits: in the norm, the matrices, attention, the MLP, and with two tokens inside."""


def words(chip: Design, runs: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """Payloads of x and y of layer 0 for runs of random tokens, each (first position, count): positions jump back.

    Bits of the tag other than the position are random, and must come out as they went in.
    """
    plan, rng, session = chip.plan, random.Random(1), chip.golden.session()
    layout = tag_layout(plan.position_bits)
    found: tuple[list[int], list[int]] = ([], [])
    for first, count in runs:
        tags = [noise(layout, rng) | {"position": position} for position in range(first, first + count)]
        session.length = first

        def note(layer: int, x: np.ndarray, tags: list[dict[str, int]] = tags) -> None:
            if layer < 2:
                for vector, tag in zip(x, tags, strict=True):
                    found[layer].extend(vector_words(plan, vector, tag))

        session.forward(np.array([rng.randrange(chip.model.model.vocab) for _ in tags]), note)
    return found


def check_layer(chip: Design) -> None:
    """Raise AssertionError unless layer 0 makes of every vector what the golden model makes of it."""
    context = min(chip.plan.n.context, 24)
    inputs, outputs = words(chip, [(0, context), (context // 2, 3), (0, 5), (4, 2), (6, context - 6)])
    case = {"inputs": inputs, "outputs": outputs, "patterns": list(STALL_PATTERNS), "interrupts": INTERRUPTS,
            "timeout": 200_000}  # fmt: skip
    simulate("layer", chip.layer_sources(0), "layer0", "layer.bench_layer", case=case)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_layer(recipe):
    check_layer(design(recipe))
