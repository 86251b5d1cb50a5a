"""Reads a mapped tile, in which adders can no longer be recognised: it simulates the tile with test vectors.

Suppose that the output is an affine function of the bits of the vector, rounded (this is not proved here). Then the
vector of zeros and the vectors with `2**drop_bits` in a single column prove every weight. The vectors with any other
bit in a single column, and random vectors, must give the results that these weights predict. Registers start at random
values. This is evidence, not a proof.
"""

import random

import numpy as np

from .circuit import Circuit, Unreadable
from .simulate import Simulator
from .tables import numbers, signed
from .tile import PORTS, Reading, Shape

RANDOM_VECTORS = 200
SEED = 1


def drive_tile(circuit: Circuit, shape: Shape) -> Reading:
    """Returns the numbers that a mapped tile holds, from its outputs in simulation.

    Raises `Unreadable` if a port is missing or the circuit cannot be simulated.
    """
    missing = [port for port in PORTS if port not in {**circuit.inputs, **circuit.outputs}]
    if missing:
        raise Unreadable(f"{circuit.name}: no port {', '.join(missing)}")
    columns = len(circuit.inputs["x"])
    vectors = _vectors(columns, shape)
    acc, mantissa, shift = _answers(circuit, shape, vectors)
    weights = (acc[1 : 1 + columns] - acc[0]).T
    faults = {}
    for place in np.flatnonzero((mantissa != mantissa[0]).any(axis=0) | (shift != shift[0]).any(axis=0)):
        faults[int(place)] = "its scale depends on the vector"
    wrong = acc != shape.rounded(vectors @ weights.T)
    for place in np.flatnonzero(wrong.any(axis=0)):
        faults[int(place)] = _told(int(wrong[:, place].argmax()), columns, shape.act_bits)
    return Reading(weights, mantissa[0], shift[0], faults)


def _vectors(columns: int, shape: Shape) -> np.ndarray:
    """Returns the test vectors, int64 [patterns, columns].

    First comes the vector of zeros, then one bit in one column, beginning with bit `drop_bits` in every column, and
    then random vectors.
    """
    top = shape.act_bits - 1
    ones = np.eye(columns, dtype=np.int64)
    bits = [shape.drop_bits, *(bit for bit in range(top) if bit != shape.drop_bits)]
    drawn = np.random.default_rng(SEED).integers(-1 << top, 1 << top, (RANDOM_VECTORS, columns))
    return np.concatenate([ones[:1] * 0, *(ones << bit for bit in bits), ones * (-1 << top), drawn])


def _told(index: int, columns: int, act_bits: int) -> str:
    """Returns in words what is wrong if test vector `index` gives another result than the weights predict."""
    if index == 0:
        return "a vector of zeros does not give zero"
    bit, column = divmod(index - 1, columns)
    if bit < act_bits - 1:
        return f"column {column}: a bit-plane is not counted like the others"
    if bit == act_bits - 1:
        return f"column {column}: the sign plane is not subtracted"
    return "a random vector gives another result than its weights predict"


def _answers(circuit: Circuit, shape: Shape, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the outputs acc, mantissa and shift for all vectors, each int64 [patterns, places]."""
    beats = [min(shape.group_beats, shape.beats - first) for first in range(0, shape.beats, shape.group_beats)]
    groups = [_group(circuit, shape, group, count, vectors) for group, count in enumerate(beats)]
    acc, mantissa, shift = (np.concatenate(found, axis=1) for found in zip(*groups, strict=True))
    return acc, mantissa, shift


def _group(
    circuit: Circuit, shape: Shape, group: int, beats: int, vectors: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Returns the outputs of one row group, which is read out in `beats` beats: acc, mantissa and shift."""
    count = len(vectors)
    simulator = Simulator(circuit, count)
    simulator.scramble(random.Random(SEED))
    simulator.set_all("read", 0)
    simulator.set_all("beat", 0)
    simulator.set_all("step", 1)
    for chosen, number in shape.chosen(group=group).items():
        simulator.set_all(chosen, number)
    for plane in range(shape.act_bits):
        simulator.set_all("first", plane == 0)
        simulator.set_all("last", plane == shape.act_bits - 1)
        ones = np.packbits((vectors >> plane & 1).astype(np.uint8), axis=0, bitorder="little")
        simulator.set("x", [int.from_bytes(ones[:, column].tobytes(), "little") for column in range(vectors.shape[1])])
        simulator.tick()
    simulator.spread(beats)  # from here on, all beats are simulated side by side
    simulator.set_all("step", 0)
    simulator.set_all("read", 1)
    block = (1 << count) - 1
    for_bit = [
        sum(block << (beat * count) for beat in range(beats) if beat >> i & 1)
        for i in range(len(circuit.inputs["beat"]))
    ]
    simulator.set("beat", for_bit)
    simulator.tick()
    simulator.settle()

    def port(name: str) -> np.ndarray:
        lanes = numbers(simulator.output(name), count * beats, shape.lanes)
        return lanes.reshape(beats, count, shape.lanes).transpose(1, 0, 2).reshape(count, -1)

    widths = {name: len(circuit.outputs[name]) // shape.lanes for name in ("acc", "shift")}
    return signed(port("acc"), widths["acc"]), port("mantissa"), signed(port("shift"), widths["shift"])
