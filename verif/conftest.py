"""Makes `bench` importable for the tests of this folder, and for the simulators they start."""

import os
import sys
from pathlib import Path

os.environ["AMARANTH_USE_YOSYS"] = "builtin"
sys.path.insert(0, str(Path(__file__).parent))
