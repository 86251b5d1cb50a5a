"""A small chip on its board: what a host sends and receives on the serial line."""

import random

import pytest
from bench.case import output_word
from bench.check import convert
from bench.runner import simulate
from chip.conversations import converse
from cmvm.together import WAIVERS
from designs import Recipe, design

from hc1gen.backend.fpga.board import Board
from hc1gen.backend.fpga.build import link_of
from hc1gen.backend.fpga.link import Link
from hc1gen.errors import InputError
from hc1gen.rtl.payloads import output_token
from hc1gen.settings import Settings

RECIPE = Recipe("gqa-old-config-f32", lanes=2, kv_heads_per_clock=1, context=24, eos=2)
OPEN = ['lint_off -rule PINMISSING -file "*/board.v"']
"""The chip's counters and constants are not on the line."""
BIT_CLOCKS = 50
"""A token's bits take longer than the chip with a token of a prompt."""


def test_talks():
    chip, rng = design(RECIPE), random.Random(1)
    link = link_of(chip.manifest)
    out = output_token(link.token_bits, link.draft)
    talks = []
    for settings in (Settings(4), Settings(3, 1 << 12, rng.getrandbits(64)), Settings(300)):
        prompt = [rng.randrange(chip.model.model.vocab) for _ in range(3)]
        answer = converse(chip, prompt, settings).answer
        talks.append((link.prompt(prompt, settings).hex(), [output_word(out, *said) for said in answer]))
    board = convert(Board(link, clock_hz=2 * BIT_CLOCKS, baud=1, divide=2), "board")
    case = {"talks": talks, "bit_clocks": 2 * BIT_CLOCKS, "link": vars(link), "timeout": 1_000_000}
    simulate("board", [WAIVERS, *chip.sources, board], "board", "board.serial", case=case, vlt_lines=OPEN)


def test_words_of_the_line():
    link = Link(token_bits=9, draft=True)
    sent = link.prompt([3, 511], Settings(limit=2, temperature=0x123, seed=5, speculate=True))
    assert sent.hex(" ", 1) == "02 00 23 01 05 00 00 00 00 00 00 00 01 03 00 ff 81"
    received = bytes.fromhex("01 02 03 04 00 00 00 05 06 07 08 00 00 01 09")
    assert link.answer(received) == [(0x030201, 4), (0x070605, 0x01000008)]


def test_tokens_too_large_for_the_line_are_refused():
    with pytest.raises(InputError, match="serial link: tokens: got 16 bits, expected at most 15"):
        Link(token_bits=16, draft=False)
