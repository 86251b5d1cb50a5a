"""Makes tests/frontend/vectors: small random Llama models of odd shapes and the logits that transformers gives them.

Not run by the tests. It needs torch==2.13.0 and transformers, which the project does not depend on:

    pip install torch==2.13.0 transformers && python tests/frontend/make_vectors.py

Each folder is a checkpoint (config.json, safetensors, tokenizer.json) with `tokens.npy` (int64 [T]) and `logits.npy`
(float32 [T, V]), computed in float32 from the files as they lie on disk.
"""

import json
import shutil
import string
from pathlib import Path

import numpy as np
import tokenizers
import torch
from transformers import LlamaConfig, LlamaForCausalLM

VECTORS = Path(__file__).parent / "vectors"
SPECIAL = ["<unk>", "<s>", "</s>"]
ALPHABETS = {
    37: " " + string.ascii_lowercase + ".,!?'-:",
    97: "".join(chr(code) for code in range(32, 126)),
}

# name -> (LlamaConfig fields, dtype of the file, shard size or None)
MODELS = {
    "mha-tied-f32": (
        dict(hidden_size=36, intermediate_size=52, num_hidden_layers=2, num_attention_heads=3, num_key_value_heads=3)
        | dict(vocab_size=37, tie_word_embeddings=True, rope_theta=10000.0, rms_norm_eps=1e-5, bos_token_id=1),
        torch.float32,
        None,
    ),
    "gqa-wide-bf16": (
        dict(hidden_size=172, intermediate_size=60, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2)
        | dict(head_dim=10, vocab_size=97, rope_theta=500000.0, rms_norm_eps=1e-6, bos_token_id=1),
        torch.bfloat16,
        None,
    ),
    "mqa-f16-sharded": (
        dict(hidden_size=20, intermediate_size=28, num_hidden_layers=3, num_attention_heads=5, num_key_value_heads=1)
        | dict(head_dim=4, vocab_size=37, rope_theta=1000.0, rms_norm_eps=1e-3, bos_token_id=None),
        torch.float16,
        "4KB",
    ),
    "gqa-tied-bf16-sharded": (
        dict(hidden_size=36, intermediate_size=44, num_hidden_layers=3, num_attention_heads=6, num_key_value_heads=3)
        | dict(head_dim=8, vocab_size=97, tie_word_embeddings=True, rope_theta=20000.0, rms_norm_eps=1e-5),
        torch.bfloat16,
        "12KB",
    ),
    "gqa-old-config-f32": (
        dict(hidden_size=20, intermediate_size=36, num_hidden_layers=1, num_attention_heads=10, num_key_value_heads=5)
        | dict(vocab_size=97, rope_theta=10000.0, rms_norm_eps=1e-6, bos_token_id=1, eos_token_id=[2, 5]),
        torch.float32,
        None,
    ),
}


def main() -> None:
    shutil.rmtree(VECTORS, ignore_errors=True)
    for seed, (name, (fields, dtype, shard_size)) in enumerate(MODELS.items()):
        torch.manual_seed(seed)
        folder = VECTORS / name
        model = randomise(LlamaForCausalLM(LlamaConfig(max_position_embeddings=256, **fields))).to(dtype)
        model.save_pretrained(folder, max_shard_size=shard_size or "1GB")
        (folder / "generation_config.json").unlink()
        for file in folder.iterdir():
            file.chmod(0o644)
        if "old-config" in name:
            write_old_config(folder / "config.json")
        char_tokenizer(ALPHABETS[fields["vocab_size"]]).save(str(folder / "tokenizer.json"))
        write_logits(folder, np.random.default_rng(seed).integers(fields["vocab_size"], size=48))


def randomise(model: LlamaForCausalLM) -> LlamaForCausalLM:
    """Weights large enough for peaked attention and gains away from 1, so that no mistake hides."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.uniform_(0.5, 1.5)
            else:
                parameter.normal_(0, 1.5 / parameter.shape[1] ** 0.5)
    return model


def write_old_config(path: Path) -> None:
    """The form that older transformers wrote: rope_theta and rope_scaling at the top, torch_dtype, no head_dim."""
    fields = json.loads(path.read_text())
    fields["rope_theta"] = fields.pop("rope_parameters")["rope_theta"]
    fields["torch_dtype"] = fields.pop("dtype")
    fields["rope_scaling"] = None
    del fields["head_dim"]
    path.write_text(json.dumps(fields, indent=2, sort_keys=True) + "\n")


def char_tokenizer(alphabet: str) -> tokenizers.Tokenizer:
    """One token per character of the alphabet, behind the three special ones."""
    vocab = {token: index for index, token in enumerate([*SPECIAL, *alphabet])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocab, merges=[], unk_token="<unk>"))
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.decoder = tokenizers.decoders.Fuse()
    return tokenizer


def write_logits(folder: Path, tokens: np.ndarray) -> None:
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    with torch.no_grad():
        logits = model(torch.from_numpy(tokens)[None]).logits[0]
    np.save(folder / "tokens.npy", tokens)
    np.save(folder / "logits.npy", logits.numpy())


if __name__ == "__main__":
    main()
