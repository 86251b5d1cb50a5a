"""hc1gen eval, inspect, doctor, demo, and what all commands share."""

import os
import shutil
import subprocess
import sys

import pytest
from command import QUICK, SMALL, WITH_BOS, files, hc1gen, refused

from hc1gen import open_chip
from hc1gen.backend import tools
from hc1gen.cli import main

COST_FIELDS = {
    "weights", "zero_weights", "full_adders", "accumulator_flip_flops", "kv_bits", "embedding_bits", "context",
    "lanes", "kv_heads_per_clock", "clocks_per_token", "kinds",
}  # fmt: skip
PROCESS = [sys.executable, "-c", "from hc1gen.cli import main; main()"]


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("the quick brown fox jumps over the lazy dog. " * 8)
    return path


# eval ----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("model, bos", [(SMALL, 0), (WITH_BOS, 1)])
def test_eval(model, bos, text):
    done = hc1gen("eval", model, "--text", text, "--tokens", 200, "--window", 50, "--calibration-tokens", 60, "--json")
    assert done.code == 0, done.stderr
    fields = done.fields
    simple = {"float", "quantized", "integer", "difference", "saturations", "windows", "window"}
    assert fields.keys() == simple | {"against", "texts"}
    assert (fields["windows"], fields["window"]) == (4, 50)
    for name in ("float", "quantized", "integer"):
        assert fields[name].keys() == {"cross_entropy", "perplexity", "tokens"}
        assert fields[name]["tokens"] == 4 * (49 + bos)
        assert abs(fields[name]["perplexity"] - 2.718281828459045 ** fields[name]["cross_entropy"]) < 1e-6
    entropy = {name: fields[name]["cross_entropy"] for name in ("float", "quantized", "integer")}
    assert fields["difference"] == {
        "quantized_minus_float": entropy["quantized"] - entropy["float"],
        "integer_minus_quantized": entropy["integer"] - entropy["quantized"],
    }
    assert entropy["float"] != entropy["quantized"] != entropy["integer"]
    assert abs(fields["difference"]["integer_minus_quantized"]) < 0.05
    assert fields["saturations"] >= 0


def test_eval_for_people(text):
    done = hc1gen("eval", SMALL, "--text", text, "--window", 50, "--calibration-tokens", 60)
    assert "golden" in done.stdout and "integers cost" in done.stdout and "agreement" in done.stdout


def test_eval_refuses(text, tmp_path):
    short = tmp_path / "short.txt"
    short.write_text(text.read_text()[:10])
    message = refused("eval", SMALL, "--text", short, "--tokens", 10)
    assert message.endswith("text: got 10 tokens, expected a window of 255 or more; choose a smaller --window")
    message = refused("eval", SMALL, "--text", text, "--window", 258, "--tokens", 300)
    assert "--window: got 258, expected 2 to 257, what the model can see" in message
    assert "expected 2 to 257" in refused("eval", SMALL, "--text", text, "--window", 1)
    assert "cannot be read" in refused("eval", SMALL, "--text", tmp_path / "none")
    assert "cannot be read" in refused("eval", SMALL, "--text", tmp_path)
    assert "Missing option '--text'" in refused("eval", SMALL)


# inspect -------------------------------------------------------------------------------------------------------------
def test_inspect(chip):
    done = hc1gen("inspect", SMALL, *QUICK[:4], "--json")
    assert done.code == 0 and done.stderr == ""
    fields = done.fields
    others = {"checkpoint", "model", "parameters", "tensors", "bake_seconds_estimate", "build_seconds_estimate"}
    assert fields.keys() == COST_FIELDS | others
    baked = hc1gen("bake", SMALL, "-o", chip.parent / "again", *QUICK, "--json").fields
    for name in COST_FIELDS - {"accumulator_flip_flops", "kinds"}:
        assert fields[name] == baked[name]
    token = fields["clocks_per_token"]
    assert token.keys() == {"position", "clocks"} and token["position"] == fields["context"] - 1 == 15
    assert token["clocks"] > 3 * 2 * (token["position"] + 1), "attention alone reads the cache twice in each layer"
    assert len(fields["tensors"]) == 3 * 7 + 1
    for tensor in fields["tensors"]:
        assert tensor.keys() == {"name", "rows", "columns", "bits", "weights", "zero_weights", "full_adders", "error"}
        assert tensor["weights"] == tensor["rows"] * tensor["columns"]
        assert 0.05 < tensor["error"] < 0.3
    assert sum(tensor["zero_weights"] for tensor in fields["tensors"]) == fields["zero_weights"]
    assert fields["parameters"] == fields["weights"] + 37 * 20 + 20 * 7
    assert fields["bake_seconds_estimate"] > 1 and fields["build_seconds_estimate"] > 1


def test_inspect_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = hc1gen("inspect", SMALL)
    assert done.code == 0 and "model.layers.2.mlp.down_proj.weight" in done.stdout and "KV cache" in done.stdout
    assert "at position 64, greedy" in done.stdout
    assert files(tmp_path) == {}


def test_inspect_refuses(tmp_path):
    assert "lanes: got 99, expected 1..20" in refused("inspect", SMALL, "--lanes", 99)
    assert "no such file or folder" in refused("inspect", tmp_path / "none")


# doctor --------------------------------------------------------------------------------------------------------------
def test_doctor():
    done = hc1gen("doctor", "--json")
    assert done.code == 0 and done.fields["ok"] is True and done.fields["missing"] == []
    for tool in done.fields["tools"]:
        assert tool.keys() == {"name", "version", "path", "needed_for", "required", "ok"}
    assert "verilator" in hc1gen("doctor").stdout


def test_doctor_misses_a_tool(monkeypatch):
    absent = tools.ToolStatus("g++", None, None, "compiling the simulator", required=True, ok=False)
    spare = tools.ToolStatus("pyosys", None, None, "synthesis checks", required=False, ok=False)
    monkeypatch.setattr(tools, "report", lambda: [absent, spare])
    done = hc1gen("doctor", "--json")
    assert done.code == 3 and done.fields["missing"] == ["g++"] and done.fields["ok"] is False
    plain = hc1gen("doctor")
    assert plain.code == 3 and "missing: g++" in plain.stdout and "absent (optional)" in plain.stdout
    monkeypatch.setattr(tools, "report", lambda: [spare])
    assert hc1gen("doctor").code == 0


# demo ----------------------------------------------------------------------------------------------------------------
def test_demo(tmp_path, monkeypatch, draft):
    """On small models, without the build: that is test_cli_talk's."""
    demo = sys.modules["hc1gen.cli.demo"]
    spoken = {"match": True, "text": "once"}
    monkeypatch.setattr(demo, "EMBEDDED", SMALL)
    monkeypatch.setattr(demo, "EMBEDDED_DRAFT", draft)
    monkeypatch.setattr(demo, "simulate", lambda output, baked, asked, jobs: asked.manner.speculate and spoken)
    done = hc1gen("demo", "-o", tmp_path / "out", "--prompt", "a", "--json")
    assert done.code == 0, done.stderr
    assert done.fields.keys() == {"bake", "sim", "match", "text"}
    assert done.fields["sim"] == spoken and done.fields["bake"]["out"] == str(tmp_path / "out")
    baked = open_chip(tmp_path / "out")
    assert baked.draft is not None and baked.draft.model.layers == 1 and baked.ahead == 8
    spoken["match"] = False
    plain = hc1gen("demo", "-o", tmp_path / "out", "--prompt", "a")
    assert plain.code == 1 and "2. The chip speaks" in plain.stdout


def test_demo_refuses_before_it_bakes(tmp_path):
    assert "expected at most 512" in refused("demo", "-o", tmp_path / "out", "--prompt", "Tom " * 600)
    (tmp_path / "file").write_text("mine")
    assert "got a file" in refused("demo", "-o", tmp_path / "file")
    assert not (tmp_path / "out").exists()


# All commands --------------------------------------------------------------------------------------------------------
def test_usage_errors():
    assert "No such command" in refused("bakes")
    assert "No such option" in refused("bake", SMALL, "--lane", 3)


def test_help_and_version():
    assert hc1gen("--help").code == 0 and hc1gen("--version").stdout.startswith("hc1gen, version ")
    for name in main.commands:
        assert "--json" in hc1gen(name, "--help").stdout


def test_tracebacks_only_with_debug(tmp_path):
    command = [*PROCESS, "bake", tmp_path / "none"]
    plain = subprocess.run(command, capture_output=True, text=True)
    assert plain.returncode == 2 and plain.stderr == f"error: {tmp_path / 'none'}: no such file or folder\n"
    debug = subprocess.run([*PROCESS, "--debug", *command[3:]], capture_output=True, text=True)
    assert debug.returncode == 1 and "Traceback" in debug.stderr


def test_bugs_are_one_line(monkeypatch):
    def bug():
        raise RuntimeError("oops")

    monkeypatch.setattr(tools, "report", bug)
    done = hc1gen("doctor", "--json")
    assert done.code == 1 and done.fields["error"]["kind"] == "internal"
    assert done.stderr.startswith("error: internal error: RuntimeError: oops; ")


def test_operating_system_errors_are_one_line(monkeypatch):
    def full():
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tools, "report", full)
    assert hc1gen("doctor").stderr == "error: [Errno 28] No space left on device\n"


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_broken_pipe(as_json):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([*PROCESS, "doctor", *as_json], stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


def test_any_encoding_will_do(tmp_path):
    """What a terminal cannot show is escaped."""
    model = tmp_path / "模型"
    shutil.copytree(SMALL, model)
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run([*PROCESS, "inspect", model], env=environment, capture_output=True, encoding="latin-1")
    assert done.returncode == 0 and r"checkpoint  \u6a21\u578b" in done.stdout
