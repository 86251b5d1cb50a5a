"""A baked folder, read: its manifest, and its files by what they are for."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ...errors import InputError, problem
from ...frontend.jsonfile import read_object
from .layout import MANIFEST
from .manifest import FORMAT, Manifest
from .modules import BlockModule, MemoryModule, Module, NetlistModule, TableModule, TileModule, View, views_of
from .names import AGAIN, place
from .typed import read, shown

BAKE = "run hc1gen bake first"
VERILOG = (".v", ".sv")


@dataclass(frozen=True)
class ChipFolder:
    """A baked folder. Paths that it gives begin with `path`, and none of them leads out of it."""

    path: Path
    manifest: Manifest

    @classmethod
    def read(cls, path: Path, whole: bool = True) -> "ChipFolder":
        """The chip that a bake has left in `path`.

        Raises `InputError` where that is no folder or no baked one, where the manifest is damaged, of another format,
        lacks a field or has a wrong one, and where a file's name, or a link, leads out of the folder. whole: every
        file that the manifest lists has to be there, too.
        """
        folder = cls(path, read_manifest(path))
        where = path / MANIFEST
        for name in folder.manifest.files:
            place(path, name, where)
        problems = list(_contradictions(folder.manifest))
        if problems:
            raise InputError(where, problems)
        if whole:
            folder._check_presence(folder.manifest.files, path)
        return folder

    def file(self, name: str) -> Path:
        """A file by its name in the manifest."""
        return self.path / name

    @property
    def simulation_sources(self) -> list[Path]:
        """The Verilog files to simulate, leaves first, as the file list says now. `InputError` where one is missing."""
        return [self.file(name) for name in self._listed(self.manifest.roles.simulation)]

    @property
    def synthesis_sources(self) -> list[Path]:
        """The Verilog files to synthesise, leaves first, as the file list says now. `InputError` as above."""
        return [self.file(name) for name in self._listed(self.manifest.roles.synthesis)]

    @property
    def synthesis_modules(self) -> list[Module]:
        """`synthesis_sources`, as the manifest has them. `InputError` where it does not know one, too."""
        known = {module.path: module for module in self.manifest.modules}
        names = self._listed(self.manifest.roles.synthesis)
        problems = [problem(name, "a file that the manifest does not know", "one of it", AGAIN)
                    for name in names if name not in known]  # fmt: skip
        if problems:
            raise InputError(self.file(self.manifest.roles.synthesis), problems)
        return [known[name] for name in names]

    @property
    def waivers(self) -> Path:
        """Verilator's control file."""
        return self.file(self.manifest.roles.waivers)

    @property
    def tokenizer(self) -> Path:
        return self.file(self.manifest.roles.tokenizer)

    @property
    def model(self) -> Path:
        """The quantised target."""
        return self.file(self.manifest.quantized_model)

    @property
    def draft_model(self) -> Path | None:
        """The quantised draft, where there is one."""
        return None if self.manifest.draft is None else self.file(self.manifest.draft.quantized_model)

    @property
    def verilog(self) -> list[Path]:
        """Every Verilog file, in all views."""
        return [self.file(module.path) for module in self.manifest.modules]

    def tiles(self, view: View) -> dict[str, Path]:
        """Module → file of every tile in one view."""
        return self._of(lambda module: isinstance(module, TileModule) and module.view == view)

    @property
    def tables(self) -> dict[str, Path]:
        """Module → file of gains and embeddings."""
        return self._of(lambda module: isinstance(module, TableModule))

    @property
    def memories(self) -> dict[str, Path]:
        """Module → file of every memory; their sizes are in the manifest."""
        return self._of(lambda module: isinstance(module, MemoryModule))

    @property
    def blocks(self) -> dict[str, Path]:
        """Module → file of what Amaranth has written."""
        return self._of(lambda module: isinstance(module, BlockModule))

    @property
    def netlists(self) -> dict[str, Path]:
        """Module → file of what only wires others together, the top last."""
        return self._of(lambda module: isinstance(module, NetlistModule))

    def _of(self, wanted: Callable[[Module], bool]) -> dict[str, Path]:
        return {module.name: self.file(module.path) for module in self.manifest.modules if wanted(module)}

    def _listed(self, name: str) -> list[str]:
        """The files that a file list names; empty lines and comments (`#`, `//`) are left out."""
        listing = self.file(name)
        self._check_presence([name], self.path)
        try:
            lines = [line.strip() for line in listing.read_text(encoding="utf-8").splitlines()]
        except (OSError, ValueError) as error:
            raise InputError(listing, f"cannot be read: {error}; {AGAIN}") from error
        names = [line for line in lines if line and not line.startswith(("#", "//"))]
        for each in names:
            place(self.path, each, listing)
        self._check_presence(names, listing)
        return names

    def _check_presence(self, names: Iterable[str], where: Path) -> None:
        """`InputError(where)` that names every file that is missing."""
        missing = [name for name in names if not self.file(name).is_file()]
        if missing:
            raise InputError(where, [_missing(name) for name in missing])


def read_manifest(path: Path) -> Manifest:
    """The manifest in folder `path`; `InputError` as `ChipFolder.read` says."""
    where = path / MANIFEST
    if not path.is_dir():
        found = "this is no folder" if path.exists() else "no such folder"
        raise InputError(path, f"not a baked chip: {found}; {BAKE}")
    if not where.is_file():
        raise InputError(path, problem("not a baked chip", f"no {MANIFEST}", "one", BAKE))
    content = read_object(where)
    if "hc1gen" not in content:
        raise InputError(path, f"not a baked chip: its {MANIFEST} is not hc1gen's; {BAKE}")
    if content.get("format") != FORMAT:
        raise InputError(where, problem("format", shown(content.get("format", "nothing")), FORMAT, AGAIN))
    return read(Manifest, content, where)


def containing(path: Path) -> Path | None:
    """The baked folder that `path` is, or that it is in; None where there is none."""
    return next((each for each in (path, *path.resolve().parents) if (each / MANIFEST).is_file()), None)


def _contradictions(manifest: Manifest) -> Iterator[str]:
    """Problems with files that a field names, but `files` does not, with tiles of which nothing is said, and views."""
    named = {f"modules[{i}].path": module.path for i, module in enumerate(manifest.modules)}
    named |= {f"roles.{role}": name for role, name in vars(manifest.roles).items()}
    named["quantized_model"] = manifest.quantized_model
    if manifest.draft is not None:
        named["draft.quantized_model"] = manifest.draft.quantized_model
    for field, name in named.items():
        if name not in manifest.files:
            yield problem(field, name, "a file that `files` lists", AGAIN)
    contents = manifest.tile_contents
    for i, module in enumerate(manifest.modules):
        if isinstance(module, TileModule) and module.name not in contents:
            yield problem(f"modules[{i}].name", module.name, "a module that `tiles` has", AGAIN)
    views = {module.view for module in manifest.modules if isinstance(module, TileModule)}
    if views and not views.issuperset(views_of(manifest.fabric)):
        yield problem("fabric", manifest.fabric, "views in which there are tiles", AGAIN)


def _missing(name: str) -> str:
    if name.endswith(VERILOG):
        return problem(name, "no file", "Verilog", AGAIN)
    return f"{name}: cannot be read: no such file; {AGAIN}"
