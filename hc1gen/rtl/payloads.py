"""The layouts of all stream payloads that carry tokens. Hardware, testbenches and programs take them from here.

The first field of a layout is in the low bits. `to_bits` packs integers into a word, and `concatenated` packs signals.
The method `from_bits` of a layout unpacks a word: `prompt_token(9).from_bits(0x203).last` is 1.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from amaranth.hdl import Cat, Const, Shape, Value, ValueCastable
from amaranth.lib import data

from ..outcome import Outcome
from ..reason import Reason
from .types import lanes

EPOCH_BITS = 4
SEQUENCE_BITS = 1


def tag(position_bits: int) -> data.StructLayout:
    """The tag of a token: its position in the text, its sequence, its epoch, and `predict`.

    epoch: the sequencer's epoch in which the token was issued. predict: the model shall choose the token
    that follows.
    """
    return data.StructLayout(
        {"position": position_bits, "sequence": SEQUENCE_BITS, "epoch": EPOCH_BITS, "predict": 1}
    )  # fmt: skip


def tagged(position_bits: int, count: int, bits: int) -> data.StructLayout:
    """A beat of the residual stream: `count` lanes of `bits` bits. All beats of a vector have the same tag."""
    return data.StructLayout({"lanes": lanes(count, bits), "tag": tag(position_bits)})


def tagged_token(token_bits: int, position_bits: int) -> data.StructLayout:
    """A token id and its tag."""
    return data.StructLayout({"token": token_bits, "tag": tag(position_bits)})


def placed_token(token_bits: int, position_bits: int) -> data.StructLayout:
    """A token id, its position, and `predict`: the model shall choose the token that follows."""
    return data.StructLayout({"token": token_bits, "position": position_bits, "predict": 1})


def prompt_token(token_bits: int) -> data.StructLayout:
    """A token id of a prompt. `last` marks the last token of the prompt."""
    return data.StructLayout({"token": token_bits, "last": 1})


def drawn_token(token_bits: int, weight_bits: int, total_bits: int) -> data.StructLayout:
    """A chosen token id, its exponential (`weight`) and the sum of all exponentials (`total`).

    `weight` and `total` have no meaning if the token was chosen greedily.
    """
    return data.StructLayout({"token": token_bits, "weight": weight_bits, "total": total_bits})


def chosen_token(token_bits: int) -> data.StructLayout:
    """A token id, its `Outcome`, and the draft's proposal for the same place, 0 if the draft was not asked."""
    return data.StructLayout({"token": token_bits, **_of_draft(token_bits, draft=True)})


def decision(token_bits: int, position_bits: int, draft: bool) -> data.StructLayout:
    """A chosen token id with the tag of the token that it follows and, on a chip with a draft, outcome and proposal."""
    return data.StructLayout({"token": token_bits, **_of_draft(token_bits, draft), "tag": tag(position_bits)})


def output_token(token_bits: int, draft: bool) -> data.StructLayout:
    """A generated token id. `last` marks the last token of an answer, and `reason` (`Reason`) says why it ends.

    On a chip with a draft, `outcome` (`Outcome`) says how the token was chosen, and `proposal` is the draft's proposal
    for the same place. It has no meaning if the target chose alone.
    """
    return data.StructLayout(
        {"token": token_bits, "last": 1, "reason": Shape.cast(Reason), **_of_draft(token_bits, draft)}
    )


def _of_draft(token_bits: int, draft: bool) -> dict[str, Any]:
    """The additional fields of a chosen token on a chip with a draft."""
    return {"outcome": Shape.cast(Outcome), "proposal": token_bits} if draft else {}


def to_bits(layout: data.Layout, value: Mapping[str, Any]) -> int:
    """Packs a word. Fields that are not in `value` are 0. Raises `ValueError` where a value does not fit its field."""
    packed = layout.const(value)
    if not _holds(packed, value):
        raise ValueError(f"{value} does not fit {layout}")
    return int(packed.as_bits())


def _holds(packed: Any, value: Any) -> bool:
    """Whether `packed` holds `value` completely: no field was too narrow."""
    if isinstance(value, Mapping):
        return all(_holds(packed[name], each) for name, each in value.items())
    if isinstance(value, Sequence):
        return all(_holds(packed[index], each) for index, each in enumerate(value))
    return bool(packed == value)


def concatenated(layout: data.StructLayout, fields: Mapping[str, Value | ValueCastable]) -> Value:
    """Packs signals into a word. Each is cut to the width of its field, and fields that are not in `fields` are 0."""
    return Cat(
        Value.cast(fields[name])[: field.width] if name in fields else Const(0, field.width) for name, field in layout
    )


def described(layout: data.StructLayout, plain: Collection[str] = ()) -> str:
    """The fields of a word in the notation of a Verilog concatenation, such as `{last, token[8:0]}`.

    The fields of a tag are listed one by one. Fields in `plain` are named without their width.
    """
    return f"{{{', '.join(_described(layout, plain))}}}"


def _described(layout: data.StructLayout, plain: Collection[str]) -> Iterator[str]:
    for name, field in reversed([*layout]):
        if isinstance(field.shape, data.StructLayout):
            yield from _described(field.shape, plain)
        elif isinstance(field.shape, data.ArrayLayout):
            yield f"{field.shape.length} {name} of {Shape.cast(field.shape.elem_shape).width} bits"
        else:
            yield name if field.width == 1 or name in plain else f"{name}[{field.width - 1}:0]"
