"""The C++ of a layout, against Amaranth's own view of the same words."""

import random
import shutil
import subprocess
from pathlib import Path

import pytest
from amaranth.lib import data

from hc1gen.backend.payload_header import payload_header
from hc1gen.rtl.payloads import drawn_token, output_token, placed_token, prompt_token, to_bits

LAYOUTS = {
    "prompt_1": prompt_token(1),
    "prompt_9": prompt_token(9),
    "prompt_29": prompt_token(29),
    "out_1": output_token(1, draft=False),
    "out_9": output_token(9, draft=False),
    "out_draft_9": output_token(9, draft=True),
    "out_draft_29": output_token(29, draft=True),
    "placed": placed_token(17, 11),
    "drawn": drawn_token(9, 23, 32),
    "whole": data.StructLayout({"all": 64}),
}
WORDS = 200
"""Random ones of each layout, besides the words of all zeros and all ones."""


def line(name: str, layout: data.StructLayout) -> str:
    """C++ that prints all fields of `word`, the word made of these fields, and all ones in each of the fields."""
    fields = [f"{name}::{field}" for field, _ in layout]
    got = [f"{field}.get(word)" for field in fields]
    again = " | ".join(f"{field}.put({field}.get(word))" for field in fields)
    ones = [f"{field}.put(~uint64_t{{0}})" for field in fields]
    printed = " << ' ' << ".join([*got, f"({again})", *ones])
    return f'if (name == "{name}") std::cout << {printed} << std::endl;'


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    """Says for every line `NAME WORD` on its standard input what `line` prints."""
    folder = tmp_path_factory.mktemp("header")
    (folder / "payloads.h").write_text(payload_header(LAYOUTS))
    tests = "\n".join(line(name, layout) for name, layout in LAYOUTS.items())
    (folder / "main.cpp").write_text(
        '#include <iostream>\n#include <string>\n#include "payloads.h"\n'
        f"int main() {{\nstd::string name;\nuint64_t word;\nwhile (std::cin >> name >> word) {{\n{tests}\n}}\n}}\n"
    )
    compiler = shutil.which("g++")
    assert compiler, "no g++"
    options = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-fsanitize=undefined", "-fno-sanitize-recover"]
    subprocess.run([compiler, *options, "-o", folder / "program", folder / "main.cpp"], check=True)
    return folder / "program"


def expected(layout: data.StructLayout, word: int) -> list[int]:
    """What the program prints."""
    found = layout.from_bits(word)
    ones = [to_bits(layout, {name: 2**field.width - 1}) for name, field in layout]
    return [*(found[name] for name, _ in layout), word, *ones]


def test_fields_of_random_words(program):
    rng = random.Random(1)
    asked = [
        (name, word)
        for name, layout in LAYOUTS.items()
        for word in (0, 2**layout.size - 1, *(rng.getrandbits(layout.size) for _ in range(WORDS)))
    ]
    lines = "".join(f"{name} {word}\n" for name, word in asked)
    said = subprocess.run([program], input=lines, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    assert [list(map(int, each.split())) for each in said] == [expected(LAYOUTS[name], word) for name, word in asked]


def test_word_too_wide_for_an_integer():
    with pytest.raises(ValueError, match="out has 65 bits, more than 64"):
        payload_header({"out": output_token(30, draft=True)})
