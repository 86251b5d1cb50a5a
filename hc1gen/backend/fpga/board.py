"""A chip behind a serial line: the top module of an FPGA design."""

from amaranth.hdl import Cat, ClockDomain, ClockSignal, Instance, Module, Mux, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...numeric.numerics import TEMPERATURE_BITS
from ...rtl.payloads import concatenated, output_token, prompt_token
from ...settings import LIMIT_BITS, SEED_BITS
from .link import CLOCKS_BITS, HEADER_BYTES, SETTINGS, TOKEN, TOKEN_BYTES, Link
from .uart import Receiver, Transmitter

RESET_CLOCKS = 16


class Board(wiring.Component):
    """`chip` with the byte streams of `link` on `rx` and `tx`.

    clk_in: the board's clock, which is divided by `divide` (1, or an even number) for everything; reset: high resets;
    lost: high once a token came before the chip had taken the one before it. baud: bits per second at `clock_hz`.
    """

    def __init__(self, link: Link, clock_hz: int, baud: int, divide: int = 1):
        self.link, self.divide = link, divide
        self.prompt, self.out = prompt_token(link.token_bits), output_token(link.token_bits, link.draft)
        self.bit_clocks = clock_hz // divide // baud
        super().__init__({"clk_in": In(1), "reset": In(1), "rx": In(1), "tx": Out(1), "lost": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._clock(m)
        chip = self._chip(m)
        self._prompts(m, chip)
        self._answers(m, chip)
        return m

    def _clock(self, m: Module) -> None:
        """The domain of everything else, in reset for its first clocks: an FPGA starts with all registers set."""
        m.domains.sync = ClockDomain()
        m.d.comb += ClockSignal().eq(self.clk_in if self.divide == 1 else self._divided(m))
        held = Signal(range(RESET_CLOCKS + 1), init=RESET_CLOCKS, reset_less=True)
        with m.If(self.reset):
            m.d.sync += held.eq(RESET_CLOCKS)
        with m.Elif(held != 0):
            m.d.sync += held.eq(held - 1)
        m.d.comb += ResetSignal().eq(held != 0)

    def _divided(self, m: Module) -> Signal:
        m.domains.board = board = ClockDomain(reset_less=True)
        m.d.comb += board.clk.eq(self.clk_in)
        slow, count = Signal(), Signal(range(max(self.divide // 2, 2)))
        last = count == self.divide // 2 - 1
        m.d.board += [count.eq(Mux(last, 0, count + 1)), slow.eq(slow ^ last)]
        return slow

    def _chip(self, m: Module) -> dict[str, Signal]:
        """The chip's ports by name; its counters are left open."""
        widths = {"prompt__payload": self.prompt.size, "prompt__valid": 1, "limit": LIMIT_BITS,
                  "temperature": TEMPERATURE_BITS, "seed": SEED_BITS, "out__ready": 1}  # fmt: skip
        widths |= {"speculate": 1} if self.link.draft else {}
        outputs = {"prompt__ready": 1, "out__payload": self.out.size, "out__valid": 1, "clocks": CLOCKS_BITS}
        ports = {name: Signal(bits, name=f"chip_{name}") for name, bits in (widths | outputs).items()}
        nets = {f"{'i' if name in widths else 'o'}_{name}": signal for name, signal in ports.items()}
        m.submodules.chip = Instance("chip", i_clk=ClockSignal(), i_rst=ResetSignal(), **nets)
        return ports

    def _prompts(self, m: Module, chip: dict[str, Signal]) -> None:
        """Settings, then tokens, until one is the last."""
        m.submodules.receiver = receiver = Receiver(self.bit_clocks)
        m.d.comb += receiver.line.eq(self.rx)
        settings, token = Signal(8 * HEADER_BYTES), Signal(8 * TOKEN_BYTES)
        at_settings, count = Signal(init=1), Signal(range(HEADER_BYTES))
        shifted = TOKEN(Cat(token[8:], receiver.byte))
        with m.If(chip["prompt__ready"]):
            m.d.sync += chip["prompt__valid"].eq(0)
        with m.If(receiver.valid):
            m.d.sync += count.eq(count + 1)
            with m.If(at_settings):
                m.d.sync += settings.eq(Cat(settings[8:], receiver.byte))
                with m.If(count == HEADER_BYTES - 1):
                    m.d.sync += [count.eq(0), at_settings.eq(0)]
            with m.Else():
                m.d.sync += token.eq(shifted)
                with m.If(count == TOKEN_BYTES - 1):
                    m.d.sync += [count.eq(0), at_settings.eq(shifted.last), chip["prompt__valid"].eq(1)]
                with m.If(chip["prompt__valid"] & ~chip["prompt__ready"]):
                    m.d.sync += self.lost.eq(1)
        taken, given = TOKEN(token), SETTINGS(settings)
        prompt = concatenated(self.prompt, {name: taken[name] for name, _ in TOKEN})
        m.d.comb += chip["prompt__payload"].eq(prompt)
        m.d.comb += [chip[name].eq(given[name]) for name, _ in SETTINGS if name in chip]

    def _answers(self, m: Module, chip: dict[str, Signal]) -> None:
        """Each token in whole bytes, then its clocks."""
        m.submodules.transmitter = transmitter = Transmitter(self.bit_clocks)
        m.d.comb += self.tx.eq(transmitter.line)
        size = self.link.out_bytes
        bits, left = Signal(8 * size), Signal(range(size + 1))
        m.d.comb += [
            transmitter.x.payload.eq(bits),
            transmitter.x.valid.eq(left != 0),
            chip["out__ready"].eq(left == 0),
        ]
        with m.If(left == 0):
            with m.If(chip["out__valid"]):
                said = concatenated(self.link.said, {"out": chip["out__payload"], "clocks": chip["clocks"]})
                m.d.sync += [bits.eq(said), left.eq(size)]
        with m.Elif(transmitter.x.ready):
            m.d.sync += [bits.eq(bits >> 8), left.eq(left - 1)]
