"""hc1gen quantize: what it writes lies on the grid and is taken over exactly; what it refuses."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from command import SMALL, VECTORS, WITH_BOS, files, hc1gen, refused
from safetensors.numpy import load_file, save_file

from hc1gen.cli.models import Checkpoint
from hc1gen.frontend import reference
from hc1gen.frontend.model import EMBEDDING, HEAD
from hc1gen.frontend.sampling import sample
from hc1gen.numeric.config import NumericConfig
from hc1gen.quant.grid import row_bits
from hc1gen.quant.posttrain import METHODS, posttrain
from hc1gen.quant.quantized import quantize

SHARED = Path(__file__).parents[3] / "shared"
STORIES = SHARED / "models" / "stories260K"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """SMALL on the grid, and what the command said."""
    out = tmp_path_factory.mktemp("models") / "w3"
    done = hc1gen("quantize", SMALL, "-o", out, "--tokens", 1500, "--json")
    assert done.code == 0, done.stderr
    return out, done.fields


def test_report_names_every_tensor(written):
    out, fields = written
    assert fields.keys() == {"out", "checkpoint", "method", "calibration", "tensors", "seconds"}
    assert fields["method"] == "follow" and fields["calibration"]["tokens"] >= 1500
    assert len(fields["tensors"]) == 3 * 7 + 2
    for tensor in fields["tensors"]:
        assert tensor.keys() == {"name", "rows", "columns", "bits", "error", "rtn_error", "zeros"}
        assert 0 < tensor["error"] <= tensor["rtn_error"] * 1.001, tensor
    report = json.loads((out / "quantization.json").read_text())
    assert report == {key: fields[key] for key in report}


def test_the_checkpoint_is_an_ordinary_one_and_is_taken_over_exactly(written):
    out, _ = written
    assert set(files(out)) == {"config.json", "model.safetensors", "quantization.json", "tokenizer.json"}
    assert (out / "tokenizer.json").read_bytes() == (SMALL / "tokenizer.json").read_bytes()
    source = json.loads((SMALL / "config.json").read_text())
    assert json.loads((out / "config.json").read_text()) == source | {"torch_dtype": "float32"}
    assert all(array.dtype == np.float32 for array in load_file(out / "model.safetensors").values())
    ir = Checkpoint.load(out).ir
    for (name, array), matrix in zip(ir.matrices(), quantize(ir, NumericConfig()).matrices, strict=True):
        integers = matrix.weights
        assert row_bits(integers).max() == 3
        if ".q_proj." not in name:  # which carries a factor
            assert (matrix.dequantize() == array).all(), name
        scale = matrix.scale * (np.sqrt(ir.config.head_dim) * np.log(2) if ".q_proj." in name else 1)
        assert np.abs(integers * scale[:, None] - array).max() <= 1e-6 * np.abs(array).max()


def test_a_tied_head_becomes_a_matrix_of_its_own(tmp_path):
    tied, out = VECTORS / "mha-tied-f32", tmp_path / "out"
    assert Checkpoint.load(tied).ir.config.tied
    done = hc1gen("quantize", tied, "-o", out, "--tokens", 1500, "--bits", "lm_head.weight=4")
    assert done.code == 0, done.stderr
    ir = Checkpoint.load(out).ir
    assert not ir.config.tied
    quantized = quantize(ir, NumericConfig())
    assert (row_bits(quantized.matrix(HEAD).weights).max(), row_bits(quantized.table(EMBEDDING).weights).max()) == (
        4,
        3,
    )


def test_the_same_input_gives_the_same_bytes_and_replaces_what_was_there(written, tmp_path):
    out = tmp_path / "again"
    for _ in range(2):
        assert hc1gen("quantize", SMALL, "-o", out, "--tokens", 1500).code == 0
    assert files(out) == files(written[0])
    assert [path.name for path in tmp_path.iterdir()] == ["again"]


@pytest.mark.parametrize("method", METHODS)
def test_methods(method, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("the quick brown fox jumps over the lazy dog. " * 40)
    done = hc1gen("quantize", WITH_BOS, "-o", tmp_path / "out", "--method", method, "--text", text, "--json")
    assert done.code == 0, done.stderr
    assert done.fields["calibration"]["texts"] == ["text.txt"]
    worse = [t["error"] - t["rtn_error"] for t in done.fields["tensors"]]
    assert (max(map(abs, worse)) == 0) if method == "rtn" else (max(worse) <= 0.01 and np.mean(worse) < -0.005)


@pytest.mark.parametrize("method", METHODS)
def test_large_weights_leave_finite_errors(method, tmp_path):
    """Tokens that are never likely have no moments."""
    folder = shutil.copytree(VECTORS / "gqa-old-config-f32", tmp_path / "large")
    tensors = load_file(folder / "model.safetensors")
    for name in tensors:
        if not name.endswith("norm.weight"):
            tensors[name] *= np.float32(3e4 / np.abs(tensors[name]).max())
    save_file(tensors, folder / "model.safetensors")
    done = hc1gen("quantize", folder, "-o", tmp_path / "out", "--tokens", 1500, "--method", method, "--json")
    assert done.code == 0 and not done.stderr.count("Warning"), done.stderr
    assert all(np.isfinite(tensor["error"]) for tensor in done.fields["tensors"])


def test_an_interrupted_run_leaves_nothing(monkeypatch, tmp_path):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["hc1gen.frontend.export"], "_replace", stop)
    assert hc1gen("quantize", SMALL, "-o", tmp_path / "out", "--method", "rtn", "--tokens", 1500).code == 130
    assert list(tmp_path.iterdir()) == []


def test_refuses(tmp_path):
    out, text = tmp_path / "out", tmp_path / "text.txt"
    text.write_text("the quick brown fox. " * 3)
    message = refused("quantize", SMALL, "-o", out, "--text", text)
    assert message.startswith(f"{text}: calibration text: got 63 tokens, expected") and "give a longer one" in message
    assert "--tokens: got 10, expected" in refused("quantize", SMALL, "-o", out, "--tokens", 10)
    text.write_text("日本語")
    assert "is not in the vocabulary" in refused("quantize", SMALL, "-o", out, "--text", text)
    assert "no such file or folder" in refused("quantize", tmp_path / "none", "-o", out)
    assert "Missing option '-o'" in refused("quantize", SMALL)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    assert "got a folder with other files" in refused("quantize", SMALL, "-o", tmp_path / "mine")
    assert "/proc: " in refused("quantize", SMALL, "-o", "/proc/out")
    (tmp_path / "trained").mkdir()
    (tmp_path / "trained" / "training.json").write_text("{}")
    assert "got a folder with training.json" in refused("quantize", SMALL, "-o", tmp_path / "trained")
    assert "got nan, expected a number" in refused("quantize", SMALL, "-o", out, "--budget", "nan")
    assert "output: got a file" in refused("quantize", SMALL, "-o", text)
    assert not out.exists()


def test_text_written_by_the_model_is_drawn_from_its_distribution():
    """The cumulative probability below each token, plus a random share of its own, is uniform."""
    ir = Checkpoint.load(WITH_BOS).ir
    rows = sample(ir, 60, 30, seed=3)
    assert rows.shape == (60, 30) and (rows[:, 0] == ir.config.bos).all()
    assert (rows == sample(ir, 60, 30, seed=3)).all() and (rows != sample(ir, 60, 30, seed=4)).any()
    levels, random = [], np.random.default_rng(0)
    for row in rows:
        p = reference.softmax(reference.logits(ir, row[:-1]).astype(np.float64))
        drawn = p[np.arange(29), row[1:]]
        below = np.cumsum(p, axis=1)[np.arange(29), row[1:]] - drawn
        keep = ~np.isin(row[:-1], ir.config.eos)
        levels += list((below + drawn * random.random(29))[keep])
    histogram = np.histogram(levels, 10, (0, 1))[0] / len(levels)
    assert np.abs(histogram - 0.1).max() < 0.035


@pytest.mark.skipif(not STORIES.is_dir(), reason="../shared/models/stories260K is not there")
def test_stories_cost_less_than_half_of_rounding_to_the_nearest():
    """8,192 tokens of the model's own to calibrate on, others to measure: float 1.27, nearest 2.1 nats or more."""
    ir = Checkpoint.load(STORIES).ir
    rows, unseen = sample(ir, 32, 256, seed=1), sample(ir, 8, 256, seed=2)

    def loss(model):
        logits = np.stack([reference.logits(model, row[:-1]) for row in unseen]).astype(np.float64)
        p = reference.softmax(logits)
        return -np.log(np.take_along_axis(p, unseen[:, 1:, None], axis=-1)).mean()

    nearest = posttrain(ir, rows, METHODS["rtn"])[0]
    rounded, reports = posttrain(ir, rows, METHODS["follow"])
    assert loss(rounded) - loss(ir) < 0.5 * (loss(nearest) - loss(ir))
    embedding, *matrices = reports
    assert embedding.error == embedding.rtn_error  # to the nearest either way
    assert all(report.error < report.rtn_error for report in matrices)


def test_gguf_becomes_a_checkpoint_with_its_tokenizer(tmp_path, monkeypatch):
    pytest.importorskip("gguf", reason="the gguf package is not there; pip install 'hc1gen[gguf]'")
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "frontend"))
    from test_gguf import write

    source, out = write(tmp_path / "tiny.gguf"), tmp_path / "out"
    done = hc1gen("quantize", source, "-o", out, "--tokens", 200, "--json")
    assert done.code == 0, done.stderr
    read, written = Checkpoint.read(source), Checkpoint.load(out)
    assert written.ir.config == read.ir.config
    assert written.tokenizer.encode("ab ab12!") == read.tokenizer.encode("ab ab12!")
    assert read.tokenizer.difference(written.tokenizer) is None
