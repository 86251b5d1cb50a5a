"""What training writes is what bake takes over."""

from pathlib import Path

import numpy as np
import small  # noqa: F401  (skips where torch is missing)
import torch

import hc1gen
from hc1gen.frontend.checkpoint import load_checkpoint
from hc1gen.frontend.export import TRAINED, write_checkpoint
from hc1gen.frontend.jsonfile import read_object
from hc1gen.quant.config import NumericConfig
from hc1gen.quant.grid import quantize_rows
from hc1gen.train.model import STACKS, ChipModel, grid_rows
from hc1gen.train.teacher import FloatModel


def test_rows_are_taken_over_exactly(stories):
    """Whatever latent weights and scales are: their integers and scales come back from the exported rows."""
    model = ChipModel(stories, NumericConfig(), 64)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    for block in model.blocks:
        for stack in STACKS:
            integers, scale = block.integers(stack)
            q, s = quantize_rows(grid_rows(integers, scale))
            assert (q == integers).all()
            assert np.allclose(s, scale, rtol=1e-6)


def test_rows_are_in_lowest_terms(stories):
    model = ChipModel(stories, NumericConfig(), 64)
    with torch.no_grad():
        model.blocks[0].o_scale[:2] = 0.0
        model.blocks[0].o[0] = 0.0
        model.blocks[0].o[1] = 2.0 * torch.randint(-2, 2, model.blocks[0].o[1].shape).float()
    integers, scale = model.blocks[0].integers("o")
    assert (integers[0] == 0).all() and scale[1] == 2.0 and integers[1].min() == -2
    q, s = quantize_rows(grid_rows(integers, scale))
    assert (q == integers).all() and np.allclose(s, scale, rtol=1e-6)


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
