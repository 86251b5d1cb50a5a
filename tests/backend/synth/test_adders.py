"""Constants in adders, and the polarities that need fewest inverters."""

import pytest

from hc1gen.backend.synth.fold import fold_adders
from hc1gen.backend.synth.netlist import Builder, Netlist
from hc1gen.backend.synth.polarity import Node, choose


def netlist(**adders: tuple[str, dict[str, object]]) -> Netlist:
    cells = {
        name: Builder.cell(f"hc1gen_{kind}", pins, {"s", "co"} & pins.keys()) for name, (kind, pins) in adders.items()
    }
    ports = {"y": {"direction": "output", "bits": [20, 21, 22, 23]}}
    return Netlist("top", {"modules": {"top": {"ports": ports, "netnames": {}, "cells": cells}}})


@pytest.mark.parametrize(
    "inputs, kinds, y",
    [
        ((2, 3, "0"), ["hc1gen_ha"], [20, 21]),
        ((2, "1", 3), ["$_OR_", "$_XNOR_"], [20, 21]),
        ((2, "0", "0"), [], [2, "0"]),
        (("1", 2, "0"), ["$_NOT_"], [20, 2]),
        (("1", "1", 2), [], [2, "1"]),
        (("1", "1", "1"), [], ["1", "1"]),
        ((2, 2, 3), [], [3, 2]),
        ((2, 2, 2), [], [2, 2]),
        ((2, 2, "1"), [], ["1", 2]),
    ],
)
def test_a_full_adder_that_knows_an_input(inputs, kinds, y):
    found = netlist(u=("fa", dict(zip("abc", inputs, strict=True)) | {"s": 20, "co": 21}))
    fold_adders(found)
    assert sorted(found.types().elements()) == kinds
    assert found.module["ports"]["y"]["bits"][:2] == y


def test_what_one_adder_knows_the_next_one_uses():
    first = ("fa", {"a": "0", "b": "0", "c": 2, "s": 3, "co": 4})
    second = ("fa", {"a": 4, "b": 5, "c": "0", "s": 6, "co": 7})
    third = ("maj", {"a": 3, "b": 7, "c": 8, "co": 20})
    found = netlist(third=third, second=second, first=first)
    fold_adders(found)
    (gate,) = found.cells.values()
    assert (gate["type"], gate["connections"]) == ("$_AND_", {"A": [2], "B": [8], "Y": [20]})


def chain(length: int, inverting: bool, complement: bool) -> list[Node]:
    """Ripple adders, the carry of each read by the next, as it is or inverted."""
    return [
        Node(((f"a{i}", False), (f"b{i}", False), (f"c{i}", complement)), (f"s{i}", f"c{i + 1}"), inverting, True)
        for i in range(length)
    ]


@pytest.mark.parametrize("inverting, complement, expected", [
    (True, False, [False, True] * 4), (True, True, [False] * 8), (False, False, [False] * 8),
    (False, True, [False, True] * 4),
])  # fmt: skip
def test_polarities_of_a_chain_need_no_inverter_between_adders(inverting, complement, expected):
    found = choose(chain(8, inverting, complement), frozenset())[:-1]  # the last one has no reader
    assert found in (expected[:-1], [not turned for turned in expected[:-1]])


def test_a_nand_is_preferred_where_it_is_free():
    nodes = chain(4, False, False)
    inputs = frozenset(net for node in nodes for net, _ in node.inputs[:2])
    assert choose(nodes, frozenset(), inputs) == [True] * 4
