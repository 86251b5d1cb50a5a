"""A float checkpoint of another origin, all the way to a talking chip: stories260K, where it is at hand."""

from pathlib import Path

import pytest
from command import hc1gen

STORIES = Path(__file__).parents[3] / "shared" / "models" / "stories260K"


@pytest.mark.slow
@pytest.mark.skipif(not STORIES.is_dir(), reason="stories260K is not beside the project")
def test_stories260k_bakes_and_talks(tmp_path):
    baked = hc1gen("bake", STORIES, "-o", tmp_path / "stories", "--context", 64, "--json")
    assert baked.code == 0, baked.stderr
    said = hc1gen("sim", tmp_path / "stories", "--prompt", "Once upon a time", "--tokens", 32, "--json")
    assert said.code == 0, said.stderr
    assert said.fields["match"] and len(said.fields["tokens"]) == 32
