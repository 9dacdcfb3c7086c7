"""A verdict in the forms that CI systems read: JUnit XML, and the summary of a GitHub Actions step."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from fi_async._spending import spent_words
from fi_async.reports.quality_gate import Check, GateResult, GateVerdict

_NOT_IN_XML: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_JOINER: Final = "\u2060"  # takes no room, and ends a mention
_MARKS: Final = {GateVerdict.PASSED: "✅", GateVerdict.BELOW: "❌"}
_SHOWN: Final = 20


def write_junit(path: Path, gate: GateResult, run: str) -> None:
    """Write a test case for each check: a failure if it is below, an error if nobody can tell."""
    checks = [*gate.checks]
    if gate.unserved:
        checks.append(Check("evaluations", GateVerdict.INFRASTRUCTURE, gate.unserved))
    checks += [Check("verdict", GateVerdict.INCONCLUSIVE, doubt) for doubt in gate.doubts]
    verdicts = [check.verdict for check in checks]
    failures = verdicts.count(GateVerdict.BELOW)
    counted = {
        "tests": str(len(checks)),
        "failures": str(failures),
        "errors": str(len(checks) - failures - verdicts.count(GateVerdict.PASSED)),
    }
    root = Element("testsuites", counted)
    suite = SubElement(root, "testsuite", {"name": "fi-async gate", **counted})
    told = {**gate.spent, "judges": gate.judges, "tokens": (gate.spent["tokens"] or {}).get("total")}
    if facts := {name: value for name, value in told.items() if value not in (None, 0, "")}:
        properties = SubElement(suite, "properties")
        for name, value in facts.items():
            SubElement(properties, "property", {"name": name, "value": _xml(str(value))})
    for check in checks:
        case = SubElement(suite, "testcase", {"classname": _xml(run), "name": _xml(check.name)})
        if check.verdict is not GateVerdict.PASSED:
            kind = "failure" if check.verdict is GateVerdict.BELOW else "error"
            where = SubElement(case, kind, {"type": check.verdict.value, "message": _xml(check.said)})
            where.text = _xml("\n".join(check.cases))
        else:
            SubElement(case, "system-out").text = _xml(check.said)
    indent(root)
    ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _xml(text: str) -> str:
    """Return a text without the characters that XML cannot hold in any form."""
    return _NOT_IN_XML.sub("�", text)


def write_step_summary(gate: GateResult, run: str) -> None:
    """Append the verdict to the file that GitHub shows with the step; do nothing elsewhere."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if path:
        with Path(path).open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(_markdown(gate, run))


def _markdown(gate: GateResult, run: str) -> str:
    lines = [f"### {_cell(run)}: {gate.verdict}", "", "| | check | found |", "| --- | --- | --- |"]
    lines += [f"| {_MARKS.get(each.verdict, '❔')} | {_cell(each.name)} | {_cell(each.said)} |" for each in gate.checks]
    if gate.unserved:
        lines += ["", _cell(gate.unserved)]
    lines += [line for doubt in gate.doubts for line in ("", f"No verdict: {_cell(doubt)}")]
    if gate.estimates:
        lines += ["", f"Lexical estimates, not the platform's judge: {_cell(', '.join(gate.estimates))}"]
    lines += ["", _cell(gate.judges)] if gate.judges else []
    if spent := spent_words(gate.spent):
        lines += ["", f"Spent: {_cell(', '.join(spent))}"]
    for check in gate.checks:
        if check.cases:
            lines += ["", f"{_cell(check.name)}:", "", *(f"- {_cell(name)}" for name in check.cases[:_SHOWN])]
            lines += [f"- {more}"] if (more := check.more(_SHOWN)) else []
    return "\n".join([*lines, "", ""])


def _cell(text: str) -> str:
    """Return a text that Markdown shows as it is, in one line, and that calls nobody: a case may be named @somebody."""
    escaped = re.sub(r"([\\`*_{}\[\]<>#|~!&])", r"\\\1", " ".join(text.split()))
    return escaped.replace("@", f"@{_JOINER}")
