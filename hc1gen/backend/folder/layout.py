"""What lies where in a baked folder. Paths are relative to the folder, with slashes."""

MANIFEST = "manifest.json"
MODEL, DRAFT_MODEL = "model.safetensors", "draft.safetensors"
"""The quantised models."""
TOKENIZER = "tokenizer.json"
SIMULATION, SYNTHESIS = "filelist.f", "synth.f"
"""Lists of the Verilog files to simulate and to synthesise, one a line, leaves first."""
WAIVERS = "verilator.vlt"
"""What Verilator is told about the chip."""
BLOCKS = "rtl/blocks"
"""Folder of the files that Amaranth writes."""
SIMULATORS, SYNTHESES = "sim", "synth"
"""Folders that `hc1gen sim` and `hc1gen synth` fill later."""
KEPT = (SIMULATORS, f"{SYNTHESES}/jobs")
"""Folders that another bake leaves alone: what is in them is found by the content that it was made of."""
LATER = (f"{SIMULATORS}/", f"{SYNTHESES}/")
"""What the names of files begin with that no bake has written."""
