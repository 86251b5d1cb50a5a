"""The command: what it prints, what it refuses, and what it needs."""

import json
import subprocess
import sys
from importlib import util
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from small import MODEL, TIED

from hc1gen.cli import main
from hc1gen.frontend.checkpoint import load_checkpoint
from hc1gen.quant.grid import quantize_rows, row_bits

QUICK = ("--own-samples", "16", "--steps", "6", "--batch", "4", "--window", "15", "--no-compile", "--json")


def command(*arguments: object):
    return CliRunner().invoke(main, ["train", *map(str, arguments)])


def message(*arguments: object) -> str:
    """Of a command that must end with exit code 2."""
    done = command(*arguments)
    assert done.exit_code == 2, done.output
    return json.loads(done.stdout)["error"]["message"]


def test_a_run_from_the_command_line(tmp_path):
    done = command(TIED, "-o", tmp_path / "out", *QUICK)
    assert done.exit_code == 0, done.stderr
    fields = json.loads(done.stdout)
    assert fields["steps"] == 6 and fields["out"] == str(tmp_path / "out")
    row = fields["validation"]["own samples"]
    assert abs(row["integer"] - row["teacher"] - row["difference"]) < 1e-9
    files = {"config.json", "model.safetensors", "tokenizer.json", "training.json", "training.png"}
    assert {p.name for p in (tmp_path / "out").iterdir()} == files
    assert "step 6: integer golden model, nats per token: own samples" in done.stderr


def test_a_text_that_is_too_short(tmp_path):
    text = tmp_path / "short.txt"
    text.write_text("a bad cab")
    found = message(MODEL, "-o", tmp_path / "out", "--text", text, *QUICK)
    assert found.startswith(f"{text}: text: got ") and "expected at least 120, 8 windows of 15; give a longer" in found


def test_a_text_that_is_no_text(tmp_path):
    text = tmp_path / "text.bin"
    text.write_bytes(b"abc\xff")
    found = message(MODEL, "-o", tmp_path / "out", "--text", text, *QUICK)
    assert found == f"{text}: not UTF-8 text: byte 3 cannot be decoded; convert the file"
    absent = tmp_path / "absent.txt"
    found = message(MODEL, "-o", tmp_path / "out", "--text", absent, *QUICK)
    assert found == f"{absent}: cannot be read: No such file or directory; name a text file"


def test_a_tokenizer_that_does_not_fit(tmp_path):
    for file in MODEL.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    tokenizer = json.loads((tmp_path / "tokenizer.json").read_text())
    tokenizer["added_tokens"] = [
        {"id": 5000, "content": "<far>", "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
         "special": True}
    ]  # fmt: skip
    vocab = tokenizer["model"]["vocab"]
    vocab.update({"<far>": 5000}) if isinstance(vocab, dict) else None
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer))
    found = message(tmp_path, "-o", tmp_path / "out", *QUICK)
    assert "take the tokenizer of this model" in found


def test_options_that_exclude_each_other(tmp_path):
    assert "give --minutes or --steps, not both" in message(MODEL, "-o", tmp_path / "out", "--minutes", 1, *QUICK)
    assert "name one with --teacher" in message(TIED, "-o", tmp_path / "out", "--layers", 1, *QUICK).replace(
        "name the model that it is for", "name one"
    )
    assert "expected cpu or cuda" in message(MODEL, "-o", tmp_path / "out", "--device", "tpu", *QUICK)


@pytest.mark.parametrize(("option", "value"), [("--rate", "nan"), ("--rate", "inf"), ("--minutes", "nan")])
def test_numbers_that_are_none(tmp_path, option, value):
    assert f"'{option}': got {value}, expected a number" in message(
        MODEL, "-o", tmp_path / "out", option, value, *QUICK
    )


def test_without_torch(tmp_path, monkeypatch):
    find = util.find_spec
    monkeypatch.setattr(util, "find_spec", lambda name, *rest: None if name == "torch" else find(name, *rest))
    done = command(MODEL, "-o", tmp_path / "out", *QUICK)
    assert done.exit_code == 3
    assert done.stderr == "error: torch: not installed; install with: pip install 'hc1gen[train]'\n"


def test_nothing_else_imports_torch():
    code = "import sys, hc1gen.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[2]).returncode == 0


def test_more_bits_and_token_ids_to_validate_on(tmp_path):
    """A matrix of ids has windows in its rows: here as long as training's, BOS and all."""
    ids = tmp_path / "ids.npy"
    np.save(ids, np.random.default_rng(0).integers(1, 20, (9, 16)).astype(np.int16))
    out = tmp_path / "out"
    done = command(TIED, "-o", out, "--bits", "*.layers.1.*=5", "--validation", ids, *QUICK)
    assert done.exit_code == 0, done.stderr
    assert set(json.loads(done.stdout)["validation"]) == {"ids.npy", "own samples"}
    widths = {name: quantize_rows(rows, kept=6)[0] for name, rows in load_checkpoint(out).matrices()}
    assert {name.split(".")[2] for name, q in widths.items() if row_bits(q).max() > 3} == {"1"}
    np.save(ids, np.ones((9, 12), int))
    found = message(TIED, "-o", tmp_path / "other", "--validation", ids, *QUICK)
    assert found == f"{ids}: token ids: got rows of 12, expected 16 for windows of 15; choose another --window"


def test_bits_that_make_no_sense(tmp_path):
    found = message(TIED, "-o", tmp_path / "out", "--bits", "*=7", *QUICK)
    assert found.startswith("--bits *=7: got 7, expected TENSOR=N with N from 3 to 6")
    found = message(TIED, "-o", tmp_path / "out", "--bits", "norm=4", *QUICK)
    assert found.startswith(
        "--bits norm=4: no matrix has that name; hc1gen inspect lists them, model.embed_tokens.weight to lm_head.weight"
    )
