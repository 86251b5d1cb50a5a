"""What speculation buys: clocks per token with and without it, what bounds it, and what its circuits cost."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean

from common import ROOT, Fields, Table, conditions, script, show, verdict

# isort: split
import cells
import click
from expectation import Speculation

from hc1gen import BakedChip, open_chip
from hc1gen.backend import simulator
from hc1gen.backend.amaranth_modules import to_verilog
from hc1gen.cli.options import PATH, json_option
from hc1gen.cli.output import Output
from hc1gen.errors import InputError
from hc1gen.numeric.numerics import TEMPERATURE_FRAC
from hc1gen.outcome import Outcome
from hc1gen.rtl.accept import Accept
from hc1gen.rtl.chip import Chip
from hc1gen.rtl.residual_distribution import ResidualDistribution
from hc1gen.settings import Settings

PROMPTS = (
    "Once upon a time", "One day, a big bear", "The sun was hot and", "Tom and his dog went to the park.",
    "Lily and Ben", "There was a boy who", "Mom said", "The cat", "In the garden", "A little bird",
    "Sam had a red ball.", "The old man", "It was a cold day", "Sara was sad", "The dog ran", "Max liked to",
    "On the farm", "A girl named Sue", "The frog", "Dad and Tim",
)  # fmt: skip
TOKENS = 100
REQUIRED = 1.5
MODES = {"greedy": 0, "temperature 1": 1 << TEMPERATURE_FRAC}
LAYERS = 30
WITHIN = 0.1
"""How far the model of the clocks may be from what is measured, as a share."""
ADDER_GATES = 5
"""Gates of two inputs in a full adder."""


@dataclass
class Run:
    """All prompts in one mode, answered by the chip."""

    clocks: list[int]
    """Of every token but the first of an answer, which also waits for its prompt."""
    positions: list[int]
    tokens: list[int]
    outcomes: list[Outcome]

    def fields(self) -> Fields:
        """JSON fields."""
        return {"tokens": len(self.clocks), "clocks_per_token": round(mean(self.clocks), 1)}


def answers(chip: simulator.ChipSimulator, baked: BakedChip, settings: Settings) -> Iterator[tuple[int, list]]:
    """Length of each prompt, and the chip's answer."""
    for seed, text in enumerate(PROMPTS):
        ids = baked.tokenizer.encode(text)
        yield len(ids), list(chip.run(ids, replace(settings, seed=seed if settings.temperature else 0)))


def run(chip: simulator.ChipSimulator, baked: BakedChip, settings: Settings) -> Run:
    """All prompts, answered by the chip."""
    found = Run([], [], [], [])
    for length, answer in answers(chip, baked, settings):
        later = answer[1:]
        found.clocks += [token.clocks for token in later]
        found.positions += range(length, length + len(later))
        found.tokens += [token.token for token in later]
        found.outcomes += [token.outcome for token in later]
    return found


def mode(chip: simulator.ChipSimulator, baked: BakedChip, temperature: int, design: Chip) -> Fields:
    """JSON fields of one mode: measured with and without speculation, and what the model says."""
    plain = run(chip, baked, Settings(TOKENS, temperature))
    before = chip.counters
    speculated = run(chip, baked, Settings(TOKENS, temperature, speculate=True))
    after = chip.counters
    assert before is not None and after is not None
    counters = {name: getattr(after, name) - getattr(before, name) for name in vars(after)}
    target, draft = design.transformers
    accepted = speculated.outcomes.count(Outcome.ACCEPTED)
    rounds = len(speculated.outcomes) - accepted
    model = Speculation(
        accepted=accepted / rounds,
        position=round(mean(speculated.positions)),
        greedy=temperature == 0,
        beat=mean(token // target.plan.lanes for token in speculated.tokens),
    )
    n = target.plan.n
    deep = replace(target, plan=replace(target.plan, n=replace(n, model=replace(n.model, layers=LAYERS))))
    measured, alone = mean(speculated.clocks), mean(plain.clocks)
    return {
        "plain": plain.fields(),
        "speculating": speculated.fields(),
        "speedup": round(alone / measured, 3),
        "acceptance_rate": round(accepted / (accepted + speculated.outcomes.count(Outcome.REJECTED)), 3),
        "tokens_per_pass": round(1 + model.accepted, 3),
        "counters": counters,
        "pass_clocks": round(model.pass_clocks(target), 1),
        "proposal_clocks": round(model.proposal_clocks(draft), 1),
        "predicted": round(model.clocks(target, draft), 1),
        "predicted_plain": round(model.plain_clocks(target), 1),
        "error": round(model.clocks(target, draft) / measured - 1, 4),
        "predicted_speedup_deep": round(model.plain_clocks(deep) / model.clocks(deep, draft), 3),
        "predicted_speedup_instant_draft": round((1 + model.accepted) * alone / model.pass_clocks(target), 3),
    }


def chip_of(baked: BakedChip) -> Chip:
    """The chip, as the manifest has it."""
    if baked.draft is None:
        raise InputError(baked.path, "a chip without a draft; bake one with --draft")
    return baked.hardware


def areas(chip: Chip) -> list[Fields]:
    """Gates and flip-flops by part of the chip, memories left out; a full adder of a tile counts as ADDER_GATES."""
    counted = cells.chip_cells(chip)["blocks"]
    assert chip.draft is not None
    parts = {"target": chip.target, "draft": chip.draft}
    rows: list[Fields] = []
    own = {name: set(part.blocks.components()) for name, part in parts.items()}
    for name, part in parts.items():
        blocks = [counted[block] for block in own[name]]
        adders = sum(tile.full_adders for tile in part.tiles())
        accumulators = sum(len(tile.weights) * tile.acc_bits for tile in part.tiles())
        rows.append(_area(name, blocks, adders * ADDER_GATES, accumulators))
    groups = {
        "draft: sampler, random numbers, queue": ("draft_sampler", "draft_random", "draft_queue"),
        "verifier": ("verifier",),
        "sequencer, random numbers, temperature": ("sequencer", "target_random", "inverse_temperature"),
    }
    rows += [_area(name, [counted[block] for block in blocks]) for name, blocks in groups.items()]
    whole = sum(row["gates"] for row in rows)
    plan = chip.target.plan
    bits, sum_bits = plan.n.config.sample_bits, plan.n.sample_sum_bits
    inside = {
        "accept": Accept(bits, sum_bits, sum_bits),
        "residual distribution": ResidualDistribution(plan.lanes, bits, sum_bits, sum_bits),
    }
    for name, text in to_verilog(inside).items():
        rows.append(_area(f"of the verifier: {name}", [{**cells.count(name, text), "instances": 1}]))
    for row in rows:
        row["share"] = round(row["gates"] / whole, 4)
    return rows


def _area(name: str, blocks: list[Fields], gates: int = 0, flip_flops: int = 0) -> Fields:
    return {
        "part": name,
        "gates": gates + sum(block["instances"] * block["gates"] for block in blocks),
        "flip_flops": flip_flops + sum(block["instances"] * block["flip_flops"] for block in blocks),
    }


def measure(output: Output, design: Path, jobs: int, count: bool) -> Fields:
    """JSON fields."""
    baked = open_chip(design)
    chip = chip_of(baked)
    with output.progress("building the simulator"):
        executable = simulator.build(design, jobs)
    modes = {}
    with simulator.ChipSimulator(executable) as running, output.progress("simulating", len(MODES)) as progress:
        for done, (name, temperature) in enumerate(MODES.items()):
            progress(name, done)
            modes[name] = mode(running, baked, temperature, chip)
    fields = {"modes": modes, "ahead": baked.ahead, "conditions": conditions()}
    if count:
        with output.progress("counting cells"):
            fields["areas"] = areas(chip)
    return fields


def tables(result: Fields) -> list[Table]:
    """Clocks, what bounds them, and area."""
    modes = result["modes"]
    speed = [
        [name, m["plain"]["clocks_per_token"], m["speculating"]["clocks_per_token"], m["speedup"],
         f"at least {REQUIRED}: {verdict(m['speedup'], REQUIRED, True)}"]
        for name, m in modes.items()
    ]  # fmt: skip
    names = ("acceptance_rate", "tokens_per_pass", "pass_clocks", "proposal_clocks", "predicted", "error")
    bounds = [[name, *(m[field] for field in names)] for name, m in modes.items()]
    deep = [[n, m["predicted_speedup_deep"], m["predicted_speedup_instant_draft"]] for n, m in modes.items()]
    found = [
        Table("Clocks per token", ("mode", "plain", "speculating", "speedup", "required"), speed,
              f"{len(PROMPTS)} prompts, up to {TOKENS} tokens each; the draft may run {result['ahead']} tokens ahead."),
        Table("What bounds it", ("mode", "acceptance", "tokens per pass", "clocks of a pass", "clocks of a proposal",
                                 "predicted clocks per token", "error"), bounds,
              "A round is a pass of the target, and a proposal for each accepted token: clocks per token = "
              "(pass + accepted x proposal) / (1 + accepted), at the mean position (`expectation.py`)."),
        Table("Where it would go", ("mode", f"speedup of {LAYERS} layers", "speedup, if the draft took no time"), deep,
              "By the same model, with the same acceptance."),
    ]  # fmt: skip
    if "areas" in result:
        rows = [[row["part"], row["gates"], row["flip_flops"], f"{row['share']:.1%}"] for row in result["areas"]]
        found.append(Table("Area", ("part", "gates", "flip-flops", "share of the gates"), rows,
                           f"Generic gates; a full adder of a tile counts as {ADDER_GATES}. Memories, gain and "
                           "embedding tables are left out."))  # fmt: skip
    return found


def missed(result: Fields) -> list[str]:
    """Modes that miss what is required, or what the model predicts."""
    return [n for n, m in result["modes"].items() if m["speedup"] < REQUIRED or abs(m["error"]) > WITHIN]


@click.command()
@click.argument("design", type=PATH, default=ROOT / "rtl_out" / "tinystories-w3")
@click.option("--jobs", type=int, default=2, show_default=True, help="Compilers at a time.")
@click.option("--cells/--no-cells", "count", default=True, help="Count cells with yosys.")
@json_option
def speculation(design: Path, jobs: int, count: bool, output: Output) -> int:
    """Clocks per token with and without speculation, on the chip in DESIGN. Exit code 1 where too many."""
    result = measure(output, design, jobs, count)
    show(output, tables(result))
    output.result(result)
    return int(bool(missed(result)))


if __name__ == "__main__":
    script(speculation)
