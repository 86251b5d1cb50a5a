"""The bench passes a correct design, and fails each kind of broken one."""

from pathlib import Path

import pytest
from amaranth import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from bench.case import pack, unpack
from bench.check import check_streams, convert
from bench.runner import PortsRunner, build, simulate
from bench.timing import through

WORDS = [pack([i, -i, 7 * i % 128], 8) for i in range(100)]


class Stage(wiring.Component):
    """A pipeline register with a skid buffer: each word comes out with its lanes rotated. `fault` breaks it."""

    x: In(stream.Signature(24))
    y: Out(stream.Signature(24))

    def __init__(self, fault: str = ""):
        super().__init__()
        self.fault = fault

    def elaborate(self, platform):
        m = Module()
        data, full = self.y.payload, self.y.valid
        skid, skidded = Signal(24), Signal(reset_less=self.fault == "keeps a word over reset")
        word = Cat(self.x.payload[8:], self.x.payload[:8])
        m.d.comb += self.x.ready.eq(~skidded)
        with m.If(self.y.ready | ~full):
            with m.If(skidded):
                m.d.sync += [data.eq(skid), full.eq(1), skidded.eq(0)]
            with m.Else():
                m.d.sync += [data.eq(word), full.eq(self.x.valid)]
        with m.Elif(self.x.valid & self.x.ready):
            if self.fault != "drops a word":
                m.d.sync += [skid.eq(word), skidded.eq(1)]
            if self.fault == "payload changes":
                m.d.sync += data.eq(word)
            if self.fault == "valid falls":
                m.d.sync += full.eq(0)
        if self.fault == "repeats the last word":
            with m.If(self.y.ready & full & ~self.x.valid):
                m.d.sync += full.eq(1)
        return m


def rotate(word: int) -> int:
    """What a `Stage` makes of a word."""
    lanes = unpack(word, 8, 3)
    return pack([*lanes[1:], lanes[0]], 8)


def test_correct_design_passes_under_all_patterns():
    check_streams("stage", Stage(), {"x": WORDS}, {"y": map(rotate, WORDS)})


@pytest.mark.parametrize(("latency", "pace"), [(0, 1), (2, 1), (1, 2)])
def test_wrong_timing_fails(latency, pace):
    """The stage has a latency of 1 clock and gives a word in every clock."""
    words = {"x": WORDS}, {"y": [*map(rotate, WORDS)]}
    check_streams("stage", Stage(), *words, timing=through(1, 1, len(WORDS)))
    with pytest.raises(AssertionError, match=r"clocks from word 0 of [xy] to word [01] of y, stated [02]"):
        check_streams("stage", Stage(), *words, timing=through(latency, pace, len(WORDS)))


def test_timing_needs_a_run_without_stalls():
    with pytest.raises(ValueError, match="pattern none"):
        check_streams("stage", Stage(), {"x": WORDS}, {"y": []}, timing=through(1, 1, 2), patterns=["idle", "both"])


@pytest.mark.parametrize("pattern", ["none", "idle"])
def test_word_dropped_only_when_stalled_passes_without_stalls(pattern):
    check_streams("stage", Stage("drops a word"), {"x": WORDS}, {"y": map(rotate, WORDS)}, patterns=[pattern])


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("drops a word", r"y: word \d+: got 0x\w+, expected 0x\w+"),
        ("payload changes", "payload changed before the transfer"),
        ("valid falls", "valid fell before the transfer"),
        ("repeats the last word", "y: a word too many"),
        ("keeps a word over reset", r"y: word \d+: got"),
    ],
)
def test_broken_design_fails(fault, message):
    with pytest.raises(AssertionError, match=message):
        check_streams("stage", Stage(fault), {"x": WORDS}, {"y": map(rotate, WORDS)}, patterns=["stall"])


def test_one_wrong_word_fails():
    wrong = [*map(rotate, WORDS[:-1]), rotate(WORDS[-1]) ^ 1]
    with pytest.raises(AssertionError, match="y: word 99"):
        check_streams("stage", Stage(), {"x": WORDS}, {"y": wrong}, patterns=["none"])


def test_missing_word_fails():
    with pytest.raises(AssertionError, match="not done after 300 clocks; x: 100 of 100 words sent; y: 100 of 101"):
        check_streams("stage", Stage(), {"x": WORDS}, {"y": [*map(rotate, WORDS), 0]}, patterns=["none"], timeout=300)


def test_zero_tests_fail():
    source = convert(Stage(), "stage")
    with pytest.raises(AssertionError, match="the simulation ended without results"):
        simulate("stage", [source], "stage", "bench.compare", case={"patterns": []})
    with pytest.raises(AssertionError, match="the simulation ended without results"):
        simulate("stage", [source], "stage", "bench.stalls")


def test_missing_test_module_fails():
    with pytest.raises(AssertionError, match="No module named"):
        simulate("stage", [convert(Stage(), "stage")], "stage", "bench.absent")


def test_design_that_does_not_build_fails(tmp_path: Path):
    source = tmp_path / "broken.v"
    source.write_text("module broken(input clk); this is not Verilog; endmodule\n")
    with pytest.raises(AssertionError, match="syntax error"):
        simulate("broken", [source], "broken", "bench.compare", build_dir=tmp_path)


def test_only_ports_are_public(tmp_path: Path):
    built = build("stage", [convert(Stage(), "stage")], "stage")
    symbols = (built.folder / "Vtop__Syms__Slow.cpp").read_text()
    assert '"y__valid"' in symbols
    assert '"skid' not in symbols


def test_public_flat_rw_is_not_passed(tmp_path: Path, monkeypatch):
    commands = []
    monkeypatch.setattr(PortsRunner, "_execute", lambda self, cmds, cwd: commands.extend(cmds))
    PortsRunner(optimise=False).build(sources=[tmp_path / "x.v"], hdl_toplevel="x", build_dir=tmp_path)
    assert len(commands) == 2
    assert not [argument for command in commands for argument in command if "--public" in argument]


@pytest.mark.parametrize("signed", [False, True])
def test_pack_and_unpack(signed):
    lanes = [3, 0, -8 if signed else 8, 7]
    assert unpack(pack(lanes, 4), 4, 4, signed) == lanes


def test_pack_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="lane 1: 16 does not fit 4 bits"):
        pack([0, 16], 4)
