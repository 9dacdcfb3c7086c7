from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


def test_the_first_program_prints_what_the_readme_says():
    text = README.read_text(encoding="utf-8")
    program = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    output = re.search(r"```text\n(.*?)```", text, re.DOTALL)
    assert program
    assert output
    ran = subprocess.run([sys.executable, "-c", program[1]], capture_output=True, text=True, check=True)
    assert ran.stdout == output[1]
