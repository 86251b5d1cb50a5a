"""The clocks of a token, added up from what the blocks state of themselves (`types.py` has the terms).

A token is alone in the chip, and nothing outside stalls: as when an answer is generated without speculation. Then the
chip counts just as many. A stage ends with the last word that it puts out, an exponent with the first bit-plane.
"""

from collections.abc import Iterable
from typing import NamedTuple

from .cmvm import Cmvm
from .requant import Requant
from .sampler import Sampler
from .sequencer import Sequencer
from .threefry import Threefry
from .transformer import Transformer
from .verifier import Verifier

POSITION = 64
"""Where in the text a token's clocks are stated, unless the context ends before."""


class Stage(NamedTuple):
    """What happens to a token, and how many clocks it adds to those of the stages before it."""

    name: str
    clocks: int


def total(stages: Iterable[Stage]) -> int:
    """Clocks of all stages."""
    return sum(stage.clocks for stage in stages)


def product(name: str, cmvm: Cmvm, requant: Requant) -> list[Stage]:
    """From a vector's first bit-plane to its last result: planes, which come again for each part of the rows, then the
    read-out of the last part, requantised."""
    return [
        Stage(f"{name} planes", cmvm.plane_span),
        Stage(f"{name} CMVM", cmvm.duration),
        Stage(f"{name} requantise", requant.latency),
    ]


def attention(target: Transformer, position: int) -> list[Stage]:
    """From a layer's last beat in to the last beat of its sum with attention."""
    blocks = target.blocks.kinds
    residual, requant, out = blocks["residual"], blocks["requant_layer"], blocks["cmvm_out"]
    added = requant.latency + residual.attention_wait + residual.latency
    return [
        Stage("norm", residual.latency + blocks["rms_norm_layer"].latency),
        *product("QKV", blocks["cmvm_qkv"], requant),
        Stage("RoPE", angle_wait(target) + blocks["rope"].latency),
        Stage("attention", blocks["attention"].duration(position)),
        Stage("context exponent", blocks["quantize_context"].latency),
        Stage("context planes", out.plane_span),
        Stage("out CMVM, requantise and add", out.duration + added),
    ]


def mlp(target: Transformer) -> list[Stage]:
    """From the last beat of a layer's sum with attention to the layer's last beat out.

    The hidden vector is computed twice, so its exponent waits for its second coming.
    """
    blocks = target.blocks.kinds
    requant, quantise = blocks["requant_layer"], blocks["quantize_hidden"]
    gate_up, down = blocks["cmvm_gate_up"], blocks["cmvm_down"]
    return [
        Stage("MLP norm", blocks["rms_norm_layer"].latency),
        *product("gate/up", gate_up, requant),
        Stage("SwiGLU", blocks["swiglu"].latency),
        Stage("hidden exponent", max(quantise.latency, gate_up.again + quantise.plane_latency)),
        Stage("hidden planes", down.plane_span),
        Stage("down CMVM, requantise and add", down.duration + requant.latency + blocks["residual"].latency),
    ]


def layer(target: Transformer, position: int) -> list[Stage]:
    """From the last beat of the residual stream into a layer to the last beat out of it."""
    return attention(target, position) + mlp(target)


def angle_wait(target: Transformer) -> int:
    """Clocks by which the last results of QKV are late behind RoPE, because the angles of a new position are.

    Keys wait for the angles, and behind them, unless the requantiser has room for a whole part of the rows, the planes
    of the next part. Else only what is left of the wait when the next part's results come is lost.
    """
    blocks = target.blocks.kinds
    cmvm, requant = blocks["cmvm_qkv"], blocks["requant_layer"]
    planes = cmvm.act_bits * cmvm.pace
    first = _entrance(target) + blocks["residual"].latency + blocks["rms_norm_layer"].latency
    arrived = first + planes - cmvm.pace + cmvm.latency + requant.latency
    late = max(0, blocks["residual"].tag_latency + blocks["rope"].angle_latency - arrived)
    return late if cmvm.part_beats > requant.latency else max(0, late - (cmvm.parts - 1) * planes)


def head(target: Transformer) -> list[Stage]:
    """From the last beat out of the last layer to the last beat of logits."""
    blocks = target.blocks.kinds
    norm = blocks["head_gate"].latency + blocks["twice_head"].latency + blocks["rms_norm_head"].latency
    return [
        Stage("final norm", norm),
        *product("head", blocks["cmvm_head"], blocks["requant_head"]),
    ]


def _entrance(target: Transformer) -> int:
    """Clocks from a token's first beat into a layer to its last."""
    return (len(target.plan.residual) // target.plan.lanes - 1) * target.blocks.kinds["residual"].pace


def logits(target: Transformer, position: int) -> list[Stage]:
    """From a token's issue to its last beat of logits."""
    clocks = total(layer(target, position))
    return [
        Stage("embedding", target.blocks.kinds["embedding"].latency),
        Stage("residual in", _entrance(target)),
        *(Stage(f"layer {index}", clocks) for index in range(target.plan.n.model.layers)),
        *head(target),
    ]


def _random_wait(target: Transformer) -> int:
    """Clocks that a choice waits for its random number, asked for when the token has passed the head gate."""
    asked = target.blocks.kinds["head_gate"].position_latency
    return max(0, asked + Threefry.latency - total(head(target)) - Sampler.full_latency)


def _choice(target: Transformer, latency: int) -> list[Stage]:
    return [Stage("sampler", _random_wait(target) + latency), Stage("sequencer", Sequencer.latency)]


def greedy_choice(target: Transformer) -> list[Stage]:
    """From the last beat of logits to the likeliest token on `out`, and on `issue`; with a draft, accepted or not."""
    return _choice(target, Sampler.greedy_latency)


def drawn_choice(target: Transformer, beat: int) -> list[Stage]:
    """From the last beat of logits to a drawn token on `out`, the draft not asked; it is in this beat of the
    vocabulary."""
    return _choice(target, Sampler(target.plan).drawn_latency(beat))


def accepted_choice(target: Transformer) -> list[Stage]:
    """From the last beat of logits to an accepted proposal on `out`, at a temperature, if it was there in time."""
    return _choice(target, Verifier(target.plan).accepted_latency)


def rejected_choice(target: Transformer, beat: int) -> list[Stage]:
    """From the last beat of logits to the token on `out` that replaces a proposal, at a temperature; it is in this beat
    of the vocabulary."""
    return _choice(target, Verifier(target.plan).rejected_latency(beat))


def greedy_token(target: Transformer, position: int) -> list[Stage]:
    """From one greedy token on `out`, which is issued at `position`, to the next."""
    return logits(target, position) + greedy_choice(target)


def clocks_per_token(target: Transformer) -> dict[str, int]:
    """JSON fields: clocks of a greedy token at `position`, which is POSITION or, in a shorter context, the last one."""
    position = min(POSITION, target.plan.n.context - 1)
    return {"position": position, "clocks": total(greedy_token(target, position))}
