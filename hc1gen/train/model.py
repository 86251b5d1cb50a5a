"""The student: a checkpoint's weights in the chip's arithmetic, trainable; and the way back to a checkpoint."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from ..frontend import model as ir_model
from ..frontend.model import ModelIR
from ..golden.calibrate import calibrate
from ..golden.rope import angles
from ..quant.config import Formats, NumericConfig
from ..quant.grid import HIGH, LOW, quantize_rows
from ..quant.numerics import Numerics
from ..quant.quantized import QuantizedModel, quantize
from .arithmetic import Widths, half_up, on_grid
from .attention import prepare
from .layer import LayerFormats, LayerWeights, Shared, embedding_rows, head, layer

STACKS = {"qkv": ("q", "k", "v"), "o": ("o",), "gate_up": ("gate", "up"), "down": ("down",)}
"""Matrices that share an input are one matrix here."""


class ChipLayer(nn.Module):
    """The trained tensors of one layer, named as in `LayerWeights`."""

    def __init__(self, weights: ir_model.LayerWeights):
        super().__init__()
        for stack, kinds in STACKS.items():
            rows = np.concatenate([getattr(weights, kind) for kind in kinds])
            _, scale = quantize_rows(rows)
            setattr(self, stack, _parameter(rows))
            setattr(self, f"{stack}_scale", _parameter(np.log(scale)))
        self.attention_gain = _parameter(weights.input_norm)
        self.mlp_gain = _parameter(weights.post_norm)

    def weights(self) -> LayerWeights:
        """Latent weights, as `layer` takes them."""
        return LayerWeights(*(getattr(self, name) for name in LayerWeights._fields))

    def integers(self, stack: str) -> tuple[np.ndarray, np.ndarray]:
        """(int8 [R, N], float64 scale [R])."""
        return _integers(getattr(self, stack), getattr(self, f"{stack}_scale"))


class ChipModel(nn.Module):
    """A model that computes as its chip would. `set_formats` has to be called before it runs."""

    def __init__(self, ir: ModelIR, config: NumericConfig, context: int, compiled: bool = False):
        super().__init__()
        self.ir, self.config, self.context = ir, config, context
        self.blocks = [ChipLayer(weights) for weights in ir.layers]
        self.layers = nn.ModuleList(self.blocks)
        _, scale = quantize_rows(ir.embedding)
        self.embedding = _parameter(ir.embedding)
        self.embedding_scale = _parameter(np.log(scale))
        self.final_gain = _parameter(ir.final_norm)
        if not ir.config.tied:
            _, scale = quantize_rows(ir.head)
            self.head = _parameter(ir.head)
            self.head_scale = _parameter(np.log(scale))
        if compiled:
            prepare()
        self._layer = torch.compile(layer, dynamic=False) if compiled else layer
        self.set_formats(Formats.wide(ir.config.layers, ir.config.kv_heads * ir.config.head_dim // 2))

    @property
    def device(self) -> torch.device:
        """Where its tensors are."""
        return self.embedding.device

    def set_formats(self, formats: Formats) -> None:
        """Use these fractions from now on."""
        n = Numerics(self.config, formats, self.ir.config, self.context)
        self.formats = formats
        self.widths = Widths.of(n)
        self._layer_formats = [self._steps(n, index) for index in range(len(self.blocks))]
        self._logit_steps = self._tensor(2.0**formats.logit_frac)
        cos, sin = angles(np.arange(self.context), n)
        unit = 2.0**-self.config.angle_bits
        rsqrt = n.tables.rsqrt(np.arange(2 << self.config.mantissa_bits))
        self.shared = Shared(self._tensor(cos * unit), self._tensor(sin * unit), self._tensor(rsqrt))

    def trunk(self, tokens: Tensor) -> Tensor:
        """Token ids [B, T] → residuals [B, T, D] behind the last layer."""
        table = embedding_rows(self.embedding, self.embedding_scale, self.widths)
        x = nn.functional.embedding(tokens, table)
        for module, formats in zip(self.blocks, self._layer_formats, strict=True):
            x = self._layer(x, module.weights(), formats, self.shared, self.widths)
        return x

    def logits(self, x: Tensor) -> Tensor:
        """Residuals [B, T, D] → logits [B, T, V]."""
        tied = self.ir.config.tied
        latent, scale = (self.embedding, self.embedding_scale) if tied else (self.head, self.head_scale)
        _, rows = on_grid(latent, scale, 1.0, self.widths)
        return head(x, self.final_gain, rows, self.shared.rsqrt, self._logit_steps, self.widths)

    def forward(self, tokens: Tensor) -> Tensor:
        """Token ids [B, T] → logits [B, T, V]."""
        return self.logits(self.trunk(tokens))

    def export(self) -> ModelIR:
        """The weights on their grid, as a checkpoint holds them."""
        layers = []
        for module, weights in zip(self.blocks, self.ir.layers, strict=True):
            arrays = {"input_norm": _array(module.attention_gain), "post_norm": _array(module.mlp_gain)}
            for stack, kinds in STACKS.items():
                rows = grid_rows(*module.integers(stack))
                ends = np.cumsum([len(getattr(weights, kind)) for kind in kinds])[:-1]
                arrays |= dict(zip(kinds, np.split(rows, ends), strict=True))
            layers.append(ir_model.LayerWeights(**arrays))
        embedding = grid_rows(*_integers(self.embedding, self.embedding_scale))
        tied = self.ir.config.tied
        output = embedding if tied else grid_rows(*_integers(self.head, self.head_scale))
        return replace(
            self.ir, embedding=embedding, layers=tuple(layers), final_norm=_array(self.final_gain), head=output
        )

    def quantized(self, text: np.ndarray) -> QuantizedModel:
        """What bake makes of the weights, in formats calibrated on windows `text` [N, T]."""
        return calibrate(quantize(self.export(), self.config), self.context, text.size, list(text))

    def _steps(self, n: Numerics, index: int) -> LayerFormats:
        c, f = n.model, n.formats.layers[index]
        return LayerFormats(
            query=self._tensor(2.0 ** n.query_fracs(index).reshape(c.heads, -1)),
            key=self._tensor(2.0 ** n.key_fracs(index).reshape(c.kv_heads, -1)),
            value=self._tensor(2.0**f.value_frac),
            context=self._tensor(2.0 ** n.attention_in_frac(index)),
            up=self._tensor(2.0**f.up_frac),
            hidden=self._tensor(2.0 ** n.mlp_in_frac(index)),
        )

    def _tensor(self, values: np.ndarray | float) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=self.device)


def grid_rows(integers: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """float32 [R, N] of rows on a grid: what `quantize_rows` takes over exactly."""
    return (integers * scale[:, None]).astype(np.float32)


def _integers(latent: Tensor, log_scale: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """(int8 [R, N], float64 scale [R]) of latent weights, in lowest terms: no row is a multiple of a smaller one."""
    with torch.no_grad():
        scale = torch.exp(log_scale)
        q = torch.clamp(half_up(latent / scale[:, None]), LOW, HIGH)
    integers, scales = q.cpu().numpy().astype(np.int8), scale.cpu().numpy().astype(np.float64)
    common = np.maximum(np.gcd.reduce(integers, axis=1), 1)
    return integers // common[:, None], scales * common


def _array(x: Tensor) -> np.ndarray:
    return x.detach().cpu().numpy().copy()


def _parameter(values: np.ndarray) -> nn.Parameter:
    return nn.Parameter(torch.tensor(values, dtype=torch.float32))
