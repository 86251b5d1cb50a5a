"""--bits: tensors that get more than 3 bits a weight."""

import fnmatch
from collections.abc import Iterable

import click

from ..frontend.model import ModelIR
from ..quant.grid import BITS, MOST_BITS

bits_option = click.option(
    "--bits", "widths", multiple=True, metavar="TENSOR=N",
    help=f"{BITS} to {MOST_BITS} bits for tensors of this name (* matches anything); repeatable [{BITS} for all].",
)  # fmt: skip


def tensor_bits(widths: Iterable[str], ir: ModelIR) -> dict[str, int]:
    """`TENSOR=N` as bits by the names of stored tensors; of several that meet a tensor the last one counts."""
    names = [name for name, array in ir.tensors() if array.ndim == 2]
    found: dict[str, int] = {}
    for each in widths:
        pattern, _, bits = each.rpartition("=")
        if not bits.isdigit() or not BITS <= int(bits) <= MOST_BITS:
            raise click.UsageError(
                f"--bits {each}: got {bits or 'no number'}, expected TENSOR=N with N from {BITS} to {MOST_BITS}"
            )
        met = fnmatch.filter(names, pattern)
        if not met:
            raise click.UsageError(
                f"--bits {each}: no matrix has that name; hc1gen inspect lists them, {names[0]} to {names[-1]}"
            )
        found |= dict.fromkeys(met, int(bits))
    return found
