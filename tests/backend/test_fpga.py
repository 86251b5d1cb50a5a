"""Building for an FPGA: which products get multiplier blocks, what is said of a build."""

import json
from pathlib import Path

import pytest

from hc1gen.backend.fpga import build as fpga
from hc1gen.errors import CheckFailed, InputError, ToolMissing

TARGET = fpga.Target("85k", "CABGA381", 156, 25_000_000, 2, 115_200, Path("pins.lpf"))


def report(folder: Path, *achieved: float) -> Path:
    path = folder / "report.json"
    cells = {"TRELLIS_COMB": {"used": 30, "available": 100}, "DCUA": {"used": 0, "available": 2}}
    clocks = {f"clock{i}": {"achieved": fmax, "constraint": 12.5} for i, fmax in enumerate(achieved)}
    path.write_text(json.dumps({"utilization": cells, "fmax": clocks}))
    return path


def test_widest_products_get_the_multiplier_blocks():
    synthesis = pytest.importorskip("hc1gen.backend.fpga.synthesis", reason="pyosys is not installed")
    widths = {"small": (4, 4), "wide": (20, 10), "constant": (0, 0), "usual": (16, 16)}
    assert synthesis.to_logic(widths, 4) == ["constant"]
    assert synthesis.to_logic(widths, 3) == ["constant", "small"]
    assert synthesis.to_logic(widths, 1) == ["constant", "small", "wide"]
    assert synthesis.to_logic(widths, 0) == ["constant", "small", "wide", "usual"]


def test_report_of_nextpnr(tmp_path):
    built = fpga.read_report(report(tmp_path, 30.0, 13.5), 12.5)
    assert built == fpga.Built({"TRELLIS_COMB": 30}, {"TRELLIS_COMB": 100}, 13.5, 12.5)


def test_too_slow_a_chip_is_no_build(tmp_path):
    with pytest.raises(CheckFailed, match=r"the chip runs at 11\.5 MHz, its clock is 12\.5 MHz; divide it by more"):
        fpga.read_report(report(tmp_path, 30.0, 11.5), 12.5)


def test_missing_tools_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(fpga, "NEEDED", ("json", "no_such_router"))
    with pytest.raises(ToolMissing, match=r"^no_such_router: not installed; pip install 'hc1gen\[fpga\]'"):
        fpga.build(tmp_path / "chip", TARGET, tmp_path / "out")


def test_output_is_not_overwritten(tmp_path, monkeypatch):
    monkeypatch.setattr(fpga, "NEEDED", ())
    with pytest.raises(InputError, match="output: got a file or folder, expected none"):
        fpga.build(tmp_path / "chip", TARGET, tmp_path)


def test_folder_that_is_no_chip(tmp_path, monkeypatch):
    monkeypatch.setattr(fpga, "NEEDED", ())
    with pytest.raises(InputError, match="not a baked chip"):
        fpga.build(tmp_path / "chip", TARGET, tmp_path / "out")
    assert not [*tmp_path.iterdir()]
