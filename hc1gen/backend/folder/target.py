"""The folder that a bake is to fill: whether it may, and how it does so whole or not at all."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import Any

from ...errors import InputError, problem
from .layout import KEPT, LATER, MANIFEST

TODO = "choose another folder with -o"


def is_baked(folder: Path) -> bool:
    """Whether a bake, of this version or another, has made `folder`."""
    return _said(folder) is not None


def check_target(out: Path) -> None:
    """Raise `InputError` unless `out` is free, or an earlier bake's, and can be written."""
    if out.exists() and not out.is_dir():
        raise InputError(out, problem("output", "a file", "a folder", TODO))
    if out.is_dir() and any(out.iterdir()) and not is_baked(out):
        raise InputError(out, problem("output", "a folder with other files", "a new or a baked one", TODO))
    if out.is_dir() and (foreign := _not_ours(out)):
        found = ", ".join(foreign[:5]) + (f" and {len(foreign) - 5} more" if len(foreign) > 5 else "")
        found = f"files that were added or changed: {found}"
        raise InputError(out, problem("output", found, "only what bake wrote", f"move them or {TODO}"))
    parent = next(p for p in Path(os.path.abspath(out)).parents if p.exists())
    if not parent.is_dir():
        raise InputError(out, problem("output", f"{parent} is a file", "a folder", TODO))
    for folder in (parent, out):
        if folder.exists() and not os.access(folder, os.W_OK | os.X_OK):
            raise InputError(out, problem("output", f"{folder} is read-only", "a folder that can be written", TODO))


@contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """An empty folder that takes the place of `out` when the block has ended; where it fails, nothing is left of it."""
    out = Path(os.path.abspath(out))
    made = [parent for parent in out.parents if not parent.exists()]
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        work = out.parent / f".{out.name}-{token_hex(4)}"  # named before it is made: a signal may come at once
        try:
            work.mkdir(mode=0o700)
            yield work
            _replace(work, out)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except BaseException:
        for parent in made:
            with suppress(OSError):
                parent.rmdir()
        raise


def written_files(folder: Path) -> dict[str, Path]:
    """Name → path of every file in a baked folder but the manifest and what other commands write later."""
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: path for name, path in found.items() if name != MANIFEST and not name.startswith(LATER)}


def different_files(folder: Path, digests: Mapping[str, str]) -> Iterator[tuple[str, str | None, str | None]]:
    """(name, SHA-256 found, SHA-256 expected) of each file in which a folder differs from `digests`; None: no file."""
    found = written_files(folder)
    for name, expected in digests.items():
        digest = hashlib.sha256(found[name].read_bytes()).hexdigest() if name in found else None
        if digest != expected:
            yield name, digest, expected
    for name in found.keys() - digests.keys():
        yield name, hashlib.sha256(found[name].read_bytes()).hexdigest(), None


def _said(folder: Path) -> dict[str, Any] | None:
    """The manifest of a bake of any format, or None: a folder of an older format may be baked again."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return manifest if isinstance(manifest, dict) and "hc1gen" in manifest else None


def _not_ours(folder: Path) -> list[str]:
    """Files of a baked folder that a new bake would lose: added or changed by hand."""
    digests = (_said(folder) or {}).get("files", {})
    differences = different_files(folder, digests if isinstance(digests, dict) else {})
    return sorted(name for name, found, _ in differences if found is not None)


def _replace(work: Path, out: Path) -> None:
    """Put `work` in the place of `out`. What `KEPT` names stays."""
    work.chmod(0o777 & ~_umask())
    if not out.exists():
        work.rename(out)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{out.name}-old-", dir=out.parent))
    try:
        out.rename(old / "out")
        work.rename(out)
        for kept in KEPT:
            if (old / "out" / kept).is_dir():
                (out / kept).parent.mkdir(exist_ok=True)
                (old / "out" / kept).rename(out / kept)
    finally:
        if not out.exists():
            (old / "out").rename(out)
        shutil.rmtree(old, ignore_errors=True)


def _umask() -> int:
    """The process's, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
