"""hc1gen verify: a chip that is its checkpoint, and one that was spoilt in every way at once."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from command import QUICK, SMALL, hc1gen, refused

from hc1gen.backend.folder.chip_folder import ChipFolder
from hc1gen.backend.synth.yosys import Yosys
from hc1gen.backend.verify.chip import expected_chip, expected_manifest, manifest_differences
from hc1gen.frontend.checkpoint import load_checkpoint
from hc1gen.rtl.tiles import VIEWS, Tile

pytest.importorskip("pyosys", reason="pyosys is not installed")

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> Path:
    """SMALL with both views of its tiles; not to be changed."""
    out = tmp_path_factory.mktemp("rtl") / "both views"
    assert hc1gen("bake", SMALL, "-o", out, "--fabric", "both", *QUICK).code == 0
    return out


@pytest.mark.parametrize("fabric", ["behavioural", "structural"])
def test_a_chip_with_rows_of_more_bits(tmp_path, fabric):
    """Its manifest counts the digits, its ROM is wider, and all of it is read back."""
    wide, out = tmp_path / "wide", tmp_path / "rtl"
    widths = ("--bits", "*.v_proj.*=4", "--bits", "*embed_tokens*=5", "--bits", "lm_head*=6")
    assert hc1gen("quantize", SMALL, "-o", wide, "--method", "rtn", "--tokens", 1500, *widths).code == 0
    baked = hc1gen("bake", wide, "-o", out, "--fabric", fabric, *QUICK, "--json").fields
    assert baked["embedding_bits"] == 5 * 37 * 20
    assert baked["full_adders"] > baked["weights"] - baked["zero_weights"]
    fields = hc1gen("verify", out, "--model", wide, "--json").fields
    assert fields["match"] and fields["differences"] == []
    if fabric == "behavioural":
        root = ChipFolder.read(out).manifest.model_root
        assert audit(out, tmp_path / "audit.py").stdout.strip() == root


def audit(folder: Path, script: Path) -> subprocess.CompletedProcess:
    """The program of docs/provenance.md, as an auditor runs it: alone."""
    (program,) = re.findall(r"```python\n(.*?)```", (DOCS / "provenance.md").read_text(), re.S)
    script.write_text(program)
    command = [sys.executable, "-I", "-S", script, folder]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def change(path: Path, pattern: str, replacement: str | Callable[[re.Match], str]) -> None:
    """Replace the first match, which there must be."""
    text, count = re.subn(pattern, replacement, path.read_text(), count=1)
    assert count == 1 and text != path.read_text()
    path.write_text(text)


def test_the_verilog_is_the_model(both, tmp_path):
    fields = hc1gen("verify", both, "--model", SMALL, "--json").fields
    assert fields["match"] and fields["differences"] == []
    root = ChipFolder.read(both).manifest.model_root
    assert set(fields["roots"].values()) == {root} and len(fields["roots"]) == 5
    for view in ("behavioural", "structural"):
        read = fields["read"][view]
        assert (read["weights"], read["embedding"], read["gains"]) == (8660, 37 * 20, 7 * 20)
    assert audit(both, tmp_path / "audit.py").stdout.strip() == root


def flip(digits: str) -> str:
    """A number that is one bit away."""
    return digits[:-1] + f"{int(digits[-1], 16) ^ 1:x}"


def spoil(rtl: Path) -> set[tuple[str, str, str | None, int | None, int | None]]:
    """Change a chip in many places; what verify must say: kind, file, tensor, row, column."""
    layer, embedding = "model.layers.{}.{}.weight".format, "model.embed_tokens.weight"
    out, gain, rom = (f"rtl/tiles/{name}.sv" for name in ("layer0_out", "layer1_mlp_gain", "embedding_rom"))
    down, head, chip, rope = "rtl/structural/layer0_down.v", "rtl/tiles/head.sv", "rtl/chip.v", "rtl/blocks/rope.v"
    change(rtl / out, r"(r3 <= .*? & \d+'h\w*)(\w)\)", lambda m: f"{m[1]}{flip(m[2])})")
    change(rtl / down, r"(its_shift = \{8'd)(\d+)", lambda m: m[1] + flip(m[2]))
    change(rtl / gain, r"(\d+'d)(\d+)(, )", lambda m: m[1] + flip(m[2]) + m[3])
    change(rtl / rom, r"(6'd5: .* row = .*)(\w)(; end)", lambda m: m[1] + flip(m[2]) + m[3])
    change(rtl / rom, r"(6'd7: begin scale = \d+'d)(\d+)", lambda m: m[1] + flip(m[2]))
    change(rtl / chip, r"(256'h)(\w+)", lambda m: m[1] + flip(m[2]))
    change(rtl / rope, r"endmodule", "endmodule ")
    change(rtl / "manifest.json", r'"full_adders": (\d+)', lambda m: f'"full_adders": {flip(m[1])}')
    (rtl / head).unlink()
    (rtl / "surplus.v").touch()
    read = {
        ("weight", out, layer(0, "self_attn.o_proj"), 3, 0),
        ("shift", down, layer(0, "mlp.down_proj"), 3, None),
        ("gain", gain, layer(1, "post_attention_layernorm"), None, 3),
        ("weight", rom, embedding, 5, 0),
        ("mantissa", rom, embedding, 7, None),
    }
    changed = {("file", name, None, None, None) for name in (out, down, gain, rom, chip, rope, head, "surplus.v")}
    others = {("root", chip), ("root", "structural view"), ("manifest", "manifest.json"), ("circuit", head)}
    return read | changed | {(*other, None, None, None) for other in others}


def test_everything_that_was_spoilt_is_named(both, tmp_path):
    rtl = shutil.copytree(both, tmp_path / "rtl")
    expected = spoil(rtl)
    done = hc1gen("verify", rtl, "--model", SMALL, "--json")
    fields = ("kind", "where", "tensor", "row", "column")
    found = {tuple(difference[field] for field in fields) for difference in done.fields["differences"]}
    assert done.code == 1 and not done.fields["match"]
    # A weight that is another moves the constant of its row, too.
    assert {d for d in found if d[:2] != ("circuit", "rtl/tiles/layer0_out.sv")} == expected
    assert audit(rtl, tmp_path / "audit.py").returncode != 0


def test_a_row_that_cannot_be_read_is_told_as_that(both, tmp_path):
    """Not as weights that were never there, nor as the root of another model."""
    rtl = shutil.copytree(both, tmp_path / "rtl")
    change(rtl / "rtl/structural/layer0_down.v", r"\.s\((\w+)\), \.co\((\w+)\)", lambda m: f".s({m[2]}), .co({m[1]})")
    fields = hc1gen("verify", rtl, "--model", SMALL, "--json").fields
    assert {difference["kind"] for difference in fields["differences"]} == {"circuit", "file"}
    assert "structural Verilog" not in fields["roots"]


@pytest.mark.parametrize("change", [{"context": 15}, {"lanes": 5}, {"token_bits": 7}])
def test_a_manifest_edited_by_hand_is_noticed(both, change):
    """Also where nothing but the Merkle root hangs on a field."""
    folder = ChipFolder.read(both)
    manifest = replace(folder.manifest, **change)
    chip = expected_chip(manifest, load_checkpoint(SMALL), None)
    differences = manifest_differences(replace(folder, manifest=manifest), expected_manifest(manifest, chip), chip)
    found = {difference.what for difference in differences}
    assert found & {"merkle.root", *change}


@pytest.fixture(scope="module")
def netlist(both) -> Path:
    """One tile of it as gates, where synth would put it."""
    folder = both / "synth" / "gates"
    folder.mkdir(parents=True)
    out = folder / "layer0_out.v"
    sources = " ".join(f'"{both / "rtl" / "structural" / name}.v"' for name in ("layer0_out", "adders"))
    steps = ["hierarchy -top layer0_out", "proc", "flatten", "opt", "techmap", "abc -g gates", "opt_clean"]
    Yosys().run("tile", [f"read_verilog {sources}", *steps, f'write_verilog -noattr "{out}"'])
    return out


def test_reads_one_module_of_a_mapped_netlist(netlist):
    fields = hc1gen("verify", netlist, "--model", SMALL, "--json").fields
    assert fields["match"] and fields["read"]["mapped"]["weights"] == 400
    assert list(fields["roots"]) == ["checkpoint", "manifest"]
    change(netlist, r"\bx\[2\]", "x[3]")
    fields = hc1gen("verify", netlist, "--model", SMALL, "--json").fields
    assert {d["where"] for d in fields["differences"]} == {"layer0_out.v"}
    assert {d["tensor"] for d in fields["differences"]} == {"model.layers.0.self_attn.o_proj.weight"}


def test_a_cell_that_nobody_knows_is_named(netlist, tmp_path):
    spoilt = shutil.copytree(netlist.parents[2], tmp_path / "rtl") / "synth/gates/layer0_out.v"
    change(spoilt, r"endmodule", "mystery_1 u (.A(x[0]), .Y(acc[0])); endmodule")
    (difference,) = hc1gen("verify", spoilt, "--model", SMALL, "--json").fields["differences"]
    assert difference["what"].endswith("nothing is known of a cell mystery_1; name its library with --liberty")


def test_the_library_is_that_of_the_netlist(netlist, tmp_path):
    """By the report that synth has left beside it."""
    folder = shutil.copytree(netlist.parents[2], tmp_path / "rtl") / "synth/gates"
    (tmp_path / "other.lib").write_text("library (other) { cell (A) { area : 1; } }")
    command = ("verify", folder, "--model", SMALL)
    (folder / "report.json").write_text('{"library": "mine"}')
    expected = f"as {folder / 'report.json'} says; name the Liberty files of the netlist"
    assert f"--liberty: library: got none, expected mine, {expected}" in refused(*command)
    assert "library: got other, expected mine" in refused(*command, "--liberty", tmp_path / "other.lib")
    (folder / "report.json").write_text('{"library": null}')
    message = refused(*command, "--liberty", tmp_path / "other.lib")
    assert "got other, expected none, for generic cells" in message and "leave the option out" in message


def test_a_netlist_that_lacks_modules_is_told(netlist):
    fields = hc1gen("verify", netlist.parent, "--model", SMALL, "--json").fields
    assert ("head.v", "the file is missing") in {(d["where"], d["what"]) for d in fields["differences"]}


def test_refuses_what_cannot_be_compared(both, tmp_path):
    assert "no manifest.json" in refused("verify", tmp_path, "--model", SMALL)
    assert "no such file" in refused("verify", tmp_path / "none", "--model", SMALL)
    assert "the chip has no draft" in refused("verify", both, "--model", SMALL, "--draft", SMALL)
    assert "for a mapped netlist" in refused("verify", both, "--model", SMALL, "--liberty", SMALL / "config.json")
    spoilt = shutil.copytree(both, tmp_path / "rtl")
    manifest = json.loads((spoilt / "manifest.json").read_text())
    for name, value in (
        ("lanes", "8"),
        ("formats", {}),
        ("numeric_config", {"kv_bits": 99}),
        ("context", None),
        ("fabric", "wool"),
    ):
        (spoilt / "manifest.json").write_text(json.dumps(manifest | {name: value}))
        refused("verify", spoilt, "--model", SMALL)
    text = json.dumps(manifest).replace('"both"', '"wool"').replace('"structural"', '"wool"')
    (spoilt / "manifest.json").write_text(text)
    assert "fabric: got wool, expected behavioural or structural" in refused("verify", spoilt, "--model", SMALL)


def test_another_model_is_told_at_once(both):
    other = SMALL.parent / "gqa-old-config-f32"
    done = hc1gen("verify", both, "--model", other, "--json")
    assert done.code == 1 and not done.fields["match"]
    assert {d["kind"] for d in done.fields["differences"]} == {"model"}
    assert "another model than the chip was baked from" in hc1gen("verify", both, "--model", other).stdout


def test_an_order_that_the_writer_gets_wrong_is_found(tmp_path, monkeypatch):
    """The order of rows and of columns is the network's: a view that swaps two of either is found, in every view."""
    for view in ("behavioural", "structural"):
        for name, change in (("rows", swapped_rows), ("columns", swapped_columns)):
            right = VIEWS[view]
            wrong = replace(right, files=lambda tile, change=change, right=right: right.files(change(tile)))
            out = tmp_path / f"{view}-{name}"
            with monkeypatch.context() as patch:
                patch.setitem(VIEWS, view, wrong)
                assert hc1gen("bake", SMALL, "-o", out, "--fabric", view, *QUICK).code == 0
            fields = hc1gen("verify", out, "--model", SMALL, "--json").fields
            assert not fields["match"]
            tensors = {d["tensor"] for d in fields["differences"] if d["kind"] == "weight"}
            assert {"model.layers.0.self_attn.k_proj.weight", "model.layers.0.mlp.down_proj.weight"} <= tensors


def swapped_rows(tile: Tile) -> Tile:
    """A tile whose writer puts its first two rows each in the other's place."""
    first, second, *rest = tile.rows
    return replace(tile, node=replace(tile.node, rows=(second, first, *rest)))


def swapped_columns(tile: Tile) -> Tile:
    """A tile whose writer puts its first two columns each in the other's place."""
    first, second, *rest = tile.columns
    source = replace(tile.node.source, order=(second, first, *rest))
    return replace(tile, node=replace(tile.node, source=source))
