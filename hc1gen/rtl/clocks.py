"""The clocks that a token takes, added up from the latencies of the blocks (`types.py` defines the terms).

The sums hold for a token that is alone in the chip while nothing outside stalls, as in an answer without speculation.
Then they equal the clocks that the chip itself counts. A step ends with the last word that it puts out; a step that
puts out an exponent ends with the first bit-plane.
"""

from ..network import Stage
from .residual import ENTRANCE
from .sampler import Sampler
from .sequencer import Sequencer
from .threefry import Threefry
from .timing import Step, Walk, clocks, total
from .transformer import Transformer
from .verifier import Verifier

POSITION = 64
"""Position in the text for which the clocks of a token are stated, if the context is long enough."""


def stage_steps(target: Transformer, stage: Stage, position: int) -> list[Step]:
    """The steps of a token at `position` through one stage of the network. Steps of 0 clocks are left out."""
    walk, steps = Walk(target.blocks.kinds, stage, position), []
    for node in stage.nodes:
        added = clocks(node, walk)
        walk.elapsed += total(added)
        steps += [step for step in added if step.clocks]
    return steps


def logits(target: Transformer, position: int) -> list[Step]:
    """The steps from the issue of a token at `position` to its last beat of logits.

    A stage that is a module of its own is one step. It takes the first beats of a token while the stage before it still
    puts out the others, so its entrance clocks do not count. Only the first such stage, after the embedding, counts
    them, because the embedding puts out beats at its own pace.
    """
    found: list[Step] = []
    for stage in target.network.stages:
        steps = stage_steps(target, stage, position)
        if stage.purpose is None:
            found += steps
        else:
            entered = any(step.name == ENTRANCE for step in found)
            found += [step for step in steps if step.name == ENTRANCE and not entered]
            inside = total(step for step in steps if step.name != ENTRANCE)
            found.append(Step(stage.name, inside, f"{stage.name}_y"))
    return found


def _head(target: Transformer) -> int:
    """Clocks from the last beat that the last layer puts out to the last beat of logits."""
    return total(stage_steps(target, target.network.stages[-1], 0))


def _random_wait(target: Transformer) -> int:
    """Clocks that the sampler waits for its random number, which is asked for when the token passes the head gate."""
    asked = target.blocks.kinds["head_gate"].position_latency
    return max(0, asked + Threefry.latency - _head(target) - Sampler.full_latency)


def _choice(target: Transformer, latency: int) -> list[Step]:
    return [Step("sampler", _random_wait(target) + latency), Step("sequencer", Sequencer.latency)]


def greedy_choice(target: Transformer) -> list[Step]:
    """The steps from the last beat of logits to the most likely token on `out` and `issue`.

    With a draft they are the same for an accepted and for a rejected proposal.
    """
    return _choice(target, Sampler.greedy_latency)


def drawn_choice(target: Transformer, beat: int) -> list[Step]:
    """The steps from the last beat of logits to a drawn token on `out`, if the draft was not asked.

    beat: the beat of the vocabulary that holds the token.
    """
    return _choice(target, Sampler(target.plan).drawn_latency(beat))


def accepted_choice(target: Transformer) -> list[Step]:
    """The steps from the last beat of logits to an accepted proposal on `out`, at a temperature above 0.

    The proposal was in the queue in time.
    """
    return _choice(target, Verifier(target.plan).accepted_latency)


def rejected_choice(target: Transformer, beat: int) -> list[Step]:
    """The steps from the last beat of logits to the token on `out` that replaces a rejected proposal.

    The temperature is above 0. beat: the beat of the vocabulary that holds the token.
    """
    return _choice(target, Verifier(target.plan).rejected_latency(beat))


def greedy_token(target: Transformer, position: int) -> list[Step]:
    """The steps from one greedy token on `out`, which is issued at `position`, to the next token on `out`."""
    return logits(target, position) + greedy_choice(target)


def clocks_per_token(target: Transformer) -> dict[str, int]:
    """JSON fields: the clocks of a greedy token at `position`.

    The position is POSITION or, if the context is shorter, the last one.
    """
    position = min(POSITION, target.plan.n.context - 1)
    return {"position": position, "clocks": total(greedy_token(target, position))}
