"""A hook of mkdocs: pages of the repository that do not lie in docs/ become pages of the site.

The site has the folders of the repository, with docs/ as its root: `CONTRIBUTING.md` and `benchmarks/results.md` are
pages of the site under these names. So links are written as the repository needs them, relative to the file in which
they stand. On their way to the site they lose `../` in a page of docs/, and `docs/` in any other page, and mkdocs then
checks them like all others.
"""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

OUTSIDE = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "SECURITY.md",
    "benchmarks/README.md",
    "benchmarks/results.md",
    "hc1gen/models/README.md",
)
ROOT = Path(__file__).parents[1]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files of OUTSIDE."""
    for name in OUTSIDE:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links of the repository into links of the site."""
    if page.file.src_uri in OUTSIDE:
        return re.sub(r"\]\(((?:\.\./)*)docs/", r"](\1", markdown)
    return markdown.replace("](../", "](")
