"""A tile and a block on the cell libraries beside the project, where they are there."""

from pathlib import Path

import handmade
import pytest

from hc1gen.backend.synth import library, run
from hc1gen.backend.synth.yosys import Yosys
from hc1gen.errors import InputError

PDK = Path(__file__).resolve().parents[4] / "shared" / "pdk"
FILES = {
    "sky130": ["sky130_fd_sc_hd__tt_025C_1v80.lib.gz"],
    "nangate45": ["nangate45_typ.lib.gz"],
    "sg13g2": ["sg13g2_stdcell_typ_1p20V_25C.lib.gz"],
    "asap7": sorted(f"asap7/{path.name}" for path in (PDK / "asap7").glob("*.lib.gz")),
}
CELLS = {
    "sky130": ("sky130_fd_sc_hd__fa_1", "sky130_fd_sc_hd__dfxtp_1", "sky130_fd_sc_hd__dlclkp_1"),
    "nangate45": ("FA_X1", "DFF_X1", "CLKGATE_X1"),
    "sg13g2": (None, "sg13g2_dfrbp_1", "sg13g2_lgcp_1"),
    "asap7": ("FAx1_ASAP7_75t_R", "DFFHQNx1_ASAP7_75t_R", "ICGx1_ASAP7_75t_R"),
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PDK.is_dir(), reason="no cell libraries: ../shared/pdk is absent"),
]


@pytest.mark.parametrize("name", FILES)
def test_library(name, tmp_path):
    files, gates = [PDK / file for file in FILES[name]], name == "sg13g2"
    if gates:
        with pytest.raises(InputError, match="no full adder"):
            library.load(files, Yosys())
    found = library.load(files, Yosys(), gates=gates)
    full = found.full_adder.cell if found.full_adder else None
    assert (full, found.flip_flop.name, found.clock_gate.cell) == CELLS[name]
    report = run.synthesise(handmade.chip(tmp_path / "chip"), files, gates=gates).to_json()
    assert report["area_um2"] > 0 and report["delay_ps"] > 0
    assert report["full_adders"] == 0 if gates else report["full_adders"] > 20
