"""The layouts of words: packing and unpacking, their text, and that the ports of the blocks are these words."""

import re

import pytest
from amaranth.back import verilog
from amaranth.hdl import Const
from amaranth.lib import data, wiring
from embedding.shapes import make_plan
from hypothesis import given
from hypothesis import strategies as st

from hc1gen.rtl import payloads
from hc1gen.rtl.draft_queue import DraftQueue
from hc1gen.rtl.head_gate import HeadGate
from hc1gen.rtl.payloads import concatenated, described, to_bits
from hc1gen.rtl.sampler import Sampler
from hc1gen.rtl.sequencer import Sequencer
from hc1gen.rtl.verifier import Verifier

BITS = st.integers(1, 29)
LAYOUTS = st.one_of(
    st.builds(payloads.tag, BITS),
    st.builds(payloads.tagged, BITS, st.integers(1, 5), BITS),
    st.builds(payloads.tagged_token, BITS, BITS),
    st.builds(payloads.placed_token, BITS, BITS),
    st.builds(payloads.prompt_token, BITS),
    st.builds(payloads.drawn_token, BITS, BITS, BITS),
    st.builds(payloads.chosen_token, BITS),
    st.builds(payloads.decision, BITS, BITS, st.booleans()),
    st.builds(payloads.output_token, BITS, st.booleans()),
)


def fields(word: data.Const) -> dict:
    """All fields as numbers, dicts and lists."""
    found = {}
    for name, field in word.shape():
        value = word[name]
        if isinstance(field.shape, data.StructLayout):
            value = fields(value)
        elif isinstance(field.shape, data.ArrayLayout):
            value = list(value)
        found[name] = value
    return found


@st.composite
def words(draw) -> tuple[data.StructLayout, int]:
    """A layout and the bits of a word."""
    layout = draw(LAYOUTS)
    return layout, draw(st.integers(0, 2**layout.size - 1))


@given(words())
def test_fields_pack_to_the_word_they_come_from(word):
    layout, bits = word
    assert to_bits(layout, fields(layout.from_bits(bits))) == bits


@given(words())
def test_signals_are_joined_as_integers_are(word):
    layout, bits = word
    parts = {name: Const(bits >> field.offset, field.width) for name, field in layout}
    assert Const.cast(concatenated(layout, parts)).value == bits


def test_missing_fields_are_zero_and_signals_too_wide_are_cut():
    layout = payloads.prompt_token(3)
    assert to_bits(layout, {"last": 1}) == 0b1000
    assert Const.cast(concatenated(layout, {"token": Const(0b11010, 5)})).value == 0b0010


@pytest.mark.parametrize(
    "value", [{"token": 8}, {"token": -1}, {"tag": {"position": 4}}, {"tag": {"predict": 2}}, {"proposal": 0}]
)
def test_what_does_not_fit_is_refused(value):
    with pytest.raises(ValueError):
        to_bits(payloads.tagged_token(3, 2), value)


@pytest.mark.parametrize("lane", [-9, 8])
def test_lane_that_does_not_fit_is_refused(lane):
    assert to_bits(payloads.tagged(2, 2, 4), {"lanes": [-8, 7]}) == 0x78
    with pytest.raises(ValueError):
        to_bits(payloads.tagged(2, 2, 4), {"lanes": [0, lane]})


def test_layouts_as_text():
    assert described(payloads.prompt_token(9)) == "{last, token[8:0]}"
    assert described(payloads.output_token(9, draft=False)) == "{reason[1:0], last, token[8:0]}"
    out = payloads.output_token(9, draft=True)
    assert described(out) == "{proposal[8:0], outcome[1:0], reason[1:0], last, token[8:0]}"
    assert described(out, plain=("proposal",)) == "{proposal, outcome[1:0], reason[1:0], last, token[8:0]}"
    beat = payloads.tagged(9, 8, 20)
    assert described(beat) == "{predict, epoch[3:0], sequence, position[8:0], 8 lanes of 20 bits}"


PLAN = make_plan(2, 5, 37, context=20)
TOKEN, POSITION = PLAN.token_bits, PLAN.position_bits
TOKENS = payloads.tagged_token(TOKEN, POSITION)
DRAWN = payloads.drawn_token(TOKEN, PLAN.n.config.sample_bits, PLAN.n.sample_sum_bits)
PORTS = {
    "sequencer": (Sequencer(PLAN, (1,)), {
        "prompt__payload": payloads.prompt_token(TOKEN), "out__payload": payloads.output_token(TOKEN, draft=False),
        "issue__payload": TOKENS, "sampled__payload": payloads.decision(TOKEN, POSITION, draft=False),
    }),
    "speculating": (Sequencer(PLAN, (1,), ahead=2), {
        "prompt__payload": payloads.prompt_token(TOKEN), "out__payload": payloads.output_token(TOKEN, draft=True),
        "issue__payload": TOKENS, "draft_issue__payload": TOKENS, "proposed__payload": TOKENS,
        "sampled__payload": payloads.decision(TOKEN, POSITION, draft=True),
    }),
    "head_gate": (HeadGate(PLAN), {
        "x__payload": payloads.tagged(POSITION, PLAN.lanes, PLAN.n.residual_bits), "tag": payloads.tag(POSITION),
    }),
    "sampler": (Sampler(PLAN), {"y__payload": DRAWN}),
    "verifier": (Verifier(PLAN), {"head": DRAWN, "y__payload": payloads.chosen_token(TOKEN)}),
    "draft_queue": (DraftQueue(PLAN, 3), {"record": DRAWN, "head": DRAWN}),
}  # fmt: skip
"""Blocks, and the words at their ports."""


@pytest.mark.parametrize("name", PORTS)
def test_ports_of_the_blocks_are_as_wide_as_the_words(name):
    component, ports = PORTS[name]
    assert isinstance(component, wiring.Component)
    text = verilog.convert(component, name=name, emit_src=False, strip_internal_attrs=True)
    widths = {port: int(top) + 1 for top, port in re.findall(r"(?m)^  (?:in|out)put \[(\d+):0\] (\w+)", text)}
    assert {port: widths[port] for port in ports} == {port: layout.size for port, layout in ports.items()}
