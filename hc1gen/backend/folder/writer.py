"""Writing a baked folder, file by file, with the SHA-256 of each."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from .layout import MANIFEST
from .manifest import Manifest


class FolderWriter:
    """Writes files into the folder `path`; the manifest comes last."""

    def __init__(self, path: Path):
        self.path = path
        self._digests: dict[str, str] = {}

    def lines(self, name: str, lines: Iterable[str]) -> None:
        """A text, line by line as it comes, with or without the lines' ends."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with path.open("wb") as file:
            for line in lines:
                content = line.encode() if line.endswith("\n") else f"{line}\n".encode()
                file.write(content)
                digest.update(content)
        self._digests[name] = digest.hexdigest()

    def content(self, name: str, content: bytes) -> None:
        """A file at once."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self._digests[name] = hashlib.sha256(content).hexdigest()

    def manifest(self, manifest: Manifest) -> Manifest:
        """The manifest, to which the digests of what was written are added; it is returned as it was written."""
        whole = replace(manifest, files=dict(sorted(self._digests.items())))
        (self.path / MANIFEST).write_text(json.dumps(whole.to_json(), indent=1, sort_keys=True) + "\n")
        return whole
