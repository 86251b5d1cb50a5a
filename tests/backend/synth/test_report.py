"""The command and its report, on a chip made by hand."""

import json
import signal
import subprocess
import sys
import time

import handmade
import pytest
from click.testing import CliRunner

from hc1gen.cli import main


def synth(*arguments: object):
    return CliRunner().invoke(main, ["synth", *map(str, arguments)])


@pytest.fixture(scope="module")
def chip(tmp_path_factory):
    """A chip that was synthesised with the tiny library; (folder, report)."""
    folder = tmp_path_factory.mktemp("chip")
    chip, file = handmade.chip(folder / "chip"), handmade.library(folder)
    done = synth(chip, "--liberty", file, "--json")
    assert done.exit_code == 0, done.output
    return chip, json.loads(done.stdout)


def test_figures_are_sums_over_instances(chip):
    _, report = chip
    modules = report["modules"]
    assert {name: m["instances"] for name, m in modules.items()} == {"tile": 2, "gain": 1, "keeper": 1, "block": 1}
    for figure in ("cells", "full_adders", "flip_flops"):
        assert report[figure] == sum(m[figure] * m["instances"] for m in modules.values())
    assert report["area_um2"] == pytest.approx(sum(m["area_um2"] * m["instances"] for m in modules.values()))
    tile = modules["tile"]
    assert (tile["full_adders"], tile["flip_flops"], tile["clock_gates"], tile["tensors"]) == (1, 3, 0, ["q", "k"])
    assert tile["area_per_weight_um2"] == round(tile["area_um2"] / 8, 4)
    assert report["weights"] == 16 and report["kinds"]["tile"]["area_um2"] == 2 * tile["area_um2"]
    assert modules["block"]["delay_ps"] > 0 and modules["block"]["logic_depth"] > 4


def test_memories_are_boxes_with_a_size(chip):
    folder, report = chip
    assert report["memories"] == {"cache": {"instances": 1, "words": 16, "bits": 8, "memory_bits": 128}}
    assert report["memory_bits"] == 128
    assert report["modules"]["keeper"]["cells"] == 0
    assert "cache kept" in (folder / "synth/tiny_fast/keeper.v").read_text()


def test_the_folder_is_a_whole_chip(chip):
    folder, report = chip
    out = folder / "synth" / "tiny_fast"
    names = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert names == {"tile.v", "gain.v", "keeper.v", "block.v", "chip.v", "report.json", "models/cells.v"}
    assert json.loads((out / "report.json").read_text()) == report
    assert not list((folder / "synth").glob(".work*"))


def test_what_was_done_is_not_done_again(chip, tmp_path):
    folder, report = chip
    stamps = {path: path.stat().st_mtime_ns for path in (folder / "synth/jobs").rglob("figures.json")}
    assert len(stamps) == 4
    again = synth(folder, "--liberty", handmade.library(tmp_path), "--json")
    assert json.loads(again.stdout) == report
    assert {path: path.stat().st_mtime_ns for path in (folder / "synth/jobs").rglob("figures.json")} == stamps


def test_slow_modules_are_named(tmp_path):
    slow = {name: text.replace("0.1, 0.2", "9, 9").replace("0.2, 0.3", "9, 9") for name, text in handmade.CELLS.items()}
    done = synth(handmade.chip(tmp_path / "chip"), "--liberty", handmade.library(tmp_path, slow))
    assert "note: slower than the 20 ns of the constraints: tile, block\n" in done.stderr


def test_compared_with_another_report(chip, tmp_path):
    folder, report = chip
    other = tmp_path / "report.json"
    other.write_text(json.dumps(report | {"area_um2": report["area_um2"] * 2, "cells": report["cells"] - 1}))
    file = handmade.library(tmp_path)
    found = json.loads(synth(folder, "--liberty", file, "--compare", other, "--json").stdout)["compared"]["chip"]
    assert found["area_um2"] == {"before": report["area_um2"] * 2, "now": report["area_um2"], "percent": -50.0}
    assert found["cells"]["now"] - found["cells"]["before"] == 1 and "flip_flops" not in found
    text = synth(folder, "--liberty", file, "--compare", other).stdout
    assert "-50.0 %  better" in text and "worse" in text
    other.write_text("[]")
    assert synth(folder, "--liberty", file, "--compare", other).exit_code == 2


def test_generic_cells_have_transistors(tmp_path):
    report = json.loads(synth(handmade.chip(tmp_path / "chip"), "--json").stdout)
    tile = report["modules"]["tile"]
    assert report["library"] is None and report["area_um2"] == 0
    assert (tile["full_adders"], tile["half_adders"], tile["flip_flops"]) == (1, 1, 3)
    inverters = tile["gates"] - 1  # and the majority
    assert tile["transistors"] == 28 + 14 + 12 + 3 * 36 + 2 * inverters
    assert report["gates"] > 20 and report["transistors"] > 400


@pytest.mark.parametrize(
    "text, said",
    [
        (handmade.BLOCK.replace("a * b", "a *"), "block: yosys stopped: block.v:9: ERROR: syntax error"),
        ("module block(input clk, output q); unknown_cell u (.a(clk), .q(q)); endmodule", "unknown_cell"),
        ("module block(input clk, input [3:0] a, input [7:0] d, output reg [7:0] q); reg [7:0] m [0:15];"
         " always @(posedge clk) begin m[a] <= d; q <= m[a]; end endmodule", "cells that were not mapped: $mem"),
    ],
)  # fmt: skip
def test_what_cannot_be_mapped_is_named_and_nothing_is_written(tmp_path, text, said):
    chip = handmade.chip(tmp_path / "chip")
    (chip / "rtl/blocks/block.v").write_text(text)
    done = synth(chip, "--liberty", handmade.library(tmp_path))
    assert done.exit_code == 1 and said in done.stderr
    assert [path.name for path in (chip / "synth").iterdir()] == ["jobs"]


def test_what_is_no_chip_is_refused(tmp_path):
    done = synth(tmp_path)
    assert done.exit_code == 2 and "not a baked chip" in done.stderr
    chip = handmade.chip(tmp_path / "chip")
    (chip / "rtl/chip.v").unlink()
    done = synth(chip)
    assert done.exit_code == 2 and "rtl/chip.v: got no file, expected Verilog; bake the chip again" in done.stderr


def test_an_interrupt_leaves_no_processes_and_no_half_results(tmp_path):
    chip = handmade.chip(tmp_path / "chip")
    slow = handmade.BLOCK.replace("[4:0] a", "[79:0] a").replace("[8:0] z", "[158:0] z")
    (chip / "rtl/blocks/block.v").write_text(slow)
    command = [sys.executable, "-c", "from hc1gen.cli import main; main()", "synth", str(chip)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while not list((chip / "synth").glob(".work*/block-*")):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    assert process.returncode == 143
    assert not list((chip / "synth").glob(".work*"))
