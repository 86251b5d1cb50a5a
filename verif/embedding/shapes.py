"""Plans of chips that exist only as a shape, for blocks that need no weights."""

from hc1gen.frontend.model import ModelConfig
from hc1gen.network import Plan
from hc1gen.numeric.config import Formats, NumericConfig
from hc1gen.numeric.numerics import Numerics

SHAPES = [(16, 64, 512), (5, 7, 37), (1, 7, 37)]
"""(lanes, hidden, vocab): whole beats of powers of two; padding in the last beat; a single lane."""


def make_plan(lanes: int, hidden: int, vocab: int, *, context: int = 32, residual_bits: int = 13) -> Plan:
    """A plan whose model has this shape; logits are narrow, so that ties are frequent."""
    model = ModelConfig(
        hidden=hidden, intermediate=2 * hidden, layers=1, heads=1, kv_heads=1, head_dim=hidden, vocab=vocab,
        max_positions=context, rms_eps=1e-5, rope_theta=10000.0, tied=True, bos=None, eos=(),
    )  # fmt: skip
    formats = Formats(residual_bits=residual_bits, score_raw_frac=10, logit_frac=4, layers=())
    return Plan(Numerics(NumericConfig(logit_bits=8), formats, model, context), lanes, 1)


def beats(vector: list[int], order: list[int | None], lanes: int, padding: int = 0) -> list[list[int]]:
    """A vector as beats in `order`, with `padding` in the lanes that hold nothing."""
    values = [padding if i is None else int(vector[i]) for i in order]
    return [values[i : i + lanes] for i in range(0, len(values), lanes)]
