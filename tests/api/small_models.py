"""Checkpoints of the frontend's tests that become chips in seconds."""

from pathlib import Path

import hc1gen

VECTORS = Path(__file__).parents[1] / "frontend" / "vectors"
SMALL = VECTORS / "mqa-f16-sharded"
"""3 layers, 20 wide, 1 KV head, 37 characters, 256 positions, no BOS."""
WITH_BOS = VECTORS / "gqa-old-config-f32"
TEN = hc1gen.Calibration(10)
"""Few tokens, so that it takes no time."""
