"""Recognises the adder cells of the structural view: a module is an adder if its truth table is that of an adder."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from .circuit import Cell, Circuit, Net, Unreadable
from .linear import ADDER, CARRY
from .simulate import Simulator

Triple = tuple[Net, ...]


def with_adders(circuit: Circuit, modules: Mapping[str, Circuit]) -> Circuit:
    """Returns `circuit` with the instances of `modules` marked as adders.

    Raises `Unreadable` if one of the modules that it uses is no adder.
    """
    used = {cell.type for cell in circuit.cells} & modules.keys()
    kinds = {name: adder_kind(modules[name]) for name in used}
    inverters = _inverters(circuit)
    sums: dict[Triple, tuple[Net, int]] = {}
    for cell in circuit.cells:
        if kinds.get(cell.type) == ADDER and cell.outputs["s"] and "c" in cell.inputs:
            triple, complement = _triple(cell, inverters)
            sums.setdefault(triple, (cell.outputs["s"][0], complement))
    cells = (each for cell in circuit.cells for each in _marked(circuit, cell, kinds.get(cell.type), sums, inverters))
    return replace(circuit, cells=tuple(cells))


def _marked(
    circuit: Circuit, cell: Cell, kind: str | None, sums: Mapping[Triple, tuple[Net, int]], inverters: Mapping[Net, Net]
) -> Iterator[Cell]:
    """Yields the cells that replace `cell` in the marked circuit.

    A CARRY gets an additional input: the sum that an adder makes of the same three nets, or of complements of them. If
    several adders add the same three nets, only the first one stays an ADDER. Each of the others becomes a CARRY and a
    copy of the sum. So every carry refers to the same sum net.
    """
    if kind is None or "c" not in cell.inputs:
        yield cell if kind is None else replace(cell, type=kind)
        return
    triple, complement = _triple(cell, inverters)
    if triple not in sums:
        raise Unreadable("a carry has no adder that makes the sum to it")
    s, its_complement = sums[triple]
    own = cell.outputs.get("s", ())
    carries = circuit.read.intersection(cell.outputs["co"])
    if kind == ADDER and (own == (s,) or not carries):
        yield replace(cell, type=ADDER)
        return
    opposite = complement ^ its_complement
    yield Cell(CARRY, {"complement": str(opposite)}, {**cell.inputs, "s": (s,)}, {"co": cell.outputs["co"]})
    if own:
        yield Cell("$_NOT_" if opposite else "$_BUF_", {}, {"A": (s,)}, {"Y": own})


def _inverters(circuit: Circuit) -> dict[Net, Net]:
    """Returns, for every output net of an inverter, its input net."""
    found: dict[Net, Net] = {}
    for cell in circuit.of_type("$not", "$_NOT_"):
        found |= dict(zip(cell.outputs["Y"], cell.inputs["A"], strict=False))
    return found


def _triple(cell: Cell, inverters: Mapping[Net, Net]) -> tuple[Triple, int]:
    """Returns the three nets that an adder adds, sorted and traced back through inverters, and a complement bit.

    The bit is 1 if the number of inverters is odd. Then the sum, the exclusive or of the inputs, is complemented.
    """
    nets, complement = [], 0
    for port in ("a", "b", "c"):
        (net,) = cell.inputs[port]
        while net in inverters:
            net, complement = inverters[net], complement ^ 1
        nets.append(net)
    return tuple(sorted(nets)), complement


def adder_kind(module: Circuit) -> str:
    """Returns ADDER if `s + 2 * co` is the sum of the two or three inputs, and CARRY if the module has only `co`.

    All values of the inputs are tried. Raises `Unreadable` if the module is neither.
    """
    single = all(len(bits) == 1 for bits in (*module.inputs.values(), *module.outputs.values()))
    three = module.inputs.keys() == {"a", "b", "c"}
    if not single or not (three or module.inputs.keys() == {"a", "b"}) or "co" not in module.outputs:
        raise Unreadable(f"{module.name}: not an adder by its ports")
    values = range(1 << len(module.inputs))
    simulator = Simulator(module, len(values))
    for i, port in enumerate(module.inputs):
        simulator.set(port, [sum((value >> i & 1) << value for value in values)])
    simulator.settle()
    wanted = {"s": 0, "co": 1}
    for port in module.outputs:
        (found,) = simulator.output(port)
        if port not in wanted or any(found >> v & 1 != v.bit_count() >> wanted[port] & 1 for v in values):
            raise Unreadable(f"{module.name}: its {port} is not that of an adder")
    return ADDER if "s" in module.outputs else CARRY
