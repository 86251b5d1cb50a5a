"""The embedded model's chip as `hc1gen bake` makes it: texts and all vectors equal the golden model's."""

import pytest
from designs import DEFAULT, design

from chip.conversations import check_chip, converse
from hc1gen.frontend.tokenizer import Tokenizer

PROMPTS = [
    "Once upon a time, there was a little girl named Lily who liked to play outside with her red ball every day.",
    "Tom and his dog went to the park.",
    "The sun was hot and",
    "One day, a big bear",
    "",
]
TOKENS = 64
SPEEDUP = 4.0


@pytest.fixture(scope="module")
def chip():
    return design(DEFAULT)


def test_texts(chip):
    """Five texts in one simulation; every layer's output of every token, in prompts and in answers."""
    tokenizer = Tokenizer.load(chip.folder, chip.model.model)
    prompts = [tokenizer.encode(text) or [chip.model.model.bos] for text in PROMPTS]
    talks = [converse(chip, prompt, TOKENS) for prompt in prompts]
    assert all(len(talk.answer) == TOKENS for talk in talks), "a text ends before its time; take another prompt"
    check_chip(chip, talks, patterns=["none"], speedup=SPEEDUP)
