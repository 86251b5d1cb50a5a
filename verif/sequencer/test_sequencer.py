"""Starts the testbench of the chip's control: what it puts out is what the golden model's `generate` says."""

import random
from types import SimpleNamespace

import numpy as np
import pytest
from bench.check import convert
from bench.runner import simulate
from bench.stalls import STALL_PATTERNS
from cmvm.together import WAIVERS
from embedding.shapes import make_plan

from hc1gen.golden.model import GoldenModel
from hc1gen.reason import Reason
from hc1gen.rtl.sequencer import Sequencer

VOCAB = 37
LIMITS = (0, 0, 1, 1, 2, 5, 500)


def successor(token: int, position: int, eos: tuple[int, ...]) -> int:
    """What the pretended model says after `token` at `position`; one time in five the end of the text."""
    rng = random.Random(f"{token} {position}")
    return rng.choice(eos) if eos and rng.random() < 0.2 else rng.randrange(VOCAB)


class PretendedSession:
    """The golden model's session with `successor` in place of a network."""

    def __init__(self, eos: tuple[int, ...]):
        self.eos, self.length = eos, 0

    def forward(self, tokens: np.ndarray) -> np.ndarray:
        """Logits [T, V], of which only the last row is anything."""
        self.length += len(tokens)
        logits = np.zeros((len(tokens), VOCAB))
        logits[-1, successor(int(tokens[-1]), self.length - 1, self.eos)] = 1
        return logits


class PretendedModel(GoldenModel):
    """The golden model's `generate` round a `PretendedSession`."""

    def __init__(self, context: int, eos: tuple[int, ...]):
        self.context = context
        self.model = SimpleNamespace(model=SimpleNamespace(eos=eos))

    def session(self) -> PretendedSession:
        return PretendedSession(self.model.model.eos)


def conversations(context: int, eos: tuple[int, ...]) -> list[dict]:
    """Prompts, limits, and answers as [token, last, reason]; more than there are epochs."""
    rng = random.Random(context)
    golden = PretendedModel(context, eos)
    lengths = [1, context, context + 1, 2 * context + 3, max(1, context - 1)]
    found = []
    for index in range(24):
        length = lengths[index % 8] if index % 8 < len(lengths) else rng.randint(1, context)
        prompt = [rng.randrange(VOCAB) for _ in range(length)]
        limit = LIMITS[index % len(LIMITS)]
        answer = [[t.token, int(t.last), int(t.reason)] for t in golden.generate(prompt, limit)]
        found.append({"prompt": prompt, "limit": limit, "answer": answer})
    return found


def seen(found: list[dict], context: int) -> set[tuple[str, Reason]]:
    """How the answers end: (first or later token, or after a prompt too long, reason)."""
    kinds = set()
    for c in found:
        reason = Reason(c["answer"][-1][2])
        kinds.add(("first" if len(c["answer"]) == 1 else "later", reason))
        if len(c["prompt"]) > context:
            kinds.add(("cut", reason))
    return kinds


@pytest.mark.parametrize(("context", "eos"), [(16, (2, 36)), (11, ()), (1, (3,))])
def test_answers(context, eos):
    plan = make_plan(1, 7, VOCAB, context=context)
    found = conversations(context, eos)
    kinds = seen(found, context)
    assert {("first", Reason.LIMIT), ("first", Reason.FULL), ("cut", Reason.FULL), ("cut", Reason.LIMIT)} <= kinds
    assert context == 1 or {("later", Reason.FULL), ("later", Reason.LIMIT)} <= kinds
    assert not eos or ("first", Reason.EOS) in kinds
    case = {
        "conversations": found, "context": context, "eos": eos, "vocab": VOCAB, "token_bits": plan.token_bits,
        "position_bits": plan.position_bits, "patterns": list(STALL_PATTERNS),
    }  # fmt: skip
    sources = [WAIVERS, convert(Sequencer(plan, eos), "sequencer")]
    simulate("sequencer", sources, "sequencer", "sequencer.bench_sequencer", case=case)
