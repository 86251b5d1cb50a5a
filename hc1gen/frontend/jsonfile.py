"""JSON objects as this package wants them: UTF-8, one object, no key twice, every failure an InputError."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from hc1gen.errors import InputError


def parse_object(text: bytes, where: object) -> dict[str, Any]:
    """The JSON object in `text`. Raises InputError(where) if it is not UTF-8, not JSON, no object, or repeats a key."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        counts = Counter(key for key, _ in pairs)
        if repeated := [key for key, count in counts.items() if count > 1]:
            raise InputError(where, [f"the key {key!r} occurs more than once" for key in repeated])
        return dict(pairs)

    try:
        value = json.loads(text.decode("utf-8"), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise InputError(where, f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise InputError(where, f"got a JSON {type(value).__name__}, expected an object")
    return value


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises InputError(path) as `parse_object` does, and if the file cannot be read."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror}") from error
    return parse_object(text, path)
