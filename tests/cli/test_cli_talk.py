"""hc1gen golden and hc1gen sim: the same words from numpy and from the chip."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from command import QUICK, SMALL, WITH_BOS, hc1gen, refused
from fake_chip import ACCEPTED, FIRST, OWN

from hc1gen.backend import simulator, tools
from hc1gen.cli.baked import Baked
from hc1gen.cli.output import Output
from hc1gen.cli.talk import Request, Voice
from hc1gen.errors import ToolMissing
from hc1gen.outcome import Outcome
from hc1gen.quant import saved
from hc1gen.reason import Reason
from hc1gen.settings import Settings

SPOKEN_FIELDS = {
    "tokens", "text", "reason", "prompt_tokens", "context", "mode", "temperature", "seed", "speculation",
    "acceptance_rate", "tokens_per_pass", "outcomes", "proposals",
}  # fmt: skip
"""What golden and sim say alike."""
GOLDEN_FIELDS = SPOKEN_FIELDS | {"tokens_per_second", "saturations"}
SIM_FIELDS = SPOKEN_FIELDS | {
    "match", "difference", "golden_tokens", "counters", "clocks", "clocks_per_token", "clocks_per_token_plain",
    "tokens_plain", "speedup", "clocks_at_last_position", "cycles", "tokens_per_second", "build_seconds",
}  # fmt: skip
CHECKPOINT = ("--context", 16, "--calibration-tokens", 20)
HELLO = ("--prompt", "hello", "--tokens", 12)
SAMPLE = ("--mode", "sample", "--temperature", 0.5, "--seed", 1)
COMMANDS = ("golden", "sim")


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
    assert (fields["mode"], fields["temperature"], fields["seed"], fields["speculation"]) == ("greedy", 0, 0, False)
    assert all(fields[name] is None for name in ("acceptance_rate", "tokens_per_pass", "outcomes", "proposals"))


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


def test_golden_samples():
    """The same for a seed, the default temperature being 1; any bit of the seed matters."""

    def tokens(*manner):
        return hc1gen("golden", SMALL, *CHECKPOINT, *HELLO, *manner, "--json").fields["tokens"]

    one = tokens("--mode", "sample", "--temperature", 1)
    assert one == tokens("--mode", "sample") == tokens("--mode", "sample", "--seed", 0)
    others = [(), ("--mode", "sample", "--seed", 1 << 63), ("--mode", "sample", "--temperature", 2)]
    assert one not in [tokens(*manner) for manner in others]
    nearly_greedy = hc1gen("golden", SMALL, *CHECKPOINT, *HELLO, "--mode", "sample", "--temperature", 0.05, "--json")
    assert nearly_greedy.fields["temperature"] == round(0.05 * 4096) / 4096


def test_golden_of_a_chip_with_a_draft_is_that_of_its_checkpoints(speculating, draft):
    for manner in ((), SAMPLE):
        checkpoints = hc1gen(
            "golden", SMALL, "--draft", draft, "--ahead", 3, *CHECKPOINT, *HELLO, *manner, "--json"
        ).fields
        chip = hc1gen("golden", speculating, *HELLO, *manner, "--json").fields
        for fields in (checkpoints, chip):
            del fields["tokens_per_second"]
        assert checkpoints == chip
        assert chip["speculation"] is True and {"accepted", "rejected"} <= set(chip["outcomes"])


def test_golden_runs_ahead_as_far_as_it_is_told(draft):
    def outcomes(*ahead):
        return hc1gen(
            "golden", SMALL, "--draft", SMALL, *ahead, *CHECKPOINT, *HELLO, "--json"
        ).fields["outcomes"]  # fmt: skip

    assert outcomes("--ahead", 3) == (["accepted"] * 3 + ["sampled"]) * 3
    assert outcomes() == outcomes("--ahead", 8) == ["accepted"] * 8 + ["sampled"] + ["accepted"] * 3


def test_golden_text_does_not_depend_on_a_draft_unless_it_is_sampled(speculating):
    plain = hc1gen("golden", speculating, *HELLO, "--no-speculation", "--json").fields
    assert plain["tokens"] == hc1gen("golden", speculating, *HELLO, "--json").fields["tokens"]
    assert plain["speculation"] is False and plain["acceptance_rate"] is None and plain["tokens_per_pass"] is None
    assert plain["outcomes"] == ["sampled"] * 12 and plain["proposals"] == [None] * 12


def test_golden_tells_people_of_the_draft(speculating):
    done = hc1gen("golden", speculating, *HELLO, *SAMPLE)
    fields = hc1gen("golden", speculating, *HELLO, *SAMPLE, "--json").fields
    assert done.stdout.startswith("hello" + fields["text"] + "\n\n12 tokens behind 5 of prompt, chosen at random, ")
    assert "temperature 0.5, seed 1, " in done.stdout
    accepted = fields["outcomes"].count("accepted")
    assert f"{fields['acceptance_rate']:.0%} of the draft's proposals accepted, " in done.stdout
    assert fields["acceptance_rate"] == round(accepted / (accepted + fields["outcomes"].count("rejected")), 4)


def test_golden_refuses_drafts(speculating, draft):
    words = ("--prompt", "a", *CHECKPOINT)
    assert "the draft differs from the target: vocabulary size" in refused("golden", WITH_BOS, "--draft", draft, *words)
    assert "no such file" in refused("golden", SMALL, "--draft", draft / "none", *words)
    assert "Invalid value for '--ahead'" in refused("golden", SMALL, "--draft", draft, "--ahead", 0, *words)
    assert "--ahead is for a draft" in refused("golden", SMALL, "--ahead", 3, *words)
    assert "a baked chip has its draft" in refused("golden", speculating, "--draft", draft, "--prompt", "a")


# golden and sim ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("command", COMMANDS)
def test_refuses_manners(command, speculating):
    def message(*manner):
        return refused(command, speculating, "--prompt", "a", *manner)

    for temperature in (0.0499999, 15.9900001, -1.0, 0.0, float("nan"), float("inf")):
        expected = f"Invalid value for '--temperature': got {temperature}, expected 0.05 to 15.99; "
        assert message("--mode", "sample", "--temperature", temperature).startswith(expected)
    for seed in (-1, 1 << 64):
        assert "Invalid value for '--seed'" in message("--mode", "sample", "--seed", seed)
    for option in ("--temperature", "--seed"):
        assert "--temperature and --seed are for --mode sample" in message(option, 1)
    assert "Invalid value for '--mode'" in message("--mode", "beam")


@pytest.mark.parametrize("command", COMMANDS)
def test_refuses_to_leave_out_a_draft_that_is_not_there(command, speculating, tmp_path):
    shutil.copytree(speculating, tmp_path / "plain")
    manifest = json.loads((speculating / "manifest.json").read_text())
    (tmp_path / "plain" / "manifest.json").write_text(json.dumps(manifest | {"draft": None}))
    message = refused(command, tmp_path / "plain", "--prompt", "a", "--no-speculation")
    assert message.startswith("--no-speculation is for a chip with a draft; this one has none")
    assert "this one has none" in refused("golden", SMALL, "--prompt", "a", "--no-speculation")


@pytest.mark.parametrize("command", COMMANDS)
def test_refuses_damaged_drafts(command, speculating, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(speculating, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    for draft, expected in (
        ({"ahead": 0}, "ahead of the draft: got 0, expected at least 1; bake the chip again"),
        ({}, "ahead of the draft: got None, expected at least 1; bake the chip again"),
        ("big", "draft: got big, expected one or null; bake the chip again"),
    ):
        (copy / "manifest.json").write_text(json.dumps(manifest | {"draft": draft}))
        assert expected in refused(command, copy, "--prompt", "a")
    del manifest["draft"]
    (copy / "manifest.json").write_text(json.dumps(manifest))
    assert "draft: got nothing, expected one or null; bake the chip again" in refused(command, copy, "--prompt", "a")
    shutil.copy(speculating / "manifest.json", copy)
    (copy / "draft.safetensors").unlink()
    assert "draft.safetensors: cannot be read" in refused(command, copy, "--prompt", "a")


# What terminals show -------------------------------------------------------------------------------------------------
GREEN, STRUCK, PLAINLY_STRUCK = "\x1b[32m{}\x1b[0m", "\x1b[2;9;31m{}\x1b[0m", "\x1b[2;9m{}\x1b[0m"


@pytest.fixture
def terminal(monkeypatch):
    """Output is as for a terminal with colours."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


def coloured(fields, folder, accepted, struck):
    """What is to be seen on a terminal: pieces of SMALL are characters."""
    decode = Baked.load(folder).tokenizer.decode
    shown = "hello"
    for token, outcome, proposal in zip(fields["tokens"], fields["outcomes"], fields["proposals"], strict=True):
        if outcome == "rejected":
            shown += struck.format(decode([proposal])) if decode([proposal]) else ""
        piece = decode([token])
        shown += accepted.format(piece) if piece and outcome == "accepted" else piece
    return shown + "\n"


@pytest.mark.parametrize("manner", [SAMPLE, ("--mode", "sample", "--temperature", 3, "--seed", 1 << 63)])
def test_terminals_show_what_became_of_proposals(manner, speculating, terminal, monkeypatch):
    fields = hc1gen("golden", speculating, *HELLO, *manner, "--json").fields
    words = hc1gen("golden", speculating, *HELLO, *manner).stdout
    assert words.startswith(coloured(fields, speculating, GREEN, STRUCK))
    monkeypatch.setenv("NO_COLOR", "1")
    words = hc1gen("golden", speculating, *HELLO, *manner).stdout
    assert words.startswith(coloured(fields, speculating, "{}", PLAINLY_STRUCK))
    monkeypatch.setenv("TERM", "dumb")
    assert hc1gen("golden", speculating, *HELLO, *manner).stdout.startswith("hello" + fields["text"] + "\n")


def test_proposals_that_are_struck_stay_on_the_line(terminal, speculating, capsys):
    """A line feed is escaped, EOS is nothing."""
    chip = Baked.load(speculating)
    (eos,) = chip.model.model.eos
    feed = next((i for i in range(37) if "\n" in chip.tokenizer.decode([i])), None)
    voice = Voice(Output(False), chip.tokenizer, Request("", [5], Settings()), (eos,))
    for proposal in (eos, *([] if feed is None else [feed])):
        voice.say(simulator.Token(6, False, Reason.MORE, 1, Outcome.REJECTED, proposal))
    shown = "" if feed is None else STRUCK.format("\\n") + chip.tokenizer.decode([6])
    assert capsys.readouterr().out == chip.tokenizer.decode([6]) + shown


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


@pytest.mark.parametrize("manner", [(), SAMPLE])
def test_sim_tells_what_the_draft_is_good_for(manner, speculating, flawed):
    done = hc1gen("sim", speculating, *HELLO, *manner, "--json")
    assert done.code == 0 and done.stderr == "without speculation, for comparison ...\n"
    fields = done.fields
    assert fields.keys() == SIM_FIELDS
    golden = hc1gen("golden", speculating, *HELLO, *manner, "--json").fields
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
