"""Finds the exact linear form of a word of a circuit in its sources, by rewriting sums from the outputs backwards.

The sources are inputs and registers. Every adder satisfies an equation: a full adder `s + 2 * co = a + b + c`, and a
word adder `y = a + b` modulo two to the width of y. Where a form contains the outputs of an adder in the proportion of
its equation, they are replaced by the adder's inputs. When only sources are left, the form is what the circuit computes
for every input. This is a proof: nothing is sampled.

Control inputs are first fixed to constants, so that the multiplexers and inverters that they control disappear.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from .circuit import FALSE, REGISTER, TRUE, UNDEFINED, Cell, Circuit, Net, Unreadable

Literal = int
"""A net or its complement: `2 * net` is the net, and `2 * net + 1` its complement. So 0 is false and 1 is true."""
ADDER = "adder"
"""The type of a cell with inputs a, b, c and outputs s, co that satisfies s + 2 * co = a + b + c. A half adder has no
c."""
CARRY = "carry"
"""The type of a cell with inputs a, b, c, s and output co that satisfies s' + 2 * co = a + b + c. s' is the input s,
which another adder makes, or its complement if the parameter `complement` is 1."""
SCALE = 1 << 64
"""The weight of a sum's lowest bit in `View._bounded`. It leaves room for 64 bits below that bit."""


@dataclass
class Form:
    """A linear form, `constant + sum of coefficient * net`, with integer coefficients."""

    constant: int = 0
    coefficients: dict[Net, int] = field(default_factory=dict)

    def add(self, coefficient: int, literal: Literal) -> None:
        """Adds `coefficient * literal`. A complement is one minus its net."""
        net = literal >> 1
        if literal & 1:
            self.constant += coefficient
            coefficient = -coefficient
        if net:
            self.coefficients[net] = self.coefficients.get(net, 0) + coefficient


@dataclass(frozen=True)
class Sum:
    """The equation of an adder: `unit * sum of 2**i * outputs[i]` equals the sum of `coefficient * literal` in `terms`.

    It holds modulo `period`, or exactly if `period` is 0.
    """

    terms: list[tuple[int, Literal]]
    outputs: tuple[Net, ...]
    period: int = 0
    unit: int = 1


class _Rewriting:
    """A form in which the outputs of sums are replaced by the terms of the sums, the sum that was made last first."""

    def __init__(self, sums: Sequence[Sum], sum_of: Mapping[Net, int]):
        self.form = Form()
        self._sums, self._sum_of = sums, sum_of
        self._waiting: list[int] = []

    def count(self, terms: Iterable[tuple[int, Literal]]) -> None:
        """Adds terms to the form."""
        for coefficient, literal in terms:
            net = literal >> 1
            if net in self._sum_of and net not in self.form.coefficients:
                heappush(self._waiting, -self._sum_of[net])
            self.form.add(coefficient, literal)

    def sums(self) -> Iterator[tuple[int, Sum]]:
        """Yields the sums whose outputs are in the form, with their numbers.

        No sum depends on the outputs of a sum that was yielded before it.
        """
        last = None
        while self._waiting:
            index = -heappop(self._waiting)
            if index != last:
                yield index, self._sums[index]
            last = index

    def take(self, nets: Iterable[Net]) -> list[int]:
        """Removes nets from the form, and returns their coefficients."""
        return [self.form.coefficients.pop(net, 0) for net in nets]


class View:
    """A circuit with some nets fixed to constants. Literals and sums are computed on demand, and only once."""

    def __init__(self, circuit: Circuit, fixed: Mapping[Net, int]):
        self._drivers, self._read = circuit.drivers, circuit.read
        self._literals: dict[Net, Literal] = {FALSE: FALSE, TRUE: TRUE, **fixed}
        self._sums: list[Sum] = []
        self._sum_of: dict[Net, int] = {}
        self._exact: dict[int, bool] = {}

    def literals(self, bits: Iterable[Net]) -> list[Literal]:
        """Returns the literal of each net: a constant, a source, the output of a sum, or a complement of one of these.

        Raises `Unreadable` for an undefined bit and for a loop of logic.
        """
        bits = list(bits)
        self._resolve(bits)
        return [self._literals[net] for net in bits]

    def constant(self, bits: Sequence[Net]) -> int:
        """Returns the number on `bits`, which must be constant. Raises `Unreadable` if it depends on an input."""
        literals = self.literals(bits)
        if any(literal > TRUE for literal in literals):
            raise Unreadable("a constant depends on an input")
        return sum(bit << i for i, bit in enumerate(literals))

    def form(self, bits: Sequence[Net]) -> Form:
        """Returns the unsigned number on `bits` as a linear form of sources, exact modulo two to the number of bits.

        Raises `Unreadable` if it is no linear form, or cannot be proved to be one.
        """
        modulus = 1 << len(bits)
        rewriting = _Rewriting(self._sums, self._sum_of)
        rewriting.count((1 << i, literal) for i, literal in enumerate(self.literals(bits)))
        for index, made in rewriting.sums():
            coefficients = rewriting.take(made.outputs)
            times, half = divmod(coefficients[0], made.unit)
            if half or any((c - (times * made.unit << i)) % modulus for i, c in enumerate(coefficients)):
                raise Unreadable("the bits of a sum are not counted as a sum")
            if times * made.period % modulus and not self._never_carries(index):
                raise Unreadable("the carry out of a sum is lost")
            rewriting.count((times * c, literal) for c, literal in made.terms if times % modulus)
        for net, coefficient in rewriting.form.coefficients.items():
            if coefficient % modulus and net in self._drivers and self._drivers[net].type != REGISTER:
                raise Unreadable(f"not linear: the output of a cell {self._drivers[net].type} is part of a sum")
        return rewriting.form

    def _never_carries(self, index: int) -> bool:
        """Returns whether a sum is proved to stay below its period, so that no carry out of it is lost.

        The outputs of the sum are the top bits of a number. Going backwards, the sums whose carries enter from below
        are added to this number, which gives V + period * carry = form, where the form has only sources. If the form is
        always less than the period plus the least value that V can have, then the carry is 0.
        """
        if index not in self._exact:
            self._exact[index] = False  # the answer if the proof would need itself
            self._exact[index] = self._bounded(self._sums[index])
        return self._exact[index]

    def _bounded(self, top: Sum) -> bool:
        rewriting, least = _Rewriting(self._sums, self._sum_of), 0
        rewriting.count((c * SCALE, literal) for c, literal in top.terms)
        for index, made in rewriting.sums():
            coefficients = rewriting.take(made.outputs)
            times = max((c >> i for i, c in enumerate(coefficients)), key=abs) // made.unit
            if times and made.period and not self._never_carries(index):
                return False
            least += sum(min((times * made.unit << i) - c, 0) for i, c in enumerate(coefficients))
            rewriting.count((times * c, literal) for c, literal in made.terms)
        form = rewriting.form
        most = form.constant + sum(max(c, 0) for c in form.coefficients.values())
        return all(c >= 0 for c, _ in top.terms) and most < top.period * SCALE + least

    def _resolve(self, bits: Iterable[Net]) -> None:
        """Computes the literals of `bits` and of all that they depend on.

        It uses a stack in place of recursion, because carry chains are deep.
        """
        stack = list(bits)
        begun: set[Net] = set()
        while stack:
            net = stack[-1]
            cell = self._drivers.get(net)
            if net in self._literals:
                stack.pop()
            elif net == UNDEFINED:
                raise Unreadable("a bit has no value")
            elif cell is None or cell.type == REGISTER:
                self._literals[net] = 2 * net
            elif missing := [n for n in self._needed(cell) if n not in self._literals]:
                begun.add(net)
                if not begun.isdisjoint(missing):
                    raise Unreadable("a loop of logic")
                stack += missing
            else:
                self._compute(cell)
                begun.difference_update(*cell.outputs.values())

    def _needed(self, cell: Cell) -> Iterable[Net]:
        """Returns the nets that a cell's outputs depend on. A multiplexer with constant select depends on one side."""
        if cell.type in ("$mux", "$pmux"):
            select = [self._literals.get(net) for net in cell.inputs["S"]]
            if None in select:
                return cell.inputs["S"]
            if (chosen := _chosen(cell, select)) is not None:
                return chosen
        return (net for bits in cell.inputs.values() for net in bits)

    def _compute(self, cell: Cell) -> None:
        """Computes the literals of a cell's outputs. Where no rule applies, an output is a literal of its own."""
        if cell.type == ADDER:
            terms = [(1, self._literals[net]) for (net,) in cell.inputs.values()]
            s, co = cell.outputs["s"], tuple(net for net in cell.outputs["co"] if net in self._read)
            self._add(terms, s + co)
        elif cell.type == CARRY:
            self._carry(cell)
        elif cell.type in _SUMS:
            self._literals |= {net: 2 * net for bits in cell.outputs.values() for net in bits}
            self._add(_SUMS[cell.type](self, cell), cell.outputs["Y"])
        else:
            found = _LOGIC[cell.type](self, cell) if cell.type in _LOGIC else []
            for bits in cell.outputs.values():
                for i, net in enumerate(bits):
                    known = found[i] if i < len(found) else None
                    self._literals[net] = 2 * net if known is None else known

    def _add(self, terms: list[tuple[int, Literal]], outputs: tuple[Net, ...]) -> None:
        """Records the equation of a sum. Outputs that it never reaches are false; a sum of constants is constant."""
        constant = sum(coefficient for coefficient, literal in terms if literal == TRUE)
        varying = [(coefficient, literal) for coefficient, literal in terms if literal > TRUE]
        low = constant + sum(coefficient for coefficient, _ in varying if coefficient < 0)
        high = constant + sum(coefficient for coefficient, _ in varying if coefficient > 0)
        exact = 0 <= low and high < 1 << len(outputs)
        used, period = (high.bit_length(), 0) if exact else (len(outputs), 1 << len(outputs))
        if not varying:
            self._literals |= {net: constant >> i & 1 for i, net in enumerate(outputs)}
            return
        self._literals |= dict.fromkeys(outputs[used:], FALSE)
        self._literals |= {net: 2 * net for net in outputs[:used]}
        self._sum_of |= dict.fromkeys(outputs[:used], len(self._sums))
        self._sums.append(Sum([(constant, TRUE), *varying], outputs[:used], period))

    def _carry(self, cell: Cell) -> None:
        """Records the equation `2 * co = a + b + c - s'` of a CARRY.

        It refers to the sum of another adder, so a carry that is made twice is not counted as a second full adder.
        """
        a, b, c, s = (self._literals[cell.inputs[port][0]] for port in ("a", "b", "c", "s"))
        (co,) = cell.outputs["co"]
        self._literals[co] = 2 * co
        self._sum_of[co] = len(self._sums)
        self._sums.append(Sum([(1, a), (1, b), (1, c), (-1, s ^ cell.number("complement"))], (co,), unit=2))

    def word(self, cell: Cell, port: str) -> list[Literal]:
        """Returns the word on an input port of a cell, cut or extended to the width of the output Y."""
        literals, width = [self._literals[net] for net in cell.inputs[port]], len(cell.outputs["Y"])
        fill = literals[-1] if cell.parameters.get(f"{port}_SIGNED", "0").endswith("1") else FALSE
        return (literals + [fill] * width)[:width]


def _chosen(cell: Cell, select: Sequence[Literal | None]) -> tuple[Net, ...] | None:
    """Returns the side that a multiplexer with a constant select chooses; None if it chooses no single side."""
    if any(bit is None or bit > TRUE for bit in select) or sum(map(int, select)) > 1:  # type: ignore[arg-type]
        return None
    if TRUE not in select:
        return cell.inputs["A"]
    width = len(cell.outputs["Y"])
    first = select.index(TRUE) * width
    return cell.inputs["B"][first : first + width]


def _weighted(word: Sequence[Literal], times: int = 1) -> list[tuple[int, Literal]]:
    return [(times << i, literal) for i, literal in enumerate(word) if literal != FALSE]


def _product(a: Sequence[Literal], b: Sequence[Literal]) -> list[tuple[int, Literal]]:
    """Returns the terms of a product of two words. Raises `Unreadable` if neither is constant."""
    for constant, word in ((a, b), (b, a)):
        if max(constant) <= TRUE:
            return _weighted(word, sum(bit << i for i, bit in enumerate(constant)))
    raise Unreadable("not linear: two words that vary are multiplied")


def _operands(view: View, cell: Cell, port: str, count: int) -> list[list[Literal]]:
    """Returns the `count` words on an input port of a multiply-accumulate cell, each as wide as the output.

    Raises `Unreadable` if their widths do not add up to the width of the port.
    """
    literals, operands = view.literals(cell.inputs[port]), []
    width = len(cell.outputs["Y"])
    for i in range(count):
        own = cell.number(f"{port}_WIDTHS") >> 16 * i & 0xFFFF
        fill = literals[own - 1] if cell.number(f"{port}_SIGNED") >> i & 1 else FALSE
        operands.append((literals[:own] + [fill] * width)[:width])
        literals = literals[own:]
    if literals:
        raise Unreadable(f"the widths of the operands of a cell {cell.type} do not add up")
    return operands


def _macc(view: View, cell: Cell) -> list[tuple[int, Literal]]:
    """Returns the terms of a cell `$macc_v2`, into which yosys merges a tree of sums: products and words, added or
    subtracted."""
    terms: list[tuple[int, Literal]] = []
    products, addends = cell.number("NPRODUCTS"), cell.number("NADDENDS")
    pairs = zip(_operands(view, cell, "A", products), _operands(view, cell, "B", products), strict=True)
    for i, (a, b) in enumerate(pairs):
        sign = -1 if cell.number("PRODUCT_NEGATED") >> i & 1 else 1
        terms += [(sign * coefficient, literal) for coefficient, literal in _product(a, b)]
    for i, word in enumerate(_operands(view, cell, "C", addends)):
        terms += _weighted(word, -1 if cell.number("ADDEND_NEGATED") >> i & 1 else 1)
    return terms


def _alu(view: View, cell: Cell) -> list[tuple[int, Literal]]:
    """Returns the terms of a cell `$alu`, A + (B ^ BI) + CI. BI must be constant: it chooses to add or to subtract."""
    (invert,), (carry,) = (view.literals(cell.inputs[port]) for port in ("BI", "CI"))
    if invert > TRUE:
        raise Unreadable("not linear: an input decides whether a word is added or subtracted")
    word = [literal ^ invert for literal in view.word(cell, "B")]
    return _weighted(view.word(cell, "A")) + _weighted(word) + [(1, carry)]


_SUMS: dict[str, Callable[[View, Cell], list[tuple[int, Literal]]]] = {
    "$add": lambda view, cell: _weighted(view.word(cell, "A")) + _weighted(view.word(cell, "B")),
    "$sub": lambda view, cell: _weighted(view.word(cell, "A")) + _weighted(view.word(cell, "B"), -1),
    "$neg": lambda view, cell: _weighted(view.word(cell, "A"), -1),
    "$mul": lambda view, cell: _product(view.word(cell, "A"), view.word(cell, "B")),
    "$alu": _alu,
    "$macc_v2": _macc,
}


def _bitwise(operation: Callable[[Literal, Literal], Literal | None]) -> Callable[[View, Cell], list[Literal | None]]:
    def apply(view: View, cell: Cell) -> list[Literal | None]:
        return [operation(a, b) for a, b in zip(view.word(cell, "A"), view.word(cell, "B"), strict=True)]

    return apply


def _and(a: Literal, b: Literal) -> Literal | None:
    if a == FALSE or b == FALSE or a == b ^ 1:
        return FALSE
    return b if a == TRUE else a if b == TRUE or a == b else None


def _or(a: Literal, b: Literal) -> Literal | None:
    inverted = _and(a ^ 1, b ^ 1)
    return None if inverted is None else inverted ^ 1


def _xor(a: Literal, b: Literal) -> Literal | None:
    if a >> 1 == b >> 1:
        return a ^ b
    return b ^ a if a <= TRUE else a ^ b if b <= TRUE else None


def _buffer(view: View, cell: Cell) -> list[Literal | None]:
    return list(view.word(cell, "A"))


def _not(view: View, cell: Cell) -> list[Literal | None]:
    return [literal ^ 1 for literal in view.word(cell, "A")]


def _mux(view: View, cell: Cell) -> list[Literal | None]:
    chosen = _chosen(cell, view.literals(cell.inputs["S"]))
    return [] if chosen is None else list(view.literals(chosen))


def _eq(view: View, cell: Cell) -> list[Literal | None]:
    differ = [_xor(a, b) for a, b in zip(*_padded(view, cell), strict=True)]
    return [FALSE if TRUE in differ else TRUE if not any(d != FALSE for d in differ) else None, *_no_more(cell)]


def _padded(view: View, cell: Cell) -> tuple[list[Literal], list[Literal]]:
    """Returns both operands of a comparison, which are unsigned, at the same width."""
    a, b = view.literals(cell.inputs["A"]), view.literals(cell.inputs["B"])
    width = max(len(a), len(b))
    return a + [FALSE] * (width - len(a)), b + [FALSE] * (width - len(b))


def _logic_not(view: View, cell: Cell) -> list[Literal | None]:
    word = [literal for literal in view.literals(cell.inputs["A"]) if literal != FALSE]
    single = word[0] ^ 1 if len(word) == 1 else None
    return [FALSE if TRUE in word else single if word else TRUE, *_no_more(cell)]


def _no_more(cell: Cell) -> list[Literal]:
    """Returns the bits above the lowest one of a result that is true or false: they are false."""
    return [FALSE] * (len(cell.outputs["Y"]) - 1)


_LOGIC: dict[str, Callable[[View, Cell], list[Literal | None]]] = {
    "$buf": _buffer,
    "$pos": _buffer,
    "$_BUF_": _buffer,
    "$not": _not,
    "$_NOT_": _not,
    "$and": _bitwise(_and),
    "$or": _bitwise(_or),
    "$xor": _bitwise(_xor),
    "$mux": _mux,
    "$pmux": _mux,
    "$eq": _eq,
    "$logic_not": _logic_not,
}
