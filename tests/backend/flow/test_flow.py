"""What bake writes for place and route: files that are there, every tile a block, LibreLane's own schema."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from fake_pdk import fake_pdk

from hc1gen.backend import bake, flow
from hc1gen.backend.flow import places
from hc1gen.backend.folder.chip_folder import ChipFolder
from hc1gen.errors import InputError
from hc1gen.frontend.checkpoint import load_checkpoint
from hc1gen.golden.calibrated import calibrated
from hc1gen.numeric.config import NumericConfig
from hc1gen.rtl import assemble

ROOT = Path(__file__).parents[3]
SMALL = ROOT / "tests" / "frontend" / "vectors" / "gqa-old-config-f32"
VIEWS = ("LEF", "LIB", "GDS")


@pytest.fixture(scope="module")
def baked(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("flow") / "small"
    model = calibrated(load_checkpoint(SMALL), NumericConfig(), 16, 32)
    bake.bake(assemble.chip(model, 16, 3, 1), out, (SMALL / "tokenizer.json").read_bytes(), fabric="both")
    return out


def tiles(baked: Path) -> list[str]:
    return list(ChipFolder.read(baked).tiles("structural"))


def listed(baked: Path) -> list[Path]:
    """What is for synthesis: the structural view of the tiles."""
    return ChipFolder.read(baked).synthesis_sources


def memories(baked: Path) -> list[str]:
    return sorted(ChipFolder.read(baked).memories)


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


def test_size_of_a_memory_is_what_its_verilog_says(baked):
    """In the configuration for both flows, and in the manifest."""
    chip = ChipFolder.read(baked)
    for memory in chip.manifest.memories:
        size = f"{memory.words} words of {memory.bits} bits"
        assert f"// {size} (" in chip.memories[memory.name].read_text()
        for file in ("orfs/memories.mk", "librelane/Makefile"):
            assert f"# {memory.name}: {size}, " in (baked / "flow" / file).read_text()


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
    assert set(read) == {path for path in listed(baked) if path.parent.name != "memories"}


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
    return lambda config: classic(config, pdk="sky130A", pdk_root=str(root)).config


def test_librelane_takes_the_configuration_of_every_tile(baked, librelane):
    for tile in tiles(baked):
        config = librelane(str(baked / "flow/librelane" / f"{tile}.json"))
        assert config["DESIGN_NAME"] == tile
        assert Path(config["VERILOG_FILES"][-1]) in [path for path in listed(baked) if path.stem == tile]


def test_librelane_takes_the_configuration_of_the_chip(baked, librelane):
    path = baked / "flow/librelane/config.json"
    with pytest.raises(Exception, match=r"macros/layer0_qkv/gds/layer0_qkv\.gds' does not exist"):
        librelane(str(path))
    harden(baked)
    config = librelane(str(path))
    assert set(config["MACROS"]) == set(tiles(baked) + memories(baked))
    assert not {Path(p).parent.name for p in config["VERILOG_FILES"]} & {"memories"}


def test_librelane_refuses_what_is_not_in_its_schema(baked, librelane):
    path = baked / "flow/librelane" / "head.json"
    good = json.loads(path.read_text())
    for wrong, message in (({"CLOCK_PERIODS": 1}, "Unknown key 'CLOCK_PERIODS'"), ({"FP_CORE_UTIL": "x"}, "FP_CORE_")):
        bad = path.with_name("bad.json")
        bad.write_text(json.dumps(good | wrong))
        with pytest.raises(Exception, match=message):
            librelane(str(bad))


def harden(baked: Path) -> None:
    """Files in the place of every macro's views; the LEF files say a size, each another."""
    folder = baked / "flow/librelane"
    for i, (name, macro) in enumerate(json.loads((folder / "config.json").read_text())["MACROS"].items()):
        for view in [*macro["gds"], *macro["lef"], *(file for files in macro["lib"].values() for file in files)]:
            target = folder / view.removeprefix("dir::")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(f"MACRO {name}\n  SIZE {100 + 37 * i} BY {310.5 - 11 * i} ;\nEND {name}\n")


def test_places_of_macros(baked):
    """Every tile and every memory stands on the die once, none on another, with room for the cells."""
    harden(baked)
    config = json.loads((baked / places.CONFIG).read_text())
    found = places.places(ChipFolder.read(baked), 1e5, config)
    corners = {path: i["location"] for macro in found["MACROS"].values() for path, i in macro["instances"].items()}
    assert {"target.layer0.qkv_tile", "target.layer0.attention.kv_cache", "target.head_tile"} < corners.keys()
    assert len(corners) == len(tiles(baked)) + len(memories(baked))
    _, _, width, height = found["DIE_AREA"]
    boxes = []
    for i, macro in enumerate(found["MACROS"].values()):
        for instance in macro["instances"].values():
            (x, y), w, h = instance["location"], 100 + 37 * i, 310.5 - 11 * i
            assert 0 < x < x + w < width and 0 < y < y + h < height
            assert all(x + w < a or a + c < x or y + h < b or b + d < y for a, b, c, d in boxes)
            boxes.append((x, y, w, h))
    assert width * height - sum(w * h for *_, w, h in boxes) > 1e5 * 100 / 40


def test_macros_without_a_size_are_named(baked, tmp_path):
    copy = shutil.copytree(baked, tmp_path / "chip", ignore=shutil.ignore_patterns("macros"))
    with pytest.raises(InputError, match=r"head: got no size in flow/librelane/macros/head/lef/head\.lef"):
        places.places(ChipFolder.read(copy), 1e5, json.loads((copy / places.CONFIG).read_text()))
    with pytest.raises(InputError, match="synthesis report: got none"):
        places.write(copy)


def test_librelane_takes_the_places(baked, librelane):
    harden(baked)
    (baked / "synth/sky130_fd_sc_hd__tt").mkdir(parents=True)
    report = {"kinds": {"tile": {"area_um2": 9e9}, "block": {"area_um2": 9e4}, "table": {"area_um2": 1e4}}}
    (baked / "synth/sky130_fd_sc_hd__tt/report.json").write_text(json.dumps(report))
    assert places.write(baked).startswith("8 macros on ")
    config = librelane([str(baked / places.CONFIG), str(baked / places.PLACES)])
    instances = {path for macro in config["MACROS"].values() for path in macro.instances}
    assert len(instances) == 8
    assert config["FP_SIZING"] == "absolute"
