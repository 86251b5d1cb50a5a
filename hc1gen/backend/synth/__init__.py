"""Synthesis of a baked chip to a cell library, or to generic gates, by yosys and ABC (docs/synthesis.md)."""
