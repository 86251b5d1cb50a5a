from pathlib import Path

import numpy as np
import pytest

import hc1gen
from hc1gen.frontend.checkpoint import load_checkpoint
from hc1gen.frontend.model import ModelIR


@pytest.fixture(scope="session")
def stories() -> ModelIR:
    """The model that comes with hc1gen."""
    return load_checkpoint(Path(hc1gen.__file__).parent / "models" / "tinystories-w3")


@pytest.fixture(scope="session")
def windows(stories) -> np.ndarray:
    """Stories by that model: [6, 128]."""
    import torch

    from hc1gen.train.teacher import FloatModel
    from hc1gen.train.text import written

    return written(FloatModel(stories, torch.device("cpu")), 6, 128, seed=3)


@pytest.fixture
def small(tmp_path) -> Path:
    """A text that the small model can read."""
    path = tmp_path / "text.txt"
    path.write_text("a bad cab, a bed, a dab.\n" * 60)
    return path
