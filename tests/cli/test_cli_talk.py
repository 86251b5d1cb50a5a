"""hc1gen golden and hc1gen sim: the same words from numpy and from the chip."""

import json
import shutil

import pytest
from command import QUICK, SMALL, WITH_BOS, hc1gen, refused

from hc1gen.backend import simulator, tools
from hc1gen.cli.baked import Baked
from hc1gen.errors import ToolMissing
from hc1gen.quant import saved

GOLDEN_FIELDS = {"tokens", "text", "reason", "prompt_tokens", "context", "tokens_per_second", "saturations"}
SIM_FIELDS = {
    "match", "difference", "tokens", "golden_tokens", "text", "reason", "prompt_tokens", "context", "clocks",
    "clocks_per_token", "clocks_at_last_position", "cycles", "tokens_per_second", "build_seconds",
}  # fmt: skip
CHECKPOINT = ("--context", 16, "--calibration-tokens", 20)


# golden --------------------------------------------------------------------------------------------------------------
def test_golden_fields(chip):
    done = hc1gen("golden", SMALL, *CHECKPOINT, "--prompt", "hello", "--tokens", 5, "--json")
    assert done.code == 0
    fields = done.fields
    assert fields.keys() == GOLDEN_FIELDS
    assert len(fields["tokens"]) == 5 and fields["reason"] == "limit"
    assert fields["text"] == Baked.load(chip).tokenizer.decode(fields["tokens"])
    assert (fields["prompt_tokens"], fields["context"]) == (5, 16)
    assert fields["tokens_per_second"] > 0 and fields["saturations"] >= 0


def test_golden_of_a_chip_is_that_of_its_checkpoint(chip):
    words = ("--prompt", "hello", "--tokens", 5, "--json")
    of_chip, of_checkpoint = hc1gen("golden", chip, *words).fields, hc1gen("golden", SMALL, *CHECKPOINT, *words).fields
    assert of_chip["tokens"] == of_checkpoint["tokens"]
    assert "give the checkpoint instead" in refused("golden", chip, "--prompt", "a", "--context", 8)


def test_golden_speaks_for_people(chip):
    fields = hc1gen("golden", chip, "--prompt", "hello", "--tokens", 5, "--json").fields
    done = hc1gen("golden", chip, "--prompt", "hello", "--tokens", 5)
    assert done.stdout.startswith("hello" + fields["text"] + "\n\n5 tokens behind 5 of prompt, ")
    assert "ended by limit" in done.stdout and done.stderr == ""


def test_golden_speaks_the_embedded_model():
    done = hc1gen("golden", "--prompt", "Once upon a time", "--tokens", 12, "--calibration-tokens", 60, "--json")
    assert done.fields["text"] == ", there was a little girl named Lily. She"


def test_tokens_are_cut_at_the_context(chip):
    done = hc1gen("golden", chip, "--prompt", "hello", "--tokens", 13, "--json")
    assert done.stderr == "note: at most 12 tokens follow: the context has 16 positions, the prompt takes 5\n"
    assert len(done.fields["tokens"]) == 12 and done.fields["reason"] == "full"
    assert hc1gen("golden", chip, "--prompt", "hello", "--tokens", 12).stderr == ""


def test_prompt_may_fill_the_context(chip):
    fields = hc1gen("golden", chip, "--prompt", "a" * 16, "--json").fields
    assert len(fields["tokens"]) == 1 and fields["reason"] == "full"
    message = refused("golden", chip, "--prompt", "a" * 17)
    assert message == "--prompt: length: got 17 tokens, expected at most 16; shorten the prompt"


def test_empty_prompts():
    """Just BOS where there is one."""
    assert hc1gen("golden", WITH_BOS, *CHECKPOINT, "--prompt", "", "--tokens", 1, "--json").fields["prompt_tokens"] == 1
    assert "this model has no BOS" in refused("golden", SMALL, "--prompt", "")


@pytest.mark.parametrize("prompt", ["größe", "\udcff"])
def test_refuses_text_outside_the_vocabulary(prompt):
    assert refused("golden", SMALL, "--prompt", prompt)


def test_golden_refuses():
    assert "Invalid value for '--tokens'" in refused("golden", SMALL, "--prompt", "a", "--tokens", 0)
    assert "context: got 300, expected 1..256" in refused("golden", SMALL, "--prompt", "a", "--context", 300)
    assert refused("golden", SMALL).startswith("Missing option '--prompt'")
    assert "did you mean" in refused("golden", SMALL, "--prompt", "a", "--set", "logitbits=9")


# sim -----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("model, extra", [(SMALL, ()), (WITH_BOS, ("--kv-heads-per-clock", 2))])
def test_chip_says_what_the_golden_model_says(model, extra, tmp_path):
    """Two Verilator builds, half a minute each."""
    chip = tmp_path / "chip"
    assert hc1gen("bake", model, "-o", chip, *QUICK, *extra).code == 0
    done = hc1gen("sim", chip, "--prompt", "hello", "--tokens", 30, "--json")
    assert done.code == 0, done.stderr
    fields = done.fields
    assert fields.keys() == SIM_FIELDS
    assert fields["match"] is True and fields["difference"] is None
    assert fields["tokens"] == fields["golden_tokens"]
    golden = hc1gen("golden", chip, "--prompt", "hello", "--tokens", 30, "--json").fields
    assert {name: fields[name] for name in ("tokens", "text", "reason", "prompt_tokens", "context")} == {
        name: golden[name] for name in ("tokens", "text", "reason", "prompt_tokens", "context")
    }
    assert fields["reason"] == "full"
    assert len(fields["clocks"]) == len(fields["tokens"]) and fields["clocks_at_last_position"] == fields["clocks"][-1]
    assert min(fields["clocks"]) <= fields["clocks_per_token"] <= max(fields["clocks"]) < fields["cycles"]
    assert fields["tokens_per_second"] > 0 and fields["build_seconds"] > 1
    _built_chip(chip, fields)


def _built_chip(chip, fields):
    """What costs no further build: the kept simulator, words for people, and a golden model that disagrees."""
    plain = hc1gen("sim", chip, "--prompt", "hello", "--tokens", 3)
    assert plain.code == 0
    assert plain.stdout.startswith("hello" + fields["text"][:3] + "\n")
    assert "all 3 tokens equal the golden model's" in plain.stdout
    model = saved.load(chip / "model.safetensors")
    model.head.weights[fields["tokens"][0]] = 0  # the likeliest token is so no longer
    (chip / "model.safetensors").write_bytes(saved.to_bytes(model))
    wrong = hc1gen("sim", chip, "--prompt", "hello", "--json")
    assert wrong.code == 1 and wrong.fields["match"] is False and wrong.fields["build_seconds"] < 5
    difference = wrong.fields["difference"]
    assert difference["index"] == 0 and difference["chip"]["token"] == fields["tokens"][0]
    assert wrong.fields["tokens"] == fields["tokens"][:1] != wrong.fields["golden_tokens"]
    assert "DIFFERS at token 0: the chip says " in hc1gen("sim", chip, "--prompt", "hello").stdout


def test_sim_refuses(chip, tmp_path):
    assert "no such folder; run hc1gen bake first" in refused("sim", tmp_path / "none", "--prompt", "a")
    assert "not a baked chip" in refused("sim", tmp_path, "--prompt", "a")
    assert "expected at most 16" in refused("sim", chip, "--prompt", "a" * 17)
    assert "not in the vocabulary" in refused("sim", chip, "--prompt", "A")
    assert "Invalid value for '--jobs'" in refused("sim", chip, "--prompt", "a", "--jobs", 0)


def test_sim_refuses_damaged_chips(chip, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(chip, copy)
    (copy / "rtl" / "chip.v").unlink()
    assert "chip.v" in refused("sim", copy, "--prompt", "a")
    (copy / "model.safetensors").write_bytes(b"damaged")
    assert "bake the chip again" in refused("sim", copy, "--prompt", "a")
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps(manifest | {"context": "long"}))
    assert "context: got long" in refused("sim", copy, "--prompt", "a")


def test_sim_without_tools(chip, monkeypatch):
    def missing():
        raise ToolMissing("g++: not found on PATH; install it")

    monkeypatch.setattr(tools, "simulation_tools", missing)
    done = hc1gen("sim", chip, "--prompt", "a", "--json")
    assert done.code == 3 and done.fields["error"]["kind"] == "tool"
    assert "error: g++: not found on PATH; install it" in done.stderr


def test_interrupted_build_leaves_nothing(chip, tmp_path, monkeypatch):
    copy = tmp_path / "copy"
    shutil.copytree(chip, copy)

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(simulator, "_call", interrupt)
    assert hc1gen("sim", copy, "--prompt", "a").code == 130
    assert list((copy / "sim").iterdir()) == []
