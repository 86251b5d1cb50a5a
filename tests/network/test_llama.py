"""What follows from the network of a Llama: its tensors, its orders, what is replayed."""

import pytest
from networks import network_of, plan_of

from hc1gen.frontend.model import expected_shapes
from hc1gen.network import Attention, Linear, Norm, Replay, Stage

SHAPES = [
    {}, {"lanes": 1}, {"lanes": 12, "kv_heads_per_clock": 1}, {"heads": 2, "kv_heads": 1, "kv_heads_per_clock": 1},
    {"lanes": 5, "intermediate": 1, "vocab": 3}, {"layers": 1, "head_dim": 2, "hidden": 7, "lanes": 7},
]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_every_tensor_of_the_checkpoint_is_hardwired_once(shape):
    network = network_of(**shape)
    assert sorted(network.tensors) == sorted(expected_shapes(network.plan.n.model))


def test_order_of_the_merkle_tree():
    names = [name.removeprefix("model.").removesuffix(".weight") for name in network_of(layers=1).tensors]
    assert names == [
        "embed_tokens", "layers.0.input_layernorm", "layers.0.self_attn.k_proj", "layers.0.self_attn.v_proj",
        "layers.0.self_attn.q_proj", "layers.0.self_attn.o_proj", "layers.0.post_attention_layernorm",
        "layers.0.mlp.gate_proj", "layers.0.mlp.up_proj", "layers.0.mlp.down_proj", "norm", "lm_head",
    ]  # fmt: skip


def test_orders_of_attention():
    """Two query heads share each KV head, pairs of elements stand side by side, words are whole beats."""
    (attention,) = network_of(layers=1, kv_heads_per_clock=1).of(Attention)
    pairs = [0, 3, 1, 4, 2, 5]
    assert attention.keys == (*pairs, None, None, *(6 + i for i in pairs), None, None)
    assert attention.values == (*range(6), None, None, *range(6, 12), None, None)
    assert attention.queries == (*pairs, *(6 + i for i in pairs), *(12 + i for i in pairs), *(18 + i for i in pairs))
    assert attention.outputs == tuple(range(24))
    assert attention.kv_bits == 16 * 2 * 12 * attention.n.config.kv_bits


def test_gates_and_ups_alternate():
    gate_up = next(node for node in network_of().of(Linear) if node.name == "gate_up")
    assert gate_up.rows[:6] == (0, 9, 1, 10, 2, 11) and gate_up.rows[-2:] == (None, None)
    bits = plan_of().n.config.gate_bits, plan_of().n.config.up_bits
    assert gate_up.lane_bits == bits * 2


@pytest.mark.parametrize(("intermediate", "groups"), [(9, 2), (2, 1)])
def test_the_intermediate_vector_is_made_twice(intermediate, groups):
    """With row groups the planes pass again; with one, its results are read out again."""
    stage = network_of(intermediate=intermediate).stages[1]
    gate_up, norm = find(stage, "gate_up"), find(stage, "mlp_norm")
    assert isinstance(gate_up, Linear) and isinstance(norm, Norm)
    assert (gate_up.row_groups, gate_up.output.passes) == (groups, 2)
    assert (gate_up.rereads, norm.passes) == ((1, 4) if groups == 2 else (2, 1))


def find(stage: Stage, name: str) -> object:
    """The node of a stage with this name."""
    return next(node for node in stage.nodes if node.name == name)


def test_the_output_of_several_words_waits_in_a_replay_buffer():
    assert [node.kind for node in network_of(kv_heads_per_clock=2).of(Replay)] == ["head"]
    assert [node.kind for node in network_of(kv_heads_per_clock=1).of(Replay)] == ["attention", "attention", "head"]
