"""A test's parameters on their way into the simulator's process, and the payloads they are made of."""

import json
import os
import random
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

from amaranth.lib import data

from hc1gen.rtl.payloads import to_bits

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


def noise(layout: data.StructLayout, rng: random.Random) -> dict[str, int]:
    """Random fields of a word, all but those that are words themselves."""
    return {n: rng.getrandbits(field.width) for n, field in layout if not isinstance(field.shape, data.Layout)}


def output_word(
    layout: data.StructLayout, token: int, last: int, reason: int, outcome: int, proposal: int | None
) -> int:
    """A payload of a chip's `out`, whose layout is `output_token`; without a draft, it has neither of the last two."""
    said = {"token": token, "last": last, "reason": reason, "outcome": outcome, "proposal": proposal or 0}
    return to_bits(layout, {name: said[name] for name, _ in layout})
