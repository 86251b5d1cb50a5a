"""The forward pass of training is the golden model's."""

import numpy as np
import pytest
import small  # noqa: F401  (skips where torch is missing)
import torch

from hc1gen.frontend.evaluate import cross_entropy
from hc1gen.golden import cmvm, norm
from hc1gen.golden.model import GoldenModel, Layer
from hc1gen.golden.observer import RangeObserver
from hc1gen.numeric.config import NumericConfig
from hc1gen.train import arithmetic, attention, check
from hc1gen.train.layer import embedding_rows
from hc1gen.train.model import ChipModel

CONTEXT = 128


@pytest.fixture(scope="module")
def student(stories, windows):
    model = ChipModel(stories, NumericConfig(), CONTEXT)
    quantized = model.quantized(windows[:2, :-1])
    model.set_formats(quantized.formats)
    return model, quantized


@pytest.fixture(scope="module")
def residuals(student, windows) -> dict[int, np.ndarray]:
    """The golden model's residual stream before every layer, and behind the last: int64 [T, D]."""
    seen: dict[int, np.ndarray] = {}
    GoldenModel(student[1], CONTEXT).session().forward(windows[0], seen.__setitem__)
    return seen


def as_tensor(residual: np.ndarray, frac: int) -> torch.Tensor:
    return torch.tensor(residual * 2.0**-frac, dtype=torch.float32)


def test_the_loss_is_the_integer_models(student, windows):
    model, quantized = student
    with torch.no_grad():
        ours, count = cross_entropy(lambda t: model(torch.from_numpy(t)[None])[0].numpy(), windows)
    golden, _ = cross_entropy(check.integer_logits(quantized, CONTEXT), windows)
    assert count == 6 * 127
    assert abs(ours - golden) < 0.005


def test_embedding_is_exact(student, residuals, windows):
    model, quantized = student
    with torch.no_grad():
        table = embedding_rows(model.embedding.latent(), model.widths)
    assert (table[windows[0]].numpy() * 2.0**quantized.config.residual_frac == residuals[0]).all()


@pytest.mark.parametrize("layer", range(5))
def test_norm_and_matrix_are_exact(student, residuals, layer):
    """Gates: a norm, a matrix with dropped bits, row scales times the norm's factor, and the last rounding."""
    model, quantized = student
    weights, c = Layer.of(quantized, layer), quantized.config
    n = quantized.numerics(CONTEXT)
    block = norm.rms_norm(residuals[layer], weights.post_norm.gain, n)
    in_frac = n.norm_in_frac(weights.post_norm.frac)
    expected = cmvm.linear(weights.gate, block, in_frac, c.gate_frac, c.gate_bits, n, RangeObserver(), "gate")
    block_of, w = model.blocks[layer], model.widths
    with torch.no_grad():
        x = arithmetic.rms_norm(as_tensor(residuals[layer], c.residual_frac), block_of.mlp_gain, model.shared.rsqrt, w)
        _, rows = arithmetic.on_grid(block_of.rows("gate_up").latent(), 1.0, w)
        _, rounded = arithmetic.linear(rows, x, w)
        got = arithmetic.fixed(rounded, 2.0**c.gate_frac, c.gate_bits) * 2.0**c.gate_frac
    assert (got.numpy()[:, : len(weights.gate.weights)] == expected).all()


def test_logits_are_exact(student, residuals, windows):
    model, quantized = student
    golden = GoldenModel(quantized, CONTEXT)
    expected = golden.session().forward(windows[0]) * 2.0**-quantized.formats.logit_frac
    with torch.no_grad():
        got = model.logits(as_tensor(residuals[5], quantized.config.residual_frac)[None])[0]
    assert (got.numpy() == expected).all()


@pytest.mark.parametrize("bits", [8, 10])
def test_block_float_is_the_golden_models(bits):
    from hc1gen.golden import blockfloat

    random = np.random.default_rng(0)
    x = random.integers(-(1 << 15), 1 << 15, (200, 9)) >> random.integers(0, 15, (200, 1))
    x[0], x[1], x[2] = 0, -1, 1 << (bits - 1)
    expected = blockfloat.block_float(x, bits)
    mantissas, exponent = arithmetic.block_float(torch.tensor(x, dtype=torch.float32), bits)
    assert (mantissas.numpy() == expected.mantissas).all() and (exponent[:, 0].numpy() == expected.exponent).all()


def test_gradients_go_straight_through():
    x = torch.tensor([0.3, 1.7], requires_grad=True)
    y = arithmetic.straight_through(x * 3, arithmetic.half_up(x * 3))
    y.sum().backward()
    assert y.tolist() == [1.0, 5.0] and x.grad is not None and x.grad.tolist() == [3.0, 3.0]


def test_the_scale_learns_from_rounding():
    """LSQ: a scale's slope is the integer less the latent weight where that is inside the grid."""
    log_scale = torch.zeros(1, requires_grad=True)
    latent = arithmetic.Latent(torch.tensor([[0.3, 1.2, 9.0]]), log_scale, torch.tensor([-4.0]), torch.tensor([3.0]))
    widths = arithmetic.Widths(**dict.fromkeys(arithmetic.Widths.__annotations__, 6))
    _, rows = arithmetic.on_grid(latent, 1.0, widths)
    rows.weight.sum().backward()
    assert log_scale.grad is not None
    assert log_scale.grad.item() == pytest.approx((0 - 0.3) + (1 - 1.2) + 3)


@pytest.mark.skipif(not attention.prepare(), reason="no g++ that builds attention.cpp")
@pytest.mark.parametrize("time", [1, 8, 37])
@pytest.mark.parametrize("head_dim", [8, 16])
def test_fast_attention_is_torchs(monkeypatch, time, head_dim):
    torch.manual_seed(time)
    inputs = [torch.randn(2, time, heads, head_dim, requires_grad=True) for heads in (4, 2, 2)]
    weights = torch.randn(2, time, 4 * head_dim)
    results = []
    for fast in (True, False):
        monkeypatch.setattr(attention, "_fits", lambda q, fast=fast: fast)
        mixed = attention.attend(*inputs)
        results.append([mixed, *torch.autograd.grad((mixed * weights).sum(), inputs)])
    for got, expected in zip(*results, strict=True):
        assert torch.allclose(got, expected, rtol=1e-4, atol=1e-5)
