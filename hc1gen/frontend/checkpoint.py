"""A checkpoint in Hugging Face layout -> ModelIR."""

import difflib
import re
from pathlib import Path

import numpy as np

from hc1gen.errors import InputError
from hc1gen.frontend.config import load_config
from hc1gen.frontend.header import TensorInfo
from hc1gen.frontend.model import (
    EMBEDDING,
    HEAD,
    ModelConfig,
    ModelIR,
    expected_shapes,
)
from hc1gen.frontend.weights import WeightFiles, find_entry, open_weights

# Buffers that some checkpoints carry and that follow from the config.
IGNORED = re.compile(r"model\.(layers\.\d+\.self_attn\.)?rotary_emb\.inv_freq")
LAYER = re.compile(r"model\.layers\.(\d+)\.")


def load_checkpoint(path: str | Path) -> ModelIR:
    """Loads a .safetensors file, a .safetensors.index.json, or a folder with either; config.json beside it.

    In this order, and each step with all its problems in one InputError: the config (what is unsupported is refused
    by name), the headers and the index, names and shapes of the tensors, and their values. The tensors are F32, F16
    or BF16 and become read-only float32.
    """
    entry = find_entry(Path(path))
    config = load_config(entry.parent / "config.json")
    files = open_weights(entry)
    if problems := _layer_count_problem(config, files.tensors) or _tensor_problems(config, files.tensors):
        raise InputError(entry, problems)
    model = _build(config, files)
    try:
        model.verify()
    except InputError as error:
        raise InputError(entry, error.problems) from error
    return model


def _layer_count_problem(config: ModelConfig, tensors: dict[str, TensorInfo]) -> list[str]:
    """One line instead of nine per layer, where config.json and the file speak of different numbers of layers."""
    indices = {int(match[1]) for name in tensors if (match := LAYER.match(name))}
    if len(indices) == config.layers:
        return []
    return [f"num_hidden_layers is {config.layers} in config.json, the checkpoint holds tensors of {len(indices)}"]


def _tensor_problems(config: ModelConfig, tensors: dict[str, TensorInfo]) -> list[str]:
    shapes = expected_shapes(config)
    problems = [f"{name} is missing" for name in shapes if name not in tensors]
    if config.tied:
        shapes[HEAD] = shapes[EMBEDDING]
    for name, info in sorted(tensors.items()):
        if name in shapes:
            if info.shape != shapes[name]:
                got, expected = list(info.shape), list(shapes[name])
                problems.append(f"{name}: got shape {got}, expected {expected} from config.json")
        elif name.endswith(".bias"):
            problems.append(f"{name}: biases are not supported")
        elif not IGNORED.fullmatch(name):
            near = difflib.get_close_matches(name, shapes, n=1, cutoff=0.8)
            problems.append(f"unexpected tensor {name}" + (f"; did you mean {near[0]}?" if near else ""))
    return problems


def _build(config: ModelConfig, files: WeightFiles) -> ModelIR:
    arrays = files.read(expected_shapes(config))
    if config.tied and HEAD in files.tensors:
        _check_tie(arrays[EMBEDDING], files)
    return ModelIR.of(config, arrays, files.sha256(), files.entry.resolve().parent.name)


def _check_tie(embedding: np.ndarray, files: WeightFiles) -> None:
    head = files.read([HEAD])[HEAD]
    if not np.array_equal(head, embedding, equal_nan=True):
        count = int((head != embedding).sum())
        raise InputError(
            files.entry,
            f"tie_word_embeddings is true, but {HEAD} differs from {EMBEDDING} in {count} values;"
            " set it to false or remove the tensor",
        )
