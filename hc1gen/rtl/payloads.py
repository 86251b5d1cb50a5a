"""The words that tell of tokens, each defined once, as a layout.

Hardware, testbenches and programs all take them from here. The first field of a layout is in the low bits. `to_bits`
packs integers, `concatenated` signals; a layout's `from_bits` unpacks: `prompt_token(9).from_bits(0x203).last` is 1.
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
    """What a token carries: position, sequence, the epoch it was issued in, and whether its successor is wanted."""
    return data.StructLayout(
        {"position": position_bits, "sequence": SEQUENCE_BITS, "epoch": EPOCH_BITS, "predict": 1}
    )  # fmt: skip


def tagged(position_bits: int, count: int, bits: int) -> data.StructLayout:
    """A beat of the residual stream, `count` lanes of `bits`; the tag is the same on every beat of a vector."""
    return data.StructLayout({"lanes": lanes(count, bits), "tag": tag(position_bits)})


def tagged_token(token_bits: int, position_bits: int) -> data.StructLayout:
    """A token id and its tag."""
    return data.StructLayout({"token": token_bits, "tag": tag(position_bits)})


def placed_token(token_bits: int, position_bits: int) -> data.StructLayout:
    """A token id, its position, and whether its successor is wanted."""
    return data.StructLayout({"token": token_bits, "position": position_bits, "predict": 1})


def prompt_token(token_bits: int) -> data.StructLayout:
    """A prompt's token id; `last` marks the end of the prompt."""
    return data.StructLayout({"token": token_bits, "last": 1})


def drawn_token(token_bits: int, weight_bits: int, total_bits: int) -> data.StructLayout:
    """A token, its exponential and the sum of all; the last two mean nothing where the token is the likeliest."""
    return data.StructLayout({"token": token_bits, "weight": weight_bits, "total": total_bits})


def chosen_token(token_bits: int) -> data.StructLayout:
    """A token, its `Outcome`, and what the draft proposed in its place: 0 where it was not asked."""
    return data.StructLayout({"token": token_bits, **_of_draft(token_bits, draft=True)})


def decision(token_bits: int, position_bits: int, draft: bool) -> data.StructLayout:
    """What follows the token whose `tag` it bears: a token id and, with a draft, `outcome` and `proposal`."""
    return data.StructLayout({"token": token_bits, **_of_draft(token_bits, draft), "tag": tag(position_bits)})


def output_token(token_bits: int, draft: bool) -> data.StructLayout:
    """A generated token id; `last` marks the end of the answer, and `reason` (`Reason`) says why it ends.

    With a draft: `outcome` (`Outcome`) says where the token comes from, and `proposal` is what the draft proposed in
    its place, unless the target chose alone.
    """
    return data.StructLayout(
        {"token": token_bits, "last": 1, "reason": Shape.cast(Reason), **_of_draft(token_bits, draft)}
    )


def _of_draft(token_bits: int, draft: bool) -> dict[str, Any]:
    """What a chip with a draft says of a token besides."""
    return {"outcome": Shape.cast(Outcome), "proposal": token_bits} if draft else {}


def to_bits(layout: data.Layout, value: Mapping[str, Any]) -> int:
    """The bits of a word with these fields, the others 0; `ValueError` for what does not fit its field."""
    packed = layout.const(value)
    if not _holds(packed, value):
        raise ValueError(f"{value} does not fit {layout}")
    return int(packed.as_bits())


def _holds(packed: Any, value: Any) -> bool:
    """Whether nothing of `value` was cut."""
    if isinstance(value, Mapping):
        return all(_holds(packed[name], each) for name, each in value.items())
    if isinstance(value, Sequence):
        return all(_holds(packed[index], each) for index, each in enumerate(value))
    return bool(packed == value)


def concatenated(layout: data.StructLayout, fields: Mapping[str, Value | ValueCastable]) -> Value:
    """A word with these fields, each cut to its width, the others 0."""
    return Cat(
        Value.cast(fields[name])[: field.width] if name in fields else Const(0, field.width) for name, field in layout
    )


def described(layout: data.StructLayout, plain: Collection[str] = ()) -> str:
    """The fields of a word as Verilog would join them, `{last, token[8:0]}`, those of a tag each for itself.

    Fields in `plain` are named without their width.
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
