"""The simulator's process and protocol, on a small chip that answers with each prompt's last token counted up."""

import json
import subprocess
from pathlib import Path

import pytest

from hc1gen.backend.simulator import ChipSimulator, Token, build
from hc1gen.errors import CheckFailed, InputError
from hc1gen.reason import Reason

LATENCY = 5
EOS = 100
HANGS_ON = 200

CHIP = f"""
module chip(
  input clk, input rst,
  input [8:0] prompt__payload, input prompt__valid, output prompt__ready,
  input [15:0] limit,
  output [10:0] out__payload, output out__valid, input out__ready, output [31:0] clocks);
  reg [7:0] token; reg [15:0] count; reg [31:0] waited; reg busy;
  wire [1:0] reason = token == {EOS} ? 1 : count == limit ? 2 : token == 255 ? 3 : 0;
  assign prompt__ready = !busy;
  assign out__payload = {{reason, reason != 0, token}};
  assign out__valid = busy && waited >= {LATENCY} && token != {HANGS_ON} + 1;
  assign clocks = waited;
  always @(posedge clk) begin
    waited <= waited + 1;
    if (prompt__valid && prompt__ready) begin
      token <= prompt__payload[7:0] + 1; busy <= prompt__payload[8]; count <= 1; waited <= 1;
    end
    if (out__valid && out__ready) begin
      token <= token + 1; count <= count + 1; waited <= 1; busy <= reason == 0;
    end
    if (rst) begin busy <= 0; token <= 0; count <= 0; waited <= 0; end
  end
endmodule
"""


def bake(rtl_dir: Path, verilog: str = CHIP) -> Path:
    """Write `verilog` as a baked chip."""
    rtl_dir.mkdir(exist_ok=True)
    (rtl_dir / "chip.v").write_text(verilog)
    (rtl_dir / "filelist.f").write_text("// all of it\nchip.v\n")
    (rtl_dir / "manifest.json").write_text(json.dumps({"token_bits": 8}))
    return rtl_dir


@pytest.fixture(scope="module")
def executable(tmp_path_factory) -> Path:
    return build(bake(tmp_path_factory.mktemp("chip")), jobs=2)


@pytest.fixture
def chip(executable):
    with ChipSimulator(executable, patience=50) as simulator:
        yield simulator


def expected(first: int, count: int, reason: Reason) -> list[Token]:
    """`count` tokens from `first`, the last one for `reason`."""
    ends = [Reason.MORE] * (count - 1) + [reason]
    return [Token(first + i, end is not Reason.MORE, end, LATENCY) for i, end in enumerate(ends)]


def test_answer_ends_at_the_limit(chip):
    assert list(chip.run([1, 2, 3], limit=4)) == expected(4, 4, Reason.LIMIT)


def test_answer_ends_at_eos(chip):
    assert list(chip.run([90])) == expected(91, 10, Reason.EOS)


def test_answer_ends_at_the_context(chip):
    assert list(chip.run([250])) == expected(251, 5, Reason.FULL)


def test_one_prompt_after_another(chip):
    for first in (5, 20, 110):
        assert list(chip.run([0, first], limit=2)) == expected(first + 1, 2, Reason.LIMIT)


def test_clock_stands_still_between_tokens(chip):
    answer = chip.run([1], limit=3)
    next(answer)
    before = chip.cycles
    assert chip.cycles == before
    next(answer)
    assert chip.cycles == before + LATENCY


def test_reset_in_the_middle_of_an_answer(chip):
    answer = chip.run([1], limit=9)
    assert next(answer).token == 2
    chip.reset()
    assert list(answer) == []
    assert list(chip.run([50], limit=2)) == expected(51, 2, Reason.LIMIT)


def test_unfinished_answer_is_reset_by_the_next_prompt(chip):
    next(chip.run([1], limit=9))
    assert list(chip.run([50], limit=2)) == expected(51, 2, Reason.LIMIT)


def test_hung_chip_is_an_error(chip):
    with pytest.raises(CheckFailed, match="chip simulation: waited 50 clocks for an output token"):
        list(chip.run([HANGS_ON]))
    chip.reset()
    assert list(chip.run([50], limit=1)) == expected(51, 1, Reason.LIMIT)


def test_process_that_ends_is_an_error(tmp_path):
    program = tmp_path / "dies"
    program.write_text("#!/bin/sh\necho chip 8\nread command\necho it broke\n")
    program.chmod(0o755)
    with ChipSimulator(program) as simulator, pytest.raises(CheckFailed, match="chip simulation: it broke"):
        list(simulator.run([1]))


@pytest.mark.parametrize(
    ("prompt", "limit", "message"),
    [
        ([], 0, "prompt: length: got 0, expected at least one token; begin with the BOS token"),
        ([1, 256], 0, "prompt: token 1: got 256, expected 0 to 255; use this chip's tokenizer"),
        ([1], 65536, "prompt: limit: got 65536, expected 0 to 65535; 0 means no limit"),
    ],
)
def test_prompt_the_chip_cannot_take(chip, prompt, limit, message):
    with pytest.raises(InputError) as error:
        list(chip.run(prompt, limit))
    assert str(error.value) == message


def test_build_is_reused_until_the_verilog_changes(tmp_path, executable):
    lines: list[str] = []
    assert build(executable.parents[1], jobs=2, progress=lines.append) == executable
    assert lines == []
    changed = build(bake(tmp_path, CHIP.replace("+ 1;", "+ 2;", 1)), jobs=2, progress=lines.append)
    assert lines
    assert changed.name != executable.name


def test_failed_build_leaves_nothing(tmp_path):
    bake(tmp_path, "module chip(input clk); nonsense endmodule\n")
    with pytest.raises(CheckFailed, match="syntax error"):
        build(tmp_path, jobs=2)
    assert list((tmp_path / "sim").iterdir()) == []


def test_folder_that_is_no_chip(tmp_path):
    with pytest.raises(InputError, match=r"not a baked chip: got no manifest.json, expected one; run hc1gen bake"):
        build(tmp_path, jobs=2)


def test_missing_source_is_named(tmp_path):
    (bake(tmp_path) / "filelist.f").write_text("chip.v\ntile.v\n")
    with pytest.raises(InputError, match=r"filelist.f: file: got nothing, expected tile.v; bake the chip again"):
        build(tmp_path, jobs=2)


def test_interrupted_build_leaves_nothing_behind(tmp_path):
    """Not even tools that go on writing: the interrupt reaches this process alone, as `kill -INT` does."""
    rtl_dir = bake(tmp_path / "chip")

    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(rtl_dir, 1, interrupt)
    assert list((rtl_dir / "sim").iterdir()) == []
    running = subprocess.run(["ps", "-eo", "args"], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert str(rtl_dir) not in running
