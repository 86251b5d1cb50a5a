"""What `import hc1gen` gives, and what it does not cost."""

import subprocess
import sys

import pytest

import hc1gen
from hc1gen import api


def test_the_package_exports_the_api():
    errors = {"InputError", "CheckFailed", "ToolMissing"}
    assert set(hc1gen.__all__) == {*api.__all__, *errors} <= set(dir(hc1gen))
    for name in api.__all__:
        assert getattr(hc1gen, name) is getattr(api, name)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        hc1gen.lode  # noqa: B018


def test_importing_the_package_imports_nothing_large():
    code = (
        "import sys, hc1gen; print(hc1gen.__version__, [m for m in ('numpy', 'amaranth', 'click') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"{hc1gen.__version__} []\n"


def test_the_api_needs_no_command_line():
    large = "('hc1gen.cli', 'click', 'rich')"
    code = f"import sys, hc1gen; hc1gen.load; print([m for m in sys.modules if m.startswith({large})])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
