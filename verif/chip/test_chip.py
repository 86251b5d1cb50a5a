"""The embedded model's chip as `hc1gen bake` makes it: texts and all vectors equal the golden model's."""

import pytest
from designs import DEFAULT, design

from chip.conversations import Conversation, check_chip, converse
from hc1gen.frontend.tokenizer import Tokenizer
from hc1gen.numeric.numerics import TEMPERATURE_FRAC
from hc1gen.outcome import Outcome
from hc1gen.rtl.clocks import clocks_per_token
from hc1gen.settings import Settings

PROMPTS = [
    "Once upon a time, there was a little girl named Lily who liked to play outside with her red ball every day.",
    "Tom and his dog went to the park.",
    "The sun was hot and",
    "One day, a big bear",
    "",
    "Lily and Ben",
    "There was a boy who",
    "Mom said",
    "The cat",
    "In the garden",
]
TOKENS, LONG = 64, 100
SPEEDUP = 4.0
"""Of a prompt over one token at a time."""
SEEDS = 5


@pytest.fixture(scope="module")
def chip():
    return design(DEFAULT)


@pytest.fixture(scope="module")
def prompts(chip):
    tokenizer = Tokenizer.load(chip.folder, chip.model.model)
    return [tokenizer.encode(text) or [chip.model.model.bos] for text in PROMPTS]


def test_clocks_of_a_token(chip):
    """The README's figure, which the texts below are held to, too."""
    assert clocks_per_token(chip.target) == {"position": 64, "clocks": 1980}


def test_texts(chip, prompts):
    """Five texts in one simulation; every layer's output of every token, in prompts and in answers."""
    talks = [converse(chip, prompt, Settings(TOKENS)) for prompt in prompts[:5]]
    assert all(len(talk.answer) == TOKENS for talk in talks), "a text ends before its time; take another prompt"
    check_chip(chip, talks, patterns=["none"], speedup=SPEEDUP)


def test_speculation(chip, prompts):
    """Ten greedy texts are what they are without speculation; then texts that are drawn, of several seeds."""
    greedy = [converse(chip, prompt, Settings(LONG, speculate=True)) for prompt in prompts]
    alone = [converse(chip, prompt, Settings(LONG)) for prompt in prompts]
    assert [[s[:3] for s in talk.answer] for talk in greedy] == [[s[:3] for s in talk.answer] for talk in alone]
    ways = [Settings(TOKENS, 1 << TEMPERATURE_FRAC, seed, speculate=True) for seed in range(SEEDS)]
    ways.append(Settings(TOKENS, 1 << TEMPERATURE_FRAC, SEEDS))
    drawn = [converse(chip, prompt, settings) for prompt, settings in zip(prompts, ways, strict=False)]
    assert set(range(chip.ahead + 1)) <= lengths(greedy + drawn), "not every acceptance length occurs"
    check_chip(chip, greedy + drawn, patterns=["none"], timeout=3_000_000)


def lengths(talks: list[Conversation]) -> set[int]:
    """How many tokens were accepted in a row, over all rounds."""
    found = set()
    for talk in talks:
        run = 0
        for _, _, _, outcome, _ in talk.answer:
            if outcome == Outcome.ACCEPTED:
                run += 1
            else:
                found.add(run)
                run = 0
    return found
