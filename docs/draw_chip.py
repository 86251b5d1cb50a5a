"""`python docs/draw_chip.py RTL_DIR > docs/chip.svg`: the picture of the chip in the README, from a baked manifest."""

import sys
from pathlib import Path

from hc1gen.backend.folder.chip_folder import ChipFolder

WIDTH, ROW = 1180, 46
TARGET_ROW, DRAFT_ROW, LAYER_TOP = 66, 138, 244
"""Where the rows of blocks and the picture of a layer begin."""
CHIP, LAYER = "#e8eef7", "#f7f2e8"
WEIGHTS, MEMORY, LOGIC = "#f2b84b", "#8fbf8f", "#b9cbe6"


def box(x: int, y: int, w: int, text: str, fill: str, below: str = "") -> str:
    """A block, its name, and in small letters what is in it."""
    middle = x + w // 2
    words = [f'<rect x="{x}" y="{y}" width="{w}" height="{ROW}" rx="5" fill="{fill}" stroke="#445"/>']
    words.append(f'<text x="{middle}" y="{y + (20 if below else 28)}" text-anchor="middle">{text}</text>')
    if below:
        words.append(f'<text x="{middle}" y="{y + 36}" text-anchor="middle" class="small">{below}</text>')
    return "".join(words)


def arrow(*points: tuple[int, int]) -> str:
    path = " ".join(f"{x},{y}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="#445" stroke-width="1.5" marker-end="url(#a)"/>'


def chain(y: int, blocks: list[tuple[int, str, str, str]], x: int, gap: int = 16) -> tuple[list[str], int]:
    """Blocks (width, text, fill, below) from left to right with arrows between; returns the drawing and its end."""
    drawn = []
    for index, (w, text, fill, below) in enumerate(blocks):
        if index:
            drawn.append(arrow((x - gap, y + ROW // 2), (x - 2, y + ROW // 2)))
        drawn.append(box(x, y, w, text, fill, below))
        x += w + gap
    return drawn, x - gap


def stages(manifest: dict, chooser: str) -> list[tuple[int, str, str, str]]:
    """Blocks of a model, and what chooses tokens from its logits."""
    kinds, layers = manifest["kinds"], manifest["model"]["layers"]
    weights = {kind: sum(t["weights"] for t in manifest["tiles"] if t["module"].endswith(kind)) for kind in kinds}
    per_layer = (sum(weights.values()) - weights["head"]) // layers
    shown = [*range(min(layers, 5) - 1), layers - 1]
    return [
        (84, "embedding", WEIGHTS, "hardwired"),
        *((92, f"layer {i}", LAYER, f"{per_layer:,} weights") for i in shown),
        (56, "norm", LOGIC, ""),
        (104, "LM head", WEIGHTS, f"{weights['head']:,} weights"),
        (84, chooser, LOGIC, "2ˣ, Σ, scan"),
    ]


def pipeline(manifest: dict) -> list[str]:
    """The sequencer, and behind it the target and the draft, with the way back."""
    draft = manifest["draft"]
    bottom = DRAFT_ROW if draft else TARGET_ROW
    drawn, end = chain(TARGET_ROW, stages(manifest, "verifier" if draft else "sampler"), 170, 12)
    drawn.append(f'<text x="170" y="{TARGET_ROW - 8}" class="small">target</text>')
    if draft:
        queue = (132, "draft queue", MEMORY, f"{draft['ahead']} distributions")
        row, last = chain(DRAFT_ROW, [*stages(draft, "sampler"), queue], 170, 12)
        drawn += [*row, f'<text x="170" y="{DRAFT_ROW - 8}" class="small">draft</text>']
        drawn.append(arrow((158, DRAFT_ROW + ROW // 2), (168, DRAFT_ROW + ROW // 2)))
        middle = end - 30
        drawn.append(
            arrow((last, DRAFT_ROW + ROW // 2), (middle, DRAFT_ROW + ROW // 2), (middle, TARGET_ROW + ROW + 2))
        )
        tap = last - 132 - 12 - 42
        drawn.append(
            arrow((tap, DRAFT_ROW + ROW), (tap, bottom + ROW + 18), (112, bottom + ROW + 18), (112, bottom + ROW + 2))
        )
        drawn.append(
            f'<text x="{tap - 12}" y="{bottom + ROW + 13}" text-anchor="end" class="small">proposed token</text>'
        )
    height = bottom + ROW - TARGET_ROW
    drawn.append(f'<rect x="40" y="{TARGET_ROW}" width="118" height="{height}" rx="5" fill="{LOGIC}" stroke="#445"/>')
    for line, (text, kind) in enumerate((("sequencer", ""), ("positions, epochs,", "small"), ("flush", "small"))):
        drawn.append(
            f'<text x="99" y="{TARGET_ROW + 20 + 16 * line}" text-anchor="middle" class="{kind}">{text}</text>'
        )
    drawn.append(arrow((158, TARGET_ROW + ROW // 2), (168, TARGET_ROW + ROW // 2)))
    low = bottom + ROW + 32
    drawn.append(arrow((end - 8, TARGET_ROW + ROW), (end - 8, low), (76, low), (76, bottom + ROW + 2)))
    drawn.append(f'<text x="{end - 20}" y="{low - 5}" text-anchor="end" class="small">decided token</text>')
    drawn.append(
        arrow((90, 24), (90, TARGET_ROW - 2)) + '<text x="98" y="38" class="small">prompt in, tokens out</text>'
    )
    return drawn


def layer(manifest: dict) -> list[str]:
    """The rings of one layer."""
    weights = {t["module"]: t["weights"] for t in manifest["tiles"]}
    model, context = manifest["model"], manifest["context"]
    kv_bits = 2 * context * model["kv_heads"] * model["head_dim"] * manifest["numeric_config"]["kv_bits"]
    attention = [
        (88, "RMSNorm", LOGIC, "1/√ by table"), (88, "int8 · 2ᵉ", LOGIC, "bit-planes"),
        (120, "Q, K, V", WEIGHTS, f"{weights['layer0_qkv']:,} weights"), (80, "requant", LOGIC, "row scales"),
        (80, "RoPE", LOGIC, ""), (150, "attention", MEMORY, f"softmax, KV {kv_bits // 1024} Kbit"),
        (88, "int8 · 2ᵉ", LOGIC, "bit-planes"), (110, "output", WEIGHTS, f"{weights['layer0_out']:,} weights"),
        (80, "requant", LOGIC, ""),
    ]  # fmt: skip
    mlp = [
        (88, "RMSNorm", LOGIC, "1/√ by table"), (88, "int8 · 2ᵉ", LOGIC, "bit-planes"),
        (150, "gate, up", WEIGHTS, f"{weights['layer0_gate_up']:,} weights"), (80, "requant", LOGIC, "row scales"),
        (90, "SwiGLU", LOGIC, "interpolated"), (88, "int8 · 2ᵉ", LOGIC, "bit-planes"),
        (130, "down", WEIGHTS, f"{weights['layer0_down']:,} weights"), (80, "requant", LOGIC, ""),
    ]  # fmt: skip
    drawn = [f'<rect x="20" y="{LAYER_TOP}" width="{WIDTH - 40}" height="252" rx="8" fill="{LAYER}" stroke="#998"/>']
    drawn.append(
        f'<text x="34" y="{LAYER_TOP + 22}" class="small">one layer: two rings, each with one token inside</text>'
    )
    for y, blocks in ((LAYER_TOP + 50, attention), (LAYER_TOP + 168, mlp)):
        ring, end = chain(y, blocks, 76)
        plus, middle = WIDTH - 50, y + ROW // 2
        drawn += ring
        drawn.append(arrow((40, middle), (74, middle)) + arrow((end, middle), (plus - 12, middle)))
        drawn.append(arrow((54, middle), (54, y + ROW + 22), (plus, y + ROW + 22), (plus, middle + 12)))
        drawn.append(f'<circle cx="{plus}" cy="{middle}" r="10" fill="white" stroke="#445"/>')
        drawn.append(f'<text x="{plus}" y="{middle + 5}" text-anchor="middle">+</text>')
        drawn.append(f'<text x="{WIDTH // 2}" y="{y + ROW + 18}" text-anchor="middle" class="small">residual</text>')
    return drawn


def main() -> None:
    manifest = ChipFolder.read(Path(sys.argv[1])).manifest.to_json()
    size = f'viewBox="0 0 {WIDTH} {LAYER_TOP + 270}" font-family="sans-serif" font-size="13"'
    print(f'<svg xmlns="http://www.w3.org/2000/svg" {size}>')
    print("<style>.small{font-size:10.5px;fill:#333}</style>")
    print('<defs><marker id="a" markerWidth="8" markerHeight="8" refX="6" refY="3" orient="auto">')
    print('<path d="M0,0 L6,3 L0,6 z" fill="#445"/></marker></defs>')
    print(f'<rect width="{WIDTH}" height="{LAYER_TOP + 270}" fill="white"/>')
    print(f'<rect x="20" y="44" width="{WIDTH - 40}" height="{LAYER_TOP - 54}" rx="8" fill="{CHIP}" stroke="#99a"/>')
    print("\n".join([*pipeline(manifest), *layer(manifest)]))
    print("</svg>")


if __name__ == "__main__":
    main()
