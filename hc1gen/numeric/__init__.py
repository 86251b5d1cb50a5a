"""The numeric contract: every width, table and shift of the chip, chosen once, for golden model and RTL alike."""
