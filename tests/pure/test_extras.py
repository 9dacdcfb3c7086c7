"""Extras, without installing any: they name what the code asks for, with lower bounds, and nobody names another."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

import each_extra
import fi_async

SOURCE = Path(fi_async.__file__).parent
PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
ALL = set(re.fullmatch(r"fi-async\[(.*)\]", EXTRAS["all"][0])[1].split(","))
HEAVY = {"embeddings", "mlflow", "ray", "wandb"}
"""Those that `all` leaves out."""

DISTRIBUTION_OF = {
    "mlflow": "mlflow-skinny",
    "opentelemetry": "opentelemetry-api",
    "python_calamine": "python-calamine",
}
"""Names of distributions that are not those of their modules."""


def asked() -> list[tuple[str, str]]:
    """The module and the extra of each call of `need`."""
    found = []
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "need":
                library, install = node.args[:2]
                if isinstance(library, ast.Constant) and isinstance(install, ast.Constant):
                    found += [(library.value, each) for each in re.findall(r"fi-async\[([\w,]+)\]", install.value)]
    return found


def names(extra: str) -> set[str]:
    return {re.match(r"[\w.-]+", each)[0].lower() for each in EXTRAS[extra]}


@pytest.mark.parametrize(("library", "extra"), asked())
def test_what_the_code_asks_for_is_in_the_extra_that_it_names(library, extra):
    top = library.partition(".")[0]
    assert DISTRIBUTION_OF.get(top, top) in names(extra)


def test_every_extra_that_a_text_names_exists():
    for file in SOURCE.rglob("*.py"):
        for found in re.findall(r"fi-async\[([\w,]+)\]", file.read_text(encoding="utf-8")):
            assert set(found.split(",")) <= set(EXTRAS), file


@pytest.mark.parametrize("extra", sorted(set(EXTRAS) - {"all"}))
def test_every_requirement_has_a_lower_bound(extra):
    assert all(re.match(r"[\w.-]+(\[[\w,]+\])?>=\d", each) for each in EXTRAS[extra])


def test_all_is_all_that_is_light():
    assert set(EXTRAS) - {"all"} - HEAVY == ALL


def test_each_extra_that_is_tried_alone_exists():
    assert set(each_extra.PROGRAMS) <= set(EXTRAS)
