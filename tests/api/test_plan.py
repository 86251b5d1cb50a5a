"""plan and bake: what a plan knows before anything is written, and what is refused."""

import hashlib

import pytest
from small_models import SMALL, TEN, WITH_BOS

import hc1gen
from hc1gen import InputError, NumericConfig, Outcome, Reason
from hc1gen.network import Linear


def test_a_plan_knows_its_network_and_its_tiles(plan):
    tiles = list(plan.tiles())
    assert [tile.node for tile in tiles] == list(plan.network.of(Linear))
    assert sum(tile.weights.size for tile in tiles) == plan.costs.weights
    assert (plan.context, plan.ahead, plan.draft, plan.draft_costs) == (16, 0, None, None)


def test_a_plan_knows_its_clocks(plan):
    assert plan.costs.clocks_per_token == (15, plan.clocks(15))
    assert plan.clocks(15) > plan.clocks(0) > 0
    for position in (-1, 16):
        with pytest.raises(InputError, match=f"position: got {position}, expected 0..15"):
            plan.clocks(position)


def test_lanes_are_at_most_those_of_the_width(quantised):
    assert quantised.plan().costs.lanes == 8
    with pytest.raises(InputError, match=r"lanes: got 21, expected 1\.\.20"):
        quantised.plan(lanes=21)
    with pytest.raises(InputError, match="it is for a chip with a draft"):
        quantised.plan(ahead=2)


def test_a_draft_has_to_match(model, quantised):
    with pytest.raises(InputError, match="draft: context: got 8, expected the target's, 16; quantise both"):
        quantised.plan(draft=model.quantize(8, calibration=TEN))
    with pytest.raises(InputError, match="numeric config of the draft"):
        quantised.plan(draft=model.quantize(16, NumericConfig(kv_bits=6), TEN))
    with pytest.raises(InputError, match="the draft differs from the target: vocabulary size"):
        quantised.plan(draft=hc1gen.load(WITH_BOS).quantize(16, calibration=TEN))
    with pytest.raises(InputError, match=r"ahead: got 16, expected 1\.\.15"):
        quantised.plan(draft=quantised, ahead=16)


def test_a_draft_with_fewer_kv_heads_handles_all_of_them(quantised):
    target = hc1gen.load(WITH_BOS).quantize(16, calibration=TEN)
    heads = target.model.ir.config.kv_heads
    plan = target.plan(kv_heads_per_clock=heads - 1, draft=target)
    assert [each.plan.kv_heads_per_clock for each in plan.hardware.transformers] == [heads - 1] * 2
    assert plan.ahead == 8
    with pytest.raises(InputError, match=f"kv heads per clock: got {heads + 1}"):
        target.plan(kv_heads_per_clock=heads + 1, draft=target)


def test_a_plan_says_what_the_chip_will_say(plan, chip):
    said = []
    answer = plan.golden("hello", 5, on_token=said.append)
    assert tuple(said) == answer.tokens == chip.golden("hello", 5).tokens
    assert answer.text == plan.target.model.tokenizer.decode([token.token for token in answer.tokens])
    assert answer.reason == Reason.LIMIT and answer.prompt.ids == tuple(plan.target.model.tokenizer.encode("hello"))
    assert answer.saturations == plan.golden("hello", 5).saturations >= 0


def test_a_draft_proposes(speculating):
    outcomes = [token.outcome for token in speculating.golden("hello", 8).tokens]
    assert outcomes == ([Outcome.ACCEPTED] * 3 + [Outcome.SAMPLED]) * 2
    alone = speculating.golden("hello", 8, speculate=False)
    assert {token.outcome for token in alone.tokens} == {Outcome.SAMPLED}
    assert speculating.draft_costs == speculating.costs


# Baking --------------------------------------------------------------------------------------------------------------
def test_bakes_the_tokenizer_and_tells_its_progress(plan, tmp_path, tasks):
    progress, found = tasks
    chip = plan.bake(str(tmp_path / "chip"), progress=progress)
    assert found == ["writing Verilog"]
    assert chip.folder.tokenizer.read_bytes() == (SMALL / "tokenizer.json").read_bytes()
    assert chip.manifest.lanes == 4 and chip.path == tmp_path / "chip"


def test_the_same_input_gives_the_same_bytes(plan, chip, tmp_path):
    again = plan.bake(tmp_path / "again")
    assert again.manifest == chip.manifest
    digest = hashlib.sha256((chip.path / "manifest.json").read_bytes()).hexdigest()
    assert hashlib.sha256((again.path / "manifest.json").read_bytes()).hexdigest() == digest


def test_refuses_other_folders_and_views(plan, tmp_path):
    with pytest.raises(InputError, match="bake: fabric: got wool, expected behavioural or structural or both"):
        plan.bake(tmp_path / "chip", "wool")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="a folder with other files"):
        plan.bake(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_progress_that_raises_leaves_nothing(plan, tmp_path):
    def stop(*_: object) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        plan.bake(tmp_path / "chip", progress=stop)
    assert list(tmp_path.iterdir()) == []
