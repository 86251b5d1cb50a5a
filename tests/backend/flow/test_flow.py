"""What bake writes for place and route: files that are there, blocks that are all of the tiles, LibreLane's own schema."""

import json
import subprocess
from pathlib import Path

import pytest
from fake_pdk import fake_pdk

from hc1gen.backend import bake, flow
from hc1gen.backend.flow.design import Memory
from hc1gen.frontend.checkpoint import load_checkpoint
from hc1gen.golden.calibrate import calibrate
from hc1gen.quant.config import NumericConfig
from hc1gen.quant.quantized import quantize
from hc1gen.rtl.chip import Chip
from hc1gen.rtl.memory import memory_module
from hc1gen.rtl.plan import Plan
from hc1gen.rtl.transformer import Transformer

ROOT = Path(__file__).parents[3]
SMALL = ROOT / "tests" / "frontend" / "vectors" / "gqa-old-config-f32"
VIEWS = ("LEF", "LIB", "GDS")


@pytest.fixture(scope="module")
def baked(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("flow") / "small"
    model = calibrate(quantize(load_checkpoint(SMALL), NumericConfig()), 16, 32)
    bake.bake(Chip(Transformer(model, Plan(model.numerics(16), 3, 1))), out, SMALL / "tokenizer.json")
    return out


def tiles(baked: Path) -> list[str]:
    return [tile["module"] for tile in json.loads((baked / "manifest.json").read_text())["tiles"]]


def memories(baked: Path) -> list[str]:
    return [path.stem for path in sorted((baked / "rtl" / "memories").iterdir())]


def orfs(config: Path, *settings: str) -> dict[str, list[str]]:
    """What make makes of a configuration, as OpenROAD-flow-scripts includes it: the exported variables, as words."""
    script = f"include {config}\nall:\n\t@env\n"
    done = subprocess.run(["make", "-sf", "-", *settings], input=script, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(done.stderr)
    pairs = (line.partition("=") for line in done.stdout.splitlines())
    return {name: value.split() for name, _, value in pairs}


def macros(baked: Path) -> list[str]:
    return [f"{name.upper()}_{view}=/pdk/{name}.{view}" for name in memories(baked) for view in VIEWS]


def test_constraints_of_the_repository_are_what_bake_writes(baked):
    assert (ROOT / "constraints" / "chip.sdc").read_text() == (baked / flow.SDC).read_text()


def test_size_of_a_memory_is_read_from_its_verilog():
    assert Memory.read("m", memory_module("m", 320, 16, "Keys")) == Memory("m", 320, 16)
    with pytest.raises(ValueError, match="memory m: its Verilog does not say its size"):
        Memory.read("m", "module m; endmodule")


def test_orfs_hardens_every_tile_and_reads_all_other_logic(baked):
    chip = orfs(baked / "flow/orfs/config.mk", *macros(baked))
    assert chip["BLOCKS"] == tiles(baked)
    assert chip["DESIGN_NAME"] == ["chip"]
    assert chip["SDC_FILE"] == [str(baked / flow.SDC)]
    read = [Path(path) for path in chip["VERILOG_FILES"]]
    for tile in tiles(baked):
        block = orfs(baked / "flow/orfs" / tile / "config.mk")
        assert block["DESIGN_NAME"] == [tile]
        assert block["DESIGN_NICKNAME"] == [f"small_{tile}"]
        read += [Path(path) for path in block["VERILOG_FILES"]]
    assert all(path.is_file() for path in read)
    every = {path for path in (baked / "rtl").rglob("*") if path.is_file() and path.parent.name != "memories"}
    assert set(read) == every


def test_orfs_names_every_memory_that_has_no_macro(baked):
    given = [setting for setting in macros(baked) if not setting.startswith("KV_CACHE_L")]
    with pytest.raises(AssertionError, match="would become flip-flops; set KV_CACHE_LEF KV_CACHE_LIB"):
        orfs(baked / "flow/orfs/config.mk", *given)


def test_orfs_takes_macros_from_a_file(baked, tmp_path):
    file = tmp_path / "macros.mk"
    file.write_text("\n".join([*macros(baked), "KV_CACHE_V = /pdk/wrapper.v", ""]))
    chip = orfs(baked / "flow/orfs/config.mk", f"MEMORIES={file}")
    assert chip["ADDITIONAL_LIBS"] == [f"/pdk/{name}.LIB" for name in memories(baked)]
    assert chip["VERILOG_FILES"][0] == "/pdk/wrapper.v"


@pytest.fixture
def librelane(tmp_path, monkeypatch):
    """LibreLane's loading of a configuration for its flow `Classic`, which raises where its schema is not met."""
    flows = pytest.importorskip("librelane.flows", reason="LibreLane is not installed: make flow-check")
    classic = flows.Flow.factory.get("Classic")
    root = fake_pdk(tmp_path / "pdk", classic.get_all_config_variables(classic))
    return lambda path: classic(str(path), pdk="sky130A", pdk_root=str(root)).config


def test_librelane_takes_the_configuration_of_every_tile(baked, librelane):
    for tile in tiles(baked):
        config = librelane(baked / "flow/librelane" / f"{tile}.json")
        assert config["DESIGN_NAME"] == tile
        assert Path(config["VERILOG_FILES"][-1]).samefile(next((baked / "rtl").rglob(f"{tile}.*")))


def test_librelane_takes_the_configuration_of_the_chip(baked, librelane):
    path = baked / "flow/librelane/config.json"
    with pytest.raises(Exception, match=r"macros/layer0_qkv/gds/layer0_qkv\.gds' does not exist"):
        librelane(path)
    views = json.loads(path.read_text())["MACROS"].values()
    for view in (file for macro in views for kind in macro.values() for file in _files(kind)):
        target = path.parent / view.removeprefix("dir::")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    config = librelane(path)
    assert set(config["MACROS"]) == set(tiles(baked) + memories(baked))
    assert not {Path(p).parent.name for p in config["VERILOG_FILES"]} & {"memories"}


def test_librelane_refuses_what_is_not_in_its_schema(baked, librelane):
    path = baked / "flow/librelane" / "head.json"
    good = json.loads(path.read_text())
    for wrong, message in (({"CLOCK_PERIODS": 1}, "Unknown key 'CLOCK_PERIODS'"), ({"FP_CORE_UTIL": "x"}, "FP_CORE_")):
        bad = path.with_name("bad.json")
        bad.write_text(json.dumps(good | wrong))
        with pytest.raises(Exception, match=message):
            librelane(bad)


def _files(kind):
    return kind if isinstance(kind, list) else [file for files in kind.values() for file in files]
