"""The test that decides whether a proposed token stays, at the widths of the chip with the embedded models."""

from functools import partial

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from hc1gen.numeric.numerics import RANDOM_BITS
from hc1gen.rtl.accept import Accept
from hc1gen.rtl.multiplier import DIGIT_BITS, Multiplier
from hc1gen.rtl.residual_distribution import ResidualDistribution

from .prove import Break, Claims, Proof

E_BITS, SUM_BITS = 16, 25
"""Of an exponential, and of the sum of 512 of them."""


def multiplier(a_bits: int, b_bits: int, m: Module, c: Claims) -> None:
    """The product is the sum of all digits of `a`, each times `b` in its place.

    `sum_` adds up the partial products that the circuit makes of the digit it is at, and `a` is remembered: the digit
    is the right one, and the circuit's registers hold the sum, above the digits to come.
    """
    dut = Multiplier(a_bits, b_bits)
    inside = c.place("dut", dut)
    digits, left = inside("digits"), inside("left")
    number = Signal(range(dut.latency + 1), init=dut.latency)  # of the digit it is at
    at, held, now = Signal.like(number), Signal(a_bits), Signal(a_bits)
    sum_, before = Signal(a_bits + b_bits + DIGIT_BITS), Signal(a_bits + b_bits + DIGIT_BITS)
    working = Signal()
    product = digits[:DIGIT_BITS] * dut.b
    m.d.comb += [
        now.eq(Mux(dut.start, dut.a, held)),
        at.eq(Mux(dut.start, 0, number)),
        before.eq(Mux(dut.start, 0, sum_)),
        working.eq(dut.start | (number != dut.latency)),
    ]
    m.d.sync += held.eq(now)
    with m.If(working):
        m.d.sync += [number.eq(at + 1), sum_.eq(before + (product << (at * DIGIT_BITS)))]
    c.assume_stands(dut.b, working)

    known = Signal()  # there was a start
    with m.If(dut.start):
        m.d.sync += known.eq(1)
    registers, place = Cat(inside("low"), inside("high")), left * DIGIT_BITS
    c.always("number", (left == dut.latency - number) & (known | (number == dut.latency)))
    c.always("done", dut.done == c.past(working & (at == dut.latency - 1), init=0))
    c.always("digit", ~working | (digits[:DIGIT_BITS] == (now >> (at * DIGIT_BITS))[:DIGIT_BITS]))
    c.always("digits to come", ~known | ((registers ^ held >> (number * DIGIT_BITS)) & ((Const(1) << place) - 1) == 0))
    c.always("product", ~known | (registers >> place == sum_))


def products(a_bits: int, b_bits: int, m: Module, c: Claims) -> None:
    """`product == a * b` where `done` is high, asked outright: for widths that a solver can multiply."""
    dut = Multiplier(a_bits, b_bits)
    c.place("dut", dut)
    a, working = Signal(a_bits), Signal()
    with m.If(dut.start):
        m.d.sync += [a.eq(dut.a), working.eq(1)]
    with m.Elif(dut.done):
        m.d.sync += working.eq(0)
    c.assume_stands(dut.b, dut.start | working & ~dut.done)
    c.always("product", ~(working & dut.done) | (dut.product == a * dut.b))


def digit_times(digit: Value, b: Value) -> list[Value]:
    """What `accept` needs to know of `digit * b`: it is 0 if the digit is, and never above `(2**8 - 1) * b`."""
    return [digit.any() | (digit * b == 0), digit * b <= (b << DIGIT_BITS) - b]


def digits_times(m: Module, c: Claims) -> None:
    """`digit_times` is true."""
    digit, b = c.free(DIGIT_BITS, "digit"), c.free(E_BITS + SUM_BITS, "b")
    for number, holds in enumerate(digit_times(digit, b)):
        c.always(f"product {number}", holds)


def accept(m: Module, c: Claims) -> None:
    """With P = e_p * z_q and Q = e_q * z_p, as the two multipliers have them: P >= Q and P > 0 is accepted, and what
    has e_p = 0 is not.

    What is left of the third product after each digit of `random` is below Q, so that its end is, too.
    """
    dut = Accept(E_BITS, SUM_BITS, SUM_BITS)
    inside = c.place("dut", dut)
    p, q, scaled = inside("p"), inside("q"), inside("scaled")
    age = Signal(range(dut.latency + 1))  # clocks since `start`, 0: idle
    with m.If(dut.start | age.any()):
        m.d.sync += age.eq(Mux(age == dut.latency, 0, age + 1))
    c.assume(~dut.start | (age == 0))
    c.assume_stands(Cat(dut.e_p, dut.z_p, dut.e_q, dut.z_q, dut.random), dut.start | age.any() & ~dut.done)

    first, second = q.latency, dut.latency  # ages at which the products and the third product are there
    for name, each, begin, end in (("p", p, 0, first), ("q", q, 0, first), ("scaled", scaled, first, second)):
        c.always(f"{name} left", inside("left", each) == Mux((age > begin) & (age < end), end - age, 0))
        c.always(f"{name} done", each.done == (age == end))
    for each in (p, scaled):
        digit = inside("digits", each)[:DIGIT_BITS]
        for holds in digit_times(digit, each.b):
            c.assume(holds)
    zero = age.any() & (dut.e_p == 0)
    c.always("zero", ~zero | (p.product == 0))
    high = inside("high", scaled)
    c.always("below", ~(age > first) | (high < q.product) | (q.product == 0) & (high == 0))
    c.always("p not below q is accepted", ~(dut.done & (p.product >= q.product) & p.product.any()) | dut.accepted)
    c.always("what the target never says is not accepted", ~(dut.done & (dut.e_p == 0) & dut.accepted))


def small_accept(m: Module, c: Claims) -> None:
    """The whole circuit at once, at widths at which a solver can multiply: it says what the fractions say."""
    e_bits, sum_bits, random_bits = 3, 4, 9
    dut = Accept(e_bits, sum_bits, sum_bits, random_bits)
    c.place("dut", dut)
    age = Signal(range(dut.latency + 1))
    with m.If(dut.start | age.any()):
        m.d.sync += age.eq(Mux(age == dut.latency, 0, age + 1))
    c.assume(~dut.start | (age == 0))
    c.assume_stands(Cat(dut.e_p, dut.z_p, dut.e_q, dut.z_q, dut.random), dut.start | age.any() & ~dut.done)
    p, q, now = dut.e_p * dut.z_q, dut.e_q * dut.z_p, dut.done & age.any()
    c.always("p not below q is accepted", ~(now & (p >= q) & p.any()) | dut.accepted)
    c.always("what the target never says is not accepted", ~(now & (dut.e_p == 0) & dut.accepted))
    c.always("the test", ~now | (dut.accepted == (dut.random * q < p << random_bits)))


def residual_distribution(m: Module, c: Claims) -> None:
    """A token that the target never says is never drawn after a rejection."""
    dut = ResidualDistribution(2, E_BITS, SUM_BITS, SUM_BITS)
    c.place("dut", dut)
    coming = dut.e_valid
    for _ in range(dut.latency):
        coming = c.past(coming, init=0)
    c.always("latency", dut.w_valid == coming)
    for lane in range(dut.lanes):
        e_p = dut.e_p[lane]
        for _ in range(dut.latency):
            e_p = c.past(e_p)
        c.always(f"nothing in lane {lane}", ~dut.w_valid | e_p.any() | (dut.w[lane] == 0))


CARRY_LOST = Break(Multiplier.elaborate, "Mux(self.start, 0, high)", "Mux(self.start, 0, high[1:])", "product")
CLOCK_LOST = Break(Multiplier.elaborate, "digits_left == 1", "digits_left == 2", "done")
DIGIT_LOST = Break(Multiplier.elaborate, "Cat(digits[DIGIT_BITS:], total)", "Cat(digits[1:], total)", "digit")
NEVER, ALWAYS = "what_the_target_never_says_is_not_accepted", "p_not_below_q_is_accepted"
EQUAL, HALF = (":] < p.product", ":] <= p.product"), ("[self.random_bits :]", "[self.random_bits - 1 :]")

PROOFS = {
    "multiplier_random": Proof(
        partial(multiplier, RANDOM_BITS, E_BITS + SUM_BITS), "prove", 2,
        {"carry": CARRY_LOST, "clock": CLOCK_LOST, "digit": DIGIT_LOST},
    ),
    "multiplier_weight": Proof(partial(multiplier, E_BITS, SUM_BITS), "prove", 2, {"carry": CARRY_LOST}),
    "multiplier_small": Proof(partial(products, DIGIT_BITS + 2, 4), "prove", 6, {"carry": CARRY_LOST}),
    "digit_times": Proof(digits_times, "bmc", 2),
    "accept": Proof(
        accept, "prove", 1,
        {"equal": Break(Accept.elaborate, *EQUAL, NEVER), "half": Break(Accept.elaborate, *HALF, ALWAYS)},
        cut="t:$mul",
    ),
    "accept_small": Proof(
        small_accept, "prove", 8,
        {
            "equal": Break(Accept.elaborate, *EQUAL, NEVER),
            "half": Break(Accept.elaborate, *HALF, ALWAYS),
            "swapped": Break(Accept.elaborate, "p.b.eq(self.z_q)", "p.b.eq(self.z_p)", "the_test"),
        },
    ),
    "residual distribution": Proof(
        residual_distribution, "prove", 3,
        {
            "sign": Break(
                ResidualDistribution.elaborate, "Mux(difference < 0, 0, difference)", "difference", "nothing_in_lane_0"
            )
        },
    ),
}  # fmt: skip
