"""Checks of a text's format: JSON, e-mail address, URL, HTML, XML.

Parsers' complaints are quoted in the reasons, so the words of a rare one follow the Python that runs.
"""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Mapping
from html.parser import HTMLParser
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from fi_async.local.metrics._verdict import Metric, Verdict, pass_or_fail

_EMAIL: Final = re.compile(r"[a-zA-Z0-9._%+-]+@[a-zA-Z0-9.-]+\.[a-zA-Z]{2,}")
_SCHEMES_WITHOUT_HOST: Final = frozenset({"mailto", "file", "tel", "sms", "data", "urn"})
_VOID_ELEMENTS: Final = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"}
)
_MAX_HTML_ERRORS: Final = 3


def is_json(inputs: Mapping[str, Any], _params: Mapping[str, Any]) -> Verdict:
    """Passed when the text is one JSON value of any kind."""
    text = inputs["text"]
    if not isinstance(text, (dict, list)):
        try:
            json.loads(str(text))
        except ValueError as error:
            return pass_or_fail(ok=False, reason=f"Text is not valid JSON: {error}")
    return pass_or_fail(ok=True, reason="Text is valid JSON")


def is_email(inputs: Mapping[str, Any], _params: Mapping[str, Any]) -> Verdict:
    """Passed when the text, stripped, has the form of one e-mail address with a dotted domain."""
    ok = _EMAIL.fullmatch(str(inputs["text"]).strip()) is not None
    return pass_or_fail(ok=ok, reason=f"Text is {'a valid' if ok else 'not a valid'} email address format")


def is_url(inputs: Mapping[str, Any], _params: Mapping[str, Any]) -> Verdict:
    """Passed when the text is an absolute URL; a host needs a dot, so localhost has not the form of one."""
    text = str(inputs["text"]).strip()
    if any(character.isspace() for character in text):
        return pass_or_fail(ok=False, reason="URL contains whitespace")
    try:
        parts = urlsplit(text)
    except ValueError as error:
        return pass_or_fail(ok=False, reason=f"Not a valid URL: {error}")
    if not parts.scheme:
        return pass_or_fail(ok=False, reason="URL missing scheme")
    if parts.scheme in _SCHEMES_WITHOUT_HOST:
        fault = None if parts.path else f"{parts.scheme}: URL missing body"
    else:
        fault = _host_fault(parts.netloc, parts.hostname or "")
    return pass_or_fail(ok=fault is None, reason=fault or f"Valid URL with scheme={parts.scheme}")


def _host_fault(netloc: str, host: str) -> str | None:
    if not netloc:
        return "URL missing netloc"
    if "." not in host or host.startswith(".") or host.endswith("."):
        return "URL has malformed host"
    if any(label.startswith("-") or label.endswith("-") for label in host.split(".")):
        return "URL has malformed host label"
    return None


class _TagChecker(HTMLParser):
    """Finds what is wrong with the nesting of a document's tags."""

    def __init__(self) -> None:
        super().__init__()
        self.has_tags = False
        self.open: list[str] = []
        self.times_open: Counter[str] = Counter()
        self.errors: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self.has_tags = True
        if tag not in _VOID_ELEMENTS:
            self.open.append(tag)
            self.times_open[tag] += 1

    def handle_endtag(self, tag: str) -> None:
        if not self.times_open[tag]:
            self.errors.append(f"orphan </{tag}>")
            return
        if self.open[-1] != tag:
            self.errors.append(f"mismatched </{tag}> (expected </{self.open[-1]}>)")
        closed = ""
        while closed != tag:
            closed = self.open.pop()
            self.times_open[closed] -= 1


def is_html(inputs: Mapping[str, Any], _params: Mapping[str, Any]) -> Verdict:
    """Passed when the text has HTML tags and all but the void elements are closed in order."""
    checker = _TagChecker()
    checker.feed(str(inputs["text"]).strip())
    if not checker.has_tags:
        return pass_or_fail(ok=False, reason="No HTML tags found")
    if checker.errors:
        return pass_or_fail(ok=False, reason="; ".join(checker.errors[:_MAX_HTML_ERRORS]))
    if checker.open:
        return pass_or_fail(ok=False, reason=f"Unclosed tags: {', '.join(checker.open)}")
    return pass_or_fail(ok=True, reason="Valid HTML")


def is_xml(inputs: Mapping[str, Any], _params: Mapping[str, Any]) -> Verdict:
    """Passed when the text is a well-formed XML document without a DTD."""
    text = str(inputs["text"]).strip()
    if re.search(r"<!DOCTYPE\b", text, re.IGNORECASE):
        return pass_or_fail(ok=False, reason="DOCTYPE declarations are rejected (XXE / billion-laughs risk)")
    if re.search(r"<!ENTITY\b", text, re.IGNORECASE):
        return pass_or_fail(ok=False, reason="ENTITY declarations are rejected (billion-laughs risk)")
    try:
        ET.fromstring(text)  # noqa: S314 - without a DTD there is nothing to expand or to fetch
    except ET.ParseError as error:
        return pass_or_fail(ok=False, reason=f"Text is not valid XML: {error}")
    return pass_or_fail(ok=True, reason="Text is valid XML")


METRICS: Final[Mapping[str, Metric]] = MappingProxyType(
    {metric.__name__: metric for metric in (is_json, is_email, is_url, is_html, is_xml)}
)
