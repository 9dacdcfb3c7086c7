from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from fi_async.backends.functions import exact_names

README = Path(__file__).parents[2] / "README.md"


def test_its_programs_print_what_it_says():
    text = README.read_text(encoding="utf-8")
    programs = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", text, re.DOTALL)
    assert len(programs) == 1
    for program, output in programs:
        ran = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True)
        assert ran.stdout == output


@pytest.mark.parametrize("page", ["README.md", "CHANGELOG.md"])
def test_how_many_templates_are_computed_here_is_what_it_says(page):
    text = (README.parent / page).read_text(encoding="utf-8")
    said = re.findall(r"(\d+) (?:function )?templates (?:exactly )?as the platform", text)
    assert said == [str(len(exact_names()))]
