"""Tiles read back by rewriting: every number, and every way to be wrong."""

import random
import re

import numpy as np
import pytest

pytest.importorskip("pyosys", reason="pyosys is not installed")

from reading import (
    BEHAVIOURAL,
    STRUCTURAL,
    digits,
    expected,
    random_tile,
    read,
    same,
    shape,
    source,
    text,
)  # fmt: skip

from hc1gen.backend.verify.jobs import TileJob, run

VIEWS = (BEHAVIOURAL, STRUCTURAL)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(
    "rows, columns, lanes, row_groups", [(7, 9, 3, 1), (24, 30, 5, 2), (11, 8, 2, 3), (30, 20, 1, 2), (1, 1, 1, 1)]
)
def test_reads_what_was_written(tmp_path, view, rows, columns, lanes, row_groups):
    tile = random_tile(rows, columns, lanes, row_groups=row_groups)
    assert same(read(tmp_path, view, tile, text(tile, view)), expected(tile))


@pytest.mark.parametrize("view", VIEWS)
def test_a_changed_weight_is_named(tmp_path, view):
    rng, tile = random.Random(view), random_tile(9, 12, 4)
    for _ in range(3):
        row, column = rng.randrange(9), rng.randrange(12)
        spoilt = random_tile(9, 12, 4)
        weights = spoilt.weights
        old = int(weights[row, column])
        weights[row, column] = rng.choice([w for w in range(-4, 4) if w != old])
        reading = read(tmp_path, view, tile, text(spoilt, view))
        assert not isinstance(reading, str) and not reading.faults
        wrong = np.argwhere(reading.weights != expected(tile).weights)
        assert wrong.tolist() == [[tile.rows.index(row), tile.columns.index(column)]]


@pytest.mark.parametrize("seed", range(12))
def test_any_flipped_constant_is_noticed(tmp_path, seed):
    """Masks, factors, biases, mantissas, shifts, beats; a sign that is flipped changes a weight, see above."""
    rng, tile = random.Random(seed), random_tile(6, 8, 2, row_groups=1 + seed // 2 % 2)
    view = VIEWS[seed % 2]
    verilog = text(tile, view)
    at = rng.choice(digits(verilog))
    spoilt = verilog[:at] + format(int(verilog[at], 16) ^ 1, "x") + verilog[at + 1 :]
    assert not same(read(tmp_path, view, tile, spoilt), expected(tile)), verilog[at - 30 : at + 9]


WRONG = {
    "inverted literal": (STRUCTURAL, r"\.a\((~?)(n\d+|xs\[\d+\])\)", lambda m: f".a({'' if m[1] else '~'}{m[2]})"),
    "other input": (STRUCTURAL, r"\.b\((~?)xs\[\d+\]\)", lambda m: f".b({m[1]}first)"),
    "half instead of full adder": (
        STRUCTURAL, r"hc1gen_fa (u\w+) \((.*?), \.c\(.*?\)",
        lambda m: f"hc1gen_ha {m[1]} ({m[2]}",
    ),
    "register not halved": (STRUCTURAL, r"r(\d+)\[4:1\]", lambda m: f"r{m[1]}[3:0]"),
    "first plane keeps the old count": (STRUCTURAL, r"first \?", lambda m: "1'b0 ?"),
    "first plane begins with another number": (
        STRUCTURAL, r"first \? (\d+'d)(\d+)", lambda m: f"first ? {m[1]}{int(m[2]) ^ 1}",
    ),
    "sign plane not inverted": (BEHAVIOURAL, r"\{(\d+)\{last\}\}", lambda m: f"{{{m[1]}{{1'b0}}}}"),
    "counts without step": (BEHAVIOURAL, r"if \(step\)", lambda m: "if (step | first)"),
    "reads without read": (BEHAVIOURAL, r"if \(read\)", lambda m: "if (read | step)"),
    "products instead of counts": (BEHAVIOURAL, r"held(\[.*?\]) \+ bias", lambda m: f"held{m[1]} & bias"),
    "other edge": (BEHAVIOURAL, r"posedge", lambda m: "negedge"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_circuits_are_noticed(tmp_path, name):
    view, pattern, change = WRONG[name]
    tile = random_tile(6, 8, 2)
    verilog = text(tile, view)
    places = list(re.finditer(pattern, verilog))
    chosen = random.Random(name).choice(places)
    spoilt = verilog[: chosen.start()] + change(chosen) + verilog[chosen.end() :]
    reading = read(tmp_path, view, tile, spoilt)
    assert not same(reading, expected(tile))


def test_an_adder_that_is_none_is_noticed(tmp_path):
    tile = random_tile(6, 8, 2)
    where = source(tmp_path, STRUCTURAL, text(tile, STRUCTURAL))
    where.others[0].write_text(where.others[0].read_text().replace("a ^ b ^ c", "a ^ b | c"))
    assert run(TileJob(where, shape(tile))) == "hc1gen_fa: its s is not that of an adder"


def test_what_yosys_cannot_read_is_told(tmp_path):
    tile = random_tile(3, 3, 1)
    assert "yosys stopped" in str(read(tmp_path, STRUCTURAL, tile, "module tile (;"))
    assert "no module tile" in str(read(tmp_path, STRUCTURAL, tile, "module tail; endmodule"))
    assert "no port clk" in str(read(tmp_path, STRUCTURAL, tile, "module tile (input x); endmodule"))
