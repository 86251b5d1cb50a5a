"""A quantised model as one safetensors file: integers as tensors, and everything else as JSON in the metadata."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ..errors import InputError, problem
from ..frontend.model import ModelConfig
from ..numeric.config import Formats, LayerFormats, NumericConfig
from .quantized import Gain, Matrix, QuantizedModel, Table

FORMAT = "hc1gen quantised model 2"
ARRAYS: dict[type, tuple[str, ...]] = {
    Gain: ("gain",),
    Matrix: ("weights", "scale", "mantissa", "exponent"),
    Table: ("weights", "scale"),
}
"""The fields of each kind of tensor that are arrays. The others, a name or a gain's `frac`, are in the metadata."""


def to_bytes(model: QuantizedModel) -> bytes:
    """Returns the content of the file. The same model always gives the same bytes."""
    arrays = {
        f"{name}.{array}": np.ascontiguousarray(getattr(tensor, array))
        for name, tensor in model.tensors.items()
        for array in ARRAYS[type(tensor)]
    }
    metadata = {
        "format": FORMAT, "name": model.name, "sha256": model.sha256,
        "tensors": [[name, *_entry(tensor)] for name, tensor in model.tensors.items()],
        "model": asdict(model.model), "config": asdict(model.config), "formats": asdict(model.formats),
    }  # fmt: skip
    return save(arrays, {"hc1gen": json.dumps(metadata, sort_keys=True)})


def _entry(tensor: Gain | Matrix | Table) -> tuple[str, str | int]:
    """Returns the kind of a tensor, and its field that is not an array."""
    return type(tensor).__name__, tensor.frac if isinstance(tensor, Gain) else tensor.name


def load(path: Path) -> QuantizedModel:
    """Reads the model in the file `path`. Raises `InputError` if it is missing, damaged or of another format."""
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = json.loads((file.metadata() or {}).get("hc1gen", "{}"))
            arrays = {name: file.get_tensor(name) for name in file.keys()}
    except (OSError, SafetensorError, ValueError) as error:
        raise InputError(path, problem("cannot be read", error, FORMAT, "bake the chip again")) from error
    if metadata.get("format") != FORMAT:
        raise InputError(path, problem("format", metadata.get("format"), FORMAT, "bake the chip again"))
    try:
        return _model(metadata, arrays)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(path, problem("content", repr(error), FORMAT, "bake the chip again")) from error


def formats(fields: dict[str, Any]) -> Formats:
    """Makes `Formats` from their JSON fields. Raises `KeyError` or `TypeError` if the fields are wrong."""
    layers = tuple(LayerFormats(**{**layer, "key_frac": tuple(layer["key_frac"])}) for layer in fields["layers"])
    return Formats(**{**fields, "layers": layers})


def _model(metadata: dict[str, Any], arrays: dict[str, np.ndarray]) -> QuantizedModel:
    kinds = {kind.__name__: kind for kind in ARRAYS}

    def tensor(name: str, kind: str, other: Any) -> Gain | Matrix | Table:
        found = [arrays[f"{name}.{array}"] for array in ARRAYS[kinds[kind]]]
        return Gain(found[0], other) if kind == Gain.__name__ else kinds[kind](other, *found)

    shape = ModelConfig(**{**metadata["model"], "eos": tuple(metadata["model"]["eos"])})
    model = QuantizedModel(
        metadata["name"], metadata["sha256"], shape, NumericConfig(**metadata["config"]), formats(metadata["formats"]),
        {name: tensor(name, kind, other) for name, kind, other in metadata["tensors"]},
    )  # fmt: skip
    model.verify()
    return model
