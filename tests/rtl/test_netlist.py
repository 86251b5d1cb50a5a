"""Words between instances: nets for some of their fields, one net for the rest."""

import pytest
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hc1gen.rtl.netlist import Netlist, joined
from hc1gen.rtl.payloads import drawn_token, tagged_token

TAG = tagged_token(5, 3)["tag"].shape


def netlist() -> Netlist:
    return Netlist("top", "a test.", wiring.Signature({}))


def placed(netlist: Netlist, name: str, members: dict):
    return netlist.place(name, name, wiring.Signature(members).create())


def test_fields_of_an_output_get_their_own_nets():
    top = netlist()
    sampler = placed(top, "sampler", {"y": Out(drawn_token(5, 7, 9))})
    top.split(sampler, "y", {"token": "proposal"}, rest="weight_and_total")
    assert sampler.nets["y"] == "{weight_and_total, proposal}"
    assert top.wires == {"proposal": 5, "weight_and_total": 16}
    text = "\n".join(top.verilog())
    assert "    wire [4:0] proposal;\n    wire [15:0] weight_and_total;\n" in text
    assert ".y({weight_and_total, proposal})" in text


def test_a_field_in_the_middle_and_a_highest_one():
    tag = {"epoch": "epoch", "predict": "predict"}
    assert joined(TAG, tag, rest="below") == "{predict, epoch, below}"
    assert joined(TAG, {"predict": "wanted"}, rest="others") == "{wanted, others}"


def test_fields_of_an_input_are_driven_by_their_own_nets():
    top = netlist()
    control = placed(top, "control", {"x": In(tagged_token(5, 3))})
    top.join(control, "x", {"tag": "target_tag"}, rest="token")
    assert control.nets["x"] == "{target_tag, token}"


def test_net_that_would_stand_in_two_places():
    with pytest.raises(ValueError, match="do not make up"):
        joined(TAG, {"epoch": "epoch"}, rest="others")


def test_field_that_does_not_exist():
    with pytest.raises(ValueError, match="do not make up"):
        joined(TAG, {"proposal": "proposal"}, rest="others")


def test_an_input_has_one_driver():
    """A second stream into the same input is refused; the same one again changes nothing."""
    top = netlist()
    first, second = (placed(top, name, {"y": Out(stream.Signature(3))}) for name in ("first", "second"))
    sink = placed(top, "sink", {"x": In(stream.Signature(3))})
    top.stream(first, sink)
    top.stream(first, sink)
    with pytest.raises(
        ValueError, match=r"top: sink.x__payload has net first_y__payload already, not second_y__payload"
    ):
        top.stream(second, sink)
