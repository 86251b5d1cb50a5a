"""The simulator's process and protocol, on small chips that answer with each prompt's last token counted up."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from handmade_folder import handmade

from hc1gen.backend.folder import layout
from hc1gen.backend.folder.modules import NetlistModule
from hc1gen.backend.simulator import ChipSimulator, Counters, Token, build, executable_of
from hc1gen.errors import CheckFailed, InputError
from hc1gen.outcome import Outcome
from hc1gen.reason import Reason
from hc1gen.settings import Settings

LATENCY = 5
EOS = 100
HANGS_ON = 200
NO_OUTCOME = 150
FLIPPED = 0x80
"""What a rejected proposal differs in."""

PLAIN = f"""
module chip(
  input clk, input rst,
  input [8:0] prompt__payload, input prompt__valid, output prompt__ready,
  input [15:0] limit, input [15:0] temperature, input [63:0] seed, //ports
  output [10:0] out__payload, output out__valid, input out__ready, output [31:0] clocks);
  reg [7:0] token; reg [15:0] count; reg [31:0] waited; reg busy; reg begun; reg [7:0] step; reg [15:0] most;
  wire [1:0] reason = token == {EOS} ? 1 : count == most ? 2 : token == 255 ? 3 : 0;
  assign prompt__ready = !busy;
  assign out__payload = {{reason, reason != 0, token}};
  assign out__valid = busy && waited >= {LATENCY} && token != {HANGS_ON} + 1;
  assign clocks = waited;
  always @(posedge clk) begin
    waited <= waited + 1;
    if (prompt__valid && prompt__ready) begin
      token <= prompt__payload[7:0] + 1; busy <= prompt__payload[8]; count <= 1; waited <= 1;
      begun <= !prompt__payload[8];
      if (!begun) begin most <= limit; step <= temperature == 0 ? 1 : temperature[15:12] + seed[63:60]; end
    end
    if (out__valid && out__ready) begin
      token <= token + step; count <= count + 1; waited <= 1; busy <= reason == 0;
    end
    if (rst) begin busy <= 0; begun <= 0; token <= 0; count <= 0; waited <= 0; end
  end
  //draft
endmodule
"""
DRAFT = f"""
  reg speculating;
  wire [1:0] outcome = token == {NO_OUTCOME} ? 3 : speculating ? count % 3 : 0;
  wire [7:0] proposal = outcome == 2 ? token ^ {FLIPPED} : token;
  always @(posedge clk) begin
    if (prompt__valid && prompt__ready && !begun) speculating <= speculate;
    if (out__valid && out__ready) begin
      drafted <= drafted + (outcome != 0); accepted <= accepted + (outcome == 1); rejected <= rejected + (outcome == 2);
      flushed <= flushed + 7 * (outcome == 2);
    end
    if (rst) begin drafted <= 0; accepted <= 0; rejected <= 0; flushed <= 0; end
  end
"""
SPECULATING = (
    PLAIN.replace("//ports", "input speculate, output reg [31:0] drafted, accepted, rejected, flushed,")
    .replace("output [10:0]", "output [20:0]")
    .replace("{reason, reason != 0, token}", "{proposal, outcome, reason, reason != 0, token}")
    .replace("//draft", DRAFT)
)
"""Accepted, rejected, sampled in turn; a rejection throws 7 tokens away."""


def bake(rtl_dir: Path, verilog: str = PLAIN, draft: bool = False) -> Path:
    """Write `verilog` as a baked chip."""
    chip = NetlistModule.of("chip")
    files = {chip.path: verilog, layout.SIMULATION: f"// all of it\n{chip.path}\n"}
    return handmade(rtl_dir, files, [chip], ahead=2 if draft else 0, token_bits=8).path


@pytest.fixture(scope="module")
def executable(tmp_path_factory) -> Path:
    """In a folder whose name make would not take."""
    return build(bake(tmp_path_factory.mktemp("chip") / "a chip #1"), jobs=2)


@pytest.fixture(scope="module")
def speculating_executable(tmp_path_factory) -> Path:
    return build(bake(tmp_path_factory.mktemp("speculating"), SPECULATING, draft=True), jobs=2)


@pytest.fixture
def speculating(speculating_executable):
    with ChipSimulator(speculating_executable, patience=50) as simulator:
        yield simulator


@pytest.fixture
def chip(executable):
    with ChipSimulator(executable, patience=50) as simulator:
        yield simulator


def expected(first: int, count: int, reason: Reason) -> list[Token]:
    """`count` tokens from `first`, the last one for `reason`."""
    ends = [Reason.MORE] * (count - 1) + [reason]
    return [Token(first + i, end is not Reason.MORE, end, LATENCY) for i, end in enumerate(ends)]


def test_answer_ends_at_the_limit(chip):
    assert list(chip.run([1, 2, 3], Settings(limit=4))) == expected(4, 4, Reason.LIMIT)


def test_answer_ends_at_eos(chip):
    assert list(chip.run([90])) == expected(91, 10, Reason.EOS)


def test_answer_ends_at_the_context(chip):
    assert list(chip.run([250])) == expected(251, 5, Reason.FULL)


def test_one_prompt_after_another(chip):
    for first in (5, 20, 110):
        assert list(chip.run([0, first], Settings(limit=2))) == expected(first + 1, 2, Reason.LIMIT)


def test_clock_stands_still_between_tokens(chip):
    answer = chip.run([1], Settings(limit=3))
    next(answer)
    before = chip.cycles
    assert chip.cycles == before
    next(answer)
    assert chip.cycles == before + LATENCY


def test_reset_in_the_middle_of_an_answer(chip):
    answer = chip.run([1], Settings(limit=9))
    assert next(answer).token == 2
    chip.reset()
    assert list(answer) == []
    assert list(chip.run([50], Settings(limit=2))) == expected(51, 2, Reason.LIMIT)


def test_unfinished_answer_is_reset_by_the_next_prompt(chip):
    next(chip.run([1], Settings(limit=9)))
    assert list(chip.run([50], Settings(limit=2))) == expected(51, 2, Reason.LIMIT)


def test_hung_chip_is_an_error(chip):
    with pytest.raises(CheckFailed, match="chip simulation: waited 50 clocks for an output token"):
        list(chip.run([HANGS_ON]))
    chip.reset()
    assert list(chip.run([50], Settings(limit=1))) == expected(51, 1, Reason.LIMIT)


def test_process_that_ends_is_an_error(tmp_path):
    program = tmp_path / "dies"
    program.write_text("#!/bin/sh\necho chip 8 0\nread command\necho it broke\n")
    program.chmod(0o755)
    with ChipSimulator(program) as simulator, pytest.raises(CheckFailed, match="chip simulation: it broke"):
        list(simulator.run([1]))


@pytest.mark.parametrize(
    ("prompt", "settings", "message"),
    [
        ([], Settings(), "length: got 0, expected at least one token; begin with the BOS token"),
        ([1, 256], Settings(), "token 1: got 256, expected 0 to 255; use this chip's tokenizer"),
        ([1], Settings(limit=65536), "limit: got 65536, expected 0 to 65535; 0 means no limit"),
        ([1], Settings(temperature=-1), "temperature: got -1, expected 0 to 65535; 0 means the likeliest token"),
        (
            [1],
            Settings(seed=1 << 64),
            f"seed: got {2**64}, expected 0 to {2**64 - 1}; take one of that range",
        ),
    ],
)
def test_prompt_the_chip_cannot_take(chip, prompt, settings, message):
    with pytest.raises(InputError) as error:
        list(chip.run(prompt, settings))
    assert str(error.value) == f"prompt: {message}"


def test_settings_reach_the_chip(chip, speculating):
    """The chip counts up by what stands in the upper bits of temperature and seed as the prompt begins."""
    settings = Settings(limit=3, temperature=0x4FFF, seed=0x3 << 60 | 0xFFF)
    for simulator in (chip, speculating):
        assert [token.token for token in simulator.run([9, 8, 10], settings)] == [11, 18, 25]
        assert [token.token for token in simulator.run([10], Settings(limit=3, seed=1 << 63))] == [11, 12, 13]


# With a draft --------------------------------------------------------------------------------------------------------
def test_outcomes_and_proposals(speculating):
    answer = list(speculating.run([0, 10], Settings(limit=5, speculate=True)))
    fates = [
        (Outcome.ACCEPTED, 11),
        (Outcome.REJECTED, 12 ^ FLIPPED),
        (Outcome.SAMPLED, None),
        (Outcome.ACCEPTED, 14),
        (Outcome.REJECTED, 15 ^ FLIPPED),
    ]
    plain = expected(11, 5, Reason.LIMIT)
    assert answer == [
        replace(token, outcome=outcome, proposal=proposal)
        for token, (outcome, proposal) in zip(plain, fates, strict=True)
    ]


def test_counters_run_until_reset(speculating):
    assert speculating.counters == Counters(0, 0, 0, 0)
    for answers in (1, 2):
        list(speculating.run([10], Settings(limit=4, speculate=True)))
        assert speculating.counters == Counters(3 * answers, 2 * answers, answers, 7 * answers)
    speculating.reset()
    assert speculating.counters == Counters(0, 0, 0, 0)


def test_speculation_is_off_unless_it_is_asked_for(speculating):
    assert list(speculating.run([10], Settings(limit=4))) == expected(11, 4, Reason.LIMIT)
    assert speculating.counters == Counters(0, 0, 0, 0)


def test_chip_without_a_draft_does_not_speculate(chip):
    assert list(chip.run([10], Settings(limit=4, speculate=True))) == expected(11, 4, Reason.LIMIT)
    assert chip.counters is None


def test_outcome_that_does_not_exist_is_an_error(speculating):
    with pytest.raises(CheckFailed, match="chip simulation: token 150 has outcome 3, which does not exist"):
        list(speculating.run([NO_OUTCOME - 1]))


# Building ------------------------------------------------------------------------------------------------------------
def test_build_is_reused_until_the_verilog_changes(tmp_path, executable):
    lines: list[str] = []
    assert build(executable.parents[1], jobs=2, progress=lines.append) == executable
    assert lines == []
    changed = build(bake(tmp_path, PLAIN.replace("+ 1;", "+ 2;", 1)), jobs=2, progress=lines.append)
    assert lines
    assert changed.name != executable.name


def test_build_depends_on_the_words_at_the_ports(tmp_path):
    """The same Verilog, another manifest: the program would take the words apart in other places."""
    plain, narrow, speculating = (bake(tmp_path / name, draft=name == "draft") for name in ("plain", "narrow", "draft"))
    manifest = narrow / layout.MANIFEST
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"token_bits": 7}))
    assert len({executable_of(rtl_dir).name for rtl_dir in (plain, narrow, speculating)}) == 3


def test_failed_build_leaves_nothing(tmp_path):
    bake(tmp_path, "module chip(input clk); nonsense endmodule\n")
    with pytest.raises(CheckFailed, match="syntax error"):
        build(tmp_path, jobs=2)
    assert list((tmp_path / "sim").iterdir()) == []


def test_the_simulator_stays_in_the_folder(tmp_path):
    rtl_dir, outside = bake(tmp_path / "rtl"), tmp_path / "outside"
    outside.mkdir()
    (rtl_dir / layout.SIMULATORS).symlink_to(outside)
    with pytest.raises(InputError, match="got a link that leaves the folder"):
        build(rtl_dir, jobs=1)
    assert not list(outside.iterdir())


def test_folder_that_is_no_chip(tmp_path):
    with pytest.raises(InputError, match=r"not a baked chip: got no manifest.json, expected one; run hc1gen bake"):
        build(tmp_path, jobs=2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda manifest: manifest | {"token_bits": 30}, "token_bits: got 30, expected 1 to 29; bake the chip again"),
        (
            lambda manifest: {name: value for name, value in manifest.items() if name != "draft"},
            "draft: got nothing, expected one or null; bake the chip again",
        ),
    ],
)
def test_manifest_of_another_kind(tmp_path, change, message):
    manifest = bake(tmp_path) / layout.MANIFEST
    manifest.write_text(json.dumps(change(json.loads(manifest.read_text()))))
    with pytest.raises(InputError, match=message):
        build(tmp_path, jobs=2)


def test_missing_source_is_named(tmp_path):
    (bake(tmp_path) / layout.SIMULATION).write_text("rtl/chip.v\nrtl/tile.v\n")
    with pytest.raises(InputError, match=r"filelist.f: rtl/tile.v: got no file, expected Verilog; bake the chip again"):
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
