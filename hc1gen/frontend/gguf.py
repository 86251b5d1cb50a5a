"""A GGUF file (llama.cpp's format) → ModelIR, tokenizer and config.json. Quantised tensors are dequantised to float32.

Only the Llama architecture with a byte-level BPE tokenizer. Read with the `gguf` package, which is an optional extra.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import tokenizers
from tokenizers import decoders, models, pre_tokenizers

from hc1gen.errors import InputError, ToolMissing, problem
from hc1gen.frontend.config import config_of
from hc1gen.frontend.model import (
    EMBEDDING,
    FINAL_NORM,
    HEAD,
    ModelConfig,
    ModelIR,
    expected_shapes,
    layer_tensor,
)

SUFFIX = ".gguf"
LAYER_NAMES = {
    "input_norm": "attn_norm", "q": "attn_q", "k": "attn_k", "v": "attn_v", "o": "attn_output",
    "post_norm": "ffn_norm", "gate": "ffn_gate", "up": "ffn_up", "down": "ffn_down",
}  # fmt: skip
"""LayerWeights field → the tensor's name in GGUF."""
FIELDS = {
    "hidden_size": "llama.embedding_length", "intermediate_size": "llama.feed_forward_length",
    "num_hidden_layers": "llama.block_count", "num_attention_heads": "llama.attention.head_count",
    "num_key_value_heads": "llama.attention.head_count_kv", "max_position_embeddings": "llama.context_length",
    "rms_norm_eps": "llama.attention.layer_norm_rms_epsilon", "rope_theta": "llama.rope.freq_base",
}  # fmt: skip
"""Field of config.json → key of GGUF."""
DIGITS_ALONE = ("smollm", "starcoder", "refact", "command-r")
"""Pre-tokenizers of llama.cpp that are GPT-2's after every digit has been set apart; its name for GPT-2's own is:"""
PLAIN = ("gpt-2", "default")
CONTROL, USER_DEFINED = 3, 4
"""Types of token that text is searched for before anything else."""


@dataclass(frozen=True, eq=False)
class GgufModel:
    """What one file holds: the model, the fields of a config.json for it, and its tokenizer."""

    ir: ModelIR
    config: dict[str, Any]
    tokenizer: tokenizers.Tokenizer


def load_gguf(path: Path) -> GgufModel:
    """InputError for what is not supported, by name; ToolMissing without the `gguf` package."""
    library = _library(path)
    if not path.is_file():
        raise InputError(path, "no such file")
    try:
        reader = library.GGUFReader(path)
    except (ValueError, OSError, IndexError, KeyError) as error:
        raise InputError(path, f"not a GGUF file: {error}; give one for llama.cpp, or a .safetensors file") from error
    keys = {name: field.contents() for name, field in reader.fields.items()}
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    fields = _config(path, keys, tied="output.weight" not in tensors)
    config = config_of(fields, path)
    arrays = _arrays(path, library, tensors, config)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    ir = ModelIR.of(config, arrays, digest, path.stem)
    ir.verify()
    return GgufModel(ir, fields, _tokenizer(path, keys))


def _library(path: Path) -> ModuleType:
    try:
        import gguf
    except ImportError as error:
        raise ToolMissing(f"{path}: reading it needs the gguf package; pip install 'hc1gen[gguf]'") from error
    return gguf


def _config(path: Path, keys: dict[str, Any], tied: bool) -> dict[str, Any]:
    """The fields of a config.json."""
    if (found := keys.get("general.architecture")) != "llama":
        todo = "take a model of the Llama family"
        raise InputError(path, problem("general.architecture", found, "llama", todo))
    problems = [f"{key} is missing" for key in FIELDS.values() if key not in keys and "head_count_kv" not in key]
    scaled = [key for key in keys if key.startswith("llama.rope.scaling") and keys[key] not in ("none", 1, 0, False)]
    problems += [f"{key}: got {keys[key]}; scaled rotary embedding is not supported" for key in scaled]
    problems += [f"{key}: mixtures of experts are not supported" for key in keys if "expert_count" in key and keys[key]]
    if keys.get("tokenizer.ggml.model") != "gpt2":
        got, todo = keys.get("tokenizer.ggml.model"), "convert the Hugging Face checkpoint instead"
        problems.append(problem("tokenizer.ggml.model", got, "gpt2 (byte-level BPE)", todo))
    pre = keys.get("tokenizer.ggml.pre", "default")
    if pre not in (*DIGITS_ALONE, *PLAIN):
        expected = ", ".join((*DIGITS_ALONE, *PLAIN))
        problems.append(problem("tokenizer.ggml.pre", pre, expected, "convert the Hugging Face checkpoint instead"))
    if problems:
        raise InputError(path, problems)
    has_bos = keys.get("tokenizer.ggml.add_bos_token", True)
    fields = {name: keys[key] for name, key in FIELDS.items() if key in keys}
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", **fields,
        **({"head_dim": keys["llama.attention.key_length"]} if "llama.attention.key_length" in keys else {}),
        "vocab_size": len(keys["tokenizer.ggml.tokens"]), "tie_word_embeddings": tied,
        "bos_token_id": keys.get("tokenizer.ggml.bos_token_id") if has_bos else None,
        "eos_token_id": keys.get("tokenizer.ggml.eos_token_id"),
    }  # fmt: skip


def _arrays(path: Path, library: ModuleType, tensors: dict[str, Any], config: ModelConfig) -> dict[str, np.ndarray]:
    """Every tensor by its Hugging Face name, float32, or InputError with all that is missing, extra or ill-shaped."""
    names = {EMBEDDING: "token_embd.weight", FINAL_NORM: "output_norm.weight", HEAD: "output.weight"}
    for index in range(config.layers):
        names |= {layer_tensor(index, f): f"blk.{index}.{name}.weight" for f, name in LAYER_NAMES.items()}
    arrays, problems = {}, []
    for name, shape in expected_shapes(config).items():
        tensor = tensors.pop(names[name], None)
        if tensor is None:
            problems.append(f"{names[name]} is missing")
            continue
        array = np.asarray(library.quants.dequantize(tensor.data, tensor.tensor_type), np.float32)
        if array.shape != shape:
            problems.append(f"{names[name]}: got shape {list(array.shape)}, expected {list(shape)}")
        else:
            arrays[name] = np.ascontiguousarray(_half_split(name, array, config))
    problems += [f"unexpected tensor {name}; what it does is not supported" for name in tensors]
    if problems:
        raise InputError(path, problems)
    return arrays


def _half_split(name: str, array: np.ndarray, config: ModelConfig) -> np.ndarray:
    """Rows of Q and K in Hugging Face's order: GGUF has the two of a rotary pair side by side, there they are half a
    head apart."""
    if ".q_proj." not in name and ".k_proj." not in name:
        return array
    pairs = array.reshape(-1, config.head_dim // 2, 2, array.shape[1])
    return pairs.swapaxes(1, 2).reshape(array.shape)


def _tokenizer(path: Path, keys: dict[str, Any]) -> tokenizers.Tokenizer:
    """Byte-level BPE from the file's tokens and merges."""
    tokens, kinds = keys["tokenizer.ggml.tokens"], keys.get("tokenizer.ggml.token_type", [])
    merges = [tuple(merge.split(" ", 1)) for merge in keys.get("tokenizer.ggml.merges", [])]
    if not merges:
        raise InputError(path, "tokenizer.ggml.merges is missing; convert the Hugging Face checkpoint instead")
    made = tokenizers.Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    alone = keys.get("tokenizer.ggml.pre", "default") in DIGITS_ALONE
    digits = [pre_tokenizers.Digits(individual_digits=True)] if alone else []
    made.pre_tokenizer = pre_tokenizers.Sequence([*digits, byte_level])
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([token for token, kind in zip(tokens, kinds, strict=False) if kind == CONTROL])
    made.add_tokens([token for token, kind in zip(tokens, kinds, strict=False) if kind == USER_DEFINED])
    return made
