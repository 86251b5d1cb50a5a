"""The clocks of a token, added up from what the nodes of the network say of their blocks (`types.py` has the terms).

A token is alone in the chip, and nothing outside stalls: as when an answer is generated without speculation. Then the
chip counts just as many. A step ends with the last word that it puts out, an exponent with the first bit-plane.
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
"""Where in the text a token's clocks are stated, unless the context ends before."""


def stage_steps(target: Transformer, stage: Stage, position: int) -> list[Step]:
    """A token's steps through one stage of the network, without those that add no clock."""
    walk, steps = Walk(target.blocks.kinds, stage, position), []
    for node in stage.nodes:
        added = clocks(node, walk)
        walk.elapsed += total(added)
        steps += [step for step in added if step.clocks]
    return steps


def logits(target: Transformer, position: int) -> list[Step]:
    """From a token's issue to its last beat of logits, a stage that is a module being one step.

    Such a stage takes a token's first beats while the stage before still gives the others: only behind the embedding,
    which gives them at its own pace, do the clocks of coming in count.
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
    """Clocks from the last beat out of the last layer to the last beat of logits."""
    return total(stage_steps(target, target.network.stages[-1], 0))


def _random_wait(target: Transformer) -> int:
    """Clocks that a choice waits for its random number, asked for when the token has passed the head gate."""
    asked = target.blocks.kinds["head_gate"].position_latency
    return max(0, asked + Threefry.latency - _head(target) - Sampler.full_latency)


def _choice(target: Transformer, latency: int) -> list[Step]:
    return [Step("sampler", _random_wait(target) + latency), Step("sequencer", Sequencer.latency)]


def greedy_choice(target: Transformer) -> list[Step]:
    """From the last beat of logits to the likeliest token on `out`, and on `issue`; with a draft, accepted or not."""
    return _choice(target, Sampler.greedy_latency)


def drawn_choice(target: Transformer, beat: int) -> list[Step]:
    """From the last beat of logits to a drawn token on `out`, the draft not asked; it is in this beat of the
    vocabulary."""
    return _choice(target, Sampler(target.plan).drawn_latency(beat))


def accepted_choice(target: Transformer) -> list[Step]:
    """From the last beat of logits to an accepted proposal on `out`, at a temperature, if it was there in time."""
    return _choice(target, Verifier(target.plan).accepted_latency)


def rejected_choice(target: Transformer, beat: int) -> list[Step]:
    """From the last beat of logits to the token on `out` that replaces a proposal, at a temperature; it is in this beat
    of the vocabulary."""
    return _choice(target, Verifier(target.plan).rejected_latency(beat))


def greedy_token(target: Transformer, position: int) -> list[Step]:
    """From one greedy token on `out`, which is issued at `position`, to the next."""
    return logits(target, position) + greedy_choice(target)


def clocks_per_token(target: Transformer) -> dict[str, int]:
    """JSON fields: clocks of a greedy token at `position`, which is POSITION or, in a shorter context, the last one."""
    position = min(POSITION, target.plan.n.context - 1)
    return {"position": position, "clocks": total(greedy_token(target, position))}
