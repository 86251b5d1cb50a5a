"""The golden model: a language model in the chip's integers. It specifies the RTL, which equals it bit for bit."""

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np

from ..frontend.model import EMBEDDING, FINAL_NORM, HEAD, layer_tensor
from ..quant.quantized import Gain, Matrix, QuantizedModel
from .arith import round_shift
from .attention import attend
from .blockfloat import Block, block_float
from .cmvm import linear
from .norm import rms_norm
from .observer import RangeObserver
from .rope import angles, rotate
from .swiglu import swiglu


@dataclass(frozen=True, eq=False)
class Layer:
    """The tensors of one layer."""

    input_norm: Gain
    q: Matrix
    k: Matrix
    v: Matrix
    o: Matrix
    post_norm: Gain
    gate: Matrix
    up: Matrix
    down: Matrix

    @classmethod
    def of(cls, model: QuantizedModel, index: int) -> "Layer":
        """Returns the tensors of layer `index` of a model."""
        return cls(*(model.tensors[layer_tensor(index, each.name)] for each in fields(cls)))  # type: ignore[arg-type]


class GoldenModel:
    """A quantised model that can run. `observer` counts the values that saturate."""

    def __init__(self, model: QuantizedModel, context: int, observer: RangeObserver | None = None):
        self.model = model
        self.context = context
        self.n = model.numerics(context)
        self.observer = observer or RangeObserver()
        self.embedding = model.table(EMBEDDING)
        self.layers = [Layer.of(model, index) for index in range(model.model.layers)]
        self.final_gain, self.head = model.gain(FINAL_NORM), model.matrix(HEAD)

    def session(self) -> "Session":
        """Returns a new session with an empty KV cache."""
        return Session(self)

    def logits(self, tokens: np.ndarray) -> np.ndarray:
        """Returns the logits [T, V] of token ids [T] that start at position 0, as float64 values."""
        return self.session().forward(tokens) * 2.0**-self.n.formats.logit_frac


class Session:
    """One sequence of tokens: its KV cache, and `length`, the number of positions that are filled."""

    def __init__(self, golden: GoldenModel):
        c = golden.model.model
        self.golden = golden
        self.length = 0
        shape = (c.layers, golden.context, c.kv_heads, c.head_dim)
        self.keys = np.zeros(shape, np.int64)
        self.values = np.zeros(shape, np.int64)

    def forward(self, tokens: np.ndarray, observe: Callable[[int, np.ndarray], None] | None = None) -> np.ndarray:
        """Runs token ids [T] at the next T positions. Returns logits [T, V], int64 with `logit_frac` fraction bits.

        observe: called as `observe(i, x)` with the residual stream x [T, D] that enters layer i; the last call, with i
        equal to the number of layers, gets the output of the last layer.
        """
        g = self.golden
        x = g.embedding.weights[tokens] * g.embedding.scale[tokens][:, None]
        x = g.observer.saturate("residual", x, g.n.residual_bits)
        positions = np.arange(self.length, self.length + len(tokens))
        cos_sin = angles(positions, g.n)
        for index, layer in enumerate(g.layers):
            if observe:
                observe(index, x)
            x = self._attention(index, layer, x, positions, cos_sin)
            x = self._mlp(index, layer, x)
        if observe:
            observe(len(g.layers), x)
        self.length += len(tokens)
        return self._logits(x)

    def _attention(
        self, index: int, w: Layer, x: np.ndarray, positions: np.ndarray,
        cos_sin: tuple[np.ndarray, np.ndarray],
    ) -> np.ndarray:  # fmt: skip
        g, c, n = self.golden, self.golden.model.config, self.golden.n
        q, key, value = self._projected(index, w, x)
        q = rotate(q, *cos_sin, c.query_bits, n, g.observer, f"query_rotated.{index}")
        key = rotate(key, *cos_sin, c.kv_bits, n, g.observer, f"key_rotated.{index}")
        value = round_shift(value, c.qkv_bits - c.kv_bits)
        value = g.observer.saturate(f"value_rounded.{index}", value, c.kv_bits)
        end = int(positions[-1]) + 1
        self.keys[index, positions] = key
        self.values[index, positions] = value
        mixed = attend(q, self.keys[index, :end], self.values[index, :end], positions, n)
        vector = block_float(mixed, c.act_bits)
        y = linear(
            w.o, vector, n.attention_in_frac(index), c.residual_frac, n.residual_bits, n, g.observer, f"o.{index}"
        )
        return g.observer.saturate("residual", x + y, n.residual_bits)

    def _projected(self, index: int, w: Layer, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns queries, keys and values [T, heads, head_dim] of `qkv_bits` bits, before the rotary embedding.

        They have more fraction bits than they keep later: the difference is what the rotary embedding, or for values
        the rounding in its place, rounds away.
        """
        c, n = self.golden.model.config, self.golden.n
        vector, in_frac = self._normed(x, w.input_norm)

        def heads(matrix: Matrix, bits: int, frac: np.ndarray | int, name: str) -> np.ndarray:
            out_frac, observer = frac + c.qkv_bits - bits, self.golden.observer
            y = linear(matrix, vector, in_frac, out_frac, c.qkv_bits, n, observer, f"{name}.{index}")
            return y.reshape(len(x), -1, n.model.head_dim)

        q = heads(w.q, c.query_bits, n.query_fracs(index), "query")
        key = heads(w.k, c.kv_bits, n.key_fracs(index), "key")
        return q, key, heads(w.v, c.kv_bits, n.formats.layers[index].value_frac, "value")

    def _mlp(self, index: int, w: Layer, x: np.ndarray) -> np.ndarray:
        g, c, n = self.golden, self.golden.model.config, self.golden.n
        vector, in_frac = self._normed(x, w.post_norm)
        gate = linear(w.gate, vector, in_frac, c.gate_frac, c.gate_bits, n, g.observer, f"gate.{index}")
        up = linear(w.up, vector, in_frac, n.formats.layers[index].up_frac, c.up_bits, n, g.observer, f"up.{index}")
        vector = block_float(swiglu(gate, up, n), c.act_bits)
        y = linear(
            w.down, vector, n.mlp_in_frac(index), c.residual_frac, n.residual_bits, n, g.observer, f"down.{index}"
        )
        return g.observer.saturate("residual", x + y, n.residual_bits)

    def _logits(self, x: np.ndarray) -> np.ndarray:
        g, c, n = self.golden, self.golden.model.config, self.golden.n
        vector, in_frac = self._normed(x, g.final_gain)
        return linear(g.head, vector, in_frac, n.formats.logit_frac, c.logit_bits, n, g.observer, "logit")

    def _normed(self, x: np.ndarray, gain: Gain) -> tuple[Block, int]:
        """Returns the RMSNorm of x [T, D] in block floating point, and the in_frac of the matrix after it."""
        n = self.golden.n
        return rms_norm(x, gain.gain, n), n.norm_in_frac(gain.frac)
