"""GGUF files, written here with the package's own writer: the same model and tokenizer come back."""

import builtins
from pathlib import Path

import numpy as np
import pytest
import tokenizers
from tiny import SHAPE, arrays
from tokenizers import decoders, models, pre_tokenizers

import hc1gen
from hc1gen.errors import InputError, ToolMissing
from hc1gen.frontend.gguf import LAYER_NAMES, load_gguf
from hc1gen.frontend.model import EMBEDDING, FINAL_NORM, HEAD, layer_tensor
from hc1gen.frontend.tokenizer import Tokenizer

gguf = pytest.importorskip("gguf", reason="the gguf package is not there; pip install 'hc1gen[gguf]'")
TOKENS = ["<s>", "</s>", "a", "b", "Ġ", "ab", "Ġab", "1", "2", "!", "c"]
MERGES = ["a b", "Ġ ab"]


def write(path: Path, without: str = "", architecture: str = "llama", **changes) -> Path:
    """A GGUF of `arrays()`: Q and K in GGUF's order, their rotary pairs side by side."""
    writer = gguf.GGUFWriter(path, architecture)
    fields = {
        "embedding_length": SHAPE.hidden, "feed_forward_length": SHAPE.intermediate, "block_count": SHAPE.layers,
        "attention.head_count": SHAPE.heads, "attention.head_count_kv": SHAPE.kv_heads, "context_length": 16,
    }  # fmt: skip
    for name, value in fields.items():
        writer.add_uint32(f"llama.{name}", value)
    writer.add_float32("llama.attention.layer_norm_rms_epsilon", 1e-5)
    writer.add_float32("llama.rope.freq_base", 10000.0)
    for name, value in changes.items():
        (writer.add_bool if isinstance(value, bool) else writer.add_string)(name.replace("__", "."), value)
    if "tokenizer__ggml__model" not in changes:
        writer.add_tokenizer_model("gpt2")
    if "tokenizer__ggml__pre" not in changes:
        writer.add_tokenizer_pre("smollm")
    writer.add_token_list(TOKENS)
    writer.add_token_types([3, 3] + [1] * 9)
    writer.add_token_merges(MERGES)
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    for name, array in stored().items():
        if name != without:
            writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def stored() -> dict[str, np.ndarray]:
    made = arrays()
    names = {EMBEDDING: "token_embd.weight", FINAL_NORM: "output_norm.weight", HEAD: "output.weight"}
    for index in range(SHAPE.layers):
        names |= {layer_tensor(index, field): f"blk.{index}.{name}.weight" for field, name in LAYER_NAMES.items()}
    return {names[name]: side_by_side(array) if "q_proj" in name or "k_proj" in name else array
            for name, array in made.items()}  # fmt: skip


def side_by_side(array: np.ndarray) -> np.ndarray:
    """Rows of each head: 0, half, 1, half + 1, ..., as llama.cpp's conversion has them."""
    half = SHAPE.head_dim // 2
    order = [head * SHAPE.head_dim + i + part * half
             for head in range(len(array) // SHAPE.head_dim) for i in range(half) for part in (0, 1)]  # fmt: skip
    return array[order]


def test_the_model_comes_back(tmp_path):
    found = load_gguf(write(tmp_path / "tiny.gguf"))
    assert (found.ir.config.bos, found.ir.config.eos, found.ir.config.tied) == (0, (1,), False)
    assert found.ir.name == "tiny" and found.ir.config.head_dim == SHAPE.head_dim
    expected = arrays()
    got = dict(found.ir.tensors())
    assert got.keys() == expected.keys()
    for name, array in got.items():
        assert (array == expected[name]).all(), name


def test_rotary_pairs_of_wide_heads_are_half_a_head_apart():
    """SHAPE's heads have one pair, which cannot be in the wrong order: here two heads of two pairs."""
    from hc1gen.frontend import gguf as module

    wide = type(SHAPE)(**{**SHAPE.__dict__, "heads": 2, "kv_heads": 2, "head_dim": 4})
    rows = np.arange(8.0)[:, None]
    gguf_rows = rows[[0, 2, 1, 3, 4, 6, 5, 7]]
    assert (module._half_split("x.q_proj.weight", gguf_rows, wide) == rows).all()
    assert (module._half_split("x.v_proj.weight", gguf_rows, wide) == gguf_rows).all()


def test_no_bos_where_the_file_says_so_and_a_tied_head(tmp_path):
    found = load_gguf(write(tmp_path / "m.gguf", "output.weight", tokenizer__ggml__add_bos_token=False))
    assert found.ir.config.bos is None and found.ir.head is found.ir.embedding


def test_the_tokenizer_sets_digits_apart(tmp_path):
    found = load_gguf(write(tmp_path / "m.gguf"))
    same = tokenizers.Tokenizer(models.BPE({t: i for i, t in enumerate(TOKENS)}, [("a", "b"), ("Ġ", "ab")]))
    same.pre_tokenizer, same.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer = Tokenizer(found.tokenizer, found.ir.config, tmp_path)
    assert tokenizer.encode("ab ab12!") == [0, 5, 6, 7, 8, 9]
    assert tokenizer.decode([0, 5, 6, 7, 8, 9]) == "ab ab12!"
    assert same.encode("ab ab!").ids == tokenizer.encode("ab ab!")[1:]


def problems(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        load_gguf(path)
    assert caught.value.exit_code == 2 and str(path) in str(caught.value)
    return str(caught.value)


def test_refuses_by_name(tmp_path):
    path = tmp_path / "m.gguf"
    assert "general.architecture: got gpt2, expected llama" in problems(write(path, architecture="gpt2"))
    assert "blk.1.ffn_up.weight is missing" in problems(write(path, without="blk.1.ffn_up.weight"))
    assert "tokenizer.ggml.model: got llama, expected gpt2" in problems(write(path, tokenizer__ggml__model="llama"))
    assert "tokenizer.ggml.pre: got qwen2, expected" in problems(write(path, tokenizer__ggml__pre="qwen2"))
    assert "scaled rotary" in problems(write(path, llama__rope__scaling__type="yarn"))
    path.write_bytes(b"GGML, long ago")
    assert "not a GGUF file" in problems(path)
    assert "no such file" in problems(tmp_path / "none.gguf")


def test_without_the_package(tmp_path, monkeypatch):
    path = write(tmp_path / "m.gguf")
    plain = builtins.__import__

    def absent(name, *rest):
        if name == "gguf":
            raise ImportError(name)
        return plain(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ToolMissing) as caught:
        load_gguf(path)
    assert caught.value.exit_code == 3 and "pip install 'hc1gen[gguf]'" in str(caught.value)


def test_a_chip_is_made_of_it(tmp_path):
    """Its tokenizer lies in the chip's folder as a tokenizer.json that gives the same ids."""
    model = hc1gen.load(write(tmp_path / "tiny.gguf"))
    plan = model.quantize(calibration=hc1gen.Calibration(10)).plan()
    chip = hc1gen.open_chip(plan.bake(tmp_path / "chip").path)
    assert chip.tokenizer.encode("ab 12!") == model.tokenizer.encode("ab 12!")
    assert chip.golden("ab", 5).tokens == plan.golden("ab", 5).tokens
