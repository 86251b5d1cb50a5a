"""load, choices, quantize, estimate: what they give, and everything that they refuse."""

from pathlib import Path

import numpy as np
import pytest
from small_models import SMALL, TEN, WITH_BOS

import hc1gen
from hc1gen import Calibration, InputError, NumericConfig
from hc1gen.quant import saved


def message(step, *args, **named) -> str:
    """What a step is refused with."""
    with pytest.raises(InputError) as error:
        step(*args, **named)
    return str(error.value)


def test_loads_a_checkpoint_with_its_tokenizer(model):
    assert (model.name, model.path) == (SMALL.name, SMALL)
    assert model.tokenizer_json == (SMALL / "tokenizer.json").read_bytes()
    assert model.config_json["num_hidden_layers"] == model.ir.config.layers == 3
    assert hc1gen.load(str(SMALL / "model.safetensors.index.json")).ir.sha256 == model.ir.sha256
    assert hc1gen.load().name == hc1gen.EMBEDDED.name


def test_refuses_what_is_no_model(tmp_path):
    assert message(hc1gen.load, tmp_path / "none") == f"{tmp_path / 'none'}: no such file or folder"
    assert "no such file" in message(hc1gen.load, tmp_path / "none.gguf")
    for file in WITH_BOS.iterdir():
        if file.name != "tokenizer.json":
            (tmp_path / file.name).symlink_to(file)
    assert "needs its tokenizer.json" in message(hc1gen.load, tmp_path)


def test_choices_have_defaults(model):
    choices = model.choices()
    assert (choices.context, choices.lanes, choices.kv_heads_per_clock, choices.ahead) == (256, 8, None, 0)
    assert model.choices(model, context=5).ahead == 4 and model.choices(model, ahead=3).ahead == 3
    assert hc1gen.load().choices().context == 512


def test_choices_refuse_all_that_does_not_fit(model, changed):
    assert message(model.choices, context=257, lanes=21, kv_heads_per_clock=2).splitlines() == [
        "plan of the target: lanes: got 21, expected 1..20; choose a value in that range",
        "plan of the target: kv heads per clock: got 2, expected 1..1; choose a value in that range",
        "plan of the target: context: got 257, expected 1..256; choose a value in that range",
    ]
    assert message(model.choices, ahead=2) == "ahead: ahead: got 2, expected none; it is for a chip with a draft"
    assert "1..15" in message(model.choices, model, context=16, ahead=16)
    assert "1..15" in message(model.choices, model, context=16, ahead=0)
    for wrong in ("3", 3.0, True):
        for name in ("lanes", "context", "kv_heads_per_clock"):
            assert f"got {wrong!r}, expected 1.." in message(model.choices, model, **{name: wrong})
        assert f"ahead: got {wrong!r}, expected 1..15" in message(model.choices, model, context=16, ahead=wrong)
    assert message(model.choices, model, context=1).startswith("draft: a context of 1 leaves nothing to propose")
    other = changed(eos_token_id=5)
    assert message(model.choices, other).startswith(f"{other.path}: the draft differs from the target: EOS is ")


def test_the_context_of_a_pair_is_the_smaller_one(model, changed):
    short = changed(max_position_embeddings=12)
    assert model.choices(short).context == 12
    assert "plan of the draft: context: got 16, expected 1..12" in message(model.choices, short, context=16)


def test_quantises_the_same_each_time(model, quantised):
    again = model.quantize(16, calibration=TEN)
    assert saved.to_bytes(again.integers) == saved.to_bytes(quantised.integers)
    assert (again.context, again.calibration_tokens, again.model) == (16, 10, model)
    assert model.quantize(calibration=TEN).context == 256


def test_widths_are_those_of_the_config(model):
    config = NumericConfig(kv_bits=6)
    assert model.quantize(8, config, TEN).integers.config == config
    assert "act_bits: got 40" in message(model.quantize, 8, NumericConfig(act_bits=40))
    assert "context: got 300, expected 1..256" in message(model.quantize, 300)
    assert "context: got 0, expected 1..256" in message(model.quantize, 0)


def test_quantize_tells_its_progress(model, tasks):
    progress, found = tasks
    model.quantize(8, calibration=TEN, progress=progress)
    assert found == [f"calibrating {SMALL.name}"]


# Calibration ---------------------------------------------------------------------------------------------------------
@pytest.fixture
def text(tmp_path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("the quick brown fox")
    return path


@pytest.mark.parametrize("folder", [SMALL, WITH_BOS])
def test_a_text_is_calibrated_on_in_windows_of_the_context(folder, text):
    """Each begins with the BOS, where the model has one."""
    model = hc1gen.load(folder)
    ids, bos = model.tokenizer.encode_text("the quick brown"), model.ir.config.bos
    start = [] if bos is None else [bos]
    size = 8 - len(start)
    windows = [np.array(start + ids[i : i + size]) for i in range(0, len(ids), size)]
    one = model.quantize(8, calibration=Calibration(len(ids), text))
    other = model.quantize(8, calibration=Calibration(windows=windows))
    assert one.integers.formats == other.integers.formats
    assert one.calibration_tokens == len(ids) and other.calibration_tokens == sum(map(len, windows))
    assert model.quantize(8, calibration=Calibration(10_000, str(text))).calibration_tokens >= 19


def test_refuses_to_calibrate_on_nothing(model, text, tmp_path):
    def refused(**source) -> str:
        return message(model.quantize, 8, calibration=Calibration(**source))

    (tmp_path / "empty.txt").touch()
    assert refused(text=tmp_path / "empty.txt").startswith(f"{tmp_path / 'empty.txt'}: holds no text; give a file")
    assert "cannot be read" in refused(text=tmp_path / "none.txt")
    assert (
        refused(tokens=0) == "calibration: tokens: got 0, expected 1 or more; one is the least that a model can write"
    )
    assert "got a text and windows, expected one of them" in refused(text=text, windows=[np.array([1])])
    assert "windows: got none" in refused(windows=[])
    assert "windows[1]: got int64 [9], expected 1 to 8 integers" in refused(windows=[np.arange(8), np.arange(9)])
    assert "windows[0]: got float64 [2]" in refused(windows=[np.zeros(2)])
    assert "windows[0]: got tokens 3..37, expected 0..36" in refused(windows=[np.array([3, 37])])


# Estimates -----------------------------------------------------------------------------------------------------------
def test_estimates_by_hand(model, plan):
    """3 layers, 20 wide, MLP 28, 5 heads and 1 KV head of 4, 37 characters."""
    found = model.estimate(16, 4)
    costs = found.costs
    assert costs.weights == 3 * (2 * 20 * 20 + 2 * 4 * 20 + 3 * 28 * 20) + 37 * 20
    assert costs.full_adders == costs.weights - costs.zero_weights
    assert (costs.kv_bits, costs.embedding_bits) == (3 * 16 * 2 * 4 * 8, 3 * 37 * 20)
    assert [kind.kind for kind in costs.kinds] == ["qkv", "out", "gate_up", "down", "head"]
    assert sum(tensor.weights for tensor in found.tensors) == costs.weights and len(found.tensors) == 3 * 7 + 1
    assert all(0.05 < tensor.error < 0.3 and tensor.bits == 3 for tensor in found.tensors)
    for name in ("weights", "zero_weights", "full_adders", "kv_bits", "embedding_bits", "clocks_per_token"):
        assert getattr(costs, name) == getattr(plan.costs, name)
    assert "lanes: got 99" in message(model.estimate, lanes=99)
