"""`python docs/draw_chip.py RTL_DIR > docs/chip.svg`: the picture of the chip in the README, from a baked manifest."""

import json
import sys
from pathlib import Path

WIDTH, ROW = 1180, 46
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


def pipeline(manifest: dict) -> list[str]:
    """The top row: tokens in, layers, tokens out, and the way back."""
    weights = {t["module"]: t["weights"] for t in manifest["tiles"]}
    layers = manifest["model"]["layers"]
    per_layer = sum(w for name, w in weights.items() if name.startswith("layer0_"))
    blocks = [(100, "sequencer", LOGIC, "tokens, epochs"), (100, "embedding", WEIGHTS, "hardwired rows")]
    shown = min(layers, 5)
    blocks += [(92, f"layer {i}", LAYER, f"{per_layer:,} weights") for i in range(shown - 1)]
    blocks += [(92, f"layer {layers - 1}", LAYER, f"{per_layer:,} weights")]
    blocks += [
        (84, "norm", LOGIC, ""),
        (110, "LM head", WEIGHTS, f"{weights['head']:,} weights"),
        (84, "argmax", LOGIC, ""),
    ]
    drawn, end = chain(60, blocks, 40)
    drawn.append(arrow((end - 42, 60 + ROW), (end - 42, 132), (90, 132), (90, 60 + ROW + 2)))
    drawn.append(f'<text x="{WIDTH // 2}" y="127" text-anchor="middle" class="small">next token</text>')
    drawn.append(arrow((90, 24), (90, 58)) + '<text x="98" y="40" class="small">prompt in, tokens out</text>')
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
    drawn = [f'<rect x="20" y="150" width="{WIDTH - 40}" height="252" rx="8" fill="{LAYER}" stroke="#998"/>']
    drawn.append('<text x="34" y="172" class="small">one layer: two rings, each with one token inside</text>')
    for y, blocks in ((200, attention), (318, mlp)):
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
    manifest = json.loads((Path(sys.argv[1]) / "manifest.json").read_text())
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} 420" font-family="sans-serif" font-size="13">')
    print("<style>.small{font-size:10.5px;fill:#333}</style>")
    print('<defs><marker id="a" markerWidth="8" markerHeight="8" refX="6" refY="3" orient="auto">')
    print('<path d="M0,0 L6,3 L0,6 z" fill="#445"/></marker></defs>')
    print(f'<rect width="{WIDTH}" height="420" fill="white"/>')
    print(f'<rect x="20" y="44" width="{WIDTH - 40}" height="96" rx="8" fill="{CHIP}" stroke="#99a"/>')
    print("\n".join([*pipeline(manifest), *layer(manifest)]))
    print("</svg>")


if __name__ == "__main__":
    main()
