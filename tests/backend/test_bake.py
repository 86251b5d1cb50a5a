"""A bake as files: digests, order, text that is kept elsewhere too."""

import hashlib
import shutil
from pathlib import Path

import pytest

from hc1gen.backend import bake as backend
from hc1gen.backend.elaborate import elaborate
from hc1gen.backend.folder.chip_folder import ChipFolder
from hc1gen.backend.lint import lint
from hc1gen.errors import CheckFailed, InputError
from hc1gen.frontend.checkpoint import load_checkpoint
from hc1gen.golden.calibrated import calibrated
from hc1gen.golden.chip import GoldenChip
from hc1gen.golden.model import GoldenModel
from hc1gen.network import Plan
from hc1gen.numeric.config import NumericConfig
from hc1gen.quant import saved
from hc1gen.quant.quantized import quantize
from hc1gen.rtl import assemble
from hc1gen.rtl.chip import Chip

ROOT = Path(__file__).parents[2]
SMALL = ROOT / "tests" / "frontend" / "vectors" / "gqa-old-config-f32"
TOKENIZER = (SMALL / "tokenizer.json").read_bytes()


@pytest.fixture(scope="module")
def chip() -> Chip:
    return assemble.chip(calibrated(load_checkpoint(SMALL), NumericConfig(), 16, 32), 16, 3, 1)


@pytest.fixture(scope="module")
def baked(tmp_path_factory, chip) -> Path:
    out = tmp_path_factory.mktemp("bake") / "small chip"
    backend.bake(chip, out, TOKENIZER, fabric="both")
    return out


def test_manifest_has_the_digest_of_every_file(baked):
    digests = ChipFolder.read(baked).manifest.files
    found = {
        str(path.relative_to(baked)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in baked.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }
    assert digests == found


def test_every_verilog_file_says_what_it_holds(baked):
    for path in baked.rglob("*.*v"):
        assert path.read_text().startswith("// "), path


def test_file_list_has_leaves_first_and_the_top_last(baked):
    for name, other in (("filelist.f", "structural"), ("synth.f", "tiles")):
        names = (baked / name).read_text().split()
        assert names[-1] == "rtl/chip.v"
        modules = {str(p.relative_to(baked)) for p in (baked / "rtl").rglob("*.*v")}
        left_out = modules - set(names)
        tiles = set(ChipFolder.read(baked).manifest.tile_contents)
        assert set(names) < modules and tiles == {Path(path).stem for path in left_out} - {"adders"}
        assert {Path(path).parent.name for path in left_out} == {other}


@pytest.mark.parametrize("fabric", ["behavioural", "structural"])
def test_one_view_alone(fabric, tmp_path, chip):
    backend.bake(chip, tmp_path / "chip", TOKENIZER, fabric=fabric)
    lists = {(tmp_path / "chip" / name).read_text() for name in ("filelist.f", "synth.f")}
    assert len(lists) == 1
    assert ("rtl/structural/layer0_qkv.v" in lists.pop()) == (fabric == "structural")


def test_a_chip_is_lint_clean_and_a_spoilt_one_is_not(baked, tmp_path):
    lint(baked)
    structural = shutil.copytree(baked, tmp_path / "structural")
    (structural / "filelist.f").write_text((baked / "synth.f").read_text())
    lint(structural)
    spoilt = shutil.copytree(baked, tmp_path / "spoilt")
    tile = spoilt / "rtl" / "tiles" / "layer0_out.sv"
    tile.write_text(tile.read_text().replace("input wire step,", "input wire step, input wire surplus,"))
    with pytest.raises(CheckFailed, match="not lint-clean"):
        lint(spoilt)


def test_saved_model_is_the_baked_one(baked):
    model = saved.load(baked / "model.safetensors")
    assert saved.to_bytes(model) == (baked / "model.safetensors").read_bytes()
    prompt = [1, 5, 9]
    again = quantize(load_checkpoint(SMALL), NumericConfig()).with_formats(model.config, model.formats)
    one, other = (list(GoldenChip(GoldenModel(each, 16)).generate(prompt)) for each in (model, again))
    assert one == other


def test_saved_model_that_is_damaged_is_refused(baked, tmp_path):
    broken = tmp_path / "model.safetensors"
    broken.write_bytes((baked / "model.safetensors").read_bytes()[:-100])
    with pytest.raises(InputError, match="cannot be read"):
        saved.load(broken)


def test_plan_names_everything_out_of_range():
    model = quantize(load_checkpoint(SMALL), NumericConfig())
    hidden, heads = model.model.hidden, model.model.kv_heads
    with pytest.raises(InputError) as error:
        Plan(model.numerics(10**6), hidden + 1, 0).verify()
    assert f"lanes: got {hidden + 1}, expected 1..{hidden}" in str(error.value)
    assert f"kv heads per clock: got 0, expected 1..{heads}" in str(error.value)
    assert "context: got 1000000" in str(error.value)


def test_yosys_elaborates_a_chip_with_its_memories_as_memories(baked):
    pytest.importorskip("pyosys", reason="pyosys is not installed")
    counts = elaborate(baked)
    assert counts["$mem_v2"] >= 3, "KV cache, score buffer and logits"
    assert counts["layer0"] == counts["head"] == counts["sampler"] == 1


def test_yosys_names_a_module_that_is_missing(baked, tmp_path):
    pytest.importorskip("pyosys", reason="pyosys is not installed")
    spoilt = shutil.copytree(baked, tmp_path / "spoilt")
    chip = spoilt / "rtl" / "chip.v"
    chip.write_text(chip.read_text().replace("sampler sampler", "simpler sampler"))
    with pytest.raises(CheckFailed, match="simpler"):
        elaborate(spoilt)
