"""What training writes is what bake takes over."""

from pathlib import Path

import numpy as np
import pytest
import small  # noqa: F401  (skips where torch is missing)
import torch

import hc1gen
from hc1gen.frontend.checkpoint import load_checkpoint
from hc1gen.frontend.evaluate import cross_entropy
from hc1gen.frontend.export import TRAINED, write_checkpoint
from hc1gen.frontend.jsonfile import read_object
from hc1gen.frontend.model import EMBEDDING, HEAD
from hc1gen.numeric.config import NumericConfig
from hc1gen.quant.grid import quantize_rows, row_bits
from hc1gen.train import check
from hc1gen.train.model import STACKS, ChipModel
from hc1gen.train.rows import LatentRows
from hc1gen.train.teacher import FloatModel


def test_rows_are_taken_over_exactly(stories):
    """Whatever latent weights and scales are: their integers and scales come back from the exported rows."""
    model = ChipModel(stories, NumericConfig(), 64)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    for block in model.blocks:
        for stack in STACKS:
            rounded = block.rows(stack).rounded()
            q, s = quantize_rows(rounded.array())
            assert (q == rounded.weights).all() and (s == rounded.scale).all()


def test_rows_are_in_lowest_terms(stories):
    model = ChipModel(stories, NumericConfig(), 64)
    with torch.no_grad():
        rows = model.blocks[0].rows("o")
        rows.log_scale[:2] = 0.0
        rows.weights[0] = 0.0
        rows.weights[1] = 2.0 * torch.randint(-2, 2, rows.weights[1].shape).float()
    rounded = rows.rounded()
    assert (rounded.weights[0] == 0).all() and rounded.scale[1] == 2.0 and rounded.weights[1].min() == -2
    q, s = quantize_rows(rounded.array())
    assert (q == rounded.weights).all() and (s == rounded.scale).all()


def test_an_exported_checkpoint_is_whole(stories, tmp_path):
    model = ChipModel(stories, NumericConfig(), 64)
    config = read_object(Path(hc1gen.__file__).parent / "models" / "tinystories-w3" / "config.json")
    write_checkpoint(tmp_path / "out", model.export(), config, "{}", TRAINED, {"steps": 1})
    back = load_checkpoint(tmp_path / "out")
    for (name, ours), (other, theirs) in zip(model.export().tensors(), back.tensors(), strict=True):
        assert name == other and (ours == theirs).all()
    for (_, rows), (_, original) in zip(back.matrices(), stories.matrices(), strict=True):
        assert (quantize_rows(rows)[0] == quantize_rows(original)[0]).all()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]


def test_the_float_teacher_is_the_reference(stories, windows):
    from hc1gen.frontend import reference

    teacher = FloatModel(stories, torch.device("cpu"))
    with torch.no_grad():
        got = teacher.logits(teacher.trunk(torch.from_numpy(windows[:1])))[0].numpy()
    assert np.allclose(got, reference.logits(stories, windows[0]), atol=1e-3)


def test_written_text_is_the_teachers(stories, windows):
    """With a cache or without: the same probabilities, so that what was drawn is likely; and the same for a seed."""
    from hc1gen.frontend import reference
    from hc1gen.frontend.evaluate import cross_entropy
    from hc1gen.train.text import written

    loss, _ = cross_entropy(lambda t: reference.logits(stories, t), windows)
    assert loss < 2.0
    again = written(FloatModel(stories, torch.device("cpu")), 6, 128, seed=3)
    assert (again == windows).all() and (windows[:, 0] == stories.config.bos).all()


def test_rows_with_more_bits_are_the_golden_models_too(stories, windows):
    """Four bits for the embedding, six for a value matrix: the checkpoint has them, and the loss is the chip's."""
    bits = {"model.embed_tokens.weight": 4, "model.layers.2.self_attn.v_proj.weight": 6}
    model = ChipModel(stories, NumericConfig(), 128, bits=bits)
    torch.manual_seed(0)
    with torch.no_grad():
        for rows in (model.embedding, model.blocks[2].rows("qkv")):
            rows.weights.add_(torch.randn_like(rows.weights) * 0.02)
            rows.log_scale[rows.high > 4] -= 1.0
    quantized = model.quantized(windows[:2, :-1])
    assert row_bits(quantized.table(EMBEDDING).weights).max() == 4
    assert row_bits(quantized.matrix(HEAD).weights).max() == 3
    widths = {m.name: int(row_bits(m.weights).max()) for m in quantized.matrices if ".layers.2." in m.name}
    assert {name for name, width in widths.items() if width > 3} == {"model.layers.2.self_attn.v_proj.weight"}
    assert widths["model.layers.2.self_attn.v_proj.weight"] > 4
    model.set_formats(quantized.formats)
    with torch.no_grad():
        ours, _ = cross_entropy(lambda t: model(torch.from_numpy(t)[None])[0].numpy(), windows)
    golden, _ = cross_entropy(check.integer_logits(quantized, 128), windows)
    assert abs(ours - golden) < 0.015  # of 762 tokens, by a model that was not trained


def test_a_wide_checkpoint_stays_wide(stories):
    model = ChipModel(stories, NumericConfig(), 64, bits={"model.embed_tokens.weight": 5})
    with torch.no_grad():
        model.embedding.log_scale -= 1.5
    again = ChipModel(model.export(), NumericConfig(), 64)
    assert (again.embedding.rounded().weights == model.embedding.rounded().weights).all()
    assert again.embedding.high.max() > 4 and again.blocks[0].rows("o").high.max() <= 4


def test_dampening_draws_to_the_nearest_integer():
    """Towards the middle, by the distance in weights; not where a weight is clipped; zero for zero strength."""
    rows = LatentRows(np.array([[0.1, 0.2, 0.3, -0.4, 0.1]]), 3)
    with torch.no_grad():
        rows.log_scale.fill_(np.log(0.1))
        rows.weights.copy_(torch.tensor([[0.12, 0.18, 0.35, -0.41, -0.26]]))
    rows.weights.grad = torch.zeros_like(rows.weights)
    rows.dampen(10.0)
    assert rows.weights.grad[0].tolist() == pytest.approx([0.2, -0.2, 0.0, 0.0, 0.4], abs=1e-5)
