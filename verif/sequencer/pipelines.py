"""The world round the control, stepped clock by clock: two pipelines with KV caches, verifier and draft queue."""

import random
from collections import deque
from dataclasses import dataclass
from typing import Any

import cocotb
from amaranth.lib import data
from bench.case import load_case, noise
from bench.stalls import STALL_PATTERNS, Pauses
from cocotb.triggers import Event, RisingEdge

from hc1gen.outcome import Outcome
from hc1gen.rtl.payloads import EPOCH_BITS, decision, tagged_token, to_bits
from sequencer.pretended import Pretended

CASE = load_case()
EPOCHS = 1 << EPOCH_BITS
ISSUED = PROPOSED = tagged_token(CASE.token_bits, CASE.position_bits)
SAMPLED = decision(CASE.token_bits, CASE.position_bits, CASE.ahead > 0)
STALE = 0.2
"""Chance of a word of an epoch that is over before a word on `sampled` or `proposed`."""
STUCK = 2000
"""Clocks in which something must move."""


@dataclass(frozen=True)
class Tag:
    """As `hc1gen.rtl.payloads.tag`; the sequence is 0."""

    position: int
    epoch: int
    predict: int

    @classmethod
    def of(cls, tag: data.Const) -> "Tag":
        assert tag.sequence == 0, "sequence is not 0"
        return cls(tag.position, tag.epoch, tag.predict)


@dataclass
class Heard:
    """A token inside a pipeline, and what the KV cache tells it: the tokens at all positions up to its own."""

    tag: Tag
    text: list[int]
    due: int


class Pause:
    """Pauses before words, clock by clock."""

    def __init__(self, pauses: Pauses, seed: str):
        self._pauses = pauses.clocks(seed)
        self.left = 0

    def word(self) -> None:
        """Begin a new word."""
        self.left = next(self._pauses)

    def over(self) -> bool:
        """Whether the word may come now; called once a clock."""
        self.left -= self.left > 0
        return self.left == 0


class Offer:
    """A stream into the design, of one word at a time; what it gives, and noise, last until the next clock."""

    def __init__(self, dut: Any, name: str, rng: random.Random):
        self.valid, self.ready = getattr(dut, f"{name}__valid"), getattr(dut, f"{name}__ready")
        self.payload, self.rng = getattr(dut, f"{name}__payload"), rng
        self.word: int | None = None

    def taken(self) -> bool:
        """Whether the word has been transferred at this edge."""
        return self.word is not None and bool(self.ready.value)

    def put(self, word: int | None) -> None:
        """Offer a word, or nothing."""
        self.word = word
        self.valid.value = int(word is not None)
        self.payload.value = self.rng.getrandbits(len(self.payload)) if word is None else word


class Pipeline:
    """Takes issued tokens in order into a KV cache, and gives out what follows those that the head gate passes.

    At most `capacity` tokens wait for the gate, each for one of `latencies` clocks at least; behind the gate is one.
    `choose(heard)` says the fields of the word that goes back, a `layout`, all but its tag; or None if that cannot be
    said yet.
    """

    def __init__(
        self, dut: Any, ends: tuple[str, str], layout: data.StructLayout, shape: dict, pattern: str, choose: Any
    ):
        issue, answers = ends
        self.rng = random.Random(f"{cocotb.RANDOM_SEED} {issue} {pattern}")
        self.valid, self.ready = getattr(dut, f"{issue}__valid"), getattr(dut, f"{issue}__ready")
        self.payload = getattr(dut, f"{issue}__payload")
        self.name, self.layout, self.shape, self.choose = issue, layout, shape, choose
        self.answer = Offer(dut, answers, self.rng)
        self.memory: list[int | None] = [None] * CASE.context
        self.waiting: deque[Heard] = deque()
        self.inside: Heard | None = None
        self.result: dict[str, int] | None = None
        self.extra = False
        """A stale word is being offered, which the pipeline itself did not make."""
        self.stall = Pause(STALL_PATTERNS[pattern].stall, f"{cocotb.RANDOM_SEED} {issue}")
        self.idle = Pause(STALL_PATTERNS[pattern].idle, f"{cocotb.RANDOM_SEED} {answers}")
        self._held: int | None = None

    def rest(self) -> None:
        """Take and give nothing."""
        self.ready.value = 0
        self.answer.put(None)

    @property
    def leaving(self) -> Heard | None:
        """At an edge, the token whose successor has been taken in the clock before it."""
        return self.inside if self.answer.taken() and not self.extra else None

    def step(self, now: int, epoch: int) -> None:
        """One rising edge before which `epoch` was current."""
        was_inside = self.inside
        if self.answer.taken():
            if not self.extra:
                self.inside = self.result = None
            self.answer.word, self.extra = None, False
        moved = self._hear(now)
        self._gate(now, epoch, was_inside)
        self._answer(now, epoch)
        self._set_ready(moved)

    @property
    def active(self) -> bool:
        return self.inside is not None or bool(self.waiting)

    def _hear(self, now: int) -> bool:
        """Take what is issued into the KV cache, and keep what its token will find there."""
        word = int(self.payload.value) if self.valid.value else None
        assert self._held in (None, word), f"{self.name}: {self._held} did not stay until its transfer"
        moved = word is not None and bool(self.ready.value)
        self._held = None if moved else word
        if moved:
            issued = ISSUED.from_bits(word)
            tag = Tag.of(issued.tag)
            assert tag.position < CASE.context, f"{self.name}: position {tag.position}"
            self.memory[tag.position] = issued.token
            text = list(self.memory[: tag.position + 1])
            self.waiting.append(Heard(tag, text, now + self.rng.choice(self.shape["latencies"])))
        return moved

    def _gate(self, now: int, epoch: int, was_inside: Heard | None) -> None:
        """Swallow the next token, let it in, or leave it where it is."""
        if not self.waiting or self.waiting[0].due > now:
            return
        first = self.waiting[0]
        if not (first.tag.predict and first.tag.epoch == epoch):
            self.waiting.popleft()
        elif was_inside is None:
            self.inside = self.waiting.popleft()
            self.inside.due = now + self.rng.choice(self.shape["latencies"])
            self.idle.word()

    def _answer(self, now: int, epoch: int) -> None:
        """Offer what follows the token inside; now and then first a word of an epoch that is over."""
        if self.answer.word is not None:
            return
        word = None
        if self.inside and self.idle.over() and now >= self.inside.due:
            if self.result is None:
                self.result = self.choose(self.inside)
                self.extra = self.result is not None and self.rng.random() < STALE
            if self.extra:
                word = self._stale(epoch)
            elif self.result is not None:
                word = to_bits(self.layout, {**self.result, "tag": vars(self.inside.tag)})
        self.answer.put(word)

    def _stale(self, epoch: int) -> int:
        """A word whose epoch is neither this one nor the next."""
        tag = Tag(self.rng.randrange(CASE.context), (epoch - self.rng.randint(1, EPOCHS - 2)) % EPOCHS, 1)
        return to_bits(self.layout, {**noise(self.layout, self.rng), "tag": vars(tag)})

    def _set_ready(self, moved: bool) -> None:
        if moved:
            self.stall.word()
        self.ready.value = int(self.stall.over() and len(self.waiting) < self.shape["capacity"])


class World:
    """Both pipelines, the draft queue, the verifier; every clock compared with what the golden chip says."""

    def __init__(self, dut: Any, scenario: dict, pattern: str):
        self.dut, self.conversations = dut, scenario["conversations"]
        self.models = Pretended(CASE.vocab, tuple(CASE.eos), scenario["agreement"])
        self.target = Pipeline(dut, ("issue", "sampled"), SAMPLED, scenario["target"], pattern, self._verify)
        self.draft = None
        if CASE.ahead:
            ends = "draft_issue", "proposed"
            self.draft = Pipeline(dut, ends, PROPOSED, scenario["draft"], pattern, self._propose)
        self.queue: deque[tuple[int, list[int]]] = deque()
        self.counts = dict.fromkeys(("drafted", "accepted", "rejected", "flushed"), 0)
        self.expected = [(c, index) for c in self.conversations for index in range(len(c["answer"]))]
        self.decided = self.epoch = 0
        self.due: int | None = None
        """The clock in which the token of the last decision is to appear on `out`, until it does."""
        self.held_verify: int | None = None
        self.deepest = self.blocked = 0
        """The most records there were at a time; replacements that had to wait for what was on `issue`."""
        self.done = Event()
        self.done.set()

    def rest(self) -> None:
        """Take and give nothing."""
        for pipeline in self._pipelines():
            pipeline.rest()

    async def run(self) -> None:
        """Step for ever."""
        now = quiet = 0
        while True:
            await RisingEdge(self.dut.clk)
            now += 1
            quiet = 0 if self._step(now) or self._outside() else quiet + 1
            assert quiet < STUCK, f"deadlock: {quiet} clocks in which nothing moves; {self}"

    def _outside(self) -> bool:
        """Whether the answer waits for the bench, or has not begun."""
        return bool(self.dut.out__valid.value) or not any(p.active for p in self._pipelines())

    def __str__(self) -> str:
        at = f"decision {self.decided} of {len(self.expected)}, epoch {self.epoch}, {len(self.queue)} recorded"
        return "; ".join([at, *(f"{p.name}: {p.inside}, {len(p.waiting)} waiting" for p in self._pipelines())])

    def _pipelines(self) -> list[Pipeline]:
        return [self.target, self.draft] if self.draft else [self.target]

    def _step(self, now: int) -> bool:
        """One rising edge: what the design did in the clock before it, then what the world does; whether it moved."""
        epoch = self.epoch % EPOCHS  # in the clock before this edge
        self._check_standing()
        self._check_ready()
        self._check_due(now)
        decided, proposed = self.target.leaving, self.draft and self.draft.leaving
        push = bool(proposed) and proposed.tag.epoch == epoch
        assert not (decided and push), "a decision and a proposal in one clock"
        assert self._event("push") == push, f"push is {self._event('push')}, a proposal was taken: {push}"
        if decided:
            self.due = now + CASE.latency
            self._decision(decided, self.target.answer.word)
        else:
            assert not (self._event("pop") or self._event("flush")), "pop or flush, and no decision"
        if push:
            self._record(proposed, self.draft.answer.word)
        for pipeline in self._pipelines():
            pipeline.step(now, epoch)
        return bool(decided or push)

    def _event(self, name: str) -> bool:
        return bool(self.draft) and bool(getattr(self.dut, name).value)

    def _check_standing(self) -> None:
        """What stands in every clock: the epoch, the counters, `verify` while a token is inside."""
        epoch = int(self.dut.epoch.value)
        assert epoch == self.epoch % EPOCHS, f"epoch is {epoch}, not {self.epoch}"
        if not self.draft:
            return
        for name, count in self.counts.items():
            assert int(getattr(self.dut, name).value) == count, f"{name}: {getattr(self.dut, name).value}, not {count}"
        c = self.counts
        assert c["drafted"] == c["accepted"] + c["rejected"] + c["flushed"] + len(self.queue)
        verify = int(self.dut.verify.value)
        if self.target.inside:
            assert self.held_verify in (None, verify), "verify changes while a token is inside"
            self.held_verify = verify
        else:
            self.held_verify = None

    def _check_due(self, now: int) -> None:
        """A decided token appears on `out` at its clock, and not before."""
        if self.due is not None:
            shown = bool(self.dut.out__valid.value)
            assert shown == (now >= self.due), f"decision {self.decided - 1}: out is {shown} in clock {now}"
            self.due = None if shown else self.due

    def _check_ready(self) -> None:
        """What is stale never waits; a decision does so only for `out`, or for its forerunner to be issued."""
        for pipeline in self._pipelines():
            if pipeline.answer.word is None:
                continue
            epoch = pipeline.layout.from_bits(pipeline.answer.word).tag.epoch
            assert epoch == self.epoch % EPOCHS or pipeline.answer.ready.value, f"{pipeline.name}: stale, and waits"

    def _decision(self, left: Heard, word: int) -> None:
        """A decision is the golden one, made of the text that there is."""
        assert self.decided < len(self.expected), "a decision too many"
        conversation, index = self.expected[self.decided]
        token, last, _, outcome, proposal = conversation["answer"][index]
        want = {"token": token} | ({"outcome": outcome, "proposal": proposal or 0} if self.draft else {})
        said = SAMPLED.from_bits(word)
        got = {name: said[name] for name in want}
        assert got == want, f"decision {self.decided}: {got}, not {want}"
        text = conversation["prompt"][: CASE.context] + [said[0] for said in conversation["answer"][:index]]
        assert left.text == text, f"decision {self.decided}: the target heard {left.text}, not {text}"
        self.decided += 1
        if self.draft:
            self._settle(conversation, bool(last), Outcome(outcome), text)
        else:
            self.epoch += last

    def _settle(self, conversation: dict, last: bool, outcome: Outcome, text: list[int]) -> None:
        """What a decision does to queue, counters and epoch."""
        if outcome != Outcome.SAMPLED:
            assert self.queue, "a decision on a proposal that is not recorded"
            heard = self.queue.popleft()[1]
            assert heard == text, f"decision {self.decided - 1}: the draft heard {heard}, not {text}"
            self.counts["accepted" if outcome == Outcome.ACCEPTED else "rejected"] += 1
        flush = bool(conversation["settings"]["speculate"]) and (last or outcome == Outcome.REJECTED)
        assert self._event("pop") == (outcome == Outcome.ACCEPTED), "pop"
        assert self._event("flush") == flush, "flush"
        if flush:
            self.counts["flushed"] += len(self.queue)
            self.queue.clear()
            self.epoch += 1
            self.blocked += not last and bool(self.dut.issue__valid.value and not self.dut.issue__ready.value)
        assert outcome != Outcome.SAMPLED or not self.queue, "records where the target chooses alone"

    def _record(self, said: Heard, word: int) -> None:
        """A proposal goes into the queue, with what the draft had heard."""
        self.queue.append((PROPOSED.from_bits(word).token, said.text))
        self.counts["drafted"] += 1
        self.deepest = max(self.deepest, len(self.queue))
        assert len(self.queue) <= CASE.ahead, f"{len(self.queue)} records"

    @property
    def _key(self) -> str:
        return f"{int(self.dut.held_temperature.value)} {int(self.dut.held_seed.value)}"

    def _propose(self, heard: Heard) -> dict[str, int]:
        """What the draft says."""
        return {"token": self.models.draft(self._key, heard.text)}

    def _verify(self, heard: Heard) -> dict[str, int] | None:
        """What the target says, once the draft's token is recorded where that is to be verified."""
        token = self.models.target(self._key, heard.text)
        if not self.draft:
            return {"token": token}
        outcome, proposal = Outcome.SAMPLED, 0
        if self.dut.verify.value:
            if not self.queue:
                return None
            proposal = self.queue[0][0]
            outcome = Outcome.ACCEPTED if proposal == token else Outcome.REJECTED
        return {"token": token, "outcome": outcome, "proposal": proposal}
