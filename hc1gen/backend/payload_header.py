"""Layouts as a C++ header, so that a program packs and unpacks words as the hardware does."""

from collections.abc import Iterator, Mapping

from amaranth.lib import data

WORD_BITS = 64
"""Of the C++ integers that hold a word."""

FIELD = """\
#pragma once
#include <cstdint>

struct Field {
    unsigned offset, bits;

    constexpr uint64_t mask() const { return ~uint64_t{0} >> (64 - bits); }
    constexpr uint64_t get(uint64_t word) const { return word >> offset & mask(); }
    constexpr uint64_t put(uint64_t value) const { return (value & mask()) << offset; }
};
"""


def payload_header(layouts: Mapping[str, data.StructLayout]) -> str:
    """A namespace for each layout, in it a `Field` of the name of each of its fields, none of which is a layout.

    `space::name.get(word)` is a field of a word; `space::name.put(value)` is the word in which all other fields are 0.
    `ValueError` for a layout of more than `WORD_BITS`.
    """
    return "\n".join([FIELD, *(line for name, layout in layouts.items() for line in _namespace(name, layout))])


def _namespace(name: str, layout: data.StructLayout) -> Iterator[str]:
    if layout.size > WORD_BITS:
        raise ValueError(f"{name} has {layout.size} bits, more than {WORD_BITS}")
    yield f"namespace {name} {{"
    for field_name, field in layout:
        yield f"constexpr Field {field_name}{{{field.offset}, {field.width}}};"
    yield f"}}  // namespace {name}\n"
