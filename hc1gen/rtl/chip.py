"""The chip: the target, its sampler and the sequencer; with a draft, also the circuits of speculative decoding."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from ..errors import InputError, problem
from ..network import Attention, merkle
from ..network.merkle import Tree
from ..numeric.numerics import TEMPERATURE_FRAC
from . import attention, draft_queue, exponentials
from .draft_queue import DraftQueue
from .memory import Memory
from .netlist import Netlist, Placed
from .payloads import described, output_token, prompt_token
from .sampler import Sampler
from .sequencer import Sequencer
from .temperature import Temperature
from .threefry import Threefry
from .transformer import Transformer
from .verifier import Verifier

DRAFT = "draft_"
"""Prefix of the names of the draft's modules."""
SETTINGS = ("limit", "temperature", "seed", "speculate")
ROOT = "model_root"
"""Name of the output port that identifies the model: a constant, the Merkle root of the weights."""


@dataclass(frozen=True, eq=False)
class Chip:
    """A chip with a target, and with a draft that may run `ahead` tokens ahead of it.

    If `draft` is None, the chip has no speculative decoding and `ahead` is 0.
    """

    target: Transformer
    draft: Transformer | None = None
    ahead: int = 0

    @property
    def transformers(self) -> list[Transformer]:
        """The target and, after it, the draft if there is one."""
        return [self.target] if self.draft is None else [self.target, self.draft]

    def verify(self) -> None:
        """Raises `InputError` if a plan does not fit its model, or if the draft does not fit the target."""
        for transformer in self.transformers:
            transformer.plan.verify()
        if self.draft is None:
            return
        a, b = self.target.plan, self.draft.plan
        pairs = {
            "lanes": (a.lanes, b.lanes),
            "context": (a.n.context, b.n.context),
            "vocabulary": (a.n.model.vocab, b.n.model.vocab),
            "numeric config": (a.n.config, b.n.config),
        }
        problems = [
            problem(f"{name} of the draft", its, f"the target's, {wanted}", "choose a draft that matches")
            for name, (wanted, its) in pairs.items()
            if wanted != its
        ]
        if not 1 <= self.ahead < a.n.context:
            problems.append(problem("ahead", self.ahead, f"1..{a.n.context - 1}", "choose a value in that range"))
        if problems:
            raise InputError("chip plan", problems)

    @cached_property
    def trees(self) -> list[Tree]:
        """The target's Merkle tree and, after it, the draft's if there is one."""
        return [Tree.of(each.network, each.model) for each in self.transformers]

    @property
    def root(self) -> bytes:
        """The Merkle root of everything that is hardwired; with a draft, the node over the roots of both models."""
        return merkle.root([tree.root for tree in self.trees])

    @cached_property
    def blocks(self) -> dict[str, wiring.Component]:
        """The blocks outside the transformers, by module name."""
        target = self.target.plan
        kinds: dict[str, wiring.Component] = {
            "sequencer": Sequencer(target, target.n.model.eos, self.ahead),
            "inverse_temperature": Temperature(target.n),
            "target_random": Threefry(target.position_bits, which=1),
        }
        if self.draft is None:
            return kinds | {"sampler": Sampler(target)}
        draft = self.draft.plan
        return kinds | {
            "verifier": Verifier(target),
            "draft_random": Threefry(draft.position_bits, which=0),
            "draft_sampler": Sampler(draft),
            "draft_queue": DraftQueue(draft, self.ahead),
        }

    def components(self) -> dict[str, wiring.Component]:
        """All blocks whose Verilog Amaranth writes, by module name."""
        found = dict(self.blocks)
        for transformer in self.transformers:
            found |= transformer.blocks.components()
        return found

    def memories(self) -> list[Memory]:
        """All memory modules, each once."""
        found: dict[Memory, None] = {}
        for transformer in self.transformers:
            for node in transformer.network.of(Attention):
                found |= dict.fromkeys(attention.memories(node))
            found |= dict.fromkeys(exponentials.memories(transformer.plan))
        if self.draft is not None:
            found |= dict.fromkeys(draft_queue.memories(self.draft.plan, self.ahead))
        return list(found)

    def netlists(self) -> Iterator[Netlist]:
        """The modules that only connect other modules. A module comes after those that it instantiates."""
        for transformer in self.transformers:
            yield from transformer.netlists
        yield self._top()

    def _top(self) -> Netlist:
        """The top module. Its ports are those of `Sequencer` with the same names, and the root."""
        sequencer = self.blocks["sequencer"]
        ports = sequencer.signature.members
        names = ("prompt", *SETTINGS, "out", "clocks", *Sequencer.COUNTERS)
        members = {name: ports[name] for name in names if name in ports} | {ROOT: Out(merkle.ROOT_BITS)}
        netlist = Netlist("chip", self._purpose(), wiring.Signature(members))
        netlist.constants[ROOT] = int.from_bytes(self.root, "big")
        control = netlist.place("sequencer", "sequencer", self.blocks["sequencer"])
        netlist.stream(netlist.top, control, "prompt", "prompt")
        netlist.stream(control, netlist.top, "out", "out")
        control.nets |= {name: name for name in names if name in control.widths}
        temperature = netlist.place("inverse_temperature", "inverse_temperature", self.blocks["inverse_temperature"])
        temperature.nets["temperature"] = netlist.net(control, "held_temperature")
        target = self._place(netlist, self.target, control, "issue")
        if self.draft is None:
            self._plain(netlist, target, control, temperature)
        else:
            self._speculation(netlist, target, self.draft, control, temperature)
        return netlist

    def _place(self, netlist: Netlist, transformer: Transformer, control: Placed, issue: str) -> Placed:
        """Places a transformer that gets its tokens from the port `issue` of the sequencer."""
        placed = netlist.place(transformer.plan.name, transformer.plan.name, transformer.signature.create())
        netlist.stream(control, placed, issue)
        placed.nets["epoch"] = netlist.net(control, "epoch")
        return placed

    def _choose(self, netlist: Netlist, kind: str, source: Placed, control: Placed, temperature: Placed) -> Placed:
        """Places the block that chooses tokens from a transformer's logits, and the random number generator for it."""
        chooser = netlist.place(kind, kind, self.blocks[kind])
        random = netlist.place(f"{source.name}_random", f"{source.name}_random", self.blocks[f"{source.name}_random"])
        random.nets["seed"] = netlist.net(control, "held_seed")
        netlist.stream(source, random, "position")
        netlist.stream(source, chooser, "logits")
        chooser.nets["random__valid"] = netlist.net(random, "y__valid")
        random.nets["y__ready"] = netlist.net(chooser, "random__ready")
        for port in ("slope", "greedy"):
            chooser.nets[port] = netlist.net(temperature, port)
        return chooser

    def _sampler(self, netlist: Netlist, kind: str, source: Placed, word: str, control: Placed,
                 temperature: Placed) -> Placed:  # fmt: skip
        """Places a sampler, which uses one of the two random words of a position: `word` is "test" or "draw"."""
        sampler = self._choose(netlist, kind, source, control, temperature)
        used, unused = f"{source.name}_{word}", f"unused_{source.name}_word"
        netlist.split(netlist.placed(f"{source.name}_random"), "y__payload", {word: used}, rest=unused)
        sampler.nets["random__payload"] = used
        return sampler

    def _decide(
        self, netlist: Netlist, source: Placed, chooser: Placed, control: Placed, port: str, choice: str
    ) -> None:
        """Connects a chosen token to the sequencer's input `port`, with the tag of the token that it follows.

        choice: the net that holds the chosen token.
        """
        valid, ready = netlist.net(chooser, "y__valid"), netlist.net(control, f"{port}__ready")
        chooser.nets["y__ready"] = ready
        control.nets[f"{port}__valid"] = valid
        netlist.join(control, f"{port}__payload", {"tag": netlist.net(source, "tag")}, rest=choice)
        source.nets["done"] = f"{valid} & {ready}"

    def _plain(self, netlist: Netlist, target: Placed, control: Placed, temperature: Placed) -> None:
        """Places the target's sampler on a chip without a draft."""
        sampler = self._sampler(netlist, "sampler", target, "draw", control, temperature)
        for port in ("e", "e_valid", "e_beat"):
            netlist.open(sampler, port)
        netlist.split(sampler, "y__payload", {"token": "token"}, rest="unused_weight_and_total")
        self._decide(netlist, target, sampler, control, "sampled", "token")

    def _speculation(
        self, netlist: Netlist, target: Placed, proposer: Transformer, control: Placed, temperature: Placed
    ) -> None:
        """Places the draft, its sampler, the queue of its proposals, and the verifier, which samples for the target."""
        draft = self._place(netlist, proposer, control, "draft_issue")
        sampler = self._sampler(netlist, "draft_sampler", draft, "test", control, temperature)
        netlist.split(sampler, "y__payload", {"token": "proposal"}, rest="weight_and_total")
        self._decide(netlist, draft, sampler, control, "proposed", "proposal")
        queue = netlist.place("draft_queue", "draft_queue", self.blocks["draft_queue"])
        queue.nets |= {port: netlist.net(control, port) for port in ("push", "pop", "flush")}
        queue.nets["record"] = sampler.nets["y__payload"]
        for port, written in (("write_valid", "e_valid"), ("write_beat", "e_beat"), ("write_data", "e")):
            queue.nets[port] = netlist.net(sampler, written)
        netlist.open(queue, "level")
        verifier = self._choose(netlist, "verifier", target, control, temperature)
        random = netlist.placed("target_random")
        verifier.nets["random__payload"] = netlist.net(random, "y__payload")
        verifier.nets["verify"] = netlist.net(control, "verify")
        for port in ("head", "head_valid", "read_data"):
            verifier.nets[port] = netlist.net(queue, port)
        for port in ("read_en", "read_beat"):
            queue.nets[port] = netlist.net(verifier, port)
        self._decide(netlist, target, verifier, control, "sampled", netlist.net(verifier, "y__payload"))

    def _purpose(self) -> str:
        """The comment at the head of the top module: what its ports mean."""
        token_bits = self.target.plan.token_bits
        out = output_token(token_bits, draft=self.draft is not None)
        lines = [
            "prompt tokens in, generated tokens out.",
            f"prompt__payload = {described(prompt_token(token_bits))}",
            f"out__payload = {described(out, plain=('proposal',))}",
        ]
        if self.draft is not None:
            lines.append(
                "outcome 0 the target's own, 1 the draft's proposal, accepted, 2 in place of a rejected proposal"
            )
        lines += [
            "reason 1 end of text, 2 limit, 3 context full; clocks: what the token on `out` took",
            "Read with a prompt's first token: limit, most tokens to generate, 0 for no limit; temperature, "
            f"{TEMPERATURE_FRAC} fraction bits, 0 for the most likely token; seed of the random numbers"
            + ("" if self.draft is None else "; speculate, whether the draft is asked"),
        ]
        if self.draft is not None:
            lines.append(
                f"The draft may run {self.ahead} tokens ahead. Since reset: tokens drafted, accepted, rejected, and "
                "flushed after a rejected one"
            )
        lines.append(f"{ROOT} is the Merkle root of the weights: docs/provenance.md")
        return "\n".join(lines)
