"""The files of a checkpoint: which one is taken, shards and index, and files that are damaged."""

import hashlib
import json
import shutil

import numpy as np
import pytest
from tiny import Q0, arrays, edit_header, problems, write, write_raw, write_shards

from hc1gen.frontend.checkpoint import load_checkpoint

EMBED, NORM = "model.embed_tokens.weight", "model.norm.weight"
SHARD1, SHARD2 = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"


def edit_index(folder, edit):
    path = folder / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    edit(index["weight_map"])
    path.write_text(json.dumps(index))


def test_folder_and_file_are_the_same(tmp_path):
    folder = write(tmp_path)
    one, other = load_checkpoint(folder), load_checkpoint(str(folder / "model.safetensors"))
    assert one.sha256 == other.sha256 == hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert one.name == other.name == tmp_path.name
    assert np.array_equal(one.layers[1].down, other.layers[1].down)


def test_shards_load_from_folder_and_from_index(tmp_path):
    folder = write_shards(tmp_path)
    digests = [hashlib.sha256((folder / shard).read_bytes()).hexdigest() for shard in (SHARD1, SHARD2)]
    for path in (folder, folder / "model.safetensors.index.json"):
        model = load_checkpoint(path)
        assert model.sha256 == hashlib.sha256("".join(digests).encode()).hexdigest()
        assert np.array_equal(model.layers[0].q, arrays()[Q0])


def test_a_folder_with_one_file_of_another_name(tmp_path):
    write(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "weights.safetensors")
    load_checkpoint(tmp_path)
    shutil.copy(tmp_path / "weights.safetensors", tmp_path / "again.safetensors")
    assert problems(tmp_path) == ["holds again.safetensors, weights.safetensors; name the one to take"]


def test_nothing_there(tmp_path):
    assert problems(tmp_path / "absent") == ["no such file or folder"]
    assert problems(tmp_path) == ["holds no *.safetensors file and no *.safetensors.index.json"]


def test_other_kind_of_file(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"")
    assert problems(tmp_path / "model.bin") == [
        "got a .bin file, expected *.safetensors, *.safetensors.index.json or a folder"
    ]


def test_index_names_a_missing_shard(tmp_path):
    folder = write_shards(tmp_path)
    (folder / SHARD2).unlink()
    assert problems(folder) == [f"the index names the shard {SHARD2}, which is missing"]


def test_index_names_a_tensor_that_its_shard_does_not_hold(tmp_path):
    folder = write_shards(tmp_path)
    edit_index(folder, lambda names: names.update({EMBED: SHARD2}))
    assert problems(folder) == [
        f"{EMBED}: the index places it in {SHARD2}, which does not hold it",
        f"{EMBED}: {SHARD1} holds it, the index says {SHARD2}",
    ]


def test_shard_holds_a_tensor_that_the_index_does_not_name(tmp_path):
    folder = write_shards(tmp_path)
    edit_index(folder, lambda names: names.pop(EMBED))
    assert problems(folder) == [f"{EMBED}: {SHARD1} holds it, the index says nothing of it"]


def test_index_may_not_point_out_of_its_folder(tmp_path):
    folder = write_shards(tmp_path)
    edit_index(folder, lambda names: names.update({EMBED: "../x.safetensors", NORM: 3}))
    found = problems(folder)
    assert f"{EMBED}: got the shard '../x.safetensors', expected the name of a .safetensors file" in found[0]
    assert f"{NORM}: got the shard 3" in found[1]


@pytest.mark.parametrize("text", ["{}", '{"weight_map": []}', '{"weight_map": {}}'])
def test_index_without_map(tmp_path, text):
    folder = write_shards(tmp_path)
    (folder / "model.safetensors.index.json").write_text(text)
    assert problems(folder) == [
        "weight_map is missing or no object: it must map tensor names to shard files",
    ]


def test_damaged_shard_is_named(tmp_path):
    folder = write_shards(tmp_path)
    (folder / SHARD1).write_bytes(b"abc")
    assert (
        problems(folder)[0] == f"{SHARD1}: truncated: 3 bytes, a safetensors file starts with 8 bytes of header length"
    )


def test_truncated_in_the_length(tmp_path):
    path = write(tmp_path) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:5])
    assert problems(path) == ["truncated: 5 bytes, a safetensors file starts with 8 bytes of header length"]


def test_truncated_in_the_header(tmp_path):
    path = write(tmp_path) / "model.safetensors"
    raw = path.read_bytes()
    path.write_bytes(raw[:100])
    length = int.from_bytes(raw[:8], "little")
    assert problems(path) == [f"truncated: the header has {length} bytes, the file ends after 92 of them"]


def test_truncated_in_the_data(tmp_path):
    path = write(tmp_path) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    (problem,) = problems(path)
    assert problem.endswith("truncated or out of bounds")


def test_absurd_header_length(tmp_path):
    path = write(tmp_path) / "model.safetensors"
    path.write_bytes(b"\xff" * 64)
    assert problems(path) == [
        f"not a safetensors file: header length {2**64 - 1}, at most 100000000 is allowed",
    ]


def test_header_is_not_json(tmp_path):
    path = write(tmp_path) / "model.safetensors"
    write_raw(path, b"not json", b"")
    (problem,) = problems(path)
    assert problem.startswith("not JSON: ")


def test_header_names_a_tensor_twice(tmp_path):
    path = write(tmp_path) / "model.safetensors"
    write_raw(path, b'{"a": 1, "a": 2}', b"")
    assert problems(path) == ["the key 'a' occurs more than once"]


@pytest.mark.parametrize(
    "entry",
    [
        7,
        {"dtype": "F32", "shape": [8]},
        {"dtype": "F32", "shape": [-8], "data_offsets": [0, 32]},
        {"dtype": "F32", "shape": [8], "data_offsets": [32, 0]},
        {"dtype": "F32", "shape": [8], "data_offsets": [0, 16, 32]},
        {"dtype": 32, "shape": [8], "data_offsets": [0, 32]},
        {"dtype": "F32", "shape": [True], "data_offsets": [0, 4]},
    ],
)
def test_entry_is_malformed(tmp_path, entry):
    path = write(tmp_path) / "model.safetensors"
    edit_header(path, lambda header: header.update({NORM: entry}))
    assert problems(path) == [f"{NORM}: got {entry}, expected dtype, shape and data_offsets"]


@pytest.mark.parametrize("dtype", ["I8", "F8_E4M3", "U8", "F64", "I32", "F4"])
def test_other_dtypes_are_refused_by_name(tmp_path, dtype):
    path = write(tmp_path) / "model.safetensors"
    edit_header(path, lambda header: header[Q0].update(dtype=dtype))
    assert problems(path) == [f"{Q0}: dtype {dtype} is not supported, expected one of F32, F16, BF16"]


def test_size_contradicts_dtype(tmp_path):
    path = write(tmp_path) / "model.safetensors"
    edit_header(path, lambda header: (header[Q0].update(dtype="F16"), header[NORM].update(shape=[9])))
    assert sorted(problems(path)) == [
        f"{Q0}: F16 [8, 8] needs 128 bytes, its offsets span 256",
        f"{NORM}: F32 [9] needs 36 bytes, its offsets span 32",
    ]


def two_tensors(path, first, second, data):
    entry = {"dtype": "F32", "shape": [2]}
    header = {"a": entry | {"data_offsets": first}, "b": entry | {"data_offsets": second}}
    write_raw(path, json.dumps(header).encode(), bytes(data))


@pytest.mark.parametrize(
    ("first", "second", "data", "expected"),
    [
        ([0, 8], [4, 12], 12, ["b: starts at byte 4 and overlaps a, which ends at 8"]),
        ([0, 8], [0, 8], 8, ["b: starts at byte 0 and overlaps a, which ends at 8"]),
        ([0, 8], [12, 20], 20, ["b: hole of 4 bytes after a"]),
        ([4, 12], [12, 20], 20, ["a: hole of 4 bytes after the header"]),
        ([0, 8], [8, 16], 12, ["b: ends at byte 16, the file holds only 12: truncated or out of bounds"]),
        ([0, 8], [8, 16], 20, ["4 bytes follow the last tensor"]),
    ],
)
def test_offsets(tmp_path, first, second, data, expected):
    path = write(tmp_path) / "model.safetensors"
    two_tensors(path, first, second, data)
    assert problems(path) == expected


def test_what_only_the_library_refuses(tmp_path):
    path = write(tmp_path) / "model.safetensors"
    edit_header(path, lambda header: header.update(__metadata__={"format": 1}))
    (problem,) = problems(path)
    assert problem.startswith("the safetensors library refuses it: ")
