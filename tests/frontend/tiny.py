"""Tiny checkpoints for the tests: written whole, then spoilt by the test."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from hc1gen.errors import InputError
from hc1gen.frontend.checkpoint import load_checkpoint
from hc1gen.frontend.model import ModelConfig, expected_shapes

VECTORS = Path(__file__).parent / "vectors"
REPO = Path(__file__).parents[2]
Q0 = "model.layers.0.self_attn.q_proj.weight"

SHAPE = ModelConfig(
    hidden=8,
    intermediate=12,
    layers=2,
    heads=4,
    kv_heads=2,
    head_dim=2,
    vocab=11,
    max_positions=16,
    rms_eps=1e-5,
    rope_theta=10000.0,
    tied=False,
    bos=1,
    eos=(2,),
)
FIELDS = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 8,
    "intermediate_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 11,
    "max_position_embeddings": 16,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def arrays(shape: ModelConfig = SHAPE, dtype: Any = np.float32) -> dict[str, np.ndarray]:
    """Random tensors of every name that the shape asks for."""
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=size).astype(dtype) for name, size in expected_shapes(shape).items()}


def write_config(folder: Path, without: str = "", **changes: Any) -> Path:
    """FIELDS with changes, less one field."""
    fields = {name: value for name, value in (FIELDS | changes).items() if name != without}
    (folder / "config.json").write_text(json.dumps(fields))
    return folder


def write(folder: Path, tensors: dict[str, np.ndarray] | None = None, **changes: Any) -> Path:
    """A checkpoint folder with one file."""
    save_file(arrays() if tensors is None else tensors, folder / "model.safetensors")
    return write_config(folder, **changes)


def write_shards(folder: Path, tensors: dict[str, np.ndarray] | None = None, **changes: Any) -> Path:
    """A checkpoint folder with two shards and their index."""
    tensors = arrays() if tensors is None else tensors
    shards = {name: f"model-0000{1 + i % 2}-of-00002.safetensors" for i, name in enumerate(tensors)}
    for shard in set(shards.values()):
        save_file({name: tensors[name] for name in tensors if shards[name] == shard}, folder / shard)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": shards}))
    return write_config(folder, **changes)


def edit_header(path: Path, edit: Any) -> None:
    """Applies `edit` to the header object of a safetensors file; the data stays."""
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    edit(header)
    write_raw(path, json.dumps(header).encode(), raw[8 + length :])


def write_raw(path: Path, header: bytes, data: bytes) -> None:
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)


def problems(path: Path) -> list[str]:
    """What load_checkpoint complains about."""
    with pytest.raises(InputError) as caught:
        load_checkpoint(path)
    assert caught.value.exit_code == 2
    return caught.value.problems
