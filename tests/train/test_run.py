"""Runs of a small model: they learn, go on where they were, and stop where something is wrong."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import small  # noqa: F401  (skips where torch is missing)
import torch
from small import TIED, order

from hc1gen import EMBEDDED
from hc1gen.errors import CheckFailed, InputError
from hc1gen.frontend.checkpoint import load_checkpoint
from hc1gen.train import state as states
from hc1gen.train.run import beginning, run


class Stopped(Exception):
    """As if somebody had pulled the plug."""


def train(out: Path, wanted, stop: int | None = None) -> dict:
    def report(state, left):
        if state.step == stop:
            raise Stopped

    return run(wanted, out, lambda what, done, total: None, report)


def weights(out: Path) -> dict[str, np.ndarray]:
    return dict(load_checkpoint(out).tensors())


def test_training_makes_a_model_better(tmp_path):
    seen = []
    run(order(steps=60), tmp_path / "out", lambda *_: None, lambda state, left: seen.append(list(state.losses)))
    losses = seen[-1]
    assert np.mean(losses[-10:]) < 0.7 * np.mean(losses[:5])
    report = json.loads((tmp_path / "out" / "training.json").read_text())
    assert report["steps"] == 60 and set(report["validation"]) == {"own samples"}
    assert (tmp_path / "out" / "training.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]


def test_a_resumed_run_is_the_uninterrupted_one(tmp_path, monkeypatch):
    monkeypatch.setattr("hc1gen.train.loop.SAVE_SECONDS", 0.0)
    monkeypatch.setattr("hc1gen.train.loop.CALIBRATE_EVERY", 4)
    train(tmp_path / "whole", order())
    for stop in (5, 9):
        with pytest.raises(Stopped):
            train(tmp_path / "parts", order(), stop)
        assert not (tmp_path / "parts").exists()
    train(tmp_path / "parts", order())
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all((whole[name] == parts[name]).all() for name in whole)
    other = train(tmp_path / "other", order(seed=1)) and weights(tmp_path / "other")
    assert any((whole[name] != other[name]).any() for name in whole)


def test_an_interrupt_is_kept_whole(tmp_path):
    """Ctrl-C within a step waits for its end, and what was learned by then is there the next time."""
    train(tmp_path / "whole", order())

    def report(state, left):
        if state.step == 5:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(order(), tmp_path / "parts", lambda *_: None, report)
    assert states.load(tmp_path / "parts.state", order().settings()).step == 5
    train(tmp_path / "parts", order())
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all((whole[name] == parts[name]).all() for name in whole)


def test_a_resumed_run_of_compiled_code_on_two_threads_is_the_uninterrupted_one(tmp_path, monkeypatch):
    monkeypatch.setattr("hc1gen.train.loop.SAVE_SECONDS", 0.0)
    monkeypatch.setattr("hc1gen.train.loop.CALIBRATE_EVERY", 3)
    torch.set_num_threads(2)
    try:
        wanted = order(steps=8, model=EMBEDDED, own=12, window=127, rate=1e-3, compiled=True)
        train(tmp_path / "whole", wanted)
        with pytest.raises(Stopped):
            train(tmp_path / "parts", wanted, 5)
        train(tmp_path / "parts", wanted)
    finally:
        torch.set_num_threads(1)
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all((whole[name] == parts[name]).all() for name in whole)


def test_a_state_of_other_settings_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("hc1gen.train.loop.SAVE_SECONDS", 0.0)
    with pytest.raises(Stopped):
        train(tmp_path / "out", order(), 5)
    with pytest.raises(InputError) as caught:
        train(tmp_path / "out", order(batch=6))
    folder = tmp_path / "out.state"
    todo = f"give the earlier settings again to go on, or remove {folder} to start anew"
    assert caught.value.problems == [f"batch: got 4, expected 6, asked for now; {todo}"]
    (folder / "state.pt").write_bytes(b"no state")
    with pytest.raises(InputError, match="not a state of hc1gen train"):
        train(tmp_path / "out", order())


@pytest.mark.parametrize("poison", [float("nan"), 1e6])
def test_a_run_that_runs_away_is_stopped(tmp_path, monkeypatch, poison):
    monkeypatch.setattr("hc1gen.train.loop.SAVE_SECONDS", 0.0)
    monkeypatch.setattr("hc1gen.train.state.RECENT", 3)
    from hc1gen.train import loop

    plain, calls = loop.LOSSES["divergence"], []

    def spoilt(student, teacher):
        calls.append(1)
        return plain(student, teacher) * (poison if len(calls) > 6 else 1.0)

    monkeypatch.setitem(loop.LOSSES, "divergence", spoilt)
    with pytest.raises(CheckFailed, match=r"training ran away at step 6: .* with a lower --rate than 0.005") as caught:
        train(tmp_path / "out", order())
    kept = states.load(tmp_path / "out.state", order().settings())
    assert kept is not None and kept.step == 6 and not (tmp_path / "out").exists()
    assert all(torch.isfinite(t).all() for t in kept.model.values())
    good = tmp_path / "out.last-good"
    assert str(caught.value).endswith(f"{good} is the checkpoint of step 6")
    assert json.loads((good / "training.json").read_text())["steps"] == 6
    assert weights(good).keys() == dict(order().ir.tensors()).keys()


def test_a_state_from_which_it_runs_away_is_not_kept(tmp_path, monkeypatch):
    """The loss climbs for some steps before it is over the limit."""
    monkeypatch.setattr("hc1gen.train.loop.SAVE_SECONDS", 0.0)
    monkeypatch.setattr("hc1gen.train.state.RECENT", 1)
    from hc1gen.train import loop

    plain, calls = loop.LOSSES["divergence"], []

    def climbing(student, teacher):
        calls.append(1)
        return plain(student, teacher) * 1.5 ** max(0, len(calls) - 5)

    monkeypatch.setitem(loop.LOSSES, "divergence", climbing)
    with pytest.raises(CheckFailed, match=r"is the checkpoint of step [56]"):
        train(tmp_path / "out", order(steps=40, rate=1e-5))


@pytest.mark.parametrize("rate", [1.0, 30.0, 1e3])
def test_a_hopeless_rate_is_told_as_that(tmp_path, rate):
    """Also where it makes infinities, and where nothing was saved yet that could be kept."""
    with pytest.raises(CheckFailed, match=rf"ran away at step \d+: .* start anew with a lower --rate than {rate:g}"):
        train(tmp_path / "out", order(steps=60, rate=rate))
    assert list(tmp_path.iterdir()) == []


def test_a_draft_is_made_for_its_target(tmp_path):
    wanted = order(model=TIED)
    draft = beginning(wanted.ir, 1)
    recipe = type(wanted.recipe)(30, None, 5e-3, "acceptance", validations=1)
    fields = train(tmp_path / "out", order(model=TIED, ir=draft, teacher=wanted.ir, recipe=recipe))
    trained = load_checkpoint(tmp_path / "out")
    assert trained.config.layers == 1
    assert not trained.config.tied and (trained.head != trained.embedding).any()
    assert 0.0 < fields["validation"]["own samples"]["acceptance"] < 1.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"own": 0}, "nothing to train on: give --text, or a number of sequences above 0 with --own-samples"),
        ({"window": 999}, "--window: got 999, expected 2.."),
    ],
)
def test_orders_that_make_no_sense(tmp_path, changes, message):
    with pytest.raises(InputError) as caught:
        train(tmp_path / "out", order(**changes))
    assert caught.value.problems[0].startswith(message) and not list(tmp_path.iterdir())


def test_layers_that_the_model_does_not_have():
    with pytest.raises(InputError, match="--layers: got 7, expected "):
        beginning(order().ir, 7)


def test_an_output_that_is_something_else(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("")
    with pytest.raises(InputError, match="a folder with other files"):
        train(tmp_path / "out", order())


def test_a_trained_model_is_not_trained_over(tmp_path):
    train(tmp_path / "out", order())
    with pytest.raises(InputError, match=r"a folder with training\.json, expected a new one; remove it"):
        train(tmp_path / "out", order(seed=1))


def test_dampening_sets_in_after_a_third_and_grows(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr("hc1gen.train.rows.LatentRows.dampen", lambda rows, strength: seen.append(strength))
    recipe = order().recipe
    train(tmp_path / "out", order())
    steps = sorted(set(seen))
    assert 0 < steps[0] < 0.2 * recipe.damping and 0.8 * recipe.damping < steps[-1] < recipe.damping
    assert len(steps) == 8  # of 12: 4 to 11
