from pathlib import Path

import pytest
from command import QUICK, SMALL, hc1gen


@pytest.fixture(scope="session")
def chip(tmp_path_factory) -> Path:
    """SMALL as a baked chip; not to be changed."""
    out = tmp_path_factory.mktemp("rtl") / "small"
    done = hc1gen("bake", SMALL, "-o", out, *QUICK)
    assert done.code == 0, done.stderr
    return out
