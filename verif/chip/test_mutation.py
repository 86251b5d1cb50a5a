"""The chip's test fails for every kind of wrong chip, and passes for the right one.

Every mutation is an edit of the Verilog that `hc1gen bake` wrote. All are in one simulator: the edited chip has a port
`mutation` that says which edit is in force, 0 for none.
"""

import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from designs import Recipe, design

from chip.conversations import check_chip, converse
from hc1gen.settings import Settings

pytestmark = pytest.mark.mutation

RECIPE = Recipe("gqa-old-config-f32", lanes=7, kv_heads_per_clock=2, context=24, eos=2)
Edit = Callable[[str, str], str]
"""(Verilog, condition) → Verilog that is wrong while the condition holds."""


def replace(pattern: str, make: Callable[[re.Match[str], str], str]) -> Edit:
    """Replace the first match."""

    def edit(text: str, wrong: str) -> str:
        return re.sub(pattern, lambda match: make(match, wrong), text, count=1)

    return edit


def other_constant(pattern: str, flip: int) -> Edit:
    """Flip bits of a sized constant, the second group of the pattern between what stays before and after it."""

    def make(m: re.Match[str], wrong: str) -> str:
        bits = m[2].split("'")[0]
        return f"{m[1]}({wrong} ? {m[2]} ^ {bits}'d{flip} : {m[2]}){m[3]}"

    return replace(pattern, make)


def bit_stuck(pattern: str, bit: int) -> Edit:
    """Bit `bit` of a net, the second group of the pattern, is always 0."""
    return replace(pattern, lambda m, wrong: f"{m[1]}{m[2]} & ~($bits({m[2]})'({wrong}) << {bit}){m[3]}")


def lanes_of_net_swapped(port: str, net: str, bits: int) -> Edit:
    """Exchange the two lowest lanes on a port."""
    a, b = f"{net}[{bits - 1}:0]", f"{net}[{2 * bits - 1}:{bits}]"
    whole = f"{{{net} >> {2 * bits}, {a}, {b}}}"
    return replace(rf"\.{port}\({net}\)", lambda m, wrong: f".{port}({wrong} ? $bits({net})'({whole}) : {net})")


def register_dropped(name: str) -> Edit:
    """What reads the register gets its input instead."""

    def edit(text: str, wrong: str) -> str:
        clocked = re.search(rf"always @\(posedge clk\)\n    {name} <= (\S+) ;\n", text)
        declared = re.search(rf"  reg (\[\d+:0\]) {name}( = \S+)? ?;\n", text)
        assert clocked and declared, f"no register {name}"
        wire = f"  wire {declared[1]} {name}_or_input = {wrong} ? {clocked[1]} : {name};\n"
        text = re.sub(rf"(?m)^(  assign .*)\b{name}\b", rf"\g<1>{name}_or_input", text)
        return text.replace(declared[0], declared[0] + wire, 1)

    return edit


MUTATIONS: dict[str, tuple[str, Edit]] = {
    "weight": ("tiles/layer0_qkv.sv", other_constant(r"(countones\([^\n]*?& )(\d+'h\w+)(\))", 2)),
    "sign_of_weight": ("tiles/head.sv", other_constant(r"(\(xs \^ )(\d+'h\w+)(\) &)", 1)),
    "scale_of_row": ("tiles/layer0_down.sv", other_constant(r"(its_shift = \{)(8'd\d+)([,}])", 1)),
    "lane_of_tile": (
        "tiles/layer0_gate_up.sv",
        replace(
            r"(acc\[0 \+: (\d+)\] <= )(held\[0 \+: \d+\])",
            lambda m, wrong: f"{m[1]}({wrong} ? held[{m[2]} +: {m[2]}] : {m[3]})",
        ),
    ),
    "lanes_between_blocks": ("layer0.v", lanes_of_net_swapped("x__payload", "rope_y__payload", 10)),
    "register": ("blocks/requant_layer.v", register_dropped("product0")),
    "gain": ("tiles/layer0_mlp_gain.sv", other_constant(r"(gain = \{)(8'd\d+)(,)", 8)),
    "embedding": ("tiles/embedding_rom.sv", other_constant(r"(7'd9: begin [^\n]*row = )(\d+'h\w+)(;)", 4)),
    "cache_address": ("memories/kv_cache.v", bit_stuck(r"(words\[)(write_addr)(\])", 2)),
    "position": ("layer0.v", bit_stuck(r"(\.position\()(position)(\))", 0)),
}  # fmt: skip


@pytest.fixture(scope="module")
def chip():
    return design(RECIPE)


@pytest.fixture(scope="module")
def sources(chip, tmp_path_factory) -> list[Path]:
    """The chip's files with all mutations."""
    folder = tmp_path_factory.mktemp("mutants")
    texts = {path.relative_to(chip.folder.resolve() / "rtl").as_posix(): path for path in chip.sources[1:]}
    edited = {name: path.read_text() for name, path in texts.items()}
    for number, (file, edit) in enumerate(MUTATIONS.values(), 1):
        before = edited[file]
        edited[file] = edit(before, f"(chip.mutation == 4'd{number})")
        assert edited[file] != before, f"mutation {number} did not apply"
    edited["chip.v"] = edited["chip.v"].replace("input wire clk,", "input wire clk, input wire [3:0] mutation,", 1)
    for name, text in edited.items():
        path = folder / "rtl" / Path(name).with_suffix(".sv")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    control = folder / "mutants.vlt"
    control.write_text(chip.sources[0].read_text() + 'lint_off -file "*"\n')
    return [control, *(folder / "rtl" / Path(name).with_suffix(".sv") for name in edited)]


def check(chip, sources: list[Path], mutation: int) -> None:
    rng = random.Random(3)
    prompts = [[9, *(rng.randrange(chip.model.model.vocab) for _ in range(11))], [9, 5]]
    talks = [converse(chip, prompt, Settings(4)) for prompt in prompts]
    check_chip(chip, talks, patterns=["none"], sources=sources, constants={"mutation": mutation}, timeout=50_000)


def test_right_chip_passes(chip, sources):
    check(chip, sources, 0)


@pytest.mark.parametrize("mutation", range(1, len(MUTATIONS) + 1), ids=lambda i: list(MUTATIONS)[i - 1])
def test_wrong_chip_fails(chip, sources, mutation):
    with pytest.raises(AssertionError, match=r"(got 0x\w+, expected 0x\w+|not done after \d+ clocks)"):
        check(chip, sources, mutation)
