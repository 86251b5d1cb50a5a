"""Words of a circuit as exact linear forms of its sources: sums are rewritten as what they add, from the outputs back.

Every adder keeps an equation: a full adder `s + 2 * co = a + b + c`, a word adder `y = a + b` modulo two to the width
of y. Where a word counts the outputs of an adder in these proportions, they are replaced by its inputs. A form that
ends in sources alone, inputs and registers, is what the circuit computes, for every input: nothing is sampled.

Control inputs are fixed to constants beforehand, so that what they govern, multiplexers and inverters, vanishes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from .circuit import FALSE, REGISTER, TRUE, UNDEFINED, Cell, Circuit, Net, Unreadable

Literal = int
"""A net or its complement: twice the net, and one more for the complement. So 0 is false and 1 is true."""
ADDER = "adder"
"""Type of a cell with inputs a, b, c and outputs s, co that keeps s + 2 * co = a + b + c; a half adder has no c."""
CARRY = "carry"
"""Type of a cell with inputs a, b, c, s and output co that keeps s' + 2 * co = a + b + c: s' is input s, which another
adder makes, or its complement if parameter `complement` is 1."""
SCALE = 1 << 64
"""What the lowest bit of a sum counts while its lower bits are looked for."""


@dataclass
class Form:
    """`constant + sum of coefficient * net`, in whole numbers."""

    constant: int = 0
    coefficients: dict[Net, int] = field(default_factory=dict)

    def add(self, coefficient: int, literal: Literal) -> None:
        """Count a literal; a complement is one minus its net."""
        net = literal >> 1
        if literal & 1:
            self.constant += coefficient
            coefficient = -coefficient
        if net:
            self.coefficients[net] = self.coefficients.get(net, 0) + coefficient


@dataclass(frozen=True)
class Sum:
    """`unit * sum of 2**i * outputs[i]` equals the sum of `coefficient * literal`, modulo `period` if that is not 0."""

    terms: list[tuple[int, Literal]]
    outputs: tuple[Net, ...]
    period: int = 0
    unit: int = 1


class _Rewriting:
    """A form from which sums are taken, the last made first, and what they add put in."""

    def __init__(self, sums: Sequence[Sum], sum_of: Mapping[Net, int]):
        self.form = Form()
        self._sums, self._sum_of = sums, sum_of
        self._waiting: list[int] = []

    def count(self, terms: Iterable[tuple[int, Literal]]) -> None:
        """Add terms to the form."""
        for coefficient, literal in terms:
            net = literal >> 1
            if net in self._sum_of and net not in self.form.coefficients:
                heappush(self._waiting, -self._sum_of[net])
            self.form.add(coefficient, literal)

    def sums(self) -> Iterator[tuple[int, Sum]]:
        """The sums whose outputs are counted, each with its number; none of them feeds one that came before."""
        last = None
        while self._waiting:
            index = -heappop(self._waiting)
            if index != last:
                yield index, self._sums[index]
            last = index

    def take(self, nets: Iterable[Net]) -> list[int]:
        """The coefficients of nets, which then are no longer in the form."""
        return [self.form.coefficients.pop(net, 0) for net in nets]


class View:
    """A circuit with some nets fixed to constants. What is asked for is worked out on demand, once."""

    def __init__(self, circuit: Circuit, fixed: Mapping[Net, int]):
        self._drivers, self._read = circuit.drivers, circuit.read
        self._literals: dict[Net, Literal] = {FALSE: FALSE, TRUE: TRUE, **fixed}
        self._sums: list[Sum] = []
        self._sum_of: dict[Net, int] = {}
        self._exact: dict[int, bool] = {}

    def literals(self, bits: Iterable[Net]) -> list[Literal]:
        """What is on each of `bits`: a constant, a source, a sum's output, or the complement of one of these."""
        bits = list(bits)
        self._resolve(bits)
        return [self._literals[net] for net in bits]

    def constant(self, bits: Sequence[Net]) -> int:
        """The number that `bits` always are. `Unreadable` where they vary."""
        literals = self.literals(bits)
        if any(literal > TRUE for literal in literals):
            raise Unreadable("a constant depends on an input")
        return sum(bit << i for i, bit in enumerate(literals))

    def form(self, bits: Sequence[Net]) -> Form:
        """The number on `bits`, unsigned, as a form of sources, exact modulo two to the number of bits.

        `Unreadable` where it is not a linear form, or cannot be seen to be one.
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
                raise Unreadable(f"not linear: a cell {self._drivers[net].type} stands in a sum")
        return rewriting.form

    def _never_carries(self, index: int) -> bool:
        """Whether a sum never reaches its period.

        Its outputs are the top of a number. Going back from them, the sums of carries that came from below are added
        to the number, until it is a form of sources and V + period * carry = form. If the form is always less than the
        period, above the least that V can be, then there is no carry.
        """
        if index not in self._exact:
            self._exact[index] = False  # where it hangs on itself
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
        """Work out `bits` and all that they need, without recursion: carry chains are deep."""
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
        """Nets that decide a cell's outputs: of a multiplexer whose select is constant, one side."""
        if cell.type in ("$mux", "$pmux"):
            select = [self._literals.get(net) for net in cell.inputs["S"]]
            if None in select:
                return cell.inputs["S"]
            if (chosen := _chosen(cell, select)) is not None:
                return chosen
        return (net for bits in cell.inputs.values() for net in bits)

    def _compute(self, cell: Cell) -> None:
        """The literals of a cell's outputs; where nothing can be said, the outputs themselves."""
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
        """Outputs that no sum reaches are false, and a sum of constants is one."""
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
        """`2 * co = a + b + c - s'`, which keeps a carry that is needed twice from being a second full adder."""
        a, b, c, s = (self._literals[cell.inputs[port][0]] for port in ("a", "b", "c", "s"))
        (co,) = cell.outputs["co"]
        self._literals[co] = 2 * co
        self._sum_of[co] = len(self._sums)
        self._sums.append(Sum([(1, a), (1, b), (1, c), (-1, s ^ cell.number("complement"))], (co,), unit=2))

    def word(self, cell: Cell, port: str) -> list[Literal]:
        """An input of a cell at the width of its output Y."""
        literals, width = [self._literals[net] for net in cell.inputs[port]], len(cell.outputs["Y"])
        fill = literals[-1] if cell.parameters.get(f"{port}_SIGNED", "0").endswith("1") else FALSE
        return (literals + [fill] * width)[:width]


def _chosen(cell: Cell, select: Sequence[Literal | None]) -> tuple[Net, ...] | None:
    """The side that a multiplexer with a constant select takes; None where there is no one such side."""
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
    """A constant times a word."""
    for constant, word in ((a, b), (b, a)):
        if max(constant) <= TRUE:
            return _weighted(word, sum(bit << i for i, bit in enumerate(constant)))
    raise Unreadable("not linear: two words that vary are multiplied")


def _operands(view: View, cell: Cell, port: str, count: int) -> list[list[Literal]]:
    """The words on an input of a multiply-accumulate cell, each at the width of its output."""
    literals, operands = view.literals(cell.inputs[port]), []
    width = len(cell.outputs["Y"])
    for i in range(count):
        own = cell.number(f"{port}_WIDTHS") >> 16 * i & 0xFFFF
        fill = literals[own - 1] if cell.number(f"{port}_SIGNED") >> i & 1 else FALSE
        operands.append((literals[:own] + [fill] * width)[:width])
        literals = literals[own:]
    if literals:
        raise Unreadable(f"the operands of a cell {cell.type} do not add up")
    return operands


def _macc(view: View, cell: Cell) -> list[tuple[int, Literal]]:
    """Products and words, added or subtracted: what yosys makes of a tree of sums."""
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
    """A + (B ^ BI) + CI; BI is constant where it adds or subtracts."""
    (invert,), (carry,) = (view.literals(cell.inputs[port]) for port in ("BI", "CI"))
    if invert > TRUE:
        raise Unreadable("not linear: it is not decided whether a word is added or subtracted")
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
    """Both operands of a comparison at the same width; they are unsigned."""
    a, b = view.literals(cell.inputs["A"]), view.literals(cell.inputs["B"])
    width = max(len(a), len(b))
    return a + [FALSE] * (width - len(a)), b + [FALSE] * (width - len(b))


def _logic_not(view: View, cell: Cell) -> list[Literal | None]:
    word = [literal for literal in view.literals(cell.inputs["A"]) if literal != FALSE]
    single = word[0] ^ 1 if len(word) == 1 else None
    return [FALSE if TRUE in word else single if word else TRUE, *_no_more(cell)]


def _no_more(cell: Cell) -> list[Literal]:
    """The bits of an answer that is true or false, above the lowest."""
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
