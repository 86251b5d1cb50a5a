"""Clocks of a token, derived from the latencies of the blocks; `lanes.py` checks them against Verilator."""

from dataclasses import dataclass

from hc1gen.network import Plan
from hc1gen.rtl.accept import Accept
from hc1gen.rtl.attention import latency
from hc1gen.rtl.sampler import Sampler
from hc1gen.rtl.transformer import PARTS


def quantiser_to_result(columns: int, rows: int, act_bits: int, norm: bool, parts: int = 1) -> int:
    """Clocks from the last of `columns` beats into a quantiser (or a norm) to the last of `rows` beats behind it.

    The last beat of the vector's first coming. RmsNorm: beats + 3 clocks to the first plane, BlockFloat: beats + 2.
    Then one plane a clock, for every part of the rows; CMVM: 2 clocks to the first beat of rows, one beat a clock;
    Requant: 2.
    """
    first_plane = columns + (3 if norm else 2)
    return first_plane + (parts * act_bits - 1) + 2 + (rows - 1) + 2


def layer_clocks(plan: Plan, position: int) -> int:
    """From the last beat of the residual stream into a layer to the last beat out of it. Rope, SwiGLU: 2 clocks, the
    skip connection of attention: 1. The hidden vector comes twice, its planes too if gate and up have parts."""
    bits, pairs = plan.n.config.act_bits, plan.pair_lanes // 2
    residual = len(plan.residual) // plan.lanes
    qkv = (len(plan.keys) + len(plan.values) + len(plan.queries)) // plan.pair_lanes
    gate_up, hidden = len(plan.gate_up) // plan.pair_lanes, len(plan.hidden) // pairs
    contexts = len(plan.contexts) // plan.lanes
    qkv_parts, parts = min(PARTS["qkv"], qkv), min(PARTS["gate_up"], gate_up)
    again = parts * bits - 1 if parts > 1 else 0  # behind planes it comes late enough for the quantiser not to wait
    attention = (
        quantiser_to_result(residual, qkv, bits, True, qkv_parts) + 2 + latency(plan, position)
        + quantiser_to_result(contexts, residual, bits, False) + 1
    )  # fmt: skip
    mlp = (
        quantiser_to_result(residual, gate_up, bits, True, parts) + 2
        + again + quantiser_to_result(hidden, residual, bits, False)
    )  # fmt: skip
    return attention + mlp


def logits_clocks(plan: Plan, position: int) -> int:
    """From a token's issue to its last beat of logits, where nothing stalls: embedding 2 clocks and its beats, every
    layer, the head."""
    residual, vocabulary = len(plan.residual) // plan.lanes, len(plan.vocabulary) // plan.lanes
    head = quantiser_to_result(residual, vocabulary, plan.n.config.act_bits, True, min(PARTS["head"], vocabulary))
    return 2 + residual - 1 + plan.n.model.layers * layer_clocks(plan, position) + head


GREEDY_CHOICE = 2
"""From the last beat of logits to the likeliest token, accepted or not."""


def draw_clocks(plan: Plan, beat: float) -> float:
    """From the last beat of logits to a token that was drawn, if it is in that beat of the vocabulary."""
    return len(plan.vocabulary) // plan.lanes + Sampler.DRAW_CLOCKS + beat


def rejected_clocks(plan: Plan, beat: float) -> float:
    """From the last beat of logits to the replacement of a rejected proposal."""
    bits, sums = plan.n.config.sample_bits, plan.n.sample_sum_bits
    return 2 * len(plan.vocabulary) // plan.lanes + 22 + Accept(bits, sums, sums).clocks + beat


def token_clocks(plan: Plan, position: int) -> int:
    """From one greedy token on `out` to the next where nothing stalls: sequencer 1."""
    return logits_clocks(plan, position) + GREEDY_CHOICE + 1


@dataclass(frozen=True)
class Speculation:
    """What decides how fast a speculating chip is: `accepted` proposals in a round, `position` in the text, whether it
    is `greedy`, and in which `beat` of the vocabulary its tokens are, on average."""

    accepted: float
    position: int
    greedy: bool
    beat: float

    def plain_clocks(self, target: Plan) -> float:
        """Clocks of a token without speculation."""
        choice = GREEDY_CHOICE if self.greedy else draw_clocks(target, self.beat)
        return logits_clocks(target, self.position) + choice + 1

    def proposal_clocks(self, draft: Plan) -> float:
        """From the issue of a token to that of the draft's proposal for the next."""
        return self.plain_clocks(draft)

    def pass_clocks(self, target: Plan) -> float:
        """From the issue of a token that is not accepted in its turn to the issue of its replacement."""
        if self.greedy:
            return self.plain_clocks(target)
        return logits_clocks(target, self.position) + rejected_clocks(target, self.beat) + 1

    def clocks(self, target: Plan, draft: Plan) -> float:
        """Clocks of a token: a round is a pass of the target, and a proposal of the draft for every accepted one."""
        whole = self.pass_clocks(target) + self.accepted * self.proposal_clocks(draft)
        return whole / (1 + self.accepted)
