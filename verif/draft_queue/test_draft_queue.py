"""The draft's queue keeps records and beats in order."""

from pathlib import Path

import pytest
from bench.check import convert, written
from bench.runner import simulate
from cmvm.together import WAIVERS
from embedding.shapes import make_plan

from hc1gen.rtl.draft_queue import DraftQueue, memories


@pytest.mark.parametrize(("lanes", "vocab", "ahead"), [(4, 12, 8), (5, 12, 3), (3, 3, 1), (1, 5, 2)])
def test_queue(tmp_path: Path, lanes: int, vocab: int, ahead: int):
    """Several beats and slots, none of them powers of two; one beat and one slot; single lanes."""
    plan = make_plan(lanes, 8, vocab)
    design = DraftQueue(plan, ahead)
    sources = [WAIVERS, convert(design, "draft_queue"), *written(tmp_path, memories(plan, ahead))]
    case = {
        "ahead": ahead, "beats": design.beats, "record_bits": design.record.shape().size,
        "beat_bits": plan.lanes * plan.n.config.sample_bits, "clocks": 4000, "latency": design.latency,
        "read_latency": design.read_latency,
    }  # fmt: skip
    simulate("draft_queue", sources, "draft_queue", "draft_queue.ring", case=case)
