"""Differences between a baked chip and its checkpoint, in words for people and as fields for programs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...network.tensor import Tensor

MOST = 1000
"""Most differences that are listed for one tensor. Of the rest, only the number is reported."""


@dataclass(frozen=True)
class Difference:
    """One difference.

    kind: weight, gain, mantissa, shift, circuit, root, manifest, file or model. where: a file of the baked folder, or a
    view. what: the place and the kind of the difference in words. found, expected: the two values, if there are any.
    """

    kind: str
    where: str
    what: str
    found: Any = None
    expected: Any = None
    tensor: str | None = None
    row: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        told = f": found {self.found}, expected {self.expected}"
        return f"{self.where}: {self.what}{'' if self.found is None and self.expected is None else told}"


def of_tensors(where: str, found: Tensor, expected: Tensor, read: np.ndarray | bool = True) -> Iterator[Difference]:
    """Yields every integer, mantissa and shift that differs, with its tensor, row and column; a vector has no rows.

    read: bool [R], the rows whose numbers could be read. Only these are compared; True: all rows.
    """
    if found.integers.shape != expected.integers.shape:
        shapes = list(found.integers.shape), list(expected.integers.shape)
        yield Difference("weight", where, f"{expected.name}, shape", *shapes, tensor=expected.name)
        return
    kind = "gain" if expected.integers.ndim == 1 else "weight"
    rows = np.broadcast_to(read, len(expected.integers))
    wrong = found.integers != expected.integers
    wrong[~rows] = False
    different = np.argwhere(wrong)
    for place in different[:MOST]:
        row, column = (None, int(place[0])) if len(place) == 1 else (int(place[0]), int(place[1]))
        at = f"column {column}" if row is None else f"row {row}, column {column}"
        values = int(found.integers[tuple(place)]), int(expected.integers[tuple(place)])
        yield Difference(kind, where, f"{expected.name}, {at}", *values, expected.name, row, column)
    if len(different) > MOST:
        yield Difference(kind, where, f"{expected.name}: {len(different) - MOST} more differ", tensor=expected.name)
    for kind in ("mantissa", "shift"):
        a, b = getattr(found, kind), getattr(expected, kind)
        for row in np.flatnonzero((a != b) & rows[: len(b)])[:MOST]:
            what = f"{expected.name}, row {row}, {kind} of its scale"
            yield Difference(kind, where, what, int(a[row]), int(b[row]), expected.name, int(row))


def of_objects(where: str, found: Any, expected: Any, path: str = "") -> Iterator[Difference]:
    """Yields the values that differ between two JSON values, each with its path."""
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in sorted({*found, *expected}):
            yield from of_objects(where, found.get(key), expected.get(key), f"{path}.{key}" if path else str(key))
    elif isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        for index, pair in enumerate(zip(found, expected, strict=True)):
            name = f" {pair[1]['name']}" if isinstance(pair[1], dict) and "name" in pair[1] else ""
            yield from of_objects(where, *pair, f"{path}[{index}{name}]")
    elif found != expected:
        yield Difference("manifest", where, path, found, expected)
