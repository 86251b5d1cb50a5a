"""A test's parameters on their way into the simulator's process, and the payloads they are made of."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

CASE_VARIABLE = "HC1GEN_CASE"
"""The environment variable that names the case file."""


def save_case(path: Path, **values: object) -> Path:
    """Write named integers, strings, lists, dicts and numpy arrays (as nested lists); integers of any size survive."""
    path.write_text(json.dumps(values, default=lambda array: array.tolist()))
    return path


def load_case() -> SimpleNamespace:
    """The values `save_case` wrote, as attributes; the file is the one the environment names."""
    return SimpleNamespace(**json.loads(Path(os.environ[CASE_VARIABLE]).read_text()))


def pack(values: Iterable[int], width: int) -> int:
    """Lanes side by side in one payload, the first in the lowest bits; negative values in two's complement."""
    mask = (1 << width) - 1
    payload = 0
    for lane, value in enumerate(values):
        if not -(1 << width - 1) <= value <= mask:
            raise ValueError(f"lane {lane}: {value} does not fit {width} bits")
        payload |= (int(value) & mask) << lane * width
    return payload


def unpack(payload: int, width: int, count: int, signed: bool = False) -> list[int]:
    """The inverse of `pack`."""
    lanes = [payload >> lane * width & (1 << width) - 1 for lane in range(count)]
    return [lane - (lane >> width - 1 << width) for lane in lanes] if signed else lanes
