"""The student: a checkpoint's weights in the chip's arithmetic, trainable; and the way back to a checkpoint."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from ..frontend import model as ir_model
from ..frontend.model import EMBEDDING, HEAD, LAYER_TENSORS, ModelIR, layer_tensor
from ..golden.calibrated import calibrated
from ..golden.rope import angles
from ..numeric.config import Formats, NumericConfig
from ..numeric.numerics import Numerics
from ..quant.grid import BITS
from ..quant.quantized import QuantizedModel
from .arithmetic import Widths, on_grid
from .attention import prepare
from .layer import LayerFormats, LayerWeights, Shared, embedding_rows, head, layer
from .rows import LatentRows

STACKS = {"qkv": ("q", "k", "v"), "o": ("o",), "gate_up": ("gate", "up"), "down": ("down",)}
"""Matrices that share an input are one matrix here."""


class ChipLayer(nn.Module):
    """The trained tensors of one layer, matrices as in STACKS; bits: of its tensors that get more than 3, by kind."""

    def __init__(self, weights: ir_model.LayerWeights, bits: Mapping[str, int]):
        super().__init__()
        stacks = {}
        for stack, kinds in STACKS.items():
            parts = [getattr(weights, kind) for kind in kinds]
            of_rows = np.repeat([bits.get(kind, BITS) for kind in kinds], [len(part) for part in parts])
            stacks[stack] = LatentRows(np.concatenate(parts), of_rows)
        self.stacks = nn.ModuleDict(stacks)
        self.attention_gain = _parameter(weights.input_norm)
        self.mlp_gain = _parameter(weights.post_norm)

    def weights(self) -> LayerWeights:
        """Latent weights, as `layer` takes them."""
        matrices = {stack: self.rows(stack).latent() for stack in STACKS}
        return LayerWeights(**matrices, attention_gain=self.attention_gain, mlp_gain=self.mlp_gain)

    def rows(self, stack: str) -> LatentRows:
        """One of STACKS."""
        rows = self.stacks[stack]
        assert isinstance(rows, LatentRows)
        return rows


class ChipModel(nn.Module):
    """A model that computes as its chip would, with a head of its own. `set_formats` has to be called before it runs.

    bits: of tensors that get more than 3, by name.
    """

    def __init__(
        self, ir: ModelIR, config: NumericConfig, context: int, compiled: bool = False,
        bits: Mapping[str, int] | None = None,
    ):  # fmt: skip
        super().__init__()
        self.ir, self.config, self.context = ir.untied(), config, context
        bits = bits or {}
        self.blocks = [
            ChipLayer(weights, {kind: bits.get(layer_tensor(index, kind), BITS) for kind in LAYER_TENSORS})
            for index, weights in enumerate(ir.layers)
        ]
        self.layers = nn.ModuleList(self.blocks)
        self.embedding = LatentRows(ir.embedding, bits.get(EMBEDDING, BITS))
        self.head = LatentRows(ir.head, bits.get(HEAD, BITS))
        self.final_gain = _parameter(ir.final_norm)
        if compiled:
            prepare()
        self._layer = torch.compile(layer, dynamic=False) if compiled else layer
        self.set_formats(Formats.wide(ir.config.layers, ir.config.kv_heads * ir.config.head_dim // 2))

    @property
    def device(self) -> torch.device:
        """Where its tensors are."""
        return self.final_gain.device

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

    def matrices(self) -> Iterator[LatentRows]:
        """Everything that is rounded to integers."""
        for block in self.blocks:
            yield from (block.rows(stack) for stack in STACKS)
        yield self.embedding
        yield self.head

    def trunk(self, tokens: Tensor) -> Tensor:
        """Token ids [B, T] → residuals [B, T, D] behind the last layer."""
        table = embedding_rows(self.embedding.latent(), self.widths)
        x = nn.functional.embedding(tokens, table)
        for module, formats in zip(self.blocks, self._layer_formats, strict=True):
            x = self._layer(x, module.weights(), formats, self.shared, self.widths)
        return x

    def logits(self, x: Tensor) -> Tensor:
        """Residuals [B, T, D] → logits [B, T, V]."""
        _, rows = on_grid(self.head.latent(), 1.0, self.widths)
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
                rows = module.rows(stack).rounded().array()
                ends = np.cumsum([len(getattr(weights, kind)) for kind in kinds])[:-1]
                arrays |= dict(zip(kinds, np.split(rows, ends), strict=True))
            layers.append(ir_model.LayerWeights(**arrays))
        embedding, head = self.embedding.rounded().array(), self.head.rounded().array()
        return replace(
            self.ir, embedding=embedding, layers=tuple(layers), final_norm=_array(self.final_gain), head=head
        )

    def quantized(self, text: np.ndarray) -> QuantizedModel:
        """What bake makes of the weights, in formats calibrated on windows `text` [N, T]."""
        return calibrated(self.export(), self.config, self.context, windows=list(text))

    def _steps(self, n: Numerics, index: int) -> LayerFormats:
        c, f = n.model, n.formats.layers[index]
        return LayerFormats(
            query=self._tensor(2.0 ** n.query_fracs(index).reshape(c.heads, -1)),
            key=self._tensor(2.0 ** n.key_fracs(index).reshape(c.kv_heads, -1)),
            value=self._tensor(2.0**f.value_frac),
            context=self._tensor(2.0 ** n.attention_in_frac(index)),
            up=self._tensor(2.0**f.up_frac),
            intermediate=self._tensor(2.0 ** n.mlp_in_frac(index)),
        )

    def _tensor(self, values: np.ndarray | float) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=self.device)


def _array(x: Tensor) -> np.ndarray:
    return x.detach().cpu().numpy().copy()


def _parameter(values: np.ndarray) -> nn.Parameter:
    return nn.Parameter(torch.tensor(values, dtype=torch.float32))
