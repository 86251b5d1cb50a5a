"""The files of a baked folder against its manifest."""

from collections.abc import Iterator

from ..folder.chip_folder import ChipFolder
from ..folder.target import different_files
from .difference import Difference


def file_differences(folder: ChipFolder) -> Iterator[Difference]:
    """Files that are missing, that are not what the manifest says, and that it does not know."""
    for name, found, expected in different_files(folder.path, folder.manifest.files):
        if found is None:
            yield Difference("file", name, "missing")
        elif expected is None:
            yield Difference("file", name, "not in the manifest")
        else:
            yield Difference("file", name, "SHA-256", found, expected)
