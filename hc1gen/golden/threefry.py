"""Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3; SC 2011).

It is a counter-based generator: a random number is a function of the seed, the position and the model. So it does not
matter when, or how often, a chip asks for it.
"""

WORD = (1 << 32) - 1
ROUNDS = 20
ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
PARITY = 0x1BD11BDA


def threefry(key: tuple[int, int], counter: tuple[int, int]) -> tuple[int, int]:
    """Returns two random words of 32 bits. key, counter: two words of 32 bits each."""
    keys = (*key, PARITY ^ key[0] ^ key[1])
    a, b = (counter[0] + keys[0]) & WORD, (counter[1] + keys[1]) & WORD
    for number in range(ROUNDS):
        distance = ROTATIONS[number % 8]
        a = (a + b) & WORD
        b = ((b << distance | b >> (32 - distance)) & WORD) ^ a
        if number % 4 == 3:
            injection = number // 4 + 1
            a = (a + keys[injection % 3]) & WORD
            b = (b + keys[(injection + 1) % 3] + injection) & WORD
    return a, b


class Stream:
    """The random numbers of one model for one seed. which: 0 for the draft, 1 for the target."""

    def __init__(self, seed: int, which: int):
        """seed: an integer of 64 bits, unsigned."""
        self.key = (seed & WORD, seed >> 32)
        self.which = which

    def at(self, position: int) -> tuple[int, int]:
        """Returns the two random words for the token that follows the token at `position`.

        The first one is for the draft's draw or the target's acceptance test, the second one for the target's draw.
        """
        return threefry(self.key, (position, self.which))
