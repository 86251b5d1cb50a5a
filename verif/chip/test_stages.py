"""The stage table of a small chip; that it adds up to the chip's own count is checked in the simulation."""

import json

from click.testing import CliRunner
from designs import design
from stages import main

from chip.test_small_chips import RECIPES


def test_stages_add_up():
    """Every stage of a one-layer chip takes time, and one ends where the next begins."""
    chip = design(RECIPES[0])
    result = CliRunner().invoke(main, [str(chip.folder), "--position", "10", "--json"], catch_exceptions=False)
    stages = json.loads(result.output)["stages"]
    assert all(stage["clocks"] > 0 for stage in stages), stages
    layer = [stage for stage in stages if stage["part"] == "layer 0"]
    assert sum(stage["clocks"] for stage in layer) == layer[-1]["last"] - layer[0]["first"]
    assert sum(stage["clocks"] for stage in stages) == stages[-1]["last"]
    assert next(s for s in layer if s["name"] == "attention")["clocks"] > 10
