"""The header of a .safetensors file, checked before any tensor is read so that a message can name the tensor."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hc1gen.errors import InputError
from hc1gen.frontend.jsonfile import parse_object

BYTES = {"F32": 4, "F16": 2, "BF16": 2}
MAX_HEADER = 100_000_000  # the format's own limit


@dataclass(frozen=True)
class TensorInfo:
    """What the header says of one tensor; `start` and `end` are byte offsets into the data behind the header."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


def read_header(path: Path) -> dict[str, TensorInfo]:
    """Tensor name -> TensorInfo of one file.

    Raises InputError(path) for a file that cannot be read or is cut short, a header that is no JSON object, entries
    that are not {dtype, shape, data_offsets}, dtypes other than F32, F16 and BF16, sizes that contradict the shape,
    and tensors that overlap, leave holes, or lie outside the file.
    """
    text, room = _split(path)
    problems: list[str] = []
    tensors: dict[str, TensorInfo] = {}
    for name, entry in parse_object(text, path).items():
        if name == "__metadata__":
            continue
        if (info := _entry(entry)) is None:
            problems.append(f"{name}: got {entry}, expected dtype, shape and data_offsets")
        else:
            tensors[name] = info
    problems += [p for name, info in tensors.items() if (p := _size_problem(name, info))]
    if len(problems) == 0:
        problems = _layout_problems(tensors, room)
    if problems:
        raise InputError(path, problems)
    return tensors


def _split(path: Path) -> tuple[bytes, int]:
    """The header's JSON text and the number of bytes behind it."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            text = file.read(length) if length <= MAX_HEADER else b""
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror}") from error
    if size < 8:
        raise InputError(path, f"truncated: {size} bytes, a safetensors file starts with 8 bytes of header length")
    if length > MAX_HEADER:
        raise InputError(path, f"not a safetensors file: header length {length}, at most {MAX_HEADER} is allowed")
    if len(text) < length:
        raise InputError(path, f"truncated: the header has {length} bytes, the file ends after {len(text)} of them")
    return text, size - 8 - length


def _entry(entry: Any) -> TensorInfo | None:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        return None
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or not _naturals(shape) or not _naturals(offsets):
        return None
    if len(offsets) != 2 or offsets[0] > offsets[1]:
        return None
    return TensorInfo(dtype, tuple(shape), offsets[0], offsets[1])


def _naturals(value: Any) -> bool:
    return isinstance(value, list) and all(type(item) is int and item >= 0 for item in value)


def _size_problem(name: str, info: TensorInfo) -> str | None:
    if info.dtype not in BYTES:
        return f"{name}: dtype {info.dtype} is not supported, expected one of {', '.join(BYTES)}"
    need = math.prod(info.shape) * BYTES[info.dtype]
    if info.end - info.start != need:
        return f"{name}: {info.dtype} {list(info.shape)} needs {need} bytes, its offsets span {info.end - info.start}"
    return None


def _layout_problems(tensors: dict[str, TensorInfo], room: int) -> list[str]:
    """Tensors must follow each other without gap or overlap and fill the `room` bytes behind the header."""
    problems = []
    end, previous = 0, "the header"
    for name, info in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].end)):
        if info.start < end:
            problems.append(f"{name}: starts at byte {info.start} and overlaps {previous}, which ends at {end}")
        elif info.start > end:
            problems.append(f"{name}: hole of {info.start - end} bytes after {previous}")
        if info.end > room:
            problems.append(f"{name}: ends at byte {info.end}, the file holds only {room}: truncated or out of bounds")
        if info.end >= end:
            end, previous = info.end, name
    if end < room:
        problems.append(f"{room - end} bytes follow the last tensor")
    return problems
