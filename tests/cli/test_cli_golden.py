"""hc1gen golden, and what it shares with hc1gen sim: words, manners, what terminals show."""

import json
import shutil

import pytest
from command import HELLO, SAMPLE, SMALL, SPOKEN_FIELDS, WITH_BOS, hc1gen, refused

from hc1gen.backend import simulator
from hc1gen.cli.baked import Baked
from hc1gen.cli.output import Output
from hc1gen.cli.talk import Request, Voice
from hc1gen.outcome import Outcome
from hc1gen.reason import Reason
from hc1gen.settings import Settings

GOLDEN_FIELDS = SPOKEN_FIELDS | {"tokens_per_second", "saturations"}
CHECKPOINT = ("--context", 16, "--calibration-tokens", 20)
COMMANDS = ("golden", "sim")


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


# golden and sim alike -----------------------------------------------------------------------------------------------
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
        ({"ahead": 0}, "draft.ahead: got 0, expected at least 1; bake the chip again"),
        ({}, "draft.ahead: got nothing, expected at least 1; bake the chip again"),
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
