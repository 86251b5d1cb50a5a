"""Quantised models and the choices of a chip's user become hardware: the one place that puts a network under a model,
and models on a chip."""

from ..frontend.model import ModelConfig
from ..network import Plan, llama
from ..quant.quantized import QuantizedModel
from .chip import DRAFT, Chip
from .transformer import Transformer


def transformer(
    model: QuantizedModel, context: int, lanes: int, kv_heads_per_clock: int | None = None, prefix: str = ""
) -> Transformer:
    """One model as hardware. context: positions of a text; lanes: elements of a beat of the residual stream;
    kv_heads_per_clock: None for all; prefix: what the names of its modules begin with."""
    heads = model.model.kv_heads if kv_heads_per_clock is None else kv_heads_per_clock
    return Transformer(model, llama(Plan(model.numerics(context), lanes, heads, prefix)))


def draft_kv_heads(kv_heads_per_clock: int | None, draft: ModelConfig) -> int:
    """KV heads that the attention of a draft handles in one clock: as many as the target's, or all where the draft has
    fewer. kv_heads_per_clock: the target's, None for all."""
    return draft.kv_heads if kv_heads_per_clock is None else min(kv_heads_per_clock, draft.kv_heads)


def chip(
    target: QuantizedModel, context: int, lanes: int, kv_heads_per_clock: int | None = None,
    draft: QuantizedModel | None = None, ahead: int = 0, draft_kv_heads_per_clock: int | None = None,
) -> Chip:  # fmt: skip
    """A chip of a target, and of a draft that may run `ahead` tokens ahead of it. Nothing is verified yet.

    draft_kv_heads_per_clock: None for what `draft_kv_heads` says.
    """
    own = transformer(target, context, lanes, kv_heads_per_clock)
    if draft is None:
        return Chip(own)
    heads = draft_kv_heads_per_clock
    if heads is None:
        heads = draft_kv_heads(kv_heads_per_clock, draft.model)
    return Chip(own, transformer(draft, context, lanes, heads, DRAFT), ahead)
