"""Whole chips of odd shape: the golden model's answers under all stall patterns, ends, cuts and resets."""

import random

import pytest
from designs import Design, Recipe, design

from chip.conversations import Conversation, check_chip, converse
from hc1gen.numeric.numerics import TEMPERATURE_FRAC
from hc1gen.outcome import Outcome
from hc1gen.reason import Reason
from hc1gen.settings import Settings

RECIPES = [
    Recipe("gqa-old-config-f32", lanes=7, kv_heads_per_clock=2, context=24, eos=2, draft="itself", ahead=3),
    Recipe(
        "gqa-tied-bf16-sharded", lanes=5, kv_heads_per_clock=1, context=16, eos=1, draft="noise", ahead=1, wide=True
    ),
    Recipe("gqa-wide-bf16", lanes=16, kv_heads_per_clock=2, context=11, eos=1),
    Recipe("mha-tied-f32", lanes=1, kv_heads_per_clock=2, context=10, eos=1),
    Recipe("mqa-f16-sharded", lanes=20, kv_heads_per_clock=1, context=19, eos=3, draft="layer", ahead=8),
]
HOT = 9 << TEMPERATURE_FRAC - 2
"""A temperature of 9/4, at which small random models say this and that."""


def until(design: Design, reason: Reason, rng: random.Random) -> Conversation:
    """A conversation with a short prompt that ends for `reason`, after the second token."""
    while True:
        talk = converse(design, [rng.randrange(design.model.model.vocab) for _ in range(rng.randint(1, 4))])
        if talk.answer[-1][2] == reason and len(talk.answer) > 2:
            return talk


def ways(design: Design) -> list[tuple[int, int]]:
    """Length of the prompt, and limit: a long prompt first; prompts of, and beyond, the context."""
    context = design.plan.n.context
    return [(context // 2 + 1, 3), (1, 1), (context + 5, 0), (context, 1), (context - 1, 0), (1, 2)]


def plain(design: Design) -> list[Conversation]:
    """Greedy, without the draft; every reason to end."""
    rng, vocab = random.Random(design.plan.lanes), design.model.model.vocab
    talks = [
        converse(design, [rng.randrange(vocab) for _ in range(length)], Settings(limit))
        for length, limit in ways(design)
    ]
    return talks[:3] + [until(design, reason, rng) for reason in (Reason.EOS, Reason.FULL)] + talks[3:]


def mixed(design: Design) -> list[Conversation]:
    """Greedy and drawn, hot and cold, with the draft, if there is one, and without it."""
    rng, vocab, talks = random.Random(design.plan.lanes), design.model.model.vocab, []
    for length, limit in [*ways(design), *((rng.randint(1, 5), 0) for _ in range(10))]:
        settings = Settings(
            limit=limit,
            temperature=rng.choice((0, 1 << TEMPERATURE_FRAC, HOT)),
            seed=rng.getrandbits(64),
            speculate=design.ahead > 0 and rng.random() < 0.75,
        )
        talks.append(converse(design, [rng.randrange(vocab) for _ in range(length)], settings))
    return talks


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_greedy_answers(recipe):
    """Every vector of every layer, too."""
    chip = design(recipe)
    talks = plain(chip)
    assert {Reason.EOS, Reason.LIMIT, Reason.FULL} <= {talk.answer[-1][2] for talk in talks}
    assert len(talks[0].answer) == 3, "the first answer must be long enough to be cut short"
    prompt = len(talks[0].prompt)
    check_chip(chip, talks, interrupts=[(1, 0), (3, 0), (prompt, 0), (prompt, 2)])


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_sampled_and_speculated_answers(recipe):
    """In one simulation, so that what one answer leaves behind meets the next."""
    chip = design(recipe)
    talks = mixed(chip)
    outcomes = {said[3] for talk in talks for said in talk.answer}
    wanted = {None: set(), "itself": {Outcome.ACCEPTED}, "noise": {Outcome.REJECTED}}
    assert outcomes >= {Outcome.SAMPLED} | wanted.get(recipe.draft, {Outcome.ACCEPTED, Outcome.REJECTED})
    assert recipe.draft != "itself" or Outcome.REJECTED not in outcomes
    prompt = len(talks[0].prompt)
    check_chip(chip, talks, interrupts=[(prompt, 0), (prompt, 2)])
