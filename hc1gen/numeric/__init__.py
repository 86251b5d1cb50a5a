"""The numeric formats of the chip: every width, table and shift, defined once for the golden model and the RTL."""
