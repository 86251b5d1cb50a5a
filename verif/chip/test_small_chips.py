"""Whole chips of odd shape: the golden model's answers under all stall patterns, ends, cuts and resets."""

import random

import pytest
from designs import Design, Recipe, design

from chip.conversations import Conversation, check_chip, converse
from hc1gen.golden.model import Reason

RECIPES = [
    Recipe("gqa-old-config-f32", lanes=7, kv_heads_per_clock=2, context=24, eos=2),
    Recipe("gqa-tied-bf16-sharded", lanes=5, kv_heads_per_clock=1, context=16, eos=1),
    Recipe("gqa-wide-bf16", lanes=16, kv_heads_per_clock=2, context=11, eos=1),
    Recipe("mha-tied-f32", lanes=1, kv_heads_per_clock=2, context=10, eos=1),
    Recipe("mqa-f16-sharded", lanes=20, kv_heads_per_clock=1, context=19, eos=3),
]


def until(design: Design, reason: Reason, rng: random.Random) -> Conversation:
    """A conversation with a short prompt that ends for `reason`, after the second token."""
    while True:
        talk = converse(design, [rng.randrange(design.model.model.vocab) for _ in range(rng.randint(1, 4))])
        if talk.answer[-1][2] == reason and len(talk.answer) > 2:
            return talk


def conversations(design: Design) -> list[Conversation]:
    """A long prompt first; every reason to end; prompts of, and beyond, the context."""
    rng, context = random.Random(design.plan.lanes), design.plan.n.context
    vocab = design.model.model.vocab
    ways = [(context // 2 + 1, 3), (1, 1), (context + 5, 0), (context, 1), (context - 1, 0), (1, 2)]
    talks = [converse(design, [rng.randrange(vocab) for _ in range(length)], limit) for length, limit in ways]
    return talks[:3] + [until(design, reason, rng) for reason in (Reason.EOS, Reason.FULL)] + talks[3:]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_answers(recipe):
    chip = design(recipe)
    talks = conversations(chip)
    assert {Reason.EOS, Reason.LIMIT, Reason.FULL} <= {talk.answer[-1][2] for talk in talks}
    assert len(talks[0].answer) == 3, "the first answer must be long enough to be cut short"
    prompt = len(talks[0].prompt)
    check_chip(chip, talks, interrupts=[(1, 0), (3, 0), (prompt, 0), (prompt, 2)])
