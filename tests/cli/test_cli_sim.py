"""hc1gen sim: the chip's words against the golden model's."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from command import HELLO, QUICK, SAMPLE, SMALL, SPOKEN_FIELDS, WITH_BOS, hc1gen, refused
from fake_chip import ACCEPTED, FIRST, OWN

from hc1gen.backend import simulator, tools
from hc1gen.errors import ToolMissing
from hc1gen.frontend.model import HEAD
from hc1gen.quant import saved

SIM_FIELDS = SPOKEN_FIELDS | {
    "match", "difference", "golden_tokens", "counters", "clocks", "clocks_per_token", "clocks_per_token_plain",
    "tokens_plain", "speedup", "clocks_at_last_position", "cycles", "tokens_per_second", "build_seconds",
}  # fmt: skip


# sim, a golden chip in the place of the simulator --------------------------------------------------------------------
@pytest.fixture
def flawed(speculating, tmp_path, monkeypatch):
    """Makes `sim` talk to fake_chip.py; called with a flaw of it."""
    program = tmp_path / "chip"
    fake = Path(__file__).with_name("fake_chip.py")
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{fake}" "{speculating}" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setattr(simulator, "executable_of", lambda folder: program)
    return lambda flaw: monkeypatch.setenv("FLAW", flaw)


HULLO = ("--prompt", "hullo", "--tokens", 12)
"""Behind it some proposals are accepted and some are not, the last one among these."""


@pytest.mark.parametrize("manner", [(), SAMPLE])
def test_sim_tells_what_the_draft_is_good_for(manner, speculating, flawed):
    done = hc1gen("sim", speculating, *HULLO, *manner, "--json")
    assert done.code == 0 and done.stderr == "without speculation, for comparison ...\n"
    fields = done.fields
    assert fields.keys() == SIM_FIELDS
    golden = hc1gen("golden", speculating, *HULLO, *manner, "--json").fields
    assert {name: fields[name] for name in SPOKEN_FIELDS} == {name: golden[name] for name in SPOKEN_FIELDS}
    assert fields["match"] is True and fields["difference"] is None and fields["golden_tokens"] == fields["tokens"]
    accepted, rejected = (fields["outcomes"].count(name) for name in ("accepted", "rejected"))
    assert accepted > 0 and rejected > 0 and fields["outcomes"][-1] != "accepted"
    assert fields["tokens_per_pass"] == round(12 / (12 - accepted), 3)
    assert fields["counters"] == {
        "drafted": accepted + 2 * rejected, "accepted": accepted, "rejected": rejected, "flushed": rejected,
    }  # fmt: skip
    clocks = [ACCEPTED if outcome == "accepted" else OWN for outcome in fields["outcomes"][1:]]
    assert fields["clocks"] == [FIRST, *clocks]
    assert fields["clocks_per_token"] == round(sum(clocks) / 11, 1) and fields["clocks_per_token_plain"] == OWN
    assert fields["speedup"] == round(OWN / (sum(clocks) / 11), 3)
    assert fields["cycles"] == 2 + 5 + sum(fields["clocks"])
    assert fields["seed"] == (1 if manner else 0) and fields["mode"] == ("sample" if manner else "greedy")


def test_sim_tells_people(speculating, flawed):
    fields = hc1gen("sim", speculating, *HELLO, *SAMPLE, "--json").fields
    done = hc1gen("sim", speculating, *HELLO, *SAMPLE)
    assert done.stdout.splitlines()[:-1] == [
        "hello" + fields["text"],
        "",
        "check             all 12 tokens equal the golden model's, so are 12 without speculation",
        "ended by          limit",
        "chosen            at random, temperature 0.5, seed 1",
        f"speculation       {fields['acceptance_rate']:.0%} of the draft's proposals accepted, "
        f"{fields['tokens_per_pass']:.2f} tokens per pass of the target",
        f"clocks per token  {fields['clocks_per_token']} (mean), {OWN} at the last position; {OWN:.1f} without "
        f"speculation, so it is {fields['speedup']:.2f} times as fast",
    ]


def test_sim_without_speculation(speculating, flawed):
    done = hc1gen("sim", speculating, *HELLO, "--no-speculation", "--json")
    assert done.code == 0 and done.stderr == ""
    fields = done.fields
    assert fields["speculation"] is False and fields["outcomes"] == ["sampled"] * 12
    for name in ("acceptance_rate", "tokens_per_pass", "clocks_per_token_plain", "speedup"):
        assert fields[name] is None
    assert fields["clocks_per_token"] == OWN and set(fields["counters"].values()) == {0}
    assert "speculation" not in hc1gen("sim", speculating, *HELLO, "--no-speculation").stdout


def test_sim_of_one_token_has_no_mean(speculating, flawed):
    done = hc1gen("sim", speculating, "--prompt", "hello", "--tokens", 1, "--json")
    assert done.code == 0
    for name in ("clocks_per_token", "clocks_per_token_plain", "speedup"):
        assert done.fields[name] is None
    assert f"clocks per token  {FIRST} at the last position\n" in hc1gen(
        "sim", speculating, "--prompt", "hello", "--tokens", 1
    ).stdout  # fmt: skip


def test_passes_end_with_the_answer_too(speculating, flawed):
    """Even where every token was the draft's."""
    outcomes = hc1gen("golden", speculating, *HELLO, "--mode", "sample", "--json").fields["outcomes"]
    assert outcomes[0] == "accepted"
    words = ("--prompt", "hello", "--tokens", 1, "--mode", "sample", "--json")
    fields = hc1gen("sim", speculating, *words).fields
    assert fields["acceptance_rate"] == 1 and fields["tokens_per_pass"] == 1


def test_sim_finds_a_wrong_token(speculating, flawed):
    flawed("0 token 3")
    done = hc1gen("sim", speculating, *HELLO, "--json")
    assert done.code == 1 and done.fields["match"] is False and done.stderr == ""
    fields = done.fields
    difference = fields["difference"]
    assert difference.keys() == {"index", "chip", "golden", "without_speculation"}
    assert difference["index"] == 3 and difference["without_speculation"] is False
    for side in ("chip", "golden"):
        assert difference[side].keys() == {"token", "last", "reason", "outcome", "proposal"}
    assert difference["chip"]["token"] == fields["tokens"][3] == difference["golden"]["token"] ^ 1
    assert len(fields["tokens"]) == 4 and fields["speedup"] is None and fields["clocks_per_token"] is not None


def test_sim_finds_a_wrong_proposal(speculating, flawed):
    flawed("0 proposal 1")
    done = hc1gen("sim", speculating, *HELLO)
    assert done.code == 1 and "DIFFERS at token 1: the chip says " in done.stdout and "rejected" in done.stdout


def test_sim_finds_a_wrong_token_without_speculation(speculating, flawed):
    flawed("1 token 2")
    done = hc1gen("sim", speculating, *HELLO, "--json")
    assert done.code == 1 and done.fields["match"] is False
    assert done.fields["difference"]["without_speculation"] is True and done.fields["difference"]["index"] == 2
    assert done.fields["tokens"] == done.fields["golden_tokens"] and len(done.fields["tokens"]) == 12
    assert done.fields["clocks_per_token_plain"] is None and done.fields["speedup"] is None
    assert "DIFFERS at token 2 without speculation: " in hc1gen("sim", speculating, *HELLO).stdout


# sim, the real one ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("model, extra", [(SMALL, ("--draft",)), (WITH_BOS, ("--kv-heads-per-clock", 2))])
def test_chip_says_what_the_golden_model_says(model, extra, draft, tmp_path):
    """Two Verilator builds, half a minute each; the first with a draft."""
    chip = tmp_path / "chip"
    if extra == ("--draft",):
        extra = ("--draft", draft, "--ahead", 3)
    assert hc1gen("bake", model, "-o", chip, *QUICK, *extra).code == 0
    done = hc1gen("sim", chip, "--prompt", "hello", "--tokens", 30, "--json")
    assert done.code == 0, done.stderr
    fields = done.fields
    assert fields.keys() == SIM_FIELDS
    assert fields["match"] is True and fields["difference"] is None
    assert fields["tokens"] == fields["golden_tokens"]
    golden = hc1gen("golden", chip, "--prompt", "hello", "--tokens", 30, "--json").fields
    assert {name: fields[name] for name in SPOKEN_FIELDS} == {name: golden[name] for name in SPOKEN_FIELDS}
    assert fields["reason"] == "full"
    clocks = fields["clocks"]
    assert len(clocks) == len(fields["tokens"]) and fields["clocks_at_last_position"] == clocks[-1]
    assert fields["clocks_per_token"] == round(sum(clocks[1:]) / len(clocks[1:]), 1)
    assert sum(clocks) < fields["cycles"] and fields["tokens_per_second"] > 0 and fields["build_seconds"] > 1
    if model == SMALL:
        _drafted(chip, fields)
    else:
        for name in ("counters", "outcomes", "proposals", "clocks_per_token_plain", "speedup"):
            assert fields[name] is None
    _built_chip(chip, fields)


def _drafted(chip, fields):
    """Counters add up, and samples are the golden chip's."""
    counters, outcomes = fields["counters"], fields["outcomes"]
    assert counters["accepted"] == outcomes.count("accepted") and counters["rejected"] == outcomes.count("rejected")
    assert counters["drafted"] == counters["accepted"] + counters["rejected"] + counters["flushed"]
    assert fields["clocks_per_token_plain"] > 0 and fields["speedup"] > 0
    for manner in (SAMPLE, (*SAMPLE, "--no-speculation")):
        assert hc1gen("sim", chip, *HELLO, *manner).code == 0


def _built_chip(chip, fields):
    """What costs no further build: the kept simulator, words for people, and a golden model that disagrees."""
    plain = hc1gen("sim", chip, "--prompt", "hello", "--tokens", 3)
    assert plain.code == 0
    assert plain.stdout.startswith("hello" + fields["text"][:3] + "\n")
    assert "all 3 tokens equal the golden model's" in plain.stdout
    assert hc1gen("sim", chip, "--prompt", "hello", "--tokens", 3, "--mode", "sample", "--temperature", 3).code == 0
    model = saved.load(chip / "model.safetensors")
    model.matrix(HEAD).weights[fields["tokens"][0]] = 0  # the likeliest token is so no longer
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
