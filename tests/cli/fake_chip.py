"""A baked chip with a draft as a program, its words the golden chip's: what sim_main.cpp says, without any Verilog.

fake_chip.py FOLDER PATIENCE. The flaw in the environment's FLAW, "RUN NAME INDEX", makes one thing wrong: RUN 0 is the
first prompt, NAME `token` or `proposal`, INDEX which output.
"""

import os
import sys
from pathlib import Path

from hc1gen import open_chip
from hc1gen.outcome import Outcome
from hc1gen.settings import Settings

FIRST, OWN, ACCEPTED = 500, 100, 20
"""Clocks of an answer's first token, of the target's own, of a proposal that stays."""


def main() -> None:
    """Answer commands until there are no more."""
    baked = open_chip(Path(sys.argv[1]))
    run, flaw, place = (os.environ.get("FLAW") or "-1 none 0").split()
    runs, cycles, index, counters, answer = -1, 2, 0, [0, 0, 0, 0], iter(())
    print("chip 6 1", flush=True)
    for line in sys.stdin:
        command, *numbers = line.split()
        reply = "ok"
        if command == "prompt":
            limit, temperature, seed, speculate, *prompt = map(int, numbers)
            answer = baked.golden_chip.generate(prompt, Settings(limit, temperature, seed, bool(speculate)))
            runs, index, cycles = runs + 1, 0, cycles + len(prompt)
        elif command == "next":
            said = next(answer)
            wrong = (runs, index) == (int(run), int(place))
            token = said.token ^ (wrong and flaw == "token")
            proposal = (said.proposal or 0) ^ (wrong and flaw == "proposal")
            clocks = FIRST if index == 0 else ACCEPTED if said.outcome == Outcome.ACCEPTED else OWN
            index, cycles = index + 1, cycles + clocks
            counters[1] += said.outcome == Outcome.ACCEPTED
            counters[2:] = [n + (said.outcome == Outcome.REJECTED) for n in counters[2:]]
            counters[0] = sum(counters[1:])
            reply = f"token {token} {int(said.last)} {int(said.reason)} {clocks} {int(said.outcome)} {proposal}"
        elif command == "counters":
            reply = " ".join(map(str, ["counters", *counters]))
        elif command == "cycles":
            reply = f"cycles {cycles}"
        print(reply, flush=True)


if __name__ == "__main__":
    main()
