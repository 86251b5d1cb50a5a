"""What Verilator is told about a chip: which lint rules do not apply to which files and why, and what not to inline."""

from collections.abc import Iterable, Iterator

REASONS = {
    "WIDTHEXPAND": "Amaranth has fixed every width; Yosys writes the extensions as Verilog's context rules do them",
    "WIDTHTRUNC": "the same, for conditions that Yosys writes with the width of their signal",
    "CASEINCOMPLETE": "Yosys assigns a default before each case",
    "PROCASSINIT": "Yosys writes initial values at the declaration; a reset follows before use",
    "UNUSEDSIGNAL": "Amaranth names every field of a record and every part of an expression, read or not",
    "DECLFILENAME": "a block's file also holds its submodules",
}


def verilator_config(amaranth: str, modules: Iterable[str]) -> Iterator[str]:
    """Lines of the control file.

    amaranth: the folder in which the rules of `REASONS` are off; nothing is waived in other files. modules: all of
    the chip's; none is inlined, so that a block is compiled once and not into each of its users.
    """
    yield "`verilator_config"
    for rule, reason in REASONS.items():
        yield f"// {rule}: {reason}."
        yield f'lint_off -rule {rule} -file "*{amaranth}/*"'
    yield "// Compiled once, not into each of their users."
    for module in modules:
        yield f'no_inline -module "{module}"'
