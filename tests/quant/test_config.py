"""The numeric config: every field in its range, and the fields that bound each other."""

from dataclasses import fields, replace

import pytest

from hc1gen.errors import InputError
from hc1gen.numeric.config import NumericConfig


def test_default_is_valid():
    NumericConfig().verify()


@pytest.mark.parametrize("name", [f.name for f in fields(NumericConfig)])
def test_field_outside_its_range_is_named(name):
    (high,) = (f.metadata["range"][1] for f in fields(NumericConfig) if f.name == name)
    with pytest.raises(InputError, match=f"{name}: got {high + 1}, expected"):
        replace(NumericConfig(), **{name: high + 1}).verify()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"exp_index": 10}, r"exp_index: got 10, expected at most 6 \(score_frac\)"),
        ({"silu_index": 8, "gate_frac": 4}, r"silu_index: got 8, expected at most 7 \(gate_frac \+ silu_range\)"),
        ({"rsqrt_index": 9, "mantissa_bits": 8}, r"rsqrt_index: got 9, expected at most 8 \(mantissa_bits\)"),
        ({"square_bits": 10}, r"square_bits: got 10, expected at most 9 \(norm_bits - 1\)"),
        ({"kv_bits": 10, "qkv_bits": 9, "query_bits": 9}, r"kv_bits: got 10, expected at most 9 \(qkv_bits\)"),
    ],
)
def test_fields_that_bound_each_other(changes, message):
    with pytest.raises(InputError, match=message):
        replace(NumericConfig(), **changes).verify()
