"""Reads tables, which are combinational modules, by simulating them at every address."""

import numpy as np

from .circuit import Circuit, Unreadable
from .simulate import Simulator


def read_table(circuit: Circuit, address: str, size: int, lanes: dict[str, int]) -> dict[str, np.ndarray]:
    """Returns output port → its entries at the addresses 0..size-1, int64 [size, lanes], unsigned.

    lanes: output port → its number of lanes. Raises `Unreadable` if a port is missing, if
    its lanes are not all of one width, or if the address is too narrow.
    """
    missing = {address, *lanes} - {*circuit.inputs, *circuit.outputs}
    if missing:
        raise Unreadable(f"{circuit.name}: no port {', '.join(sorted(missing))}")
    for port, count in lanes.items():
        if len(circuit.outputs[port]) % count:
            raise Unreadable(f"{circuit.name}: {len(circuit.outputs[port])} bits of {port} are not {count} lanes")
    width = len(circuit.inputs[address])
    if size > 1 << width:
        raise Unreadable(f"{circuit.name}: {width} bits of {address} do not reach {size} entries")
    simulator = Simulator(circuit, size)
    entries = range(size)
    simulator.set(address, [sum((entry >> i & 1) << entry for entry in entries) for i in range(width)])
    simulator.settle()
    return {port: numbers(simulator.output(port), size, count) for port, count in lanes.items()}


def numbers(values: list[int], patterns: int, lanes: int) -> np.ndarray:
    """Returns the numbers on a port, int64 [patterns, lanes], unsigned. values: of each bit of the port."""
    size = -(-patterns // 8)
    rows = np.frombuffer(b"".join(value.to_bytes(size, "little") for value in values), np.uint8)
    bits = np.unpackbits(rows.reshape(len(values), size), axis=1, bitorder="little")[:, :patterns]
    weights = np.int64(1) << np.arange(len(values) // lanes)
    return np.einsum("lbp,b->pl", bits.reshape(lanes, -1, patterns).astype(np.int64), weights)


def signed(values: np.ndarray, bits: int) -> np.ndarray:
    """Returns unsigned numbers of `bits` bits read as two's complement."""
    return values - (values >> (bits - 1) << bits)
