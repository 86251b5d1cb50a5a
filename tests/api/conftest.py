"""Small models of the frontend's tests on every step of the API."""

import json
import shutil

import pytest
from small_models import SMALL, TEN

import hc1gen


@pytest.fixture(scope="session")
def model() -> hc1gen.Model:
    return hc1gen.load(SMALL)


@pytest.fixture(scope="session")
def quantised(model) -> hc1gen.CalibratedModel:
    return model.quantize(16, calibration=TEN)


@pytest.fixture(scope="session")
def plan(quantised) -> hc1gen.ChipPlan:
    return quantised.plan(lanes=4)


@pytest.fixture(scope="session")
def speculating(quantised) -> hc1gen.ChipPlan:
    """The model is its own draft, 3 tokens ahead."""
    return quantised.plan(lanes=4, draft=quantised, ahead=3)


@pytest.fixture(scope="session")
def chip(plan, tmp_path_factory) -> hc1gen.BakedChip:
    """Not to be changed."""
    return plan.bake(tmp_path_factory.mktemp("rtl") / "small")


@pytest.fixture
def changed(tmp_path):
    """The model with another config.json."""

    def make(**fields: object) -> hc1gen.Model:
        folder = shutil.copytree(SMALL, tmp_path / "changed")
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | fields))
        return hc1gen.load(folder)

    return make


@pytest.fixture
def tasks():
    """A `Progress` with the list of tasks it was told."""
    found: list[str] = []

    def progress(task: str, done: int, total: int | None = None, detail: str = "") -> None:
        assert total is None or 0 <= done <= total
        if task not in found[-1:]:
            found.append(task)

    return progress, found
