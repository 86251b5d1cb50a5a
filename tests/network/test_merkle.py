"""The Merkle tree against hashlib, written out."""

import hashlib
import struct

import numpy as np
import pytest

from hc1gen.network.merkle import node, parameters_leaf, root
from hc1gen.network.tensor import Leaf, Tensor


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def test_leaf_of_a_tensor():
    tensor = Tensor("ä.weight", np.array([[1, -4, 3], [0, 2, -1]]), np.array([513, 1023]), np.array([-7, 12]))
    name = "ä.weight".encode()
    content = struct.pack("<15i", 2, 2, 3, 1, -4, 3, 0, 2, -1, 2, 513, 1023, -7, 12, 0)[:-4]
    assert tensor.leaf.digest == sha(b"\0", struct.pack("<i", 9), name, content)
    assert tensor.leaf.shape == (2, 3)


def test_leaf_of_a_vector_has_no_scales():
    content = struct.pack("<5i", 1, 2, 500, -3, 0)
    assert Tensor("g", np.array([500, -3])).leaf == Leaf("g", content, (2,))


def test_leaf_of_parameters():
    content = b'{"a":[1,2.5],"b":null}'
    assert parameters_leaf({"b": None, "a": (1, 2.5)}).digest == sha(
        b"\0", struct.pack("<i", 10), b"parameters", content
    )


def test_root_pairs_from_the_left_and_lifts_the_last():
    a, b, c, d, e = (bytes([i]) * 32 for i in range(5))
    assert root([a]) == a
    assert root([a, b]) == node(a, b) == sha(b"\1", a, b)
    assert root([a, b, c]) == node(node(a, b), c)
    assert root([a, b, c, d, e]) == node(node(node(a, b), node(c, d)), e)


def test_every_part_of_a_tensor_counts():
    arrays = {"integers": np.array([[1, 2], [3, 0]]), "mantissa": np.array([5, 6]), "shift": np.array([7, 8])}
    digests = {Tensor("t", **arrays).leaf.digest, Tensor("u", **arrays).leaf.digest}
    for name, array in arrays.items():
        digests.add(Tensor("t", **arrays | {name: array + np.eye(2, dtype=int)[-1]}).leaf.digest)
    digests.add(Tensor("t", **arrays | {"integers": arrays["integers"].reshape(4)}).leaf.digest)
    assert len(digests) == 6


def test_numbers_that_do_not_fit_are_refused():
    with pytest.raises(OverflowError):
        Tensor("t", np.array([1 << 31])).leaf.digest  # noqa: B018
