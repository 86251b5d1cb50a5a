"""The repository as a stranger finds it: links lead to files, one version, a complete site, a workflow that misses no
target."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import hc1gen

ROOT = Path(__file__).parents[1]
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *DOCS]
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
PATH = re.compile(r"(?<![\w./-])(?:hc1gen|verif|tests|benchmarks)/[\w./-]*\w")
"""A path in the repository, as a page writes it in code."""
EXAMPLES = {
    "hc1gen/network/clip.py", "hc1gen/rtl/clip.py", "hc1gen/golden/clip.py", "verif/clip/test_clip.py",
    "hc1gen/rtl/tiles/products.py",
}  # fmt: skip
"""Where the examples of docs/contributing.md would stand if they were part of the package."""
LINK = re.compile(r"\]\((?![a-z]+:)([^)#\s]+)[^)\s]*\)")
"""A link to a file: not to another site, nor to a place in the same page."""
MAKE = re.compile(r"^\s*make (.*)$", re.MULTILINE)


def read_yaml(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_to_files(page):
    links = LINK.findall(CODE.sub("", page.read_text()))
    assert [link for link in links if not (page.parent / link).is_file()] == []


def paths_in_code(text: str) -> Iterator[str]:
    """Paths in the code of a page, without those that have a placeholder in them: `verif/<block>`, `verif/NAME`."""
    for code in CODE.findall(text):
        yield from (path for path in PATH.findall(code) if "NAME" not in path)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_in_code_exist(page):
    missing = {path for path in paths_in_code(page.read_text()) if not (ROOT / path).exists()}
    assert missing - EXAMPLES == set()


def test_paths_in_code_are_found():
    text = "See `hc1gen/rtl/replay.py`, run `python verif/stages.py DIR`; hc1gen/no.py, `verif/<block>`, `a/tests/x`."
    assert [*paths_in_code(text)] == ["hc1gen/rtl/replay.py", "verif/stages.py"]


def test_the_version_is_the_same_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert read_yaml("CITATION.cff")["version"] == project["version"] == hc1gen.__version__


def in_navigation(nav: list[dict[str, Any]]) -> Iterator[str]:
    """The pages of a navigation, of all its levels."""
    for entry in nav:
        for below in entry.values():
            yield from [below] if isinstance(below, str) else in_navigation(below)


def test_every_page_is_in_the_navigation():
    pages = list(in_navigation(read_yaml("mkdocs.yml")["nav"]))
    assert len(pages) == len(set(pages))
    assert {page.name for page in DOCS} - set(pages) == set()


def make_targets(script: str) -> set[str]:
    """What the lines of a shell script that begin with `make` make."""
    return {word for line in MAKE.findall(script) for word in line.split() if "=" not in word}


def workflow_targets() -> set[str]:
    """What all jobs of the workflow make, for every value of their matrix `targets`."""
    found = set()
    for job in read_yaml(".github/workflows/ci.yml")["jobs"].values():
        values = job["strategy"]["matrix"]["targets"]
        for script in (step.get("run", "") for step in job["steps"]):
            for value in values:
                found |= make_targets(script.replace("${{ matrix.targets }}", value))
    return found


def test_the_workflow_makes_all_that_ci_makes():
    targets = make_targets((ROOT / ".ci" / "run").read_text())
    assert {"check", "docs", "unit", "sim"} <= targets
    assert targets - workflow_targets() == set()
