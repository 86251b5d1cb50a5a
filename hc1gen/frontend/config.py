"""config.json -> ModelConfig. Whatever would change the arithmetic and is not built here is refused by name."""

import difflib
import json
from pathlib import Path
from typing import Any

from hc1gen.errors import InputError, problem
from hc1gen.frontend.jsonfile import read_object
from hc1gen.frontend.model import ModelConfig

# Fields with only one meaning that the chip can have: field -> (accepted values, why others are refused).
# An absent field has the first accepted value, except model_type, which must be there.
FIXED: dict[str, tuple[tuple[Any, ...], str]] = {
    "model_type": (("llama",), "only the Llama family is supported"),
    "architectures": ((["LlamaForCausalLM"], None), "only LlamaForCausalLM is supported"),
    "hidden_act": (("silu",), "only SwiGLU with SiLU is supported"),
    "attention_bias": ((False, None), "biases in attention are not supported"),
    "mlp_bias": ((False, None), "biases in the MLP are not supported"),
    "quantization_config": ((None,), "quantised checkpoints are not supported, give the float original"),
    "sliding_window": ((None,), "sliding-window attention is not supported"),
    "use_sliding_window": ((False, None), "sliding-window attention is not supported"),
    "pretraining_tp": ((1, None), "tensor-parallel slices are not supported"),
    "partial_rotary_factor": ((1, None), "partial rotary embedding is not supported"),
    "rope_interleaved": ((False, None), "only the half-split rotary embedding is supported"),
    "is_encoder_decoder": ((False, None), "only decoders are supported"),
    "add_cross_attention": ((False, None), "cross-attention is not supported"),
    "tie_encoder_decoder": ((False, None), "only decoders are supported"),
    "pruned_heads": (({}, None), "pruned heads are not supported"),
}

# Fields that carry the shape and the constants.
READ = (
    "hidden_size intermediate_size num_hidden_layers num_attention_heads num_key_value_heads head_dim vocab_size"
    " max_position_embeddings rms_norm_eps rope_theta rope_scaling rope_parameters layer_types tie_word_embeddings"
    " bos_token_id eos_token_id"
).split()

# Fields known to have no effect on what an inference step computes.
HARMLESS = (
    "_attn_implementation _attn_implementation_autoset _commit_hash _name_or_path attention_dropout bad_words_ids"
    " begin_suppress_tokens chunk_size_feed_forward cross_attention_hidden_size decoder_start_token_id"
    " diversity_penalty do_sample dtype early_stopping encoder_no_repeat_ngram_size exponential_decay_length_penalty"
    " finetuning_task forced_bos_token_id forced_eos_token_id id2label initializer_range is_decoder is_llama_config"
    " label2id length_penalty max_length max_sequence_length min_length no_repeat_ngram_size num_beam_groups"
    " num_beams num_return_sequences output_attentions output_hidden_states output_scores pad_token_id prefix"
    " problem_type remove_invalid_values repetition_penalty return_dict return_dict_in_generate sep_token_id"
    " suppress_tokens task_specific_params temperature tf_legacy_loss tokenizer_class top_k top_p torch_dtype"
    " torchscript transformers.js_config transformers_version typical_p unsloth_fixed unsloth_version use_bfloat16"
    " use_cache"
).split()

FLOAT32_MAX = 3.4e38
KNOWN = frozenset([*FIXED, *READ, *HARMLESS])


def load_config(path: Path) -> ModelConfig:
    """Reads `config.json`. An absent optional field has the meaning that `LlamaConfig` gives it.

    Raises InputError(path) with every unsupported, unknown, missing or ill-formed field at once.
    """
    if not path.is_file():
        raise InputError(path, "no such file; config.json must stand beside the checkpoint")
    return config_of(read_object(path), path)


def config_of(fields: dict[str, Any], where: Path) -> ModelConfig:
    """As `load_config`, of the fields themselves."""
    reader = _Reader(fields)
    config = reader.config()
    if reader.problems or config is None:
        raise InputError(where, reader.problems)
    return config


class _Reader:
    """Takes the fields of one config.json and collects what is wrong with them."""

    def __init__(self, fields: dict[str, Any]):
        self.fields = fields
        self.problems: list[str] = []

    def config(self) -> ModelConfig | None:
        """The config, or None where `problems` says why there is none."""
        self.refuse_unsupported()
        self.refuse_unknown()
        heads = self.positive_int("num_attention_heads")
        hidden = self.positive_int("hidden_size")
        vocab = self.positive_int("vocab_size")
        kv_heads = self.positive_int("num_key_value_heads", default=heads or 1)
        values = dict(
            hidden=hidden,
            intermediate=self.positive_int("intermediate_size"),
            layers=self.positive_int("num_hidden_layers"),
            heads=heads,
            kv_heads=kv_heads,
            head_dim=self.head_dim(hidden, heads),
            vocab=vocab,
            max_positions=self.positive_int("max_position_embeddings", default=2048),
            rms_eps=self.positive_float("rms_norm_eps", self.fields.get("rms_norm_eps", 1e-6)),
            rope_theta=self.rope_theta(),
            tied=self.flag("tie_word_embeddings"),
            bos=self.bos(vocab),
            eos=self.eos(vocab),
        )
        if heads and kv_heads and heads % kv_heads:
            self.wrong("num_key_value_heads", kv_heads, f"a divisor of the {heads} heads", "correct config.json")
        return None if self.problems else ModelConfig(**values)  # type: ignore[arg-type]

    def wrong(self, what: str, got: object, expected: str, todo: str) -> None:
        self.problems.append(problem(what, json.dumps(got), expected, todo))

    def refuse_unsupported(self) -> None:
        for name, (accepted, why) in FIXED.items():
            got = self.fields.get(name, None if name == "model_type" else accepted[0])
            if got not in accepted:
                self.wrong(name, got, json.dumps(accepted[0]), why)
        kinds = self.fields.get("layer_types") or []
        if not isinstance(kinds, list) or any(kind != "full_attention" for kind in kinds):
            self.wrong("layer_types", kinds, 'only "full_attention"', "other kinds of attention are not supported")

    def refuse_unknown(self) -> None:
        for name in self.fields:
            if name not in KNOWN:
                near = difflib.get_close_matches(name, KNOWN, n=1)
                hint = f"did you mean {near[0]}?" if near else "remove it if it has no effect on the arithmetic"
                self.problems.append(f"unknown field {name}; {hint}")

    def positive_int(self, name: str, default: int | None = None) -> int | None:
        """The field, its default where it is absent or null, or None after noting a problem."""
        value = self.fields.get(name)
        if value is None and default is not None:
            return default
        if name not in self.fields:
            self.problems.append(f"{name} is missing")
        elif isinstance(value, bool) or not isinstance(value, int) or value < 1:
            self.wrong(name, value, "a positive integer", "correct config.json")
        else:
            return value
        return None

    def positive_float(self, name: str, value: Any) -> float | None:
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < FLOAT32_MAX:
            return float(value)
        self.wrong(name, value, "a positive number", "correct config.json")
        return None

    def flag(self, name: str) -> bool:
        value = self.fields.get(name, False)
        if not isinstance(value, bool):
            self.wrong(name, value, "true or false", "correct config.json")
        return bool(value)

    def head_dim(self, hidden: int | None, heads: int | None) -> int | None:
        """As given, or the hidden size divided among the heads."""
        value = None
        if self.fields.get("head_dim") is not None:
            value = self.positive_int("head_dim")
        elif hidden and heads:
            value, rest = divmod(hidden, heads)
            if rest:
                self.wrong("hidden_size", hidden, f"a multiple of the {heads} heads", "or give head_dim")
                return None
        if value and value % 2:
            self.wrong("head_dim", value, "an even number", "the rotary embedding turns pairs")
        return value

    def rope_theta(self) -> float | None:
        """The rotary base, from `rope_theta` or from `rope_parameters`; any scaling of it is refused."""
        thetas = {}
        if self.fields.get("rope_theta") is not None:
            thetas["rope_theta"] = self.fields["rope_theta"]
        for name in ("rope_scaling", "rope_parameters"):
            table = self.fields.get(name)
            if table is None:
                continue
            if not self.plain_rope(table):
                self.wrong(name, table, "null or rope_type default", "scaled rotary embedding is not supported")
            elif "rope_theta" in table:
                thetas[f"{name}.rope_theta"] = table["rope_theta"]
        values = [self.positive_float(name, value) for name, value in thetas.items()]
        if len(set(values)) > 1:
            self.problems.append(f"{' and '.join(thetas)} differ: got {values}; give one")
        return values[0] if values else 10000.0

    @staticmethod
    def plain_rope(table: object) -> bool:
        plain = {"rope_type": ("default",), "type": ("default",), "partial_rotary_factor": (1, None)}
        return isinstance(table, dict) and all(
            name == "rope_theta" or value in plain.get(name, ()) for name, value in table.items()
        )

    def bos(self, vocab: int | None) -> int | None:
        value = self.fields.get("bos_token_id", 1)
        return None if value is None else self.token("bos_token_id", value, vocab)

    def eos(self, vocab: int | None) -> tuple[int, ...]:
        value = self.fields.get("eos_token_id", 2)
        values = [] if value is None else value if isinstance(value, list) else [value]
        return tuple(self.token("eos_token_id", token, vocab) for token in values)

    def token(self, name: str, value: Any, vocab: int | None) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < (vocab or value + 1):
            self.wrong(name, value, f"a token id below {vocab}", "correct config.json")
            return 0
        return value
