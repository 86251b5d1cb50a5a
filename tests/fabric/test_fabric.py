"""The fabric adds up exactly: every network gives its matrix back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hc1gen.fabric.build import Fabric, build
from hc1gen.fabric.compress import compress, half_adders
from hc1gen.fabric.digits import magnitudes
from hc1gen.fabric.network import Network
from hc1gen.fabric.parts import share

SHAPES = st.tuples(st.integers(1, 12), st.integers(1, 24))
matrices = arrays(np.int64, SHAPES, elements=st.integers(-4, 3))
wide = arrays(np.int64, SHAPES, elements=st.integers(-32, 31))


def gaussian(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    return np.clip(np.round(np.random.default_rng(seed).standard_normal((rows, columns)) * 1.5), -4, 3).astype(np.int64)


def rows_of(fabric: Fabric, inputs: np.ndarray) -> np.ndarray:
    """Inputs [N, T] → rows [R, T]."""
    nets = fabric.network.evaluate(inputs.astype(np.int8)).astype(np.int64)
    values = np.zeros((len(fabric.rows), inputs.shape[1]), np.int64)
    for value, row in zip(values, fabric.rows, strict=True):
        for i, bit in enumerate(row.bits):
            if bit is not None:
                value += (nets[bit >> 1] ^ (bit & 1)) << i
    return values


def check(matrix: np.ndarray, fabric: Fabric) -> None:
    """Zero, one-hot, all-one and random inputs; bounds hold and are not wider than they need to be."""
    columns = matrix.shape[1]
    noise = np.random.default_rng(1).integers(0, 2, (columns, 50))
    inputs = np.concatenate([np.zeros((columns, 1), int), np.eye(columns, dtype=int), noise, (noise >= 0)], axis=1)
    largest, negative = magnitudes(matrix)
    offsets = np.array([row.offset for row in fabric.rows])
    assert (rows_of(fabric, inputs) == matrix @ inputs + (negative + offsets)[:, None]).all()
    for row, most in zip(fabric.rows, largest, strict=True):
        assert 0 <= row.offset and row.largest == most + row.offset
        assert row.largest < 1 << len(row.bits)


@settings(max_examples=60, deadline=None)
@given(matrices)
def test_every_matrix(matrix):
    check(matrix, build(matrix, least=3))


@settings(max_examples=60, deadline=None)
@given(wide)
def test_every_matrix_of_six_bits(matrix):
    check(matrix, build(matrix, least=3))


def test_a_minority_of_wide_rows():
    """They share parts and adders with the others."""
    matrix = gaussian(48, 64)
    matrix[::8] = np.clip(np.round(np.random.default_rng(7).standard_normal((6, 64)) * 9), -32, 31)
    check(matrix, build(matrix))
    check(matrix, build(matrix, triples=False))


def test_a_part_whose_low_bits_are_always_zero():
    """The rows have their second digits in common: no term stands for a bit that never is 1."""
    matrix = np.array([[-8, 8, -8, 4, 8, 16, -16, 4], [8, -8, 8, 4, -8, -16, 16, 4]])
    check(matrix, build(matrix, least=6))


@pytest.mark.parametrize("options", [{}, {"least": 1 << 30}, {"triples": False}, {"least": 1 << 30, "triples": False}])
def test_a_layer_sized_matrix(options):
    check(gaussian(48, 64), build(gaussian(48, 64), **options))


def test_more_columns_than_a_group():
    matrix = gaussian(20, 200)
    check(matrix, build(matrix))


def test_addends_are_added():
    """An accumulator's upper half, and what a small row begins with: anything that fits."""
    matrix = gaussian(16, 40)
    matrix[:2, 1:] = 0
    fabric = build(matrix, addend_bits=3)
    assert min(len(row.bits) for row in fabric.rows) == 4
    rng = np.random.default_rng(2)
    x, addends = rng.integers(0, 2, (40, 30)), [rng.integers(0, 1 << len(row.bits) - 1, 30) for row in fabric.rows]
    bits = [[a >> i & 1 for i in range(len(row.bits) - 1)] for row, a in zip(fabric.rows, addends, strict=True)]
    inputs = np.concatenate([x, *map(np.array, bits)])
    negative = -np.minimum(matrix, 0).sum(axis=1)
    offsets = np.array([row.offset for row in fabric.rows])
    assert (rows_of(fabric, inputs) == matrix @ x + (negative + offsets)[:, None] + np.array(addends)).all()


def test_every_adder_adds():
    """`s + 2 * co` is the sum of the inputs; a lone carry has its sum at another adder over the same nets."""
    network = build(gaussian(32, 32)).network
    nets = network.evaluate(np.random.default_rng(3).integers(0, 2, (32, 100)).astype(np.int8))
    sums = {tuple(sorted(i >> 1 for i in a.inputs)) for a in network.adders if a.s is not None}
    for adder in network.adders:
        total = sum((nets[i >> 1] ^ (i & 1)).astype(int) for i in adder.inputs)
        if adder.s is None:
            assert tuple(sorted(i >> 1 for i in adder.inputs)) in sums
        else:
            assert (nets[adder.s] + 2 * nets[adder.co] == total).all() or (total < 2).all()
        assert (nets[adder.co] == total >> 1).all() if adder.co is not None else True


def test_sharing_saves_adders():
    def size(**options: int) -> float:
        adders = build(gaussian(64, 64), **options).network.adders
        return sum(0.5 if a.s is None else len(a.inputs) - 2 + 0.64 * (len(a.inputs) == 2) for a in adders)

    plain = size(least=1 << 30, triples=False)
    assert size() < 0.85 * plain
    assert size() < min(size(least=1 << 30), size(triples=False)) < plain


def test_the_same_matrix_gives_the_same_network():
    assert build(gaussian(30, 50)).network == build(gaussian(30, 50)).network


def test_parts_give_the_matrix_back():
    matrix = gaussian(40, 60, seed=5)
    sums = share(matrix, 60, 4)
    values = {}
    for index in sums.order():
        value = np.zeros(60, int)
        for node, coefficient in sums.sums[index].terms.items():
            value += coefficient * (np.eye(60, dtype=int)[node] if node < 60 else values[node - 60])
        values[index] = value
    assert len(sums.sums) > 80, "nothing was shared"
    assert all((values[r] == matrix[r]).all() for r in range(40))


def test_a_constant_makes_complements_cheap():
    """Two complements in a column: the half adder works on the nets themselves, and the result has one more."""
    network = Network(6)
    a, _ = network.add((0, 2, 4))
    b, _ = network.add((6, 8, 10))
    bits, constant = compress(network, [[2 * a + 1, 2 * b + 1]], 2, room=1)
    assert constant == 1 and network.adders[-1].inputs == (2 * a, 2 * b)
    assert [bit & 1 for bit in bits] == [1, 1]


def test_half_adders_of_columns():
    assert half_adders({0: 3}, 2) == 0
    assert half_adders({0: 2}, 2) == 1
    assert half_adders({0: 4}, 3) == 2
