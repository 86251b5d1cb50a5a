"""A quantised model as one safetensors file: integer tensors, everything else as JSON in its metadata."""

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
"""What of each kind of tensor is an array; its name and a gain's fraction stand in the metadata."""


def to_bytes(model: QuantizedModel) -> bytes:
    """The file's content; the same model gives the same bytes."""
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
    """The kind of a tensor, and what of it is no array."""
    return type(tensor).__name__, tensor.frac if isinstance(tensor, Gain) else tensor.name


def load(path: Path) -> QuantizedModel:
    """The model in file `path`; `InputError` where it is missing, damaged or of another format."""
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
    """Formats as JSON has them; `KeyError` or `TypeError` where they are none."""
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
