"""Every token reaches the target, and the draft where it is to hear it, in the same clock."""

import random

import pytest
from bench.check import check_streams
from bench.timing import between, through
from embedding.shapes import make_plan

from hc1gen.rtl.issue import Issue
from hc1gen.rtl.payloads import placed_token, tagged_token, to_bits

TOKENS, EPOCH = 60, 11


@pytest.mark.parametrize(("draft", "hear"), [(False, 0), (True, 0), (True, 1)])
def test_tokens(draft, hear):
    """What the draft does not hear is not issued to it."""
    plan, rng = make_plan(1, 7, 37), random.Random(hear)
    offered, given = (layout(plan.token_bits, plan.position_bits) for layout in (placed_token, tagged_token))
    sent, issued, heard = [], [], []
    for _ in range(TOKENS):
        token, position, predict = rng.randrange(37), rng.getrandbits(plan.position_bits), rng.getrandbits(1)
        sent.append(to_bits(offered, {"token": token, "position": position, "predict": predict}))
        tag = {"position": position, "sequence": 0, "epoch": EPOCH, "predict": predict}
        issued.append(to_bits(given, {"token": token, "tag": tag}))
        heard.append(to_bits(given, {"token": token, "tag": tag | {"predict": 1}}))
    outputs, timing = {"issue": issued}, through(Issue.latency, Issue.pace, TOKENS, "x", "issue")
    constants = {"epoch": EPOCH}
    if draft:
        outputs["draft_issue"] = heard if hear else []
        constants |= {"hear": hear, "ask": 1}
    if hear:
        timing += between(Issue.latency, "x", range(TOKENS), "draft_issue", range(TOKENS))
    check_streams("issue", Issue(plan, draft), {"x": sent}, outputs, constants=constants, timing=timing)
