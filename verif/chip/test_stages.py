"""The stage table of small chips; that it adds up to the chip's own count is checked in the simulation."""

import json

import pytest
from click.testing import CliRunner
from designs import Recipe, design
from stages import main

from chip.test_small_chips import RECIPES


def stages_of(recipe: Recipe) -> list[dict]:
    """The stages of a token at position 10 or, in a shorter context, at the last but one."""
    chip = design(recipe)
    position = min(10, recipe.context - 2)
    result = CliRunner().invoke(main, [str(chip.folder), "--position", str(position), "--json"], catch_exceptions=False)
    return json.loads(result.output)["stages"]


def test_stages_add_up():
    """Every stage of a one-layer chip takes time, and one ends where the next begins."""
    stages = stages_of(RECIPES[0])
    assert all(stage["clocks"] > 0 for stage in stages), stages
    layer = [stage for stage in stages if stage["part"] == "layer 0"]
    assert sum(stage["clocks"] for stage in layer) == layer[-1]["last"] - layer[0]["first"]
    assert sum(stage["clocks"] for stage in stages) == stages[-1]["last"]
    assert next(s for s in layer if s["name"] == "attention")["clocks"] > 10


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_stages_take_what_the_blocks_state(recipe):
    """Whatever the lanes, the words of the KV cache, and the beats of a vector; stage by stage."""
    for stage in stages_of(recipe):
        assert stage["clocks"] == stage["stated"], stage
