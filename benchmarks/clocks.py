"""Clocks of a token, derived from the latencies of the blocks; `lanes.py` checks them against Verilator."""

from hc1gen.rtl.attention import latency
from hc1gen.rtl.plan import Plan


def quantiser_to_result(columns: int, rows: int, act_bits: int, factor: bool) -> int:
    """Clocks from the last of `columns` beats into a quantiser (or its norm) to the last of `rows` beats behind it.

    RmsNorm: 4 clocks to the factor. BlockFloat: beats + 3 to the first plane, beats + 2 after a factor is valid.
    Then one plane a clock; CMVM: 2 clocks to the first beat of rows, one beat a clock; Requant: 2.
    """
    first_plane = 4 + columns + 2 if factor else columns + 3
    return first_plane + (act_bits - 1) + 2 + (rows - 1) + 2


def layer_clocks(plan: Plan, position: int) -> int:
    """From the last beat of the residual stream into a layer to the last beat out of it. Rope, SwiGLU: 2 clocks,
    the skip connection: 1."""
    bits, pairs = plan.n.config.act_bits, plan.pair_lanes // 2
    residual = len(plan.residual) // plan.lanes
    qkv = (len(plan.keys) + len(plan.values) + len(plan.queries)) // plan.pair_lanes
    gate_up, hidden = len(plan.gate_up) // plan.pair_lanes, len(plan.hidden) // pairs
    contexts = len(plan.contexts) // plan.lanes
    attention = (
        quantiser_to_result(residual, qkv, bits, True) + 2 + latency(plan, position)
        + quantiser_to_result(contexts, residual, bits, False) + 1
    )  # fmt: skip
    mlp = (
        quantiser_to_result(residual, gate_up, bits, True) + 2
        + quantiser_to_result(hidden, residual, bits, False) + 1
    )  # fmt: skip
    return attention + mlp


def token_clocks(plan: Plan, position: int) -> int:
    """From one token on `out` to the next where nothing stalls: embedding 2 clocks and its beats, every layer, the
    head, argmax 2, sequencer 1."""
    residual, vocabulary = len(plan.residual) // plan.lanes, len(plan.vocabulary) // plan.lanes
    head = quantiser_to_result(residual, vocabulary, plan.n.config.act_bits, True)
    return 2 + residual - 1 + plan.n.model.layers * layer_clocks(plan, position) + head + 2 + 1
