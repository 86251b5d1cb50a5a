"""The files of a baked folder against its manifest."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..bake import MANIFEST
from .difference import Difference

LATER = ("sim/", "synth/")
"""Folders that other commands fill."""


def file_differences(rtl_dir: Path, manifest: Mapping[str, Any]) -> Iterator[Difference]:
    """Files that are missing, that are not what the manifest says, and that it does not know."""
    digests = manifest["files"]
    found = {path.relative_to(rtl_dir).as_posix(): path for path in sorted(rtl_dir.rglob("*")) if path.is_file()}
    for name, expected in digests.items():
        if name not in found:
            yield Difference("file", name, "missing")
        elif (digest := hashlib.sha256(found[name].read_bytes()).hexdigest()) != expected:
            yield Difference("file", name, "SHA-256", digest, expected)
    for name in found.keys() - digests.keys() - {MANIFEST}:
        if not name.startswith(LATER):
            yield Difference("file", name, "not in the manifest")
