"""Rewriting sums: what is a linear form, what is not, and carries that can and cannot be left out."""

import pytest

pytest.importorskip("pyosys", reason="pyosys is not installed")

from hc1gen.backend.verify.adders import with_adders
from hc1gen.backend.verify.circuit import Circuit, Unreadable, read
from hc1gen.backend.verify.linear import Form, View
from hc1gen.rtl.tiles.structural import adders


def circuit(folder, body: str, width: int = 4) -> Circuit:
    """Module t of inputs x[7:0] and c, and an output y."""
    file = folder / "t.v"
    file.write_text(
        "\n".join(adders()) + f"\nmodule t(input [7:0] x, input c, output [{width - 1}:0] y);\n{body}\nendmodule\n"
    )
    modules = read([f"read_verilog {file}", "proc -noopt"])
    return with_adders(modules.pop("t"), modules)


def form(it: Circuit, **fixed: int) -> tuple[int, list[int]]:
    """Constant and coefficients of x in y, all modulo two to the width of y."""
    found: Form = View(it, {it.inputs[port][0]: value for port, value in fixed.items()}).form(it.outputs["y"])
    modulus = 1 << len(it.outputs["y"])
    return found.constant % modulus, [found.coefficients.get(net, 0) % modulus for net in it.inputs["x"]]


def test_words_add_subtract_and_scale(tmp_path):
    assert form(circuit(tmp_path, "assign y = 3 * x[1:0] + x[2] - x[3] + ~x[4] - 1;")) == (
        15 - 1, [3, 6, 1, 15, 15, 0, 0, 0],
    )  # fmt: skip


def test_control_picks_a_side(tmp_path):
    it = circuit(tmp_path, "assign y = (c ? x[1:0] : 2'd0) + (x[3:2] ^ {2{c}});")
    assert form(it, c=0) == (0, [0, 0, 1, 2, 0, 0, 0, 0])
    assert form(it, c=1) == (3, [1, 2, 15, 14, 0, 0, 0, 0])
    with pytest.raises(Unreadable, match="not linear"):
        form(it)


@pytest.mark.parametrize("body", ["x[0] & x[1]", "x[1:0] * x[3:2]", "x[0] ? x[1] : x[2]", "x[0] ^ x[1]", "x == 3"])
def test_what_is_not_linear_is_refused(tmp_path, body):
    with pytest.raises(Unreadable, match="not linear"):
        form(circuit(tmp_path, f"assign y = {body};"))


COUNT = """wire p, q, b0, r, b1;
hc1gen_ha u0 (.a(x[0]), .b(x[1]), .s(p), .co(q));
hc1gen_ha u1 (.a(p), .b({third}), .s(b0), .co(r));
hc1gen_ha u2 (.a(q), .b({carry}), .s(b1), .co());
assign y = {{1'b0, b1, b0}};"""


def test_a_carry_that_never_is_may_be_left_out(tmp_path):
    it = circuit(tmp_path, COUNT.format(third="x[2]", carry="r"), 3)
    assert form(it) == (0, [1, 1, 1, 0, 0, 0, 0, 0])
    it = circuit(tmp_path, COUNT.format(third="~x[2]", carry="r"), 3)
    assert form(it) == (1, [1, 1, 7, 0, 0, 0, 0, 0])


def test_a_carry_that_may_be_is_missed(tmp_path):
    with pytest.raises(Unreadable, match="the carry out of a sum is lost"):
        form(circuit(tmp_path, COUNT.format(third="x[2]", carry="x[3]"), 3))
    with pytest.raises(Unreadable, match="the carry out of a sum is lost"):
        form(circuit(tmp_path, "wire [1:0] s = x[1:0] + x[3:2]; assign y = s + x[4];"))


def test_a_carry_beyond_the_word_does_not_count(tmp_path):
    assert form(circuit(tmp_path, "assign y = x[3:0] + x[7:4];")) == (0, [1, 2, 4, 8] * 2)


MAJORITY = """wire s, k;
hc1gen_fa u0 (.a(x[0]), .b(x[1]), .c(x[2]), .s(s), .co());
hc1gen_maj u1 (.a({a}), .b(x[1]), .c({c}), .co(k));
assign y = {{2'b00, k, {s}}};"""


def test_a_carry_goes_with_the_sum_of_another_adder(tmp_path):
    assert form(circuit(tmp_path, MAJORITY.format(a="~x[0]", c="x[2]", s="~s"))) == (1, [15, 1, 1, 0, 0, 0, 0, 0])
    assert form(circuit(tmp_path, MAJORITY.format(a="~x[0]", c="~x[2]", s="s"))) == (2, [15, 1, 15, 0, 0, 0, 0, 0])
    with pytest.raises(Unreadable, match=r"not counted as a sum|carry out of a sum"):
        form(circuit(tmp_path, MAJORITY.format(a="~x[0]", c="x[2]", s="x[3]")))
    with pytest.raises(Unreadable, match="a carry has no adder"):
        circuit(tmp_path, MAJORITY.format(a="x[3]", c="x[2]", s="s"))


TWICE = """wire s, k, t, l, m;
hc1gen_fa u0 (.a(x[0]), .b(x[1]), .c(x[2]), .s(s), .co(k));
hc1gen_fa u1 (.a(~x[0]), .b(x[2]), .c(x[1]), .s(t), .co(l));
hc1gen_maj u2 (.a(x[0]), .b(~x[1]), .c(x[2]), .co(m));
wire all_carries_are_read = k & l & m;
assign y = {number};"""


@pytest.mark.parametrize(
    ("number", "constant", "weights"),
    [("{k, s}", 0, [1, 1, 1]), ("{l, t}", 1, [15, 1, 1]), ("{m, t}", 1, [1, 15, 1]), ("{m, ~s}", 1, [1, 15, 1])],
)
def test_a_carry_goes_with_the_sum_of_any_adder_of_the_same_nets(tmp_path, number, constant, weights):
    assert form(circuit(tmp_path, TWICE.format(number=number))) == (constant, [*weights, 0, 0, 0, 0, 0])


@pytest.mark.parametrize("number", ["{m, s}", "{k, t}", "{l, s}"])
def test_a_carry_and_the_complement_of_its_sum_are_no_number(tmp_path, number):
    with pytest.raises(Unreadable, match="not counted as a sum"):
        form(circuit(tmp_path, TWICE.format(number=number)))


def test_loops_and_bits_without_value_are_refused(tmp_path):
    with pytest.raises(Unreadable, match="a loop of logic"):
        form(circuit(tmp_path, "wire [3:0] l = y + x[0]; assign y = l;"))
    with pytest.raises(Unreadable, match="a bit has no value"):
        form(circuit(tmp_path, "assign y = {2'b0, 1'bx, x[0]};"))
