"""The bench fails for every kind of wrong tile: one weight, one scale, one lane, one bit too few.

All of them are in one simulator, whose port `select` says which one is read.
"""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bench.check import check_streams, convert

from cmvm.together import WAIVERS
from cmvm.unit import Unit, make_tile, one_hot, steepest, text_of, words_of

WEIGHTS = np.array([[1, -2, 3, -4, 0], [-4, -4, -4, -4, -4], [0, 1, 0, 2, -1], [3, 2, 0, 1, -3]])
VECTORS = np.concatenate([one_hot(5, (8, -8, 3, 4, 127)), steepest(WEIGHTS, 8)])
TILE = make_tile(WEIGHTS, lanes=2)


def unchanged(text: str) -> str:
    return text


def weight_dropped(text: str) -> str:
    """Row 0: the 1 of column 0 becomes a 0."""
    return text.replace("$countones(xs & 5'h1)", "$countones(xs & 5'h0)", 1)


def weight_added(text: str) -> str:
    """Row 0: the 0 of column 4 becomes a 1."""
    return text.replace("$countones(xs & 5'h1)", "$countones(xs & 5'h11)", 1)


def weight_of_other_size(text: str) -> str:
    """Row 0: the 3 becomes a 4."""
    return text.replace("5'd3 *", "5'd4 *", 1)


def weight_of_other_sign(text: str) -> str:
    """Row 0: column 1 no longer inverts its input."""
    return text.replace("(xs ^ 5'ha) & 5'h2", "(xs ^ 5'h8) & 5'h2", 1)


def start_value(text: str) -> str:
    """Row 0 starts with one too much."""
    return text.replace("first ? 5'd10", "first ? 5'd11", 1)


def start_ignored(text: str) -> str:
    """Row 1 keeps the vector before."""
    return re.sub(r"(r1 <= \{\()first", r"\g<1>1'b0", text, count=1)


def sign_plane_added(text: str) -> str:
    """The last plane counts like the others."""
    return text.replace("x ^ {5{last}}", "x", 1)


def sign_plane_of_one_row_added(text: str) -> str:
    """Row 2: the last plane counts like the others."""
    return re.sub(r"r2 <= .*", lambda line: line[0].replace("xs", "x"), text, count=1)


def bias_off_by_one(text: str) -> str:
    """Row 0's."""
    return text.replace("10'd864", "10'd865", 1)


def mantissa(text: str) -> str:
    """Row 0's scale."""
    m = int(TILE.mantissa[0])
    return text.replace(f"10'd{m}}}", f"10'd{m ^ 1}}}", 1)


def shift(text: str) -> str:
    """Row 0's scale is half of what it should be."""
    return text.replace("8'd127}", "8'd126}", 1)


def lanes_swapped(text: str) -> str:
    return text.replace("held = {r1, 1'd0, r0}", "held = {1'd0, r0, r1}", 1)


def lanes_of_mantissas_swapped(text: str) -> str:
    return re.sub(r"its_mantissa = \{([^,]*), ([^}]*)\}", r"its_mantissa = {\2, \1}", text, count=1)


def beats_swapped(text: str) -> str:
    return text.replace("1'd0: begin", "1'd1: begin", 1)


def register_too_narrow(text: str) -> str:
    """Row 1, which needs every bit, loses the highest."""
    narrow = text.replace("reg [9:0] r1;", "reg [8:0] r1;").replace("{1'b0, r1[9:5]}", "{2'b0, r1[8:5]}")
    return re.sub(r"r1 <= (.*);", r"r1 <= 9'(\1);", narrow).replace("{r1, ", "{1'b0, r1, ")


MUTATIONS: list[Callable[[str], str]] = [
    unchanged, weight_dropped, weight_added, weight_of_other_size, weight_of_other_sign, start_value, start_ignored,
    sign_plane_added, sign_plane_of_one_row_added, bias_off_by_one, mantissa, shift, lanes_swapped,
    lanes_of_mantissas_swapped, beats_swapped, register_too_narrow,
]  # fmt: skip


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> list[Path]:
    """A controller and all tiles, each under a name of its own."""
    folder = tmp_path_factory.mktemp("mutants")
    source = folder / "mutants.sv"
    texts = [mutate(text_of(TILE)) for mutate in MUTATIONS]
    source.write_text("".join(t.replace("module tile ", f"module tile_{i} ") for i, t in enumerate(texts)))
    return [WAIVERS, convert(Unit(TILE, variants=len(MUTATIONS)), "mutants"), source]


def check(sources: list[Path], mutation: int) -> None:
    constants = {"select": mutation}
    check_streams("mutants", sources, *words_of(TILE, VECTORS), constants=constants, patterns=["none"])


def test_unchanged_tile_passes(sources):
    check(sources, 0)


@pytest.mark.parametrize("mutation", range(1, len(MUTATIONS)), ids=lambda i: MUTATIONS[i].__name__)
def test_changed_tile_fails(sources, mutation):
    assert MUTATIONS[mutation](text_of(TILE)) != text_of(TILE), "the mutation did not apply"
    with pytest.raises(AssertionError, match=r"y: word \d+: got 0x\w+, expected 0x\w+"):
        check(sources, mutation)
