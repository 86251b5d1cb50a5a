"""The float reference against logits computed by transformers, and its rules."""

import dataclasses

import numpy as np
import pytest
from tiny import REPO, VECTORS, write

from hc1gen.errors import InputError
from hc1gen.frontend.checkpoint import load_checkpoint
from hc1gen.frontend.evaluate import cross_entropy
from hc1gen.frontend.reference import logits
from hc1gen.frontend.tokenizer import Tokenizer

FOLDERS = sorted(VECTORS.iterdir())
OWN = REPO / "hc1gen" / "models" / "tinystories-w3"
STORIES = REPO.parent / "shared" / "models" / "stories260K"
OPENING = "Once upon a time, there was a little girl named Lily."


def test_the_vectors_are_there():
    assert len(FOLDERS) == 5


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_agrees_with_transformers(folder):
    got = logits(load_checkpoint(folder), np.load(folder / "tokens.npy"))
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, np.load(folder / "logits.npy"), rtol=0, atol=1e-4)


@pytest.mark.parametrize("field", ["rms_eps", "rope_theta"])
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_vectors_notice_a_wrong_constant(folder, field):
    model = load_checkpoint(folder)
    wrong = dataclasses.replace(model.config, **{field: 2 * getattr(model.config, field) + 1e-4})
    got = logits(dataclasses.replace(model, config=wrong), np.load(folder / "tokens.npy"))
    if field == "rope_theta" and model.config.head_dim == 2:  # its only pair turns at rate 1, whatever the base
        assert abs(got - np.load(folder / "logits.npy")).max() < 1e-4
    else:
        assert abs(got - np.load(folder / "logits.npy")).max() > 1e-4


@pytest.mark.parametrize("field", ["input_norm", "q", "k", "v", "o", "post_norm", "gate", "up", "down"])
def test_the_vectors_notice_a_changed_weight(field):
    folder = VECTORS / "gqa-wide-bf16"
    model = load_checkpoint(folder)
    array = getattr(model.layers[0], field).copy()
    array.flat[0] += 0.5
    layers = (dataclasses.replace(model.layers[0], **{field: array}), *model.layers[1:])
    got = logits(dataclasses.replace(model, layers=layers), np.load(folder / "tokens.npy"))
    assert abs(got - np.load(folder / "logits.npy")).max() > 1e-3


def test_causal():
    model = load_checkpoint(VECTORS / "gqa-wide-bf16")
    tokens = np.arange(20)
    np.testing.assert_allclose(logits(model, tokens[:7]), logits(model, tokens)[:7], rtol=0, atol=1e-5)


def test_activation_sees_every_input_of_a_matrix_once():
    model = load_checkpoint(VECTORS / "gqa-wide-bf16")
    seen = []

    def note(x):
        seen.append(x.shape)
        return x

    tokens = np.arange(5)
    assert np.array_equal(logits(model, tokens, note), logits(model, tokens))
    assert seen == [(5, 172), (5, 40), (5, 172), (5, 60)] * 2 + [(5, 172)]
    assert not logits(model, tokens, lambda x: 0 * x).any()


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        ([], r"tokens: got float64 \[0\], expected integers \[T\], T >= 1"),
        ([[1]], r"tokens: got int64 \[1, 1\], expected integers \[T\], T >= 1"),
        ([1.0], r"tokens: got float64 \[1\], expected integers"),
        ([1, 11], "token 11 is outside the vocabulary of 11"),
        ([-1], "token -1 is outside the vocabulary of 11"),
        ([1] * 17, "17 tokens, the model has 16 positions"),
    ],
)
def test_refuses_tokens(tmp_path, tokens, text):
    model = load_checkpoint(write(tmp_path))
    with pytest.raises(InputError, match=text):
        logits(model, np.array(tokens))


def greedy_cross_entropy(folder):
    """Of the opening's greedy continuation, 40 tokens, under the model itself; and the text."""
    model = load_checkpoint(folder)
    tokenizer = Tokenizer.load(folder, model.config)
    ids = tokenizer.encode(OPENING)
    start = len(ids)
    for _ in range(40):
        ids.append(int(logits(model, np.array(ids))[-1].argmax()))
    loss, count = cross_entropy(lambda tokens: logits(model, tokens), np.array([ids]))
    assert count == len(ids) - 1
    assert cross_entropy(lambda tokens: logits(model, tokens), np.array([ids[:start]]))[0] < 1
    return loss, tokenizer.decode(ids)


def test_own_model_tells_its_story():
    loss, text = greedy_cross_entropy(OWN)
    assert text.startswith(f"{OPENING} She loved to play outside in the park. One day, she saw a big, red ball in")
    assert loss < 0.6


@pytest.mark.skipif(not STORIES.is_dir(), reason="stories260K is not beside the repository")
def test_stories260k_tells_its_story():
    loss, text = greedy_cross_entropy(STORIES)
    assert text.startswith(OPENING)
    assert loss < 0.6
