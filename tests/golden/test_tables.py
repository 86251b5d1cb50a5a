"""Every table against the function it stands for, at every argument: its largest error is stated here."""

import numpy as np
import pytest

from hc1gen.numeric.config import NumericConfig
from hc1gen.numeric.tables import InterpolatedTable, Tables, make_tables

FUNCTIONS = {
    "rsqrt": lambda u: 1 / np.sqrt(np.where(u < 0.5, 1 + 2 * u, 4 * u)),
    "recip": lambda u: 1 / (1 + u),
    "exp2": lambda u: 2.0**-u,
    "sine": lambda u: np.sin(u * np.pi / 2),
    "silu_tail": lambda u: 8 * u / (1 + np.exp(8 * u)),
}
LARGEST_ERROR = {"rsqrt": 1.06, "recip": 1.43, "exp2": 1.01, "sine": 2.28, "silu_tail": 1.5}
"""In units of the last bit, with the default config; half of one is rounding."""
CONFIGS = [
    NumericConfig(),
    NumericConfig(rsqrt_index=2, recip_index=2, exp_index=2, angle_index=2, silu_index=3),
    NumericConfig(rsqrt_bits=6, recip_bits=6, prob_bits=6, angle_bits=6, gate_frac=4),
    NumericConfig(
        rsqrt_bits=16, recip_bits=16, prob_bits=16, angle_bits=16, gate_frac=14, rsqrt_index=10, recip_index=10,
        exp_index=10, score_frac=16, angle_index=10, silu_index=10, mantissa_bits=12, quarter_bits=14,
    ),
]  # fmt: skip


def scale(table: InterpolatedTable) -> float:
    """What 1.0 is in units of the result."""
    return 2.0 ** (table.out_bits + (table.name == "silu_tail"))


def errors(table: InterpolatedTable) -> np.ndarray:
    """Of all arguments, in units of the last bit."""
    x = np.arange(1 << table.in_bits)
    return table(x) - FUNCTIONS[table.name](x / (1 << table.in_bits)) * scale(table)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_largest_error_with_the_default_config(name):
    largest = np.abs(errors(getattr(make_tables(NumericConfig()), name))).max()
    assert LARGEST_ERROR[name] - 0.1 < largest <= LARGEST_ERROR[name]


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("config", CONFIGS)
def test_error_is_rounding_and_the_chord(config, name):
    """Half a bit at the chord's ends, half a bit at the point, one where 1.0 is clipped, and the function's bend."""
    table: InterpolatedTable = getattr(make_tables(config), name)
    ends = np.arange((1 << table.index_bits) + 1) / (1 << table.index_bits)
    middles = (ends[1:] + ends[:-1]) / 2
    f = FUNCTIONS[name]
    bend = np.abs(f(middles) - (f(ends[1:] - 1e-12) + f(ends[:-1])) / 2).max() * scale(table)
    assert np.abs(errors(table)).max() <= 1.0 + 0.5 + 1.2 * bend


@pytest.mark.parametrize("config", CONFIGS)
def test_results_fit_their_bits(config):
    tables = make_tables(config)
    for name in Tables.__dataclass_fields__:
        table = getattr(tables, name)
        y = table(np.arange(1 << table.in_bits))
        assert y.min() >= 0 and y.max() < 1 << table.out_bits, name


@pytest.mark.parametrize("name", ["rsqrt", "recip", "exp2", "sine"])
def test_tables_are_monotonic(name):
    table = getattr(make_tables(NumericConfig()), name)
    steps = np.diff(table(np.arange(1 << table.in_bits)))
    assert (steps >= 0).all() if name == "sine" else (steps <= 0).all()


def test_table_meets_the_function_at_the_ends_of_chords():
    table = make_tables(NumericConfig()).sine
    ends = np.arange(1 << table.index_bits) << table.frac_bits
    exact = np.floor(np.sin(ends / (1 << table.in_bits) * np.pi / 2) * (1 << table.out_bits) + 0.5)
    assert (table(ends) == exact).all()


def test_interpolation_rounds_half_up():
    table = InterpolatedTable("t", np.array([10, 20]), np.array([3, -3]), 1, 1, 5)
    assert table(np.arange(4)).tolist() == [10, 12, 20, 19]
