"""Every proof holds; and fails, at the claim it should, for every RTL made wrong."""

import pytest

from formal import accept, draft_queue, speculation, streams
from formal.prove import Proof, Refuted

pytestmark = pytest.mark.formal

PROOFS: dict[str, Proof] = accept.PROOFS | streams.PROOFS | draft_queue.PROOFS | speculation.PROOFS
BREAKS = [(name, kind) for name, proof in PROOFS.items() for kind in proof.breaks]


@pytest.mark.parametrize("name", PROOFS)
def test_holds(name):
    PROOFS[name].run(name)


@pytest.mark.parametrize(("name", "kind"), BREAKS)
def test_wrong_rtl_is_found(name, kind):
    with pytest.raises(Refuted):
        PROOFS[name].refuted(kind, f"{name}-{kind}")
