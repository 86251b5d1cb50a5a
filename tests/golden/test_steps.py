"""The golden model is written by hand; its sequence of steps is the network's list of nodes.

Every arithmetic function that the golden model calls is recorded, with the tensors that it was given. The list of nodes
says what must come, in which order.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hc1gen
from hc1gen.frontend.checkpoint import load_checkpoint
from hc1gen.golden import model as golden
from hc1gen.network import (
    Attention,
    BlockFloat,
    Branch,
    Embedding,
    HeadGate,
    Linear,
    Network,
    Node,
    Norm,
    Plan,
    Replay,
    Residual,
    Rope,
    SwiGlu,
    llama,
)  # fmt: skip
from hc1gen.numeric.config import NumericConfig
from hc1gen.quant.quantized import Gain, Matrix, QuantizedModel, quantize

MODEL = Path(hc1gen.__file__).parent / "models" / "tinystories-w3"
Step = tuple[str, str | None]
"""A function and the tensor that it was given."""


@pytest.fixture(scope="module")
def model() -> QuantizedModel:
    return quantize(load_checkpoint(MODEL), NumericConfig())


def recorded(model: QuantizedModel, monkeypatch: pytest.MonkeyPatch) -> list[Step]:
    """What the golden model does for one token."""
    steps: list[Step] = []
    names = {id(tensor.gain): name for name, tensor in model.tensors.items() if isinstance(tensor, Gain)}
    names |= {id(tensor): name for name, tensor in model.tensors.items() if isinstance(tensor, Matrix)}

    def record(name: str) -> None:
        function: Callable[..., Any] = getattr(golden, name)

        def call(*arguments: Any) -> Any:
            steps.append((name, next((names[id(each)] for each in arguments if id(each) in names), None)))
            return function(*arguments)

        monkeypatch.setattr(golden, name, call)

    for name in ("rms_norm", "linear", "rotate", "attend", "block_float", "swiglu"):
        record(name)
    session = golden.GoldenModel(model, 4).session()
    session.forward(np.array([1]), lambda layer, x: steps.append(("residual stream", None)))
    return steps


def expected(network: Network) -> Iterator[list[Step]]:
    """What every node stands for; the order within a node is the golden model's own."""
    for stage in network.stages:
        if stage.kind != "embedding":  # what stands in front of every layer and of the head is observed
            yield [("residual stream", None)]
        for node in stage.nodes:
            yield steps_of(node)


def steps_of(node: Node) -> list[Step]:
    """The golden functions of one node."""
    match node:
        case Norm():
            return [("rms_norm", node.tensor)]
        case Linear():
            return [("linear", each.tensor) for each in node.projections]
        case Rope():
            return [("rotate", None) for segment in node.segments if segment.turned]
        case Attention():
            return [("attend", None)]
        case BlockFloat():
            return [("block_float", None)]
        case SwiGlu():
            return [("swiglu", None)]
        case Embedding() | Branch() | Residual() | HeadGate() | Replay():
            return []
    raise AssertionError(f"no golden step is known for {type(node).__name__}")


def test_steps_are_those_of_the_network(model, monkeypatch):
    network = llama(Plan(model.numerics(4), 8, 4))
    found, nodes = recorded(model, monkeypatch), list(expected(network))
    wanted = [step for steps in nodes for step in steps]
    assert sorted(found, key=str) == sorted(wanted, key=str)
    place = 0
    for steps in merged(nodes):
        assert sorted(found[place : place + len(steps)], key=str) == sorted(steps, key=str)
        place += len(steps)


def merged(nodes: list[list[Step]]) -> Iterator[list[Step]]:
    """Rope turns a projection when the golden model has made it: these two steps may stand mixed."""
    pending: list[Step] = []
    for steps in nodes:
        if pending and not (steps and steps[0][0] == "rotate"):
            yield pending
            pending = []
        pending = pending + steps
    yield pending
