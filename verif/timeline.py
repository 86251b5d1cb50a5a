"""The pipeline over time: `python verif/timeline.py RTL_DIR > docs/pipeline.svg` draws an answer with speculation.

A row is a place in the text, a bar a token that was issued there: from its issue, through the target's layers, to
the target's decision on what follows it. What the draft takes to propose the next token is the thin bar below.
"""

import json
import sys
import tempfile
from dataclasses import dataclass
from html import escape
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import click
from bench.runner import simulate
from chip.conversations import VISIBLE, Conversation, case_of, converse
from designs import Design

from hc1gen.errors import InputError
from hc1gen.frontend.tokenizer import Tokenizer
from hc1gen.outcome import Outcome
from hc1gen.rtl.payloads import tagged_token
from hc1gen.settings import Settings

PROMPT, TOKENS = "The sun was hot and", 18
ISSUE, PROPOSED, DECIDED = "sequencer_issue", "draft_sampler_y", "verifier_y"
WIDTH, ROW, LEFT, TOP = 1000, 22, 130, 52
COLOURS = {
    "prompt": ("#c9ced6", "#aab1bc", "the prompt"),
    "accepted": ("#8fcf9f", "#69b27c", "accepted from the draft"),
    "target": ("#8fb4e8", "#6a93cc", "the target's own: a replacement, or alone"),
    "flushed": ("#f0a9a0", "#dd8579", "rejected, or flushed behind it"),
}
DRAFT = "#e3b341"


@dataclass
class Bar:
    """A token in the target: clocks of its issue, of its last beat out of each layer, and of its end."""

    position: int
    token: int
    epoch: int
    kind: str
    ends: list[int]


def measure(design: Design, talk: Conversation) -> dict:
    """`tokens` issued (payloads), and `cycles` of all transfers, by stream."""
    layers = [f"target.layer{i}_y" for i in range(design.model.model.layers)]
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "transfers.json"
        case = case_of(design, [talk]) | {"streams": [ISSUE, PROPOSED, DECIDED, *layers], "answer": str(answer)}
        simulate("chip", design.sources, "chip", "chip.bench_timeline", case=case, vlt_lines=VISIBLE)
        return json.loads(answer.read_text())


def bars(design: Design, talk: Conversation, found: dict) -> list[Bar]:
    """Every token that was issued, in order, with its fate."""
    plan, cycles = design.plan, found["cycles"]
    beats, layers = len(plan.residual) // plan.lanes, design.model.model.layers
    text = talk.prompt + [said[0] for said in talk.answer]
    made = []
    layout = tagged_token(plan.token_bits, plan.position_bits)
    for index, issued in enumerate(map(layout.from_bits, found["tokens"])):
        ends = [cycles[ISSUE][index]]
        for layer in range(layers):
            ends += cycles[f"target.layer{layer}_y"][index * beats + beats - 1 :][:1]
        made.append(Bar(issued.tag.position, issued.token, issued.tag.epoch, "flushed", ends))
    for number, said in enumerate(talk.answer):
        # the decision on answer `number` ends the last token that was issued at the place before it, until then
        clock, place = cycles[DECIDED][number], len(talk.prompt) - 1 + number
        bar = [bar for bar in made if bar.position == place and bar.ends[0] < clock][-1]
        assert bar.token == text[place]
        bar.ends.append(clock)
        bar.kind = "prompt" if number == 0 else _kind(talk.answer[number - 1][3])
        if said[3] == Outcome.REJECTED:
            for stale in made:
                if stale.position > place and stale.epoch == bar.epoch and stale.ends[0] < clock:
                    stale.ends = [*(end for end in stale.ends if end < clock), clock]
    return [bar for bar in made if bar.position >= len(talk.prompt) - 1]


def _kind(outcome: int) -> str:
    return "accepted" if outcome == Outcome.ACCEPTED else "target"


def draw(design: Design, talk: Conversation, found: dict) -> str:
    """The picture as SVG."""
    drawn, first = bars(design, talk, found), len(talk.prompt) - 1
    start, end = drawn[0].ends[0], max(bar.ends[-1] for bar in drawn)
    rows = max(bar.position for bar in drawn) - first + 1

    def x(clock: int) -> float:
        return LEFT + (clock - start) * (WIDTH - LEFT - 20) / (end - start)

    height = TOP + rows * ROW + 40
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        'font-size="12"><rect width="100%" height="100%" fill="white"/>'
    ]
    lines += _legend() + _clocks(end - start, x, start, height)
    tokenizer = Tokenizer.load(design.folder, design.model.model)
    text = talk.prompt + [said[0] for said in talk.answer]
    for row in range(rows):
        y = TOP + row * ROW
        piece = escape(tokenizer.decode(text[: first + row + 1])[len(tokenizer.decode(text[: first + row])) :])
        lines.append(f'<text x="{LEFT - 10}" y="{y + 14}" text-anchor="end">{piece.strip() or "·"}</text>')
    for bar in drawn:
        lines += _bar(bar, x, TOP + (bar.position - first) * ROW)
    lines += _draft(drawn, found["cycles"][PROPOSED], x, first)
    return "\n".join([*lines, "</svg>"])


def _bar(bar: Bar, x, y: int) -> list[str]:
    """Segments in two shades, one for each layer, the last one for the head."""
    shades, spans = COLOURS[bar.kind][:2], zip(bar.ends, bar.ends[1:], strict=False)
    return [
        f'<rect x="{x(a):.1f}" y="{y + 3}" width="{x(b) - x(a):.1f}" height="12" fill="{shades[i % 2]}"/>'
        for i, (a, b) in enumerate(spans)
    ]


def _draft(drawn: list[Bar], proposed: list[int], x, first: int) -> list[str]:
    """From the issue of a token to the draft's proposal for the next place, where it came before the token's end."""
    lines = []
    for clock in proposed:
        heard = [bar for bar in drawn if bar.ends[0] < clock]
        if heard and clock <= heard[-1].ends[-1]:
            bar, y = heard[-1], TOP + (heard[-1].position - first) * ROW
            a, b = x(bar.ends[0]), x(clock)
            lines.append(f'<rect x="{a:.1f}" y="{y + 16}" width="{b - a:.1f}" height="3" fill="{DRAFT}"/>')
    return lines


def _legend() -> list[str]:
    lines, at = [], LEFT
    for colour, _, text in COLOURS.values():
        lines.append(f'<rect x="{at}" y="10" width="12" height="12" fill="{colour}"/>')
        lines.append(f'<text x="{at + 17}" y="20" font-size="11">{text}</text>')
        at += 30 + 6 * len(text)
    lines.append(f'<rect x="{LEFT}" y="32" width="12" height="3" fill="{DRAFT}"/>')
    lines.append(f'<text x="{LEFT + 17}" y="37" font-size="11">the draft, until it proposes the next token</text>')
    return lines


def _clocks(span: int, x, start: int, height: int) -> list[str]:
    """A grid line every thousand clocks."""
    lines = []
    for clock in range(0, span + 1, 1000):
        at = x(start + clock)
        lines.append(f'<line x1="{at:.1f}" y1="{TOP - 4}" x2="{at:.1f}" y2="{height - 24}" stroke="#dde"/>')
        lines.append(f'<text x="{at:.1f}" y="{height - 10}" text-anchor="middle" fill="#667">{clock:,}</text>')
    return lines


@click.command()
@click.argument("rtl_dir", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--prompt", default=PROMPT, show_default=True, help="Text to continue, greedily.")
@click.option("--tokens", default=TOKENS, show_default=True, help="Tokens of the answer.")
def main(rtl_dir: Path, prompt: str, tokens: int) -> None:
    """Draw how an answer with speculation passes through the chip in RTL_DIR, as SVG."""
    design = Design(rtl_dir.resolve())
    try:
        ids = Tokenizer.load(design.folder, design.model.model).encode(prompt)
        talk = converse(design, ids, Settings(tokens, speculate=True))
        if not design.ahead:
            raise InputError(rtl_dir, "a chip without a draft; bake one with --draft")
        print(draw(design, talk, measure(design, talk)))
    except InputError as error:
        click.echo(error, err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
