"""The numeric contract: every width, table and shift of the chip, chosen once and read by golden model and RTL alike."""
