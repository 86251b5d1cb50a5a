"""Streams of the components that choose tokens: once a word is offered, it stays the same until it is taken.

(Those of the sequencer are in `speculation`.)
"""

from amaranth.hdl import Cat, Module, Signal
from embedding.shapes import make_plan

from hc1gen.rtl import exponentials
from hc1gen.rtl.draw import Draw
from hc1gen.rtl.exponentials import Exponentials
from hc1gen.rtl.head_gate import HeadGate
from hc1gen.rtl.sampler import Sampler
from hc1gen.rtl.sequencer import Sequencer
from hc1gen.rtl.threefry import GROUP, INJECTIONS, Threefry
from hc1gen.rtl.verifier import Verifier

from .prove import Break, Claims, Inside, Proof

PLAN = make_plan(2, 4, 5)
"""Three beats of two lanes, one of them padding."""


def threefry(m: Module, c: Claims) -> None:
    """The generator's words."""
    dut = Threefry(9, 1)
    inside = c.place("dut", dut)
    number, step = inside("number"), inside("step")
    c.always_kept("y", dut.y)
    c.always("at rest", ~dut.y.valid | (number == 0))
    c.always("between", number.any() | (step == 0))
    c.always("round", (number <= INJECTIONS) & (step <= GROUP))


def vector(c: Claims, inside: Inside, dut: Exponentials) -> None:
    """What is known of a vector of logits: while it is full, its largest does not change."""
    coming, last = inside("_largest.valid", dut), inside("is_last", dut)
    c.always("full is closed", ~dut.full | inside("closed", dut) & ~coming)
    c.always("the last is coming", ~(coming & last) | inside("closed", dut))


def sampler(m: Module, c: Claims) -> None:
    """A sampler's tokens, with weight and total."""
    dut = Sampler(PLAN)
    inside = c.place("dut", dut)
    c.assume_kept(dut.random)
    c.always_kept("y", dut.y)
    vector(c, inside, dut.exponentials)
    logits, sum_, scan = (inside.register("fsm_state") == i for i in range(3))
    c.always("state", logits | sum_ | scan)

    # A pass: `reading` from the memory, four stages of a pipeline, one of the draw. Its last beat is its last.
    reading, stages = inside("reading", dut.exponentials), inside("_replay.stages", dut.exponentials)
    beat, last = inside("read_beat", dut.exponentials), dut.exponentials.beats - 1
    valid, scanning, at_last = (inside(f"elaborate.{name}", dut.draw) for name in ("valid", "scan", "last"))
    running = reading
    c.always("reading", (beat <= last) & (reading | (beat == 0)))
    for i, (stage, at) in enumerate(stages):
        c.always(f"stage {i} is the last", ~(stage & (at == last)) | ~running)
        running = running | stage
    c.always("draw is at the last", ~(valid & at_last) | ~running)
    running = running | valid
    c.always("summed at the end", ~dut.draw.summed | sum_ & ~running)
    c.always("at rest", ~logits | ~running & ~dut.draw.found)
    c.always("summing", ~sum_ | ~dut.draw.found & ~(valid & scanning))
    c.always("scanning", ~(scan & valid) | scanning)
    c.always("not greedy", logits | dut.exponentials.full & ~inside("greedy"))


def verifier(m: Module, c: Claims) -> None:
    """The target's decisions. A vector is inside from its first beat on."""
    dut = Verifier(PLAN)
    inside = c.place("dut", dut)
    begun = Signal()
    with m.If(dut.x.valid & dut.x.ready):
        m.d.sync += begun.eq(1)
    with m.If(dut.y.valid & dut.y.ready):
        m.d.sync += begun.eq(0)
    c.assume_kept(dut.random)
    c.assume_stands(Cat(dut.slope, dut.greedy, dut.verify), begun)
    c.assume_stands(Cat(dut.head, dut.head_valid), begun & dut.verify & dut.head_valid & ~(dut.y.valid & dut.y.ready))
    c.always_kept("y", dut.y)
    vector(c, inside, dut.exponentials)
    c.always("begun", ~(inside("_largest.valid", dut.exponentials) | dut.exponentials.full) | begun)
    state = inside.register("fsm_state")
    logits, _, test, _, accepted, replacing = (state == i for i in range(6))
    c.always("states of a proposal", ~(test | accepted | replacing) | dut.verify)
    c.always("full until decided", logits | dut.exponentials.full & dut.random.valid & (~dut.verify | dut.head_valid))
    c.always("closed is begun", ~inside("closed", dut.exponentials) | begun)


def sequencer_alone(m: Module, c: Claims) -> None:
    """A sequencer without a draft, whatever the world does."""
    dut = Sequencer(make_plan(1, 1, 4, context=4), (3,))
    c.place("dut", dut)
    c.always_kept("out", dut.out)
    c.always_kept("issue", dut.issue)


def head_gate(m: Module, c: Claims) -> None:
    """Both outputs of a head gate, of two beats to a token. A token's position is taken before it is done."""
    dut = HeadGate(PLAN)
    inside = c.place("dut", dut)
    busy = inside("busy")
    c.assume_kept(dut.x)
    c.assume(~dut.done | busy & ~dut.position.valid)
    c.always_kept("inner", dut.inner)
    c.always_kept("position", dut.position)
    c.always("position is inside", ~dut.position.valid | busy)
    c.always("one fate", ~(inside("passing") & (inside("dropping") | busy)))


EARLY = (Threefry.elaborate, "(number == 0) & ~self.y.valid", "number == 0")
UNHELD = (Sampler.elaborate, "with m.If(~exponentials.full):", "with m.If(1):")
MOVING = (Draw._scan, "step & ~self.found", "step")
OPEN = (Exponentials.elaborate, "taken.eq(self.x.valid & ~closed)", "taken.eq(self.x.valid)")
FATELESS = (HeadGate.elaborate, "passes.eq(passing | undecided & wanted & ~busy)", "passes.eq(wanted & ~busy)")
HASTY = (Sequencer._take_decision, "~self.out.valid & ~e.waiting", "~e.waiting")
MEMORY = {memory.name: memory.verilog() for memory in exponentials.memories(PLAN)}

PROOFS = {
    "threefry": Proof(threefry, "prove", 1, {"early": Break(*EARLY, "y_payload_stands")}, reach=40),
    "sampler": Proof(
        sampler, "prove", 1,
        {"unheld": Break(*UNHELD, "y_valid_stays"), "moving": Break(*MOVING, "y_payload_stands")},
        reach=30, sources=MEMORY, cut="t:$mul",
    ),
    "verifier": Proof(
        verifier, "prove", 1,
        {"open": Break(*OPEN, "y_payload_stands"), "moving": Break(*MOVING, "y_payload_stands")},
        reach=30, sources=MEMORY, cut="t:$mul",
    ),
    "head_gate": Proof(head_gate, "prove", 1, {"fateless": Break(*FATELESS, "inner_valid_stays")}),
    "sequencer_alone": Proof(sequencer_alone, "prove", 1, {"hasty": Break(*HASTY, "out_payload_stands")}),
}  # fmt: skip
