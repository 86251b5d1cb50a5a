"""A quantised model as one safetensors file: integer tensors, everything else as JSON in its metadata."""

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ..errors import InputError, problem
from ..frontend.model import ModelConfig
from .config import Formats, LayerFormats, NumericConfig
from .quantized import Gain, Matrix, QuantizedLayer, QuantizedModel

FORMAT = "hc1gen quantised model 1"
MATRIX_ARRAYS = ("weights", "scale", "mantissa", "exponent")


def to_bytes(model: QuantizedModel) -> bytes:
    """The file's content; the same model gives the same bytes."""
    arrays: dict[str, np.ndarray] = {"embedding": model.embedding, "embedding_scale": model.embedding_scale}
    gains: dict[str, int] = {}
    for name, part in _parts(model):
        if isinstance(part, Gain):
            arrays[f"{name}.gain"], gains[name] = part.gain, part.frac
        else:
            arrays |= {f"{name}.{a}": np.ascontiguousarray(getattr(part, a)) for a in MATRIX_ARRAYS}
    metadata = {
        "format": FORMAT, "name": model.name, "sha256": model.sha256, "gains": gains,
        "tensors": {name: part.name for name, part in _parts(model) if isinstance(part, Matrix)},
        "model": asdict(model.model), "config": asdict(model.config), "formats": asdict(model.formats),
    }  # fmt: skip
    return save(arrays, {"hc1gen": json.dumps(metadata, sort_keys=True)})


def _parts(model: QuantizedModel) -> list[tuple[str, Gain | Matrix]]:
    """Every gain and matrix under a path of its own."""
    parts: list[tuple[str, Gain | Matrix]] = []
    for i, layer in enumerate(model.layers):
        parts += [(f"layers.{i}.{f.name}", getattr(layer, f.name)) for f in fields(layer)]
    return [*parts, ("final_gain", model.final_gain), ("head", model.head)]


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
    def part(name: str) -> Gain | Matrix:
        if name in metadata["gains"]:
            return Gain(arrays[f"{name}.gain"], metadata["gains"][name])
        return Matrix(metadata["tensors"][name], *(arrays[f"{name}.{a}"] for a in MATRIX_ARRAYS))

    shape = ModelConfig(**{**metadata["model"], "eos": tuple(metadata["model"]["eos"])})
    layers = tuple(
        QuantizedLayer(**{f.name: part(f"layers.{i}.{f.name}") for f in fields(QuantizedLayer)})  # type: ignore[arg-type]
        for i in range(shape.layers)
    )
    model = QuantizedModel(
        metadata["name"], metadata["sha256"], shape, NumericConfig(**metadata["config"]),
        formats(metadata["formats"]),
        arrays["embedding"], arrays["embedding_scale"], layers, part("final_gain"), part("head"),  # type: ignore[arg-type]
    )  # fmt: skip
    model.verify()
    return model
