"""open_chip, golden, simulate, verify, synthesise; the real simulator runs in docs/api.md's tutorial."""

import shutil
import sys
from pathlib import Path

import pytest
from small_models import WITH_BOS

import hc1gen
from hc1gen import InputError, Outcome
from hc1gen.backend import simulator

FAKE = Path(__file__).parents[1] / "cli" / "fake_chip.py"


def test_opens_what_was_baked(chip):
    again = hc1gen.open_chip(str(chip.path))
    assert again.manifest == chip.manifest and (again.context, again.ahead, again.draft) == (16, 0, None)
    assert again.golden("hello", 5).tokens == chip.golden("hello", 5).tokens
    assert again.hardware.root.hex() == again.manifest.model_root


def test_refuses_what_is_no_chip(chip, tmp_path):
    with pytest.raises(InputError, match="no such folder; run hc1gen bake first"):
        hc1gen.open_chip(tmp_path / "none")
    with pytest.raises(InputError, match="not a baked chip"):
        hc1gen.open_chip(tmp_path)
    copy = shutil.copytree(chip.path, tmp_path / "copy")
    (copy / "rtl" / "chip.v").unlink()
    with pytest.raises(InputError, match=r"chip\.v: got no file"):
        hc1gen.open_chip(copy)
    assert hc1gen.open_chip(copy, whole=False).context == 16
    (copy / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(InputError, match="bake the chip again"):
        hc1gen.open_chip(copy, whole=False).golden("hello")


def test_refuses_prompts_and_manners(chip):
    for prompt, expected in (
        ("a" * 17, "prompt: length: got 17 tokens, expected at most 16; shorten the prompt"),
        ("A", "not in the vocabulary"),
        ("", "empty prompt"),
    ):
        with pytest.raises(InputError) as error:
            chip.golden(prompt)
        assert expected in str(error.value)
    with pytest.raises(InputError) as error:
        chip.golden("a", tokens=0, temperature=16, seed=-1)
    assert [problem.split(":")[0] for problem in error.value.problems] == ["tokens", "temperature", "seed"]
    for temperature in (0.01, -1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match=r"expected 0\.05 to 15\.99, or 0"):
            chip.golden("a", temperature=temperature)


def test_an_answer_ends_with_the_context(chip):
    answer = chip.golden("hello", tokens=1000)
    assert len(answer.tokens) == answer.prompt.room == 12 and answer.reason == hc1gen.Reason.FULL


def test_a_seed_draws_the_same_tokens(chip):
    one, other = (chip.golden("hello", temperature=2.0, seed=seed).tokens for seed in (1, 2))
    assert one == chip.golden("hello", temperature=2.0, seed=1).tokens != other


# A golden chip in the place of the simulator -------------------------------------------------------------------------
@pytest.fixture
def fake(speculating, tmp_path, monkeypatch):
    """A chip with a draft whose simulator is fake_chip.py; called with its flaw."""
    chip = speculating.bake(tmp_path / "chip")
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{FAKE}" "{chip.path}" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setattr(simulator, "executable_of", lambda folder: program)
    monkeypatch.setenv("PYTHONPATH", str(Path(hc1gen.__file__).parents[1]))

    def flawed(flaw: str = "") -> hc1gen.BakedChip:
        monkeypatch.setenv("FLAW", flaw)
        return chip

    return flawed


def test_simulates_and_compares(fake, tasks):
    progress, found = tasks
    said = []
    run = fake().simulate("hello", 8, on_token=said.append, progress=progress)
    assert run.match and run.difference is None and tuple(said) == run.tokens and found == []
    assert [token.token for token in run.tokens] == [token.token for token in run.golden]
    assert run.clocks_per_token == (5 * 20 + 2 * 100) / 7 and run.counters.accepted == 6
    assert run.text == fake().golden("hello", 8).text and run.reason == hc1gen.Reason.LIMIT


def test_a_difference_ends_the_answer(fake):
    run = fake("0 token 2").simulate("hello", 8)
    assert not run.match and len(run.tokens) == len(run.golden) == 3
    assert run.difference.index == 2 and run.difference.chip.token == run.difference.golden.token ^ 1
    alone = fake("0 token 2").simulate("hello", 8, compare=False)
    assert len(alone.tokens) == 8 and alone.golden is None and alone.difference is None and not alone.match


def test_one_simulator_answers_many_prompts(fake):
    chip = fake("1 proposal 0")
    with chip.simulator() as running:
        runs = [running.ask(prompt, 4) for prompt in ("hello", "hello", "a")]
    assert [run.match for run in runs] == [True, False, True]
    assert runs[0].cycles < runs[1].cycles < runs[2].cycles
    assert runs[0].tokens[0].outcome == Outcome.ACCEPTED


def test_one_token_has_no_mean(fake):
    assert fake().simulate("hello", 1).clocks_per_token is None


# With pyosys ---------------------------------------------------------------------------------------------------------
def test_verify_wants_the_draft_that_was_baked(model, chip):
    pytest.importorskip("pyosys", reason="pyosys is not installed")
    with pytest.raises(InputError, match="draft: the chip has no draft"):
        chip.verify(model, model)
    report = chip.verify(hc1gen.load(WITH_BOS))
    assert not report.match and {difference.kind for difference in report.differences} == {"model"}
    with pytest.raises(InputError, match="neither a baked folder nor inside of one"):
        chip.verify(model, netlist=Path(__file__))
