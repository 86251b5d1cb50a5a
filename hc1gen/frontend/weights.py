"""The weight files of a checkpoint: one .safetensors file, or shards with an index."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import ml_dtypes  # noqa: F401  (registers bfloat16 with numpy)
import numpy as np
from safetensors import SafetensorError, safe_open

from hc1gen.errors import InputError
from hc1gen.frontend.header import TensorInfo, read_header
from hc1gen.frontend.jsonfile import read_object

SUFFIX = ".safetensors"
INDEX_SUFFIX = ".safetensors.index.json"


@dataclass(frozen=True)
class WeightFiles:
    """Where the tensors are: `tensors` maps a name to what its header says, `shards` to the file that holds it."""

    entry: Path
    tensors: dict[str, TensorInfo]
    shards: dict[str, Path]

    def read(self, names: Iterable[str]) -> dict[str, np.ndarray]:
        """The named tensors as read-only float32 arrays, file by file and one tensor at a time.

        Raises InputError(entry) if the safetensors library refuses a file.
        """
        wanted = sorted(names, key=lambda name: (self.shards[name], self.tensors[name].start))
        arrays = {}
        for path in sorted({self.shards[name] for name in wanted}):
            try:
                with safe_open(path, framework="numpy") as file:
                    for name in (name for name in wanted if self.shards[name] == path):
                        array = np.asarray(file.get_tensor(name), dtype=np.float32)
                        array.flags.writeable = False
                        arrays[name] = array
            except (SafetensorError, OSError) as error:
                raise InputError(path, f"the safetensors library refuses it: {error}") from error
        return arrays

    def sha256(self) -> str:
        """Of the file; for shards, of their hex digests joined in file name order."""
        digests = [_digest(path) for path in sorted(set(self.shards.values()))]
        if self.entry.name.endswith(INDEX_SUFFIX):
            return hashlib.sha256("".join(digests).encode()).hexdigest()
        return digests[0]


def find_entry(path: Path) -> Path:
    """The .safetensors file or index that `path` means. In a folder `model.safetensors` and its index come first.

    Raises InputError(path) if nothing is there, it is another kind of file, or a folder leaves a choice.
    """
    if path.is_file():
        if path.name.endswith((SUFFIX, INDEX_SUFFIX)):
            return path
        raise InputError(path, f"got a {path.suffix or 'bare'} file, expected *{SUFFIX}, *{INDEX_SUFFIX} or a folder")
    if not path.is_dir():
        raise InputError(path, "no such file or folder")
    for usual in (path / f"model{SUFFIX}", path / f"model{INDEX_SUFFIX}"):
        if usual.is_file():
            return usual
    found = sorted(path.glob(f"*{INDEX_SUFFIX}")) or sorted(path.glob(f"*{SUFFIX}"))
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(path, f"holds {', '.join(file.name for file in found)}; name the one to take")
    raise InputError(path, f"holds no *{SUFFIX} file and no *{INDEX_SUFFIX}")


def open_weights(entry: Path) -> WeightFiles:
    """Reads the headers behind a .safetensors file or an index; no tensor data yet.

    Raises InputError for what `read_header` refuses and for an index that does not agree with its shards.
    """
    if not entry.name.endswith(INDEX_SUFFIX):
        tensors = read_header(entry)
        return WeightFiles(entry, tensors, dict.fromkeys(tensors, entry))
    weight_map = _weight_map(entry)
    headers, problems = _read_shards(entry, weight_map)
    for name, shard in weight_map.items():
        if shard in headers and name not in headers[shard]:
            problems.append(f"{name}: the index places it in {shard}, which does not hold it")
    for shard, header in headers.items():
        for name in header:
            if weight_map.get(name) != shard:
                problems.append(f"{name}: {shard} holds it, the index says {weight_map.get(name, 'nothing of it')}")
    if problems:
        raise InputError(entry, problems)
    tensors = {name: headers[shard][name] for name, shard in weight_map.items()}
    return WeightFiles(entry, tensors, {name: entry.parent / shard for name, shard in weight_map.items()})


def _weight_map(index: Path) -> dict[str, str]:
    weight_map = read_object(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise InputError(index, "weight_map is missing or no object: it must map tensor names to shard files")
    problems = [
        f"{name}: got the shard {shard!r}, expected the name of a {SUFFIX} file beside the index"
        for name, shard in weight_map.items()
        if not isinstance(shard, str) or Path(shard).name != shard or not shard.endswith(SUFFIX)
    ]
    if problems:
        raise InputError(index, problems)
    return weight_map


def _read_shards(index: Path, weight_map: dict[str, str]) -> tuple[dict[str, dict[str, TensorInfo]], list[str]]:
    """Shard file name -> header of each shard that can be read, and the problems of the others."""
    headers: dict[str, dict[str, TensorInfo]] = {}
    problems = []
    for shard in sorted(set(weight_map.values())):
        if not (index.parent / shard).is_file():
            problems.append(f"the index names the shard {shard}, which is missing")
            continue
        try:
            headers[shard] = read_header(index.parent / shard)
        except InputError as error:
            problems += [f"{shard}: {text}" for text in error.problems]
    return headers, problems


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
