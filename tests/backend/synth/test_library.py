"""Which cells are used, and what is said of a library that cannot be."""

import gzip

import handmade
import pytest

from hc1gen.backend.synth import liberty, library
from hc1gen.backend.synth.yosys import Yosys
from hc1gen.errors import InputError

WITHOUT = {part: {k: v for k, v in handmade.CELLS.items() if k != part} for part in handmade.CELLS}


def load(tmp_path, cells=None, **options):
    return library.load([handmade.library(tmp_path, cells)], Yosys(), **options)


def test_cells_are_found_by_what_they_do(tmp_path):
    found = load(tmp_path)
    assert found.full_adder == library.Adder("TALL", ("P", "Q", "R"), {"s": ("S", False), "co": ("T", False)})
    assert found.majority == library.Adder("MOST", ("A", "B", "C"), {"co": ("Y", True)})
    assert found.half_adder is None
    assert (found.inverter.name, found.flip_flop.name) == ("NOT", "KEEP")
    assert found.clock_gate == library.ClockGate("HALT", "CK", "E", "G", ())
    assert set(found.cells) == {"NOT", "PASS", "NAND", "NOR", "XOR", "TALL", "MOST", "KEEP", "HALT"}


def test_inverted_outputs_are_seen(tmp_path):
    found = load(tmp_path, handmade.CELLS | handmade.INVERTING)
    assert found.full_adder.outputs == {"s": ("S", True), "co": ("T", True)}
    assert found.full_adder.inverting and found.full_adder.self_dual
    assert found.flip_flop.name == "KEEPN"
    assert found.clock_gate == library.ClockGate("HALT", "CK", "E", "G", ("T",))


def test_a_half_adder_is_used_where_it_is_smaller_than_gates(tmp_path):
    for area, used in ((6, True), (7, False)):  # XOR and NAND: 5 + 2
        half = handmade.cell("HALF", area, "A B", {"S": "A ^ B", "C": "A & B"})
        assert bool(load(tmp_path, handmade.CELLS | {"half": half}).half_adder) is used


def test_several_files_are_one_library(tmp_path):
    parts = ({"adder": handmade.CELLS["adder"]}, WITHOUT["adder"])
    files = [handmade.library(tmp_path, cells, f"tiny_fast_{i}") for i, cells in enumerate(parts)]
    files[1].write_bytes(gzip.compress(files[1].read_bytes()))
    found = library.load(files, Yosys())
    assert found.name == "tiny_fast" and found.full_adder.cell == "TALL"


def test_cells_can_be_left_out(tmp_path):
    assert load(tmp_path, dont_use=["MO*"]).majority is None
    with pytest.raises(InputError) as error:
        load(tmp_path, dont_use=["NOPE", "NAND", "*_lp"])
    expected = "expected a cell or a pattern of cells of tiny_fast; see the library for its names"
    assert error.value.problems == [f"cell: got NOPE, {expected}", f"cell: got *_lp, {expected}"]


@pytest.mark.parametrize(
    "part, said",
    [
        ("adder", "got no full adder, expected a cell with sum and carry of three bits; "
         "give all files of the library, or build adders of gates with --adders gates"),
        ("not", "got no inverter, expected one; give all files of the library"),
        ("buffer", "got no buffer, expected one, which ABC cannot do without; give all files of the library"),
        ("flip-flop", "got no flip-flop, expected one with a data input and a rising clock; "
         "give all files of the library"),
    ],
)  # fmt: skip
def test_what_a_library_lacks_is_named(tmp_path, part, said):
    with pytest.raises(InputError, match="tiny_fast: cells: ") as error:
        load(tmp_path, WITHOUT[part])
    assert error.value.problems == [f"cells: {said}"]


def test_a_library_without_a_full_adder_can_be_used(tmp_path):
    assert load(tmp_path, WITHOUT["adder"], gates=True).full_adder is None


@pytest.mark.parametrize(
    "text, found",
    [
        ("", "nothing"),
        ("module top; endmodule", "'module top; endmodule'"),
        ("library (x) { cell (A) { area : 1; }", "a brace that is never closed"),
        ("library (x) { time_unit : 1ns; }", "a library without a cell"),
    ],
)
def test_what_is_not_liberty_is_refused(tmp_path, text, found):
    (tmp_path / "a.lib").write_text(text)
    with pytest.raises(InputError) as error:
        liberty.read([tmp_path / "a.lib", tmp_path / "none.lib"])
    assert f"Liberty file: got {found}, expected library (NAME)" in error.value.problems[0]
    assert "No such file" in error.value.problems[1]
