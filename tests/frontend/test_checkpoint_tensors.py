"""The tensors of a checkpoint: names, shapes, dtypes, ties, values."""

import dataclasses

import ml_dtypes
import numpy as np
import pytest
from tiny import Q0, SHAPE, VECTORS, arrays, problems, write

from hc1gen.errors import InputError
from hc1gen.frontend.checkpoint import load_checkpoint
from hc1gen.frontend.model import expected_shapes

EMBED, HEAD = "model.embed_tokens.weight", "lm_head.weight"


def less(*names):
    return {name: array for name, array in arrays().items() if name not in names}


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
def test_every_tensor_arrives_exactly(tmp_path, dtype):
    tensors = arrays(dtype=dtype)
    model = load_checkpoint(write(tmp_path, tensors))
    loaded = dict(model.tensors())
    assert loaded.keys() == tensors.keys()
    for name, array in loaded.items():
        assert array.dtype == np.float32 and not array.flags.writeable
        assert np.array_equal(array, tensors[name].astype(np.float32))


@pytest.mark.parametrize(
    ("fields", "shape"),
    [
        ({"num_key_value_heads": 4}, {"kv_heads": 4}),
        ({"num_key_value_heads": 1}, {"kv_heads": 1}),
        ({"head_dim": 6}, {"head_dim": 6}),
        ({"hidden_size": 9, "head_dim": 2}, {"hidden": 9}),
        ({"num_hidden_layers": 1}, {"layers": 1}),
    ],
)
def test_shapes(tmp_path, fields, shape):
    shape = dataclasses.replace(SHAPE, **shape)
    model = load_checkpoint(write(tmp_path, arrays(shape), **fields))
    assert {name: array.shape for name, array in model.tensors()} == expected_shapes(shape)


def test_matrices_are_the_linear_ones(tmp_path):
    model = load_checkpoint(write(tmp_path))
    names = [name for name, _ in model.matrices()]
    assert len(names) == len(set(names)) == 2 * 7 + 1
    assert names[0] == Q0 and names[-1] == HEAD
    assert all(array.ndim == 2 for _, array in model.matrices())


def test_tied_head_is_the_embedding(tmp_path):
    model = load_checkpoint(write(tmp_path, less(HEAD), tie_word_embeddings=True))
    assert model.head is model.embedding


def test_tied_head_may_be_stored_again(tmp_path):
    tensors = arrays()
    tensors[HEAD] = tensors[EMBED].copy()
    model = load_checkpoint(write(tmp_path, tensors, tie_word_embeddings=True))
    assert model.head is model.embedding


def test_tied_head_may_not_differ(tmp_path):
    tensors = arrays()
    tensors[HEAD] = tensors[EMBED].copy()
    tensors[HEAD][3, 4] += 1
    assert problems(write(tmp_path, tensors, tie_word_embeddings=True)) == [
        f"tie_word_embeddings is true, but {HEAD} differs from {EMBED} in 1 values;"
        " set it to false or remove the tensor"
    ]


def test_rotary_buffers_are_ignored(tmp_path):
    buffers = ["model.layers.0.self_attn.rotary_emb.inv_freq", "model.rotary_emb.inv_freq"]
    load_checkpoint(write(tmp_path, arrays() | {name: np.ones(1, np.float32) for name in buffers}))


def test_missing_and_unexpected_tensors_come_together(tmp_path):
    tensors = less(Q0, "model.norm.weight") | {
        "model.layers.0.self_attn.q_prj.weight": np.ones(1, np.float32),
        "model.layers.0.self_attn.q_proj.bias": np.ones(1, np.float32),
        "visual": np.ones(1, np.float32),
    }
    assert problems(write(tmp_path, tensors)) == [
        f"{Q0} is missing",
        "model.norm.weight is missing",
        f"unexpected tensor model.layers.0.self_attn.q_prj.weight; did you mean {Q0}?",
        "model.layers.0.self_attn.q_proj.bias: biases are not supported",
        "unexpected tensor visual",
    ]


def test_missing_head_of_an_untied_model(tmp_path):
    assert problems(write(tmp_path, less(HEAD))) == [f"{HEAD} is missing"]


@pytest.mark.parametrize("layers", [1, 3, 10**12])
def test_other_number_of_layers(tmp_path, layers):
    assert problems(write(tmp_path, num_hidden_layers=layers)) == [
        f"num_hidden_layers is {layers} in config.json, the checkpoint holds tensors of 2"
    ]


def test_wrong_shape(tmp_path):
    tensors = arrays() | {Q0: np.ones((8, 9), np.float32), HEAD: np.ones(11, np.float32)}
    assert problems(write(tmp_path, tensors)) == [
        f"{HEAD}: got shape [11], expected [11, 8] from config.json",
        f"{Q0}: got shape [8, 9], expected [8, 8] from config.json",
    ]


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
def test_nan_and_infinity(tmp_path, dtype):
    tensors = arrays(dtype=dtype)
    tensors[Q0][2, 5] = np.nan
    tensors[Q0][3, 0] = -np.inf
    tensors["model.norm.weight"][7] = np.inf
    assert problems(write(tmp_path, tensors)) == [
        f"{Q0}: 2 of 64 values are NaN or infinite, the first at [2, 5]",
        "model.norm.weight: 1 of 8 values are NaN or infinite, the first at [7]",
    ]


def test_weights_that_would_overflow_are_named(tmp_path):
    tensors = arrays()
    tensors[Q0][2, 5] = -1e30
    assert problems(write(tmp_path, tensors)) == [f"{Q0}: got a weight of 1e+30, expected less than 65,536"]


def test_zero_rows_are_fine(tmp_path):
    tensors = arrays()
    tensors[Q0][:] = 0
    assert not load_checkpoint(write(tmp_path, tensors)).layers[0].q.any()


def refusal(model):
    with pytest.raises(InputError) as caught:
        model.verify()
    return caught.value.problems


def test_verify_finds_a_spoilt_model():
    model = load_checkpoint(VECTORS / "mha-tied-f32")
    model.verify()
    assert refusal(dataclasses.replace(model, layers=model.layers[:1])) == ["got 1 layers, expected 2"]
    assert refusal(dataclasses.replace(model, head=model.head.copy())) == [
        "lm_head.weight: a tied head must be the embedding array itself"
    ]
    assert refusal(dataclasses.replace(model, final_norm=np.ones(35))) == [
        "model.norm.weight: got float64 [35], expected float32 [36]"
    ]
