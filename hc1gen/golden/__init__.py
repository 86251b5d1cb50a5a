"""The golden model: the specification of the chip, in numpy integers. The RTL equals it bit for bit."""
