"""Starts the testbench of the chip's control: what it puts out is what the golden chip says of pretended models."""

import random
from itertools import product

import pytest
from bench.check import convert
from bench.runner import simulate
from bench.stalls import STALL_PATTERNS
from cmvm.together import WAIVERS
from embedding.shapes import make_plan

from hc1gen.golden.chip import GoldenChip
from hc1gen.outcome import Outcome
from hc1gen.reason import Reason
from hc1gen.rtl.sequencer import Sequencer
from hc1gen.settings import Settings
from sequencer.pretended import Pretended, PretendedModel

VOCAB = 37
LIMITS = (0, 0, 1, 1, 2, 5, 500)
EVEN = {"capacity": 4, "latencies": (1, 1, 2, 3, 9, 40)}
QUICK = {"capacity": 30, "latencies": (1,)}
SLOW = {"capacity": 3, "latencies": (20, 60)}
NARROW = {"capacity": 1, "latencies": (1, 1, 6)}
AGREEMENTS = {"hostile": 0.0, "middling": 0.75, "perfect": 1.0}
PIPELINES = {
    "even": (EVEN, EVEN),
    "narrow": (NARROW, NARROW),
    "slow draft": (QUICK, SLOW),
    "slow target": (SLOW | {"capacity": 12}, QUICK),
}
"""Target and draft."""


def answer(models: Pretended, context: int, ahead: int, prompt: list[int], settings: Settings) -> list[list]:
    """What the golden chip says, as [token, last, reason, outcome, proposal]."""
    key = f"{settings.temperature} {settings.seed}"
    target = PretendedModel(context, models, lambda heard: models.target(key, heard))
    draft = PretendedModel(context, models, lambda heard: models.draft(key, heard))
    chip = GoldenChip(target, draft if ahead else None, ahead)
    greedy = Settings(settings.limit, 0, 0, settings.speculate)  # what is drawn is the pretended models' affair
    return [[t.token, int(t.last), int(t.reason), int(t.outcome), t.proposal] for t in chip.generate(prompt, greedy)]


def prompts(context: int, vocab: int) -> list[tuple[list[int], int, bool]]:
    """Prompts, limits, and whether the draft is asked.

    All lengths; and among those for which the draft is asked more short ones without it than there are epochs.
    """
    rng = random.Random(context)
    lengths = [1, context, context + 1, 2 * context + 3, max(1, context - 1)]
    ways = [
        (lengths[i % 8] if i % 8 < len(lengths) else rng.randint(1, context), LIMITS[i % len(LIMITS)], i % 5 != 2)
        for i in range(32)
    ]
    ways[16:16] = [(1, 0, True), *[(1, 1, False)] * 18, (1, 0, True), *[(1, 1, False)] * 15]
    return [([rng.randrange(vocab) for _ in range(length)], limit, asked) for length, limit, asked in ways]


def conversations(models: Pretended, context: int, ahead: int) -> list[dict]:
    """Prompts, settings and answers."""
    rng, found = random.Random(f"{context} {ahead}"), []
    for prompt, limit, asked in prompts(context, models.vocab):
        settings = Settings(limit, rng.getrandbits(16), rng.getrandbits(64), asked and ahead > 0)
        said = answer(models, context, ahead, prompt, settings)
        found.append({"prompt": prompt, "settings": vars(settings), "answer": said})
    return found


def ends(found: list[dict], context: int) -> set[tuple[str, Reason]]:
    """How the answers end: (first or later token, or after a prompt too long, reason)."""
    kinds = set()
    for c in found:
        reason = Reason(c["answer"][-1][2])
        kinds.add(("first" if len(c["answer"]) == 1 else "later", reason))
        if len(c["prompt"]) > context:
            kinds.add(("cut", reason))
    return kinds


def last_outcomes(found: list[dict]) -> set[tuple[Reason, Outcome]]:
    """Reasons of answers for which the draft was asked, and whence their last tokens come."""
    return {(Reason(c["answer"][-1][2]), Outcome(c["answer"][-1][3])) for c in found if c["settings"]["speculate"]}


def check(
    context: int, eos: tuple[int, ...], vocab: int, ahead: int, scenarios: dict[str, dict], runs: list[tuple[str, str]]
) -> None:
    """Raise AssertionError unless the control holds all conversations; runs: stall patterns and scenarios."""
    plan = make_plan(1, 7, vocab, context=context)
    case = {
        "scenarios": scenarios, "context": context, "eos": eos, "vocab": vocab, "token_bits": plan.token_bits,
        "position_bits": plan.position_bits, "ahead": ahead, "latency": Sequencer.latency, "pace": Sequencer.pace,
        "runs": [(number, *run) for number, run in enumerate(runs)],
    }  # fmt: skip
    sources = [WAIVERS, convert(Sequencer(plan, eos, ahead), "sequencer")]
    simulate("sequencer", sources, "sequencer", "sequencer.bench_answers", case=case)


@pytest.mark.parametrize(("context", "eos"), [(16, (2, 36)), (11, ()), (1, (3,))])
def test_answers(context, eos):
    """A chip without a draft."""
    models = Pretended(VOCAB, eos, agreement=0)
    found = conversations(models, context, ahead=0)
    kinds = ends(found, context)
    assert {("first", Reason.LIMIT), ("first", Reason.FULL), ("cut", Reason.FULL), ("cut", Reason.LIMIT)} <= kinds
    assert context == 1 or {("later", Reason.FULL), ("later", Reason.LIMIT)} <= kinds
    assert not eos or ("first", Reason.EOS) in kinds
    scenario = {"agreement": 0, "target": EVEN, "conversations": found, "wants": [], "brisk": False}
    scenarios = {"even": scenario, "quick": scenario | {"target": QUICK, "brisk": True}}
    check(context, eos, VOCAB, 0, scenarios, list(product(STALL_PATTERNS, scenarios)))


def speculative(context: int, eos: tuple[int, ...], vocab: int, ahead: int) -> dict[str, dict]:
    """Scenarios by name: all kinds of drafts, in all kinds of pipelines."""
    found = {}
    for kind, agreement in AGREEMENTS.items():
        models = Pretended(vocab, eos, agreement)
        talks = conversations(models, context, ahead)
        for name, (target, draft) in PIPELINES.items():
            found[f"{name}, {kind}"] = {
                "agreement": agreement, "target": target, "draft": draft, "conversations": talks, "brisk": False,
                "wants": [],
            }  # fmt: skip
    found["slow target, perfect"]["wants"] = ["deep"] if context > ahead else []
    found["narrow, hostile"]["wants"] = ["blocked"] if min(context, ahead) >= 4 else []
    return found


def rotated(names: list[str]) -> list[tuple[str, str]]:
    """All stall patterns; each meets a third of the scenarios `names`, and each scenario some of the patterns."""
    return [
        (pattern, name)
        for shift, pattern in enumerate(STALL_PATTERNS)
        for index, name in enumerate(names)
        if (index // len(PIPELINES) + index + shift) % len(AGREEMENTS) == 0
    ]


@pytest.mark.parametrize("ahead", [1, 2, 4, 8])
def test_speculation(ahead):
    """A chip with a draft, which may run some tokens ahead."""
    context, eos = 16, (2, 36)
    scenarios = speculative(context, eos, VOCAB, ahead)
    kinds = last_outcomes(scenarios["even, middling"]["conversations"])
    for reason in (Reason.EOS, Reason.LIMIT, Reason.FULL):
        assert {(reason, Outcome.ACCEPTED), (reason, Outcome.REJECTED)} <= kinds, f"not all ends: {kinds}"
    # every run where the draft may be far ahead, every third where less can happen: formal proofs cover those
    check(context, eos, VOCAB, ahead, scenarios, rotated(list(scenarios))[:: 1 if ahead == 8 else 3])


@pytest.mark.parametrize(("context", "vocab", "eos"), [(1, 2, ()), (2, 5, ()), (4, 2, (1,)), (11, 64, ())])
def test_tiny(context, vocab, eos):
    """Contexts that are full at once, or before the draft is as far ahead as it may be."""
    scenarios = speculative(context, eos, vocab, 3)
    check(context, eos, vocab, 3, scenarios, rotated(list(scenarios))[::4])
