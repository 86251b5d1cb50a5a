"""config.json: what is read, what is refused by name, and in which words."""

import dataclasses
import json

import pytest
from tiny import SHAPE, problems, write, write_config

from hc1gen.errors import InputError
from hc1gen.frontend.config import KNOWN, load_config


def config_of(folder):
    return load_config(folder / "config.json")


def test_reads_every_field(tmp_path):
    assert config_of(write_config(tmp_path)) == SHAPE


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"num_key_value_heads": 4}, {"kv_heads": 4}),
        ({"num_key_value_heads": 1}, {"kv_heads": 1}),
        ({"num_key_value_heads": None}, {"kv_heads": 4}),
        ({"head_dim": 6}, {"head_dim": 6}),
        ({"head_dim": None}, {"head_dim": 2}),
        ({"hidden_size": 9, "head_dim": 4}, {"hidden": 9, "head_dim": 4}),
        ({"tie_word_embeddings": True}, {"tied": True}),
        ({"rms_norm_eps": 1e-3}, {"rms_eps": 1e-3}),
        ({"rope_theta": 500000}, {"rope_theta": 500000.0}),
        ({"rope_scaling": {"type": "default"}}, {}),
        ({"rope_theta": None, "rope_parameters": {"rope_theta": 7.0, "rope_type": "default"}}, {"rope_theta": 7.0}),
        ({"rope_parameters": {"rope_theta": 10000, "rope_type": "default"}}, {}),
        ({"bos_token_id": None, "eos_token_id": None}, {"bos": None, "eos": ()}),
        ({"eos_token_id": [2, 5]}, {"eos": (2, 5)}),
        ({"layer_types": ["full_attention"] * 2, "sliding_window": None, "partial_rotary_factor": 1.0}, {}),
        ({"dtype": "float8", "torch_dtype": "x", "use_cache": False, "attention_dropout": 0.1}, {}),
        ({"initializer_range": 1, "transformers_version": "0", "pad_token_id": -1, "pretraining_tp": 1}, {}),
    ],
)
def test_accepts(tmp_path, changes, expected):
    assert config_of(write_config(tmp_path, **changes)) == dataclasses.replace(SHAPE, **expected)


@pytest.mark.parametrize(
    ("field", "meaning"),
    [
        ("num_key_value_heads", {"kv_heads": 4}),
        ("max_position_embeddings", {"max_positions": 2048}),
        ("rms_norm_eps", {"rms_eps": 1e-6}),
        ("rope_theta", {}),
        ("bos_token_id", {}),
        ("eos_token_id", {}),
        ("architectures", {}),
    ],
)
def test_an_absent_field_means_what_llama_config_says(tmp_path, field, meaning):
    assert config_of(write_config(tmp_path, without=field)) == dataclasses.replace(SHAPE, **meaning)


UNSUPPORTED = [
    ("model_type", "mistral", '"mistral", expected "llama"; only the Llama family is supported'),
    ("architectures", ["GPT2LMHeadModel"], '["GPT2LMHeadModel"], expected ["LlamaForCausalLM"]; only LlamaForCausalLM'),
    ("hidden_act", "gelu", '"gelu", expected "silu"; only SwiGLU with SiLU is supported'),
    ("attention_bias", True, "true, expected false; biases in attention are not supported"),
    ("mlp_bias", True, "true, expected false; biases in the MLP are not supported"),
    ("quantization_config", {"bits": 4}, '{"bits": 4}, expected null; quantised checkpoints are not supported'),
    ("sliding_window", 4096, "4096, expected null; sliding-window attention is not supported"),
    ("use_sliding_window", True, "true, expected false; sliding-window attention is not supported"),
    ("pretraining_tp", 2, "2, expected 1; tensor-parallel slices are not supported"),
    ("partial_rotary_factor", 0.5, "0.5, expected 1; partial rotary embedding is not supported"),
    ("rope_interleaved", True, "true, expected false; only the half-split rotary embedding is supported"),
    ("rope_scaling", {"rope_type": "llama3", "factor": 8}, "expected null or rope_type default; scaled rotary"),
    ("rope_parameters", {"rope_type": "yarn"}, "expected null or rope_type default; scaled rotary embedding"),
    ("rope_parameters", {"partial_rotary_factor": 0.5}, "expected null or rope_type default; scaled rotary embedding"),
    ("layer_types", ["sliding_attention"], 'expected only "full_attention"; other kinds of attention'),
]


@pytest.mark.parametrize(("field", "value", "text"), UNSUPPORTED)
def test_refuses_by_name(tmp_path, field, value, text):
    (problem,) = problems(write(tmp_path, **{field: value}))
    assert problem.startswith(f"{field}: got ") and text in problem


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("hidden_size", 0, "hidden_size: got 0, expected a positive integer; correct config.json"),
        ("hidden_size", 8.0, "hidden_size: got 8.0, expected a positive integer; correct config.json"),
        ("hidden_size", 10, "hidden_size: got 10, expected a multiple of the 4 heads; or give head_dim"),
        ("intermediate_size", True, "intermediate_size: got true, expected a positive integer; correct config.json"),
        ("num_hidden_layers", -1, "num_hidden_layers: got -1, expected a positive integer; correct config.json"),
        ("vocab_size", "11", 'vocab_size: got "11", expected a positive integer; correct config.json'),
        (
            "num_attention_heads",
            None,
            "num_attention_heads: got null, expected a positive integer; correct config.json",
        ),
        (
            "num_key_value_heads",
            3,
            "num_key_value_heads: got 3, expected a divisor of the 4 heads; correct config.json",
        ),
        ("head_dim", 3, "head_dim: got 3, expected an even number; the rotary embedding turns pairs"),
        ("hidden_size", 12, "head_dim: got 3, expected an even number; the rotary embedding turns pairs"),
        ("head_dim", 0, "head_dim: got 0, expected a positive integer; correct config.json"),
        ("rms_norm_eps", 0, "rms_norm_eps: got 0, expected a positive number; correct config.json"),
        ("rms_norm_eps", "1e-5", 'rms_norm_eps: got "1e-5", expected a positive number; correct config.json'),
        ("rope_theta", float("inf"), "rope_theta: got Infinity, expected a positive number; correct config.json"),
        ("rope_theta", float("nan"), "rope_theta: got NaN, expected a positive number; correct config.json"),
        ("tie_word_embeddings", 1, "tie_word_embeddings: got 1, expected true or false; correct config.json"),
        ("bos_token_id", 11, "bos_token_id: got 11, expected a token id below 11; correct config.json"),
        ("bos_token_id", [1], "bos_token_id: got [1], expected a token id below 11; correct config.json"),
        ("eos_token_id", [2, -1], "eos_token_id: got -1, expected a token id below 11; correct config.json"),
        ("hiden_size", 8, "unknown field hiden_size; did you mean hidden_size?"),
        ("zzz", 8, "unknown field zzz; remove it if it has no effect on the arithmetic"),
        (
            "rope_parameters",
            {"rope_theta": 7.0},
            "rope_theta and rope_parameters.rope_theta differ: got [10000.0, 7.0]; give one",
        ),
    ],
)
def test_refuses_in_these_words(tmp_path, field, value, text):
    assert problems(write(tmp_path, **{field: value})) == [text]


@pytest.mark.parametrize("field", ["hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"])
def test_shape_fields_are_required(tmp_path, field):
    assert problems(write(tmp_path, without=field)) == [f"{field} is missing"]


def test_model_type_is_required(tmp_path):
    (problem,) = problems(write(tmp_path, without="model_type"))
    assert problem == 'model_type: got null, expected "llama"; only the Llama family is supported'


def test_all_problems_come_at_once_and_before_the_weights_are_opened(tmp_path):
    folder = write_config(tmp_path, model_type="gpt2", hidden_size=0, mlp_bias=True, nonsense=1)
    (folder / "model.safetensors").write_bytes(b"rubbish")
    found = problems(folder)
    assert [text.split()[0] for text in found[:2]] == ["model_type:", "mlp_bias:"]
    assert len(found) == 4


def test_missing_config(tmp_path):
    write(tmp_path)
    (tmp_path / "config.json").unlink()
    assert problems(tmp_path) == ["no such file; config.json must stand beside the checkpoint"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"{", "not JSON: Expecting property name"),
        (b"\xff", "not JSON: 'utf-8' codec"),
        (b"[" * 100_000, "not JSON: "),
        (b"[1]", "got a JSON list, expected an object"),
        (b'{"a": 1, "a": 2}', "the key 'a' occurs more than once"),
    ],
)
def test_config_that_is_no_json_object(tmp_path, text, expected):
    write(tmp_path)
    (tmp_path / "config.json").write_bytes(text)
    (problem,) = problems(tmp_path)
    assert problem.startswith(expected)


def test_message_says_where(tmp_path):
    write(tmp_path, hidden_act="gelu")
    with pytest.raises(InputError, match=r"config\.json: hidden_act: got"):
        config_of(tmp_path)


def test_field_lists_do_not_overlap():
    from hc1gen.frontend.config import FIXED, HARMLESS, READ

    assert len(KNOWN) == len(FIXED) + len(READ) + len(HARMLESS)
    assert json.dumps(sorted(HARMLESS)) == json.dumps(HARMLESS)
