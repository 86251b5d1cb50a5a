"""hc1gen bake: what it writes and says, what it refuses, and that it writes all or nothing."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command import QUICK, SMALL, VECTORS, WITH_BOS, files, hc1gen, refused

from hc1gen.backend import bake as backend
from hc1gen.backend.folder import target
from hc1gen.rtl import embedding, gain

FIELDS = {
    "out", "checkpoint", "weights", "zero_weights", "full_adders", "accumulator_flip_flops", "kv_bits",
    "embedding_bits", "context", "lanes", "kv_heads_per_clock", "clocks_per_token", "kinds", "draft", "files",
    "lines", "bytes", "calibration_tokens", "seconds", "peak_memory_bytes",
}  # fmt: skip
KIND = {"kind", "tiles", "rows", "columns", "weights", "zero_weights", "full_adders", "accumulator_flip_flops"}


@pytest.mark.parametrize("name", sorted(folder.name for folder in VECTORS.iterdir()))
def test_bakes(name, tmp_path):
    out = tmp_path / "new" / "folder"
    done = hc1gen("bake", VECTORS / name, "-o", out, *QUICK, "--json")
    assert done.code == 0, done.stderr
    fields, manifest = done.fields, json.loads((out / "manifest.json").read_text())
    assert fields.keys() == FIELDS and all(kind.keys() == KIND for kind in fields["kinds"])
    assert fields["out"] == str(out) and fields["checkpoint"] == manifest["checkpoint"]
    assert (fields["context"], fields["lanes"], fields["calibration_tokens"]) == (16, 4, 20)
    written = files(out)
    digests = {
        path: hashlib.sha256(content).hexdigest() for path, content in written.items() if path != "manifest.json"
    }
    assert digests == manifest["files"]
    verilog = [content for path, content in written.items() if path.endswith((".v", ".sv"))]
    assert fields["files"] == len(verilog)
    assert fields["lines"] == sum(content.count(b"\n") for content in verilog)
    assert fields["bytes"] == sum(map(len, verilog))
    assert 0 < fields["seconds"] < 300 and 10e6 < fields["peak_memory_bytes"] < 1e9


def test_counts(tmp_path):
    """By hand: 3 layers, 20 wide, MLP 28, 5 heads and 1 KV head of 4, 37 characters."""
    fields = hc1gen("bake", SMALL, "-o", tmp_path / "out", *QUICK, "--json").fields
    assert fields["weights"] == 3 * (2 * 20 * 20 + 2 * 4 * 20 + 3 * 28 * 20) + 37 * 20
    assert fields["full_adders"] == fields["weights"] - fields["zero_weights"]
    assert fields["kv_bits"] == 3 * 16 * 2 * 4 * 8
    assert fields["embedding_bits"] == 3 * 37 * 20
    assert [kind["kind"] for kind in fields["kinds"]] == ["qkv", "out", "gate_up", "down", "head"]
    for name in ("weights", "zero_weights", "full_adders", "accumulator_flip_flops"):
        assert sum(kind[name] for kind in fields["kinds"]) == fields[name]


def test_for_people(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = hc1gen("bake", SMALL / "model.safetensors.index.json", *QUICK)
    assert done.code == 0
    for word in ("gate_up", "KV cache", "3,072 bits", "MiB", f"rtl_out/{SMALL.name}"):
        assert word in done.stdout
    assert done.stderr.splitlines() == [f"calibrating {SMALL.name} ...", "writing Verilog ..."]
    assert target.is_baked(tmp_path / "rtl_out" / SMALL.name)


def test_same_bytes_whatever_the_folder_and_the_hash_seed(tmp_path):
    outs = [tmp_path / "a", tmp_path / "deep" / "b"]
    for seed, out in enumerate(outs):
        command = [sys.executable, "-c", "from hc1gen.cli import main; main()", "bake", SMALL, "-o", out, *QUICK]
        subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": str(seed)}, check=True, cwd=tmp_path)
    assert files(outs[0]) == files(outs[1])


def test_options_reach_the_chip(tmp_path, chip):
    text = tmp_path / "text.txt"
    text.write_text("hello there. how are you?")
    out = tmp_path / "out"
    done = hc1gen("bake", SMALL, "-o", out, "--context", 9, "--lanes", 3, "--set", "kv_bits=7", "--set", "act_bits=6",
                  "--calibration", text, "--calibration-tokens", 22, "--json")  # fmt: skip
    assert done.fields["calibration_tokens"] == 22
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["context"], manifest["lanes"]) == (9, 3)
    assert (manifest["numeric_config"]["kv_bits"], manifest["numeric_config"]["act_bits"]) == (7, 6)
    assert manifest["formats"] != json.loads((chip / "manifest.json").read_text())["formats"]


# With a draft --------------------------------------------------------------------------------------------------------
def test_bakes_with_a_draft(tmp_path, draft, chip):
    out = tmp_path / "out"
    fields = hc1gen("bake", SMALL, "--draft", draft, "--ahead", 3, "-o", out, *QUICK, "--json").fields
    manifest = json.loads((out / "manifest.json").read_text())
    plain = json.loads((chip / "manifest.json").read_text())
    assert plain["draft"] is None and manifest["tiles"] == plain["tiles"]
    assert (manifest["draft"]["ahead"], manifest["draft"]["model"]["layers"]) == (3, 1)
    assert fields["draft"]["checkpoint"] == manifest["draft"]["checkpoint"]
    assert fields["draft"]["weights"] == 2 * 20 * 20 + 2 * 4 * 20 + 3 * 28 * 20 + 37 * 20
    written = files(out)
    assert {"model.safetensors", "draft.safetensors", "rtl/draft.v", "rtl/draft_layer0.v", "rtl/target.v"} <= set(
        written
    )
    again = tmp_path / "again"
    assert hc1gen("bake", SMALL, "--draft", draft, "--ahead", 3, "-o", again, *QUICK).code == 0
    assert files(again) == written


def draft_with(draft: Path, folder: Path, **changes: object) -> Path:
    """The draft with another config."""
    shutil.copytree(draft, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))
    return folder


def test_refuses_a_draft_with_another_tokenizer(tmp_path, draft):
    other = draft_with(draft, tmp_path / "draft")
    vocabulary = json.loads((other / "tokenizer.json").read_text())
    tokens = vocabulary["model"]["vocab"]
    names = {token: name for name, token in tokens.items()}
    tokens[names[7]], tokens[names[9]] = 9, 7
    (other / "tokenizer.json").write_text(json.dumps(vocabulary))
    message = refused("bake", SMALL, "--draft", other, "-o", tmp_path / "out", *QUICK)
    assert f"token 7 is {names[7]!r}, the draft's {names[9]!r}" in message and str(other) in message
    assert not (tmp_path / "out").exists()


def test_refuses_a_draft_with_other_ends(tmp_path, draft):
    other = draft_with(draft, tmp_path / "draft", eos_token_id=5)
    assert "EOS is" in refused("bake", SMALL, "--draft", other, "-o", tmp_path / "out", *QUICK)


def test_refuses_a_draft_of_another_family(tmp_path):
    message = refused("bake", SMALL, "--draft", VECTORS / "mha-tied-f32", "-o", tmp_path / "out", *QUICK)
    assert "the draft differs from the target: BOS is none, the draft's 1" in message


def test_refuses_to_run_ahead_of_the_context(tmp_path, draft):
    message = refused("bake", SMALL, "--draft", draft, "--ahead", 16, "-o", tmp_path / "out", *QUICK)
    assert "ahead" in message and "1..15" in message
    assert "no such" in refused("bake", SMALL, "--draft", tmp_path / "none", "-o", tmp_path / "out", *QUICK)
    assert "--draft" in refused("bake", SMALL, "--ahead", 3, "-o", tmp_path / "out", *QUICK)


def test_context_is_one_that_both_have(tmp_path, draft):
    short = draft_with(draft, tmp_path / "draft", max_position_embeddings=12)
    quick = [option for option in QUICK if option not in ("--context", "16")]
    fields = hc1gen("bake", SMALL, "--draft", short, "-o", tmp_path / "out", *quick, "--json").fields
    assert fields["context"] == fields["draft"]["context"] == 12
    message = refused("bake", SMALL, "--draft", short, "-o", tmp_path / "out", *QUICK)
    assert "draft" in message and "1..12" in message


# Whole or not at all -------------------------------------------------------------------------------------------------
def interrupt(*_):
    raise KeyboardInterrupt


@pytest.mark.parametrize("module, place", [(gain, "gain_module"), (backend, "to_verilog"), (target, "_replace")])
def test_interrupted_bake_leaves_nothing(tmp_path, monkeypatch, module, place):
    monkeypatch.setattr(module, place, interrupt)
    done = hc1gen("bake", SMALL, "-o", tmp_path / "deep" / "out", *QUICK, "--json")
    assert done.code == 130
    assert done.fields == {"error": {"kind": "interrupted", "exit_code": 130, "message": "interrupted"}}
    assert list(tmp_path.iterdir()) == []


def test_interrupted_rebake_leaves_the_old_chip(tmp_path, monkeypatch):
    out = tmp_path / "out"
    assert hc1gen("bake", SMALL, "-o", out, *QUICK).code == 0
    (out / "sim").mkdir()
    (out / "sim" / "chip-0").write_text("program")
    before = files(out)
    rename = Path.rename
    calls = []

    def second_fails(path, target):
        calls.append(path)
        if len(calls) == 2:
            interrupt()
        return rename(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", second_fails)
        assert hc1gen("bake", SMALL, "-o", out, *QUICK).code == 130
    assert list(tmp_path.iterdir()) == [out] and files(out) == before
    with monkeypatch.context() as patched:
        patched.setattr(embedding, "embedding_rom", interrupt)
        assert hc1gen("bake", SMALL, "-o", out, *QUICK).code == 130
    assert list(tmp_path.iterdir()) == [out] and files(out) == before


@pytest.mark.parametrize("sent, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signal_leaves_nothing(tmp_path, sent, code):
    command = [
        sys.executable,
        "-c",
        "import signal, time; from hc1gen.rtl import embedding; embedding.embedding_rom = lambda *_: time.sleep(300); "
        "signal.signal(signal.SIGINT, signal.default_int_handler); "  # which a background job has ignored
        "from hc1gen.cli import main; main()",
        "bake",
        SMALL,
        "-o",
        tmp_path / "out",
        *QUICK,
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 100
        while not list(tmp_path.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(sent)
        assert process.wait(100) == code
    assert list(tmp_path.iterdir()) == []


def test_rebake_replaces_the_old_chip_and_keeps_its_simulators(tmp_path):
    out = tmp_path / "out"
    assert hc1gen("bake", WITH_BOS, "-o", out, *QUICK).code == 0
    old = files(out)
    (out / "sim").mkdir()
    (out / "sim" / "chip-0").write_text("program")
    assert hc1gen("bake", SMALL, "-o", out, *QUICK).code == 0
    new = files(out)
    assert new.pop("sim/chip-0") == b"program"
    assert json.loads(new["manifest.json"])["checkpoint"]["name"] == SMALL.name
    assert new["rtl/chip.v"] != old["rtl/chip.v"] and "rtl/layer2.v" in new
    assert list(tmp_path.iterdir()) == [out]


# Refusals ------------------------------------------------------------------------------------------------------------
def test_refuses_every_wrong_choice_at_once(tmp_path):
    message = refused("bake", SMALL, "-o", tmp_path / "out", "--lanes", 21, "--context", 257, "--kv-heads-per-clock", 2)
    assert message.splitlines() == [
        "plan of the target: lanes: got 21, expected 1..20; choose a value in that range",
        "plan of the target: kv heads per clock: got 2, expected 1..1; choose a value in that range",
        "plan of the target: context: got 257, expected 1..256; choose a value in that range",
    ]
    assert "lanes: got 0," in refused("bake", SMALL, "-o", tmp_path / "out", "--lanes", 0)
    assert list(tmp_path.iterdir()) == []


def test_refuses_settings(tmp_path):
    message = refused("bake", SMALL, "-o", tmp_path / "out", "--set", "kvbits=8", "--set", "act_bits=wide")
    assert message.splitlines() == [
        "--set: unknown field kvbits; did you mean kv_bits?",
        "--set: act_bits=wide: expected FIELD=VALUE with a whole number",
    ]
    message = refused("bake", SMALL, "-o", tmp_path / "out", "--set", "act_bits=40")
    assert message == "numeric config: act_bits: got 40, expected 4..12; choose a width in that range"
    assert "there are act_bits, " in refused("bake", SMALL, "--set", "x=1")


def test_refuses_folders_that_no_bake_made(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    expected = f"{tmp_path}: output: got a folder with other files, expected a new or a baked one; "
    assert refused("bake", SMALL, "-o", tmp_path).startswith(expected)
    (tmp_path / "manifest.json").write_text('{"name": "an app of mine"}')
    assert refused("bake", SMALL, "-o", tmp_path).startswith(expected)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.json", "notes.txt"]


def test_takes_an_empty_folder(tmp_path):
    assert hc1gen("bake", SMALL, "-o", tmp_path, *QUICK).code == 0
    assert target.is_baked(tmp_path)


def test_refuses_a_file_as_output(tmp_path):
    (tmp_path / "file").write_text("mine")
    message = refused("bake", SMALL, "-o", tmp_path / "file")
    assert message == f"{tmp_path / 'file'}: output: got a file, expected a folder; choose another folder with -o"
    assert "is a file, expected a folder" in refused("bake", SMALL, "-o", tmp_path / "file" / "out")
    assert (tmp_path / "file").read_text() == "mine"


def test_refuses_a_read_only_folder(tmp_path):
    tmp_path.chmod(0o500)
    try:
        if os.access(tmp_path, os.W_OK):
            pytest.skip("this user may write to read-only folders")
        assert "is read-only" in refused("bake", SMALL, "-o", tmp_path / "out")
    finally:
        tmp_path.chmod(0o700)


def test_refuses_a_missing_model(tmp_path):
    assert refused("bake", tmp_path / "none", "-o", tmp_path / "out") == f"{tmp_path / 'none'}: no such file or folder"
    assert refused("bake").startswith("Missing argument 'MODEL'; see hc1gen bake --help")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content, expected",
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "holds no text"),
        (b"abc\xff", "not UTF-8 text: byte 3"),
        ("größe".encode(), "character 'ö' at position 2 of the text is not in the vocabulary"),
    ],
)
def test_refuses_calibration_texts(tmp_path, content, expected):
    text = tmp_path / "text.txt"
    if content is not None:
        text.write_bytes(content)
    assert expected in refused("bake", SMALL, "-o", tmp_path / "out", "--calibration", text)
    assert not (tmp_path / "out").exists()


def test_rebake_refuses_to_lose_what_a_user_added_or_changed(tmp_path):
    assert hc1gen("bake", SMALL, "-o", tmp_path / "chip", *QUICK, "--json").code == 0
    memory = tmp_path / "chip" / "rtl" / "memories" / "kv_cache.v"
    original = memory.read_text()
    memory.write_text("// an SRAM macro\n" + original)
    (tmp_path / "chip" / "notes.txt").write_text("mine")
    before = files(tmp_path / "chip")
    message = refused("bake", SMALL, "-o", tmp_path / "chip", *QUICK)
    assert "files that were added or changed: notes.txt, rtl/memories/kv_cache.v" in message
    assert files(tmp_path / "chip") == before
    memory.write_text(original)
    (tmp_path / "chip" / "notes.txt").unlink()
    assert hc1gen("bake", SMALL, "-o", tmp_path / "chip", *QUICK, "--json").code == 0
