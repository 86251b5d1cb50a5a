"""A baked folder read back: its files by role, its schema, and everything that is refused."""

import json
import shutil
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
from handmade_folder import handmade

from hc1gen.backend import bake as backend
from hc1gen.backend.folder import layout, schema
from hc1gen.backend.folder.chip_folder import ChipFolder, containing
from hc1gen.backend.folder.manifest import FORMAT, Manifest, TileContent
from hc1gen.backend.folder.modules import (
    BlockModule,
    MemoryModule,
    NetlistModule,
    SharedModule,
    TableModule,
    TileModule,
)
from hc1gen.backend.folder.target import is_baked
from hc1gen.backend.folder.typed import types_of
from hc1gen.errors import InputError
from hc1gen.frontend.checkpoint import load_checkpoint
from hc1gen.golden.calibrated import calibrated
from hc1gen.numeric.config import NumericConfig
from hc1gen.rtl import assemble
from hc1gen.rtl.chip import DRAFT

SMALL = Path(__file__).parents[1] / "frontend" / "vectors" / "gqa-old-config-f32"
LEADING_OUT = [
    "/etc/passwd",
    "../outside.v",
    "rtl/../../outside.v",
    "rtl\\..\\chip.v",
    "",
    ".",
    "rtl//chip.v",
    "./a.v",
    "a\n",
]
SCHEMA = Path(schema.__file__).with_name("manifest.schema.json")
JSON = dict[str, Any]


@pytest.fixture(scope="module")
def baked(tmp_path_factory) -> Path:
    """A chip with a draft, its tiles in both views; not to be changed."""
    model = calibrated(load_checkpoint(SMALL), NumericConfig(), 16, 32)
    chip = assemble.chip(model, 16, 3, 1, draft=model, ahead=2)
    out = tmp_path_factory.mktemp("bake") / "a b"
    backend.bake(chip, out, (SMALL / "tokenizer.json").read_bytes(), fabric="both")
    return out


@pytest.fixture
def made(tmp_path) -> ChipFolder:
    """A small folder made by hand."""
    modules = [MemoryModule.of("cache", 16, 8), NetlistModule.of("chip")]
    files = {module.path: f"module {module.name}; endmodule\n" for module in modules}
    return handmade(tmp_path / "chip", files, modules)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> JSON:
    """A small manifest that has every field there is."""
    modules = [
        TileModule("tile", "rtl/tile.v", "tile", "structural"),
        SharedModule("adders", "rtl/adders.v", "shared", "structural"),
        TableModule("gain", "rtl/gain.sv", "table", "norm"), MemoryModule.of("cache", 16, 8), BlockModule.of("rope"),
        NetlistModule.of("chip"),
    ]  # fmt: skip
    tile = TileContent("tile", ("q",), (0, -1), 2, (0, 1), weights=2, zero_weights=0, full_adders=2)
    files = {module.path: "" for module in modules}
    return manifest_of(handmade(tmp_path_factory.mktemp("whole"), files, modules, [tile], ahead=2).path)


def manifest_of(folder: Path) -> JSON:
    return json.loads((folder / layout.MANIFEST).read_text())


def refused(folder: Path) -> str:
    with pytest.raises(InputError) as error:
        ChipFolder.read(folder)
    return str(error.value)


# What is there -------------------------------------------------------------------------------------------------------
def test_files_by_role(baked):
    chip = ChipFolder.read(baked)
    assert chip.model == baked / "model.safetensors" and chip.draft_model == baked / "draft.safetensors"
    assert chip.tokenizer == baked / "tokenizer.json" and chip.waivers == baked / "verilator.vlt"
    tiles = ["layer0_qkv", "layer0_out", "layer0_gate_up", "layer0_down", "head"]
    names = [*tiles, *(DRAFT + name for name in tiles)]
    assert chip.tiles("behavioural") == {name: baked / f"rtl/tiles/{name}.sv" for name in names}
    assert chip.tiles("structural") == {name: baked / f"rtl/structural/{name}.v" for name in names}
    tables = {"layer0_attention_gain", "layer0_mlp_gain", "final_gain", "embedding_rom"}
    assert chip.tables.keys() == tables | {DRAFT + name for name in tables}
    memories = {"kv_cache", "score_buffer", "logit_buffer"}
    assert chip.memories.keys() == memories | {DRAFT + name for name in memories} | {"draft_exponentials"}
    assert [*chip.netlists][-1] == "chip" and {"target", "draft", "layer0"} < chip.netlists.keys()
    assert {"sequencer", "rope", "draft_rope"} < chip.blocks.keys()
    assert set(chip.verilog) == {path for path in (baked / "rtl").rglob("*") if path.is_file()}


def test_sources_are_in_the_order_of_the_file_lists(baked):
    chip = ChipFolder.read(baked)
    for sources, view in ((chip.simulation_sources, "behavioural"), (chip.synthesis_sources, "structural")):
        assert {path for path in sources if path in set(chip.tiles(view).values())} == set(chip.tiles(view).values())
        assert sources[-1] == chip.netlists["chip"] and all(path.is_file() for path in sources)
    names = (baked / "synth.f").read_text().split()
    assert chip.synthesis_sources == [baked / name for name in names]
    assert [module.path for module in chip.synthesis_modules] == names


def test_manifest_says_what_was_baked(baked):
    manifest = ChipFolder.read(baked).manifest
    assert (manifest.format, manifest.top, manifest.fabric, manifest.context, manifest.lanes) == (
        4,
        "chip",
        "both",
        16,
        3,
    )
    assert manifest.numeric_config == NumericConfig() and manifest.draft is not None and manifest.draft.ahead == 2
    assert [model.model for model in manifest.models] == [load_checkpoint(SMALL).config] * 2
    assert manifest.to_json() == json.loads(json.dumps(manifest_of(baked)), object_hook=lists_as_tuples)
    tile = manifest.tile_contents["draft_layer0_out"]
    assert tile.tensors == ("model.layers.0.self_attn.o_proj.weight",) and tile.zero_weights < tile.weights == 400


def lists_as_tuples(content: JSON) -> JSON:
    def tuples(value: Any) -> Any:
        return tuple(map(tuples, value)) if isinstance(value, list) else value

    return {name: tuples(value) for name, value in content.items()}


def test_sizes_of_memories_are_those_of_the_verilog(baked):
    chip = ChipFolder.read(baked)
    for memory in chip.manifest.memories:
        text = chip.memories[memory.name].read_text()
        assert f"reg [{memory.bits - 1}:0] words [0:{memory.words - 1}];" in text


def test_comments_and_empty_lines_of_a_file_list_are_left_out(made):
    (made.path / layout.SIMULATION).write_text("// all\n\n# of it\n  rtl/chip.v  \n")
    assert ChipFolder.read(made.path).simulation_sources == [made.path / "rtl/chip.v"]


def test_folder_that_something_is_in(baked):
    assert containing(baked / "rtl" / "chip.v") == containing(baked) == baked
    assert containing(baked.parent) is None


# The schema ----------------------------------------------------------------------------------------------------------
def test_schema_in_the_package_is_up_to_date():
    """If not: python -m hc1gen.backend.folder.schema > hc1gen/backend/folder/manifest.schema.json"""
    assert SCHEMA.read_text() == schema.text()
    jsonschema.Draft202012Validator.check_schema(json.loads(SCHEMA.read_text()))
    assert get_args(types_of(Manifest)["format"]) == (FORMAT,)


def test_every_field_is_documented():
    text = (Path(__file__).parents[2] / "docs" / "manifest.md").read_text()
    whole = json.loads(SCHEMA.read_text())
    own = [definition for name, definition in whole["$defs"].items() if name != "NumericConfig"]
    names = {name for definition in (whole, *own) for name in definition["properties"]}
    assert names and not [name for name in sorted(names) if f"`{name}`" not in text]


VALIDATOR = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))


def fits(manifest: JSON) -> bool:
    return VALIDATOR.is_valid(manifest)


def test_manifests_fit_the_schema(baked, made):
    assert fits(manifest_of(baked)) and fits(manifest_of(made.path))


def places_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every field; of a list the first element, and the first of each kind of module."""
    if isinstance(value, dict):
        keys: list[Any] = list(value)
    elif isinstance(value, list) and path == ("modules",):
        keys = list({entry["kind"]: index for index, entry in enumerate(value)}.values())
    else:
        keys = [0] if isinstance(value, list) and value else []
    for key in keys:
        yield (*path, key)
        yield from places_of(value[key], (*path, key))


def named(way: tuple[Any, ...]) -> str:
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in way).lstrip(".")


def changed(manifest: JSON, way: tuple[Any, ...], change: Callable[[Any, Any], None]) -> JSON:
    """A copy in which `change(parent, key)` has been called for one place."""
    whole = deepcopy(manifest)
    parent: Any = whole
    for key in way[:-1]:
        parent = parent[key]
    change(parent, way[-1])
    return whole


def test_every_field_is_needed_and_has_its_type(whole, tmp_path):
    """Without it, or as something else, it is refused by its name, by the reader and by the schema alike."""
    path = tmp_path / layout.MANIFEST

    def remove(parent: Any, key: Any) -> None:
        del parent[key]

    def replace(parent: Any, key: Any) -> None:
        parent[key] = [[]] if isinstance(parent[key], dict) else {"a": 1}

    def add(parent: Any, key: Any) -> None:
        parent[f"{key}_2"] = parent[key]

    free = {("files",), ("kinds",), ("draft", "kinds")}
    count = 0
    for way in places_of(whole):
        changes = [replace]
        if isinstance(way[-1], str) and way[:-1] not in free:
            changes += [remove, add]
        for change in changes:
            if way == ("hc1gen",) and change is remove:
                continue  # then it is no manifest of ours
            wrong = changed(whole, way, change)
            path.write_text(json.dumps(wrong))
            name = f"{named(way)}_2" if change is add else named(way)
            with pytest.raises(InputError) as error:
                ChipFolder.read(tmp_path, whole=False)
            assert f"{layout.MANIFEST}: {name}: " in str(error.value), (way, change)
            assert not fits(wrong), (way, change)
            count += 1
    assert count > 300


@pytest.mark.parametrize(
    ("way", "value", "message"),
    [
        (("format",), 3, "format: got 3, expected 4; bake the chip again"),
        (("format",), 4.5, "format: got 4.5, expected 4"),
        (("context",), 0, "context: got 0, expected at least 1"),
        (("context",), True, "context: got true, expected at least 1"),
        (("lanes",), "8", "lanes: got 8, expected at least 1"),
        (("lanes",), 2.5, "lanes: got 2.5, expected at least 1"),
        (("fabric",), "Both", "fabric: got Both, expected the name of a view"),
        (("fabric",), "wool", "fabric: got wool, expected views in which there are tiles"),
        (("numeric_config", "kv_bits"), 99, "numeric_config.kv_bits: got 99, expected 4 to 12"),
        (("model", "rms_eps"), "small", "model.rms_eps: got small, expected a number"),
        (("model", "bos"), "x", "model.bos: got x, expected a whole number or null"),
        (("model", "tied"), 1, "model.tied: got 1, expected true or false"),
        (("model_root",), "0" * 63, f"model_root: got {'0' * 60}..., expected 64 hexadecimal digits"),
        (("model_root",), "0" * 64 + "\n", "expected 64 hexadecimal digits"),
        (("draft",), "big", "draft: got big, expected one or null"),
        (("draft", "ahead"), 0, "draft.ahead: got 0, expected at least 1"),
        (("draft", "ahead"), None, "draft.ahead: got null, expected at least 1"),
        (("tiles", 0, "rows", 2), -2, "tiles[0].rows[2]: got -2, expected at least -1"),
        (("modules", 0, "kind"), "wire", "modules[0].kind: got wire, expected tile, shared, table, memory, "),
        (("top",), "1st", "top: got 1st, expected a Verilog name"),
    ],
)  # fmt: skip
def test_wrong_values_are_told(baked, tmp_path, way, value, message):
    def put(parent: Any, key: Any) -> None:
        parent[key] = value

    wrong = changed(manifest_of(baked), way, put)
    (tmp_path / layout.MANIFEST).write_text(json.dumps(wrong))
    with pytest.raises(InputError) as error:
        ChipFolder.read(tmp_path, whole=False)
    assert message in str(error.value)
    assert not fits(wrong) or value == "wool"


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1" + 400 * "0"])
def test_numbers_that_no_float_has(made, number):
    """Python reads them, though JSON has no such, and a schema says nothing of them."""
    path = made.path / layout.MANIFEST
    path.write_text(path.read_text().replace('"rope_theta": 10000.0', f'"rope_theta": {number}'))
    assert "model.rope_theta: got " in refused(made.path)


def test_every_wrong_field_is_told_at_once(made):
    path = made.path / layout.MANIFEST
    path.write_text(json.dumps(manifest_of(made.path) | {"lanes": 0, "context": None, "draught": None}))
    assert refused(made.path).splitlines() == [
        f"{path}: context: got null, expected at least 1; bake the chip again",
        f"{path}: lanes: got 0, expected at least 1; bake the chip again",
        f"{path}: draught: there is no such field; bake the chip again",
    ]


def test_a_thousand_wrong_fields_are_counted(baked, tmp_path):
    wrong = manifest_of(baked)
    wrong["tiles"][0]["rows"] = ["x"] * 1000
    (tmp_path / layout.MANIFEST).write_text(json.dumps(wrong))
    assert refused(tmp_path).endswith("and 980 more fields")


# Folders that are none -----------------------------------------------------------------------------------------------
def test_folders_that_are_none(tmp_path):
    assert refused(tmp_path / "none") == f"{tmp_path / 'none'}: not a baked chip: no such folder; run hc1gen bake first"
    assert "not a baked chip: got no manifest.json, expected one; run hc1gen bake first" in refused(tmp_path)
    path = tmp_path / layout.MANIFEST
    for content, expected in (
        ("{", "manifest.json: not JSON"),
        ("[]", "manifest.json: got a JSON list, expected an object"),
        ('{"a": 1, "a": 2}', "manifest.json: the key 'a' occurs more than once"),
        ('{"name": "an app of mine"}', "not a baked chip: its manifest.json is not hc1gen's; run hc1gen bake first"),
        ('{"hc1gen": "0.3.0"}', "manifest.json: format: got nothing, expected 4; bake the chip again"),
        ('{"hc1gen": "0.3.0", "format": 3}', "manifest.json: format: got 3, expected 4; bake the chip again"),
    ):
        path.write_text(content)
        assert expected in refused(tmp_path)
    assert "this is no folder" in refused(path)


def test_folders_of_older_formats_may_be_baked_again(tmp_path):
    (tmp_path / layout.MANIFEST).write_text('{"hc1gen": "0.3.0", "format": 3, "files": {}}')
    assert is_baked(tmp_path)


def test_a_manifest_that_is_nested_too_deeply_is_no_bake(tmp_path):
    (tmp_path / layout.MANIFEST).write_text("[" * 100_000)
    assert not is_baked(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rtl/chip.v", "rtl/chip.v: got no file, expected Verilog; bake the chip again"),
        ("model.safetensors", "model.safetensors: cannot be read: no such file; bake the chip again"),
        ("filelist.f", "filelist.f: cannot be read: no such file; bake the chip again"),
    ],
)
def test_missing_files_are_named(made, name, message):
    (made.path / name).unlink()
    assert message in refused(made.path)
    assert ChipFolder.read(made.path, whole=False).manifest == made.manifest


def test_file_that_a_list_names_must_be_there_and_be_known(made):
    (made.path / layout.SYNTHESIS).write_text("rtl/chip.v\nrtl/mine.v\n")
    chip = ChipFolder.read(made.path)
    with pytest.raises(InputError, match=r"synth.f: rtl/mine.v: got no file, expected Verilog"):
        _ = chip.synthesis_sources
    (made.path / "rtl/mine.v").write_text("module mine; endmodule\n")
    assert chip.synthesis_sources == [made.path / "rtl/chip.v", made.path / "rtl/mine.v"]
    with pytest.raises(InputError, match=r"synth.f: rtl/mine.v: got a file that the manifest does not know"):
        _ = chip.synthesis_modules


def test_manifest_that_contradicts_itself(made):
    content, path = manifest_of(made.path), made.path / layout.MANIFEST
    content["modules"] += [vars(TileModule("tile", "rtl/tile.v", "tile", "structural"))]
    content["roles"]["waivers"] = "elsewhere.vlt"
    path.write_text(json.dumps(content))
    assert refused(made.path).splitlines() == [
        f"{path}: modules[2].path: got rtl/tile.v, expected a file that `files` lists; bake the chip again",
        f"{path}: roles.waivers: got elsewhere.vlt, expected a file that `files` lists; bake the chip again",
        f"{path}: modules[2].name: got tile, expected a module that `tiles` has; bake the chip again",
    ]


# Names that lead out of the folder -----------------------------------------------------------------------------------
@pytest.mark.parametrize("name", LEADING_OUT)
def test_names_in_the_manifest_stay_in_the_folder(made, name):
    good, path = manifest_of(made.path), made.path / layout.MANIFEST
    (made.path.parent / "outside.v").write_text("module outside; endmodule\n")
    for field, way in (
        ("quantized_model", ("quantized_model",)), ("roles.waivers", ("roles", "waivers")),
        ("modules[1].path", ("modules", 1, "path")),
    ):  # fmt: skip

        def put(parent: Any, key: Any) -> None:
            parent[key] = name

        wrong = changed(good, way, put)
        wrong["files"][name] = "0" * 64
        path.write_text(json.dumps(wrong))
        message = refused(made.path)
        assert f"{field}: got " in message and "expected a path inside the folder; bake the chip again" in message
        assert "files: got " in message
        assert not fits(wrong)


@pytest.mark.parametrize("name", [name for name in LEADING_OUT if name.strip() == name and name])
@pytest.mark.parametrize("listing", [layout.SIMULATION, layout.SYNTHESIS])
def test_names_in_file_lists_stay_in_the_folder(made, name, listing):
    (made.path.parent / "outside.v").write_text("module outside; endmodule\n")
    (made.path / listing).write_text(f"rtl/chip.v\n{name}\n")
    chip = ChipFolder.read(made.path)
    with pytest.raises(InputError) as error:
        _ = chip.simulation_sources, chip.synthesis_sources
    expected = f"file: got {name!r}, expected a path inside the folder; bake the chip again"
    assert str(error.value) == f"{made.path / listing}: {expected}"


def test_links_stay_in_the_folder(made, tmp_path):
    """A file of the manifest, a folder on the way, and a file that only a list names."""
    outside = tmp_path / "outside"
    shutil.move(made.path / "rtl", outside)
    (made.path / "rtl").symlink_to(outside)
    expected = "rtl/chip.v: got a link that leaves the folder, expected a file in the folder; bake the chip again"
    assert expected in refused(made.path)
    (made.path / "rtl").unlink()
    shutil.copytree(outside, made.path / "rtl")
    chip = ChipFolder.read(made.path)
    (made.path / "rtl" / "mine.v").symlink_to(outside / "chip.v")
    (made.path / layout.SIMULATION).write_text("rtl/mine.v\n")
    with pytest.raises(InputError, match=r"filelist.f: rtl/mine.v: got a link that leaves the folder"):
        _ = chip.simulation_sources
    (made.path / "rtl" / "chip.v").unlink()
    (made.path / "rtl" / "chip.v").symlink_to(outside / "chip.v")
    assert expected in refused(made.path)


def test_links_inside_the_folder_are_fine(made, tmp_path):
    (made.path / "rtl" / "chip.v").rename(made.path / "rtl" / "other.v")
    (made.path / "rtl" / "chip.v").symlink_to("other.v")
    (tmp_path / "link").symlink_to(made.path)
    assert ChipFolder.read(tmp_path / "link").simulation_sources[-1] == tmp_path / "link" / "rtl" / "chip.v"


def test_links_in_a_circle(made):
    (made.path / "rtl" / "chip.v").unlink()
    (made.path / "rtl" / "chip.v").symlink_to("chip.v")
    assert "rtl/chip.v: " in refused(made.path)
