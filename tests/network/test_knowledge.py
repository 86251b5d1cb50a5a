"""Which tensor is which part of a layer is said in one file of the generator, `hc1gen/network/llama.py`."""

import re
from pathlib import Path

import hc1gen

PACKAGE = Path(hc1gen.__file__).parent
FOLDERS = ("network", "quant", "fabric", "rtl", "backend", "api", "cli")
NAMES = re.compile(
    r"\bqkv\b|_qkv\b|gate_up|[qkvo]_proj|attention_gain|mlp_gain|input_norm|post_norm|layernorm"
    r'|"(q|k|v|o|gate|up|down)"'
)
"""What tensors, tiles and gain tables of a layer are called."""
HAND_WRITTEN = {"quant/posttrain.py"}
"""Float arithmetic written by hand, like the reference and the golden model."""


def test_one_file_knows_the_layer():
    code = {path.relative_to(PACKAGE).as_posix(): path for name in FOLDERS for path in (PACKAGE / name).rglob("*.py")}
    knowing = {name for name, path in code.items() if NAMES.search(path.read_text())}
    assert knowing - HAND_WRITTEN == {"network/llama.py"}
