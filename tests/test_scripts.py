"""Benchmarks and reports take minutes: tests do not run them, but none may be left behind by a change."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = [*sorted(ROOT.glob("benchmarks/*.py")), ROOT / "verif" / "stages.py", ROOT / "verif" / "timeline.py"]


@pytest.mark.parametrize("path", [path for path in SCRIPTS if path.stem != "cells"], ids=lambda path: path.stem)
def test_script_finds_what_it_uses(path):
    """All but `cells`, which is no command: others import it."""
    done = subprocess.run([sys.executable, path, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
