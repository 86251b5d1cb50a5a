"""The tutorial of docs/api.md, run as a reader runs it: block by block, in a folder with the model that it names."""

import contextlib
import io
import re
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "api.md"
MODELS = Path("tests", "frontend", "vectors")
NAMED = ("mqa-f16-sharded", "gqa-old-config-f32")
BLOCK = re.compile(
    r"(?P<mark><!-- needs pyosys -->\n)?```python\n(?P<code>.*?)```\n(?:\n```text\n(?P<said>.*?)```\n)?", re.S
)


class Block(NamedTuple):
    """Python of the page, what the page says that it prints, and where it stands."""

    code: str
    said: str
    line: int
    pyosys: bool


def blocks() -> list[Block]:
    text = PAGE.read_text(encoding="utf-8")
    return [
        Block(each["code"], each["said"] or "", text.count("\n", 0, each.start("code")) + 1, bool(each["mark"]))
        for each in BLOCK.finditer(text)
    ]


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """Runs a block behind those that were run before, and gives what it prints."""
    folder, names = tmp_path_factory.mktemp("clone"), {}
    for name in NAMED:
        shutil.copytree(ROOT / MODELS / name, folder / MODELS / name)

    def run(block: Block) -> str:
        printed = io.StringIO()
        code = compile("\n" * (block.line - 1) + block.code, str(PAGE), "exec")
        with contextlib.redirect_stdout(printed), contextlib.chdir(folder):
            exec(code, names)
        return printed.getvalue()

    return run


def test_every_block_is_found():
    assert len(blocks()) == PAGE.read_text(encoding="utf-8").count("```python")
    assert [block.pyosys for block in blocks()] == sorted(block.pyosys for block in blocks())


def test_the_tutorial_prints_what_the_page_says(reader):
    """Up to the blocks that need pyosys; one simulator is built, half a minute."""
    for block in blocks():
        if not block.pyosys:
            assert reader(block) == block.said, f"line {block.line}"


def test_verification_and_synthesis_print_what_the_page_says(reader):
    """Behind the test above."""
    if find_spec("pyosys") is None:
        pytest.skip("pyosys is not installed: verify and synthesise of docs/api.md were not run")
    for block in blocks():
        if block.pyosys:
            assert reader(block) == block.said, f"line {block.line}"
