"""Installs each extra alone in a venv of its own, and uses what it is for: python tests/each_extra.py [EXTRA ...]

The test suite checks without installing that extras name what the code asks for: see tests/pure/test_extras.py.
"""

from __future__ import annotations

import subprocess
import sys
import time
import tomllib
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
AT_ONCE = 2
PROGRAMS = {
    "aiohttp": "import fi_async.wire.over_aiohttp",
    "all": "import fi_async.cli.app; from fi_async.integrations.otel import OpenTelemetry; OpenTelemetry()",
    "cli": "import fi_async.cli.app",
    "excel": "import python_calamine",
    "frames": "from fi_async import cases_from; import narwhals",
    "local": "import fi_async.local.server, uvicorn, httptools",
    "mlflow": "import mlflow; mlflow.log_metrics",
    "otel": "from fi_async.integrations import otel, otel_export; otel.OpenTelemetry()",
    "parquet": "import pyarrow.parquet",
    "prices": "from fi_async import Judge; assert Judge('gpt-4o-mini', api_key='k').pricing() is not None",
    "ray": "import ray.data; import fi_async.integrations.ray",
    "socks": "import socksio",
    "sql": "import sqlalchemy",
    "wandb": "import wandb; wandb.Table",
}
"""What is done with each; with others, the package is imported."""


def extras() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return list(project["optional-dependencies"])


def tried(extra: str) -> str | None:
    """Return what went wrong; None if nothing did."""
    began = time.monotonic()
    with TemporaryDirectory() as place:
        venv.create(place, with_pip=True)
        python = Path(place) / "bin" / "python"
        program = f"import fi_async\n{PROGRAMS.get(extra, '')}"
        for command in (
            ["-m", "pip", "install", "-q", f"{ROOT}[{extra}]"],
            ["-W", "error::SyntaxWarning", "-c", program],
        ):
            done = subprocess.run([python, *command], capture_output=True, text=True, check=False, cwd=place)
            if done.returncode:
                return f"{extra}: {done.stderr[-2000:]}"
    sys.stdout.write(f"{extra}: {time.monotonic() - began:.0f} s\n")
    return None


def main() -> int:
    with ThreadPoolExecutor(AT_ONCE) as threads:
        problems = [each for each in threads.map(tried, sys.argv[1:] or extras()) if each]
    sys.stderr.write("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
