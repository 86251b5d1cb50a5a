"""hc1gen eval on several models and texts: every figure against plain numpy, and what is refused."""

import json
import math
import shutil

import numpy as np
import pytest
from command import SMALL, WITH_BOS, hc1gen, refused

from hc1gen import load
from hc1gen.frontend import reference
from hc1gen.frontend.compare import acceptance, agreement, divergence, log_softmax

QUICK = ("--calibration-tokens", 30, "--window", 40)


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("the quick brown fox jumps over the lazy dog. " * 4)
    return path


def evaluated(*arguments):
    done = hc1gen("eval", *arguments, *QUICK, "--json")
    assert done.code == 0, done.stderr
    return done.fields


def test_metrics_of_known_distributions():
    p, q = (
        np.log(np.array(row)) for row in ([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]], [[0.25, 0.25, 0.5], [0.1, 0.2, 0.7]])
    )
    np.testing.assert_allclose(divergence(p, q), [0.25 * math.log(2), 0], atol=1e-12)
    np.testing.assert_allclose(acceptance(p, q), [0.75, 1])
    assert agreement(p, q).tolist() == [False, True]
    np.testing.assert_allclose(log_softmax(p.astype(np.float32) + 50), p, atol=1e-5)


def test_draft_against_target(draft, text):
    fields = evaluated(SMALL, draft, "--text", text, "--view", "float")
    (result,) = fields["texts"]
    target, other = result["models"]
    assert [target["model"], other["model"]] == [SMALL.name, "draft"] and target["view"] == other["view"] == "float"
    assert target["kl"] == 0 and target["agreement"] == 1 and target["acceptance"] == pytest.approx(1)
    (pair,) = result["pairs"]
    assert pair["models"] == [SMALL.name, "draft"] and pair["acceptance"] == other["acceptance"]
    big, small = load(SMALL), load(draft)
    ids = np.array(big.tokenizer.encode(text.read_text()))
    rows = ids[: len(ids) // 40 * 40].reshape(-1, 40)
    logs = [[log_softmax(reference.logits(each.ir, row[:-1])) for row in rows] for each in (big, small)]
    means = [np.mean([f(a, b) for a, b in zip(*logs, strict=True)]) for f in (divergence, agreement, acceptance)]
    assert [other[key] for key in ("kl", "agreement", "acceptance")] == pytest.approx(means)
    nats = -sum(p[range(39), row[1:]].sum() for p, row in zip(logs[1], rows, strict=True))
    assert other["cross_entropy"] == pytest.approx(nats / (39 * len(rows)))
    assert other["bits_per_byte"] == pytest.approx(nats / math.log(2) / (39 * len(rows)))  # one byte a token
    assert fields["float"]["cross_entropy"] == target["cross_entropy"] and "integer" not in fields


def test_against_another_model_and_all_views(draft, text):
    fields = evaluated(draft, "--against", SMALL, "--text", text)
    lines = fields["texts"][0]["models"]
    assert fields["against"] == SMALL.name
    assert [line["view"] for line in lines] == ["float", "quantized", "integer"]
    assert all(line["kl"] > 0 and line["acceptance"] < 1 for line in lines)


def test_several_texts_and_token_files(text, tmp_path):
    ids = np.array(load(SMALL).tokenizer.encode(text.read_text()))
    np.save(tmp_path / "flat.npy", ids.astype(np.int16))
    np.save(tmp_path / "rows.npy", ids[:120].reshape(4, 30).astype(np.int16))
    files = [text, tmp_path / "flat.npy", tmp_path / "rows.npy"]
    arguments = [word for file in files for word in ("--text", file)]
    plain, flat, rows = evaluated(SMALL, *arguments, "--view", "float", "--tokens", 80)["texts"]
    assert plain["models"] == flat["models"] and plain["windows"] == 2
    assert rows["windows"] == 3 and rows["models"][0]["tokens"] == 87


def test_refuses_models_that_differ_and_token_files_that_do_not_fit(text, tmp_path):
    message = refused("eval", SMALL, WITH_BOS, "--text", text, "--window", 40)
    assert "differs from mqa-f16-sharded" in message and "compare models of the same tokenizer" in message
    np.save(tmp_path / "ids.npy", np.array([[1, 2, 99]]))
    assert "got 1..99, expected 0..36; take ids of this model's" in refused(
        "eval", SMALL, "--text", tmp_path / "ids.npy"
    )
    np.save(tmp_path / "floats.npy", np.zeros((3, 4)))
    assert "got float64 [3, 4]" in refused("eval", SMALL, "--text", tmp_path / "floats.npy")
    (tmp_path / "no.npy").write_text("no")
    assert "cannot be read as an array" in refused("eval", SMALL, "--text", tmp_path / "no.npy")
    np.save(tmp_path / "long.npy", np.zeros((2, 400), int))
    assert "got 400, expected 2 to 257" in refused("eval", SMALL, "--text", tmp_path / "long.npy")


def test_windows_are_no_longer_than_the_models_can_see(text, tmp_path):
    short = shutil.copytree(SMALL, tmp_path / "short")
    config = json.loads((short / "config.json").read_text())
    (short / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 24}))
    fields = hc1gen("eval", short, SMALL, "--text", text, "--calibration-tokens", 30, "--json").fields
    assert fields["window"] == 24


def test_two_folders_of_one_name(text, tmp_path):
    again = tmp_path / SMALL.name
    shutil.copytree(SMALL, again)
    fields = evaluated(SMALL, again, "--text", text, "--view", "float")
    assert [line["model"] for line in fields["texts"][0]["models"]] == [str(SMALL), str(again)]
    assert json.dumps(fields)
