"""Prompts and what the golden model makes of them: tokens, and every vector between the layers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bench.case import pack
from bench.runner import simulate
from bench.stalls import STALL_PATTERNS
from designs import Design
from embedding.shapes import beats

from hc1gen.network import Order, Plan
from hc1gen.rtl.clocks import drawn_choice, greedy_choice, logits, total
from hc1gen.rtl.payloads import EPOCH_BITS, tagged, to_bits
from hc1gen.settings import GREEDY, Settings

VISIBLE = [
    *(f'public_flat_rd -module "target" -var "{net}_y__payload"' for net in ("layer*", "embedding")),
    'public_flat_rd -module "target" -var "logits__payload"',
    'public_flat_rd -module "chip" -var "sequencer_issue__payload"',
    *(f'public_flat_rd -module "{m}" -var "*__{s}"' for m in ("chip", "target", "layer0") for s in ("valid", "ready")),
]
"""What tests see besides the ports: the target's vectors between layers, its logits, the handshakes."""

LOGITS = "target.logits"
EPOCHS = 1 << EPOCH_BITS


@dataclass(frozen=True)
class Conversation:
    """A prompt, its settings, and the golden answer as (token, last, reason, outcome, proposal)."""

    prompt: list[int]
    settings: dict[str, int]
    answer: list[tuple[int, int, int, int, int | None]]

    def passed(self, context: int) -> list[int]:
        """The tokens that go through the chip where it does not speculate: all but the last one and what was cut."""
        return self.prompt[:context] + [said[0] for said in self.answer[:-1]]


def converse(design: Design, prompt: list[int], settings: Settings = GREEDY) -> Conversation:
    """What the golden chip answers."""
    said = design.chip.generate(prompt, settings)
    answer = [(t.token, int(t.last), int(t.reason), int(t.outcome), t.proposal) for t in said]
    return Conversation(prompt, {name: int(value) for name, value in vars(settings).items()}, answer)


def stream_names(design: Design) -> list[str]:
    """The target's streams between the layers, number i being what layer i takes, and the logits'."""
    return ["target.embedding_y", *(f"target.layer{i}_y" for i in range(design.model.model.layers)), LOGITS]


def payloads(vector: np.ndarray, order: Order, lanes: int, bits: int) -> Iterator[int]:
    """A vector as beats; padding is 0."""
    for beat in beats(vector, order, lanes):
        yield pack(beat, bits)


def vector_words(plan: Plan, vector: np.ndarray, tag: Mapping[str, int]) -> Iterator[int]:
    """Payloads of one vector [D] of the residual stream."""
    layout = tagged(plan.position_bits, plan.lanes, plan.n.residual_bits)
    for beat in beats(vector, plan.residual, plan.lanes):
        yield to_bits(layout, {"lanes": beat, "tag": tag})


def vectors(design: Design, talks: list[Conversation]) -> dict[str, list[int]]:
    """Every payload on the streams of `stream_names`: the prompt at once, then token by token.

    None where the chip speculates: then tokens pass that are not in the text, which of them is a matter of time.
    """
    if any(talk.settings["speculate"] for talk in talks):
        return {}
    plan, names = design.plan, stream_names(design)
    words: dict[str, list[int]] = {name: [] for name in names}
    for epoch, talk in enumerate(talks):
        session, tokens = design.golden.session(), talk.passed(plan.n.context)
        prompt = min(len(talk.prompt), plan.n.context)
        for chunk in (tokens[:prompt], *([t] for t in tokens[prompt:])):
            start = session.length

            def note(layer: int, x: np.ndarray, start: int = start, epoch: int = epoch, prompt: int = prompt) -> None:
                for position, vector in enumerate(x, start):
                    # on a chip with a draft, only speculation moves the epoch
                    current = 0 if design.ahead else epoch % EPOCHS
                    tag = {"position": position, "epoch": current, "predict": position >= prompt - 1}
                    words[names[layer]] += vector_words(plan, vector, tag)

            row = session.forward(np.array(chunk), note)[-1]
            words[LOGITS] += payloads(row, plan.vocabulary, plan.lanes, plan.n.config.logit_bits)
    return words


def clocks(design: Design, talk: Conversation) -> list[int | None]:
    """What each token of an answer takes where nothing stalls, by the latencies of the blocks.

    None where the draft speaks, and for the first token: its prompt passes in one go.
    """
    if talk.settings["speculate"]:
        return [None] * len(talk.answer)
    found: list[int | None] = [None]
    first = min(len(talk.prompt), design.plan.n.context) - 1
    for index, (token, *_) in enumerate(talk.answer[1:], 1):
        beat = token // design.plan.lanes
        choice = drawn_choice(design.target, beat) if talk.settings["temperature"] else greedy_choice(design.target)
        found.append(total(logits(design.target, first + index)) + total(choice))
    return found


def case_of(design: Design, talks: list[Conversation]) -> dict[str, object]:
    """The case of `chip.bench_chip`, patterns and interruptions left open."""
    plan = design.plan
    return {
        "conversations": [vars(talk) for talk in talks],
        "context": plan.n.context,
        "vocab": design.model.model.vocab,
        "token_bits": plan.token_bits,
        "position_bits": plan.position_bits,
        "ahead": design.ahead,
        "beats": len(plan.residual) // plan.lanes,
        "vectors": vectors(design, talks),
        "clocks": [clocks(design, talk) for talk in talks],
        "model_root": int(design.manifest.model_root, 16),
    }


def check_chip(
    design: Design,
    talks: list[Conversation],
    *,
    patterns: Iterable[str] = tuple(STALL_PATTERNS),
    interrupts: Iterable[tuple[int, int]] = (),
    timeout: int = 1_000_000,
    speedup: float = 1.0,
    sources: Sequence[Path] | None = None,
    constants: Mapping[str, int] | None = None,
) -> None:
    """Raise AssertionError unless the chip answers like the golden model, vector by vector, under every pattern.

    Before each pattern's run, runs cut short by a reset: `interrupts` says after how many tokens taken and answered.
    speedup: at least this much faster than one token at a time the first prompt must pass. sources: instead of the
    design's own; constants: values of ports that they have more.
    """
    case = case_of(design, talks) | {
        "patterns": list(patterns),
        "interrupts": list(interrupts),
        "timeout": timeout,
        "speedup": speedup,
        "constants": dict(constants or {}),
    }
    files = design.sources if sources is None else sources
    simulate("chip", files, "chip", "chip.bench_chip", case=case, vlt_lines=VISIBLE)
