"""Bits by sensitivity: what is chosen fits its budget, and no better step was left out."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from hc1gen.fabric.digits import digits
from hc1gen.frontend import compare, reference
from hc1gen.frontend.checkpoint import load_checkpoint
from hc1gen.numeric.config import NumericConfig
from hc1gen.quant.grid import row_bits
from hc1gen.quant.posttrain import METHODS, posttrain
from hc1gen.quant.quantized import quantize
from hc1gen.quant.sensitivity import WIDTHS, Sensitivity, choose, measure

VECTORS = Path(__file__).parents[1] / "frontend" / "vectors"


@pytest.fixture(scope="module", params=["gqa-tied-bf16-sharded", "mqa-f16-sharded"])
def model(request):
    """A model whose head is tied to its embedding, and one whose is not; windows of tokens; sensitivities."""
    ir = load_checkpoint(VECTORS / request.param)
    tokens = np.random.default_rng(0).integers(0, ir.config.vocab, (3, 8))
    return ir, tokens, measure(ir, tokens)


def test_every_matrix_is_measured(model):
    ir, _, found = model
    assert [each.name for each in found] == [name for name, _ in ir.matrices()]
    for each in found:
        assert len(each.divergence) == len(each.full_adders) == len(WIDTHS)
        assert each.divergence[0] > 4 * each.divergence[-1] > 0
        assert list(each.full_adders) == sorted(each.full_adders)


def cost(each: Sensitivity, bits: dict[str, int]) -> int:
    return each.full_adders[bits.get(each.name, 3) - 3]


@pytest.mark.parametrize("budget", [1.0, 1.02, 1.1, 1.5, 9.0])
def test_the_budget_is_kept_and_used(model, budget):
    _, _, found = model
    bits = choose(found, budget)
    limit = budget * sum(each.full_adders[0] for each in found)
    spent = sum(cost(each, bits) for each in found)
    assert spent <= limit
    for each in found:  # nothing that would still save some fits
        for width in range(bits.get(each.name, 3) + 1, 7):
            saves = each.divergence[width - 3] < each.divergence[bits.get(each.name, 3) - 3]
            assert not saves or spent + cost(each, {each.name: width}) - cost(each, bits) > limit
    assert bits == {} if budget == 1.0 else bits


def test_the_choice_is_nearly_the_best_there_is():
    """Against all choices, for three tensors of which one is by far the most sensitive."""
    found = [
        Sensitivity("a", (1.0, 0.3, 0.1, 0.05), (100, 140, 170, 190)),
        Sensitivity("b", (0.1, 0.05, 0.02, 0.01), (400, 500, 600, 700)),
        Sensitivity("c", (0.2, 0.04, 0.02, 0.01), (80, 100, 120, 140)),
    ]
    assert choose(found, 1.04) == {"c": 4}  # 23 adders: a takes 40
    bits = choose(found, 1.2)
    total = sum(each.divergence[bits.get(each.name, 3) - 3] for each in found)
    limit = 1.2 * 580
    best = min(
        sum(each.divergence[step] for each, step in zip(found, steps, strict=True))
        for steps in product(range(4), repeat=3)
        if sum(each.full_adders[step] for each, step in zip(found, steps, strict=True)) <= limit
    )
    assert total <= 1.2 * best


def test_more_bits_bring_the_model_nearer(model):
    """What is chosen is what the checkpoint has, and adders and divergence go the other way."""
    ir, tokens, found = model
    said = [compare.log_softmax(reference.logits(ir, row)) for row in tokens]
    divergence, adders = [], []
    for budget in (1.0, 1.3, 2.0):
        bits = choose(found, budget)
        rounded, reports = posttrain(ir, tokens, METHODS["rtn"], bits=bits)
        assert {report.name: report.bits for report in reports if report.bits > 3} == bits
        matrices = quantize(rounded, NumericConfig()).matrices
        adders.append(sum(np.count_nonzero(digits(matrix.weights)) for matrix in matrices))
        assert (max(int(row_bits(matrix.weights).max()) for matrix in matrices) > 3) == bool(bits)
        pairs = zip(said, (compare.log_softmax(reference.logits(rounded, row)) for row in tokens), strict=True)
        divergence.append(float(np.mean([compare.divergence(p, q) for p, q in pairs])))
    assert divergence[0] > 1.5 * divergence[1] > 1.5 * divergence[2]
    assert adders[0] < adders[1] <= 1.3 * adders[0] * 1.01 and adders[2] <= 2.0 * adders[0] * 1.01
