"""Compares the files of a baked folder with its manifest."""

from collections.abc import Iterator

from ..folder.chip_folder import ChipFolder
from ..folder.target import different_files
from .difference import Difference


def file_differences(folder: ChipFolder) -> Iterator[Difference]:
    """Yields the files that are missing, that have another digest than in the manifest, or that it does not list."""
    for name, found, expected in different_files(folder.path, folder.manifest.files):
        if found is None:
            yield Difference("file", name, "missing")
        elif expected is None:
            yield Difference("file", name, "not in the manifest")
        else:
            yield Difference("file", name, "SHA-256", found, expected)
