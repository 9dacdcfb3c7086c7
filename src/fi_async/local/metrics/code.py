"""Checks of a text that is code: Python, SQL.

Python's parser says what is wrong in its own words, which follow the Python that runs.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from fi_async.local.metrics._verdict import Metric, Verdict, pass_or_fail

_BRANCHES: Final = (ast.If, ast.IfExp, ast.For, ast.While, ast.ExceptHandler, ast.With, ast.Assert)
_SQL_LINE_COMMENT: Final = re.compile(r"--[^\n]*")
_OBJECTS: Final = ("TABLE", "VIEW", "INDEX", "DATABASE", "SCHEMA")
_MADE_OBJECTS: Final = (*_OBJECTS, "TYPE", "FUNCTION", "PROCEDURE", "TRIGGER", "SEQUENCE")
_SQL_STATEMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "SELECT": ("FROM",),
    "INSERT": ("INTO",),
    "UPDATE": (" SET ",),
    "DELETE": ("FROM",),
    "CREATE": _MADE_OBJECTS,
    "ALTER": _OBJECTS,
    "DROP": _MADE_OBJECTS,
    "WITH": ("AS", "SELECT"),
    "EXPLAIN": ("SELECT", "INSERT", "UPDATE", "DELETE", "ANALYZE"),
    "MERGE": ("INTO",),
    "REPLACE": ("INTO",),
    "TRUNCATE": ("TABLE",),
    "GRANT": (" ON ", " TO "),
    "REVOKE": (" ON ", " FROM "),
    "SET": (" = ", " TO "),
    **dict.fromkeys(("BEGIN", "COMMIT", "ROLLBACK", "SHOW", "DESCRIBE", "USE"), ()),
}
"""The words that open a statement, and of each those of which it needs one."""


def syntax_validation(inputs: Mapping[str, Any], _params: Mapping[str, Any]) -> Verdict:
    """Passed when the stripped text is Python; `language` has no say, as the platform reads none but Python."""
    try:
        ast.parse(str(inputs["text"]).strip())
    except SyntaxError as error:
        return pass_or_fail(ok=False, reason=f"Python syntax error at line {error.lineno}: {error.msg}")
    return pass_or_fail(ok=True, reason="Valid Python syntax")


def code_complexity(inputs: Mapping[str, Any], _params: Mapping[str, Any]) -> Verdict:
    """How simple Python code is, by its cyclomatic complexity (McCabe 1976): 1 for that of 1, down to 0 for 41 on.

    The complexity is 1 more than the branches, loops, exception handlers, `with` and `assert` statements, and the
    operands of `and` and `or` after the first. The score falls by 0.05 up to 10, by 0.03 up to 20, then by 0.01, and
    drops between these ranges. What is no Python scores 0.
    """
    try:
        tree = ast.parse(str(inputs["text"]).strip())
    except SyntaxError as error:
        return Verdict(0.0, f"Cannot parse: {error}")
    complexity = 1
    for node in ast.walk(tree):
        if isinstance(node, _BRANCHES):
            complexity += 1
        elif isinstance(node, ast.BoolOp):
            complexity += len(node.values) - 1
    score = _simplicity(complexity)
    return Verdict(score, f"Cyclomatic complexity: {complexity}, score={score:.3f}")


def _simplicity(complexity: int) -> float:
    if complexity <= 5:
        return 1.0 - (complexity - 1) * 0.05
    if complexity <= 10:
        return 0.75 - (complexity - 6) * 0.05
    if complexity <= 20:
        return 0.5 - (complexity - 11) * 0.03
    return max(0.0, 0.2 - (complexity - 21) * 0.01)


def is_sql(inputs: Mapping[str, Any], _params: Mapping[str, Any]) -> Verdict:
    """Passed when the text opens like an SQL statement, has a word that it needs, and closes brackets and quotes.

    Comments are left out. A space has to follow the word that opens the statement: "SELECT" and a line break is none.
    """
    text = _SQL_LINE_COMMENT.sub("", "".join(_outside_block_comments(str(inputs["text"]).strip())))
    upper = text.upper().strip().rstrip(";").strip()
    fault = _statement_fault(upper) or _bracket_fault(text) or _quote_fault(text)
    return pass_or_fail(ok=fault is None, reason=fault or "Text appears to be valid SQL")


def _outside_block_comments(text: str) -> Iterator[str]:
    """The pieces between comments; one that nothing ends is none."""
    at = 0
    while (begin := text.find("/*", at)) >= 0 and (end := text.find("*/", begin + 2)) >= 0:
        yield text[at:begin]
        at = end + 2
    yield text[at:]


def _statement_fault(upper: str) -> str | None:
    if not upper:
        return "Text contains only comments"
    keyword = next((word for word in _SQL_STATEMENTS if upper == word or upper.startswith(f"{word} ")), None)
    if keyword is None:
        return "Text does not start with a recognized SQL keyword"
    needed = _SQL_STATEMENTS[keyword]
    if needed and not any(word in upper for word in needed):
        return f"{keyword} requires one of: {list(needed)}"
    return None


def _bracket_fault(text: str) -> str | None:
    depth = 0
    for bracket in re.findall("[()]", text):
        depth += 1 if bracket == "(" else -1
        if depth < 0:
            return "Unbalanced parentheses (extra closing)"
    return "Unbalanced parentheses (unclosed)" if depth else None


def _quote_fault(text: str) -> str | None:
    """A quote that is escaped does not count."""
    for quote in ("'", '"'):
        if (text.count(quote) - text.count(f"\\{quote}")) % 2:
            return f"Unbalanced {quote} quotes in SQL"
    return None


METRICS: Final[Mapping[str, Metric]] = MappingProxyType(
    {metric.__name__: metric for metric in (syntax_validation, code_complexity, is_sql)}
)
