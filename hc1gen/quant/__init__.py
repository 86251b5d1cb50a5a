"""Quantisation: rows of float weights become small integers and scales, with or without a calibration text."""
