import json
import shutil
from pathlib import Path

import pytest
from command import QUICK, SMALL, hc1gen
from handmade_folder import handmade
from safetensors.numpy import load_file, save_file

from hc1gen.backend.folder import layout
from hc1gen.cli.models import Calibration, Checkpoint, calibrated
from hc1gen.cli.output import Output
from hc1gen.numeric.config import NumericConfig
from hc1gen.quant import saved


@pytest.fixture(scope="session")
def chip(tmp_path_factory) -> Path:
    """SMALL as a baked chip; not to be changed."""
    out = tmp_path_factory.mktemp("rtl") / "small"
    done = hc1gen("bake", SMALL, "-o", out, *QUICK)
    assert done.code == 0, done.stderr
    return out


@pytest.fixture(scope="session")
def draft(tmp_path_factory) -> Path:
    """A checkpoint that can propose for SMALL: its first layer; not to be changed."""
    folder = tmp_path_factory.mktemp("models") / "draft"
    folder.mkdir()
    shutil.copy(SMALL / "tokenizer.json", folder)
    config = json.loads((SMALL / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 1}))
    tensors = {name: array for path in SMALL.glob("*.safetensors") for name, array in load_file(path).items()}
    kept = {name: array for name, array in tensors.items() if ".layers." not in name or ".layers.0." in name}
    save_file(kept, folder / "model.safetensors")
    return folder


@pytest.fixture(scope="session")
def speculating(tmp_path_factory, draft) -> Path:
    """SMALL and its draft as bake leaves them, 3 tokens ahead, but without Verilog; not to be changed."""
    folder = tmp_path_factory.mktemp("speculating") / "small"
    files = {layout.TOKENIZER: (SMALL / "tokenizer.json").read_bytes()}
    for path, file in ((SMALL, layout.MODEL), (draft, layout.DRAFT_MODEL)):
        model = calibrated(Output(True), Checkpoint.load(path), NumericConfig(), 16, Calibration(20, None))
        files[file] = saved.to_bytes(model)
    return handmade(folder, files, [], ahead=3, context=16, token_bits=6).path
