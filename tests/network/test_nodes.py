"""Nodes and networks check themselves when they are made."""

from dataclasses import replace

import pytest
from networks import network_of

from hc1gen.errors import InputError
from hc1gen.network import Attention, BlockFloat, Linear, Network, Norm, Replay, Rope, Stage, beats_of


def refusal(error) -> list[str]:
    """What a node or a network says is wrong."""
    assert error.value.exit_code == 2
    return error.value.problems


def linear(network: Network, name: str) -> Linear:
    """The first linear node of this name."""
    return next(node for node in network.of(Linear) if node.name == name)


def test_rows_stand_in_the_order_once():
    down = linear(network_of(), "down")
    with pytest.raises(InputError) as error:
        replace(down, rows=(0, 0, *down.rows[2:]))
    assert refusal(error) == ["rows: got 12 places, expected each of the 12 elements once"]


def test_orders_are_whole_beats():
    down = linear(network_of(), "down")
    with pytest.raises(InputError) as error:
        replace(down, rows=(*down.rows, None))
    assert refusal(error) == ["rows: got 13 places, expected whole beats of 4 lanes"]


def test_a_row_group_has_a_beat_at_least():
    down = linear(network_of(), "down")
    with pytest.raises(InputError) as error:
        replace(down, row_groups=4)
    assert refusal(error) == ["row groups: got 4, expected 1..3, the beats of rows"]


def test_every_row_has_a_fraction():
    qkv = linear(network_of(), "qkv")
    short = replace(qkv.projections[0], out_frac=(1, 2))
    with pytest.raises(InputError) as error:
        replace(qkv, projections=(short, *qkv.projections[1:]))
    assert refusal(error) == [
        "model.layers.0.self_attn.k_proj.weight: got 2 fractions, expected one for each of 12 rows"
    ]


def test_heads_are_shared_evenly():
    (attention, _) = network_of().of(Attention)
    with pytest.raises(InputError) as error:
        replace(attention, heads=5, kv_heads_per_clock=3)
    assert refusal(error) == [
        "heads: got 5, expected a multiple of the 2 KV heads",
        "KV heads per clock: got 3, expected 1..2",
    ]


def without(network: Network, kind: type) -> tuple[Stage, ...]:
    """The stages of a network without the nodes of one type."""
    return tuple(
        replace(stage, nodes=tuple(node for node in stage.nodes if not isinstance(node, kind)))
        for stage in network.stages
    )


@pytest.mark.parametrize("kind", [Replay, BlockFloat, Norm, Rope])
def test_a_node_takes_what_the_one_before_gives(kind):
    """A network without one of its kinds of nodes is refused, unless the vector passes that kind unchanged."""
    network = network_of(kv_heads_per_clock=1)
    if kind is Rope:
        assert Network(network.plan, without(network, kind)).tensors == network.tensors
        return
    with pytest.raises(InputError, match=r"gives .* elements in .*, .* takes .* elements in .*"):
        Network(network.plan, without(network, kind))


def test_a_vector_passes_as_often_as_it_is_needed():
    network = network_of(kv_heads_per_clock=1)
    stages = list(network.stages)
    norm, gate_up = (next(node for node in stages[1].nodes if node.name == name) for name in ("mlp_norm", "gate_up"))
    once = replace(norm, passes=1)
    stages[1] = replace(stages[1], nodes=tuple(once if node is norm else node for node in stages[1].nodes))
    with pytest.raises(InputError) as error:
        Network(network.plan, tuple(stages))
    assert refusal(error) == [
        "mlp_norm gives 12 elements in bit-planes, passing 1 times, "
        f"gate_up takes 12 elements in bit-planes, passing {gate_up.input.passes} times"
    ]


def test_a_tensor_is_hardwired_once():
    network = network_of(layers=1)
    stages = (*network.stages[:2], network.stages[1], *network.stages[2:])
    with pytest.raises(InputError) as error:
        Network(network.plan, stages)
    assert "model.layers.0.mlp.up_proj.weight: hardwired in more than one node" in refusal(error)


def test_padding():
    assert beats_of(range(5), 3) == (0, 1, 2, 3, 4, None)
