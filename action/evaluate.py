"""The step of the action that evaluates: a run, its gate, its report, and what changed since the base branch.

It always ends with 0 if there is something to show, so that the next steps can show it; `judge.py` fails the build.
All it writes is in `.fi-async/NAME`.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from fi_async import ConfigurationError
from fi_async.cli import main
from fi_async.reports.compare import Comparison, TemplateComparison, compare
from fi_async.reports.pairing import CaseScore, Pair, read_baseline, write_baseline
from fi_async.reports.run_files import load_run, outcomes_of

_VERDICTS = {0: "passed", 3: "infrastructure", 4: "below", 5: "inconclusive"}
_BASE = "base/scores.json"
_SHOWN = 10
_ALL_SCORED, _SOME_SCORED = 0, 1


def given(name: str) -> str:
    """Return an input of the action, without the space around it; empty if it was left out."""
    return os.environ.get(f"ACTION_{name}", "").strip()


def folder() -> Path:
    """Return where this evaluation's files are.

    Raises:
        SystemExit: The name cannot be that of a folder.
    """
    name = given("NAME") or "evaluation"
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name):
        sys.exit(f"name: {name!r} must be letters, digits, '-', '_' and '.', and begin with a letter or a digit")
    return Path(".fi-async", name)


def evaluate(out: Path) -> tuple[int, str]:
    """Return the exit code of the run and its gate, and the verdict in a word."""
    run = str(out / "run.db")
    Path(run).unlink(missing_ok=True)  # of an earlier step on the same machine
    command = ["run", given("CASES"), "--eval", *given("EVAL").split(), "--run", run, "--no-progress"]
    command += ["--out", str(out / "scores.csv")]
    command += ["--backend", given("BACKEND")] if given("BACKEND") else []
    try:
        more = shlex.split(given("ARGS"))
    except ValueError as error:
        sys.exit(f"args: {error}: write it as in a shell")
    code = main([*command, *more])
    if code not in (_ALL_SCORED, _SOME_SCORED):
        return code, _VERDICTS.get(code, "error")
    conditions = [line.strip() for line in given("MIN").splitlines() if line.strip()]
    if not conditions and not given("COVERAGE"):
        return code, "scored" if code == _ALL_SCORED else "incomplete"
    asked = ["--min", *conditions] if conditions else []
    asked += ["--coverage", given("COVERAGE")] if given("COVERAGE") else []
    code = main(["gate", run, *asked, "--junit", str(out / "gate.xml")])
    return code, _VERDICTS.get(code, "error")


def _against(base: Path, scores: Sequence[CaseScore]) -> str:
    """Return what changed; or that nobody can tell, which changes no verdict."""
    try:
        before = read_baseline(base)
    except (ConfigurationError, OSError):
        print("::warning::the scores of the base branch cannot be read: a push there writes them anew")
        return f"#### Against `{_code(given('BASE'))}`\n\nnot compared: its scores cannot be read\n"
    return changes(compare(before, scores), given("BASE"))


def changes(compared: Comparison, base: str) -> str:
    """Return what changed as Markdown."""
    lines = [
        f"#### Against `{_code(base)}`",
        "",
        "| | before | now | difference | worse | better |",
        "|---|---|---|---|---|---|",
    ]
    lines += [_row(each) for each in compared.templates]
    for each in compared.templates:
        lines += [*_cases("worse", each, each.lost), *_cases("better", each, each.won)]
    lines += ["", f"Paired by {compared.paired_by}; the interval holds the difference with {compared.confidence:.0%}."]
    return "\n".join([*lines, ""])


def _row(each: TemplateComparison) -> str:
    difference = "none" if each.difference is None else f"{each.difference:+.3f}"
    if each.interval is not None:
        difference += f" ({each.interval.low:+.3f} to {each.interval.high:+.3f})"
    numbers = ["none" if value is None else f"{value:.3f}" for value in (each.before, each.after)]
    cells = [f"`{_code(each.template)}`", *numbers, difference, str(len(each.lost)), str(len(each.won))]
    alone = [(each.only_after, "new"), (each.only_before, "gone"), (len(each.unscored), "without a score")]
    told = [f"{count:,} {what}" for count, what in alone if count]
    cells[0] += f" ({', '.join(told)})" if told else ""
    return f"| {' | '.join(cells)} |"


def _cases(what: str, each: TemplateComparison, pairs: Sequence[Pair]) -> Iterator[str]:
    if pairs:
        names = ", ".join(f"`{_code(pair.after.name)}`" for pair in pairs[:_SHOWN])
        more = f" and {len(pairs) - _SHOWN:,} more" if len(pairs) > _SHOWN else ""
        yield f"\n{what} under `{_code(each.template)}`: {names}{more}"


def _code(text: str) -> str:
    """Return a text that stays in its quotes, and in its cell."""
    return " ".join(text.replace("`", "'").replace("|", "/").split())


def step() -> int:
    """Evaluate, write what is to be shown, and tell the next steps."""
    out = folder()
    (out / "base").mkdir(parents=True, exist_ok=True)
    summary = Path(os.environ.get("GITHUB_STEP_SUMMARY") or out / "summary.md")
    begins_at = summary.stat().st_size if summary.exists() else 0
    os.environ["GITHUB_STEP_SUMMARY"] = str(summary)  # the gate writes there
    code, verdict = evaluate(out)
    told = {"exit-code": code, "verdict": verdict}
    if (out / "run.db").exists():
        main(["report", str(out / "run.db"), "-o", str(out / "report.html")])
        told["report"] = out / "report.html"
        with load_run(out / "run.db") as run:
            scores = [CaseScore.of(each) for each in outcomes_of(run)]
        if (out / _BASE).exists() and given("BASE"):
            with summary.open("a", encoding="utf-8") as file:
                file.write(_against(out / _BASE, scores))
        write_baseline(out / _BASE, scores)  # ids, verdicts and scores: no inputs, no reasons
    said = summary.read_text(encoding="utf-8")[begins_at:] if summary.exists() else ""
    (out / "comment.md").write_text(said or f"### {out.name}: {verdict}\n", encoding="utf-8")
    with Path(os.environ.get("GITHUB_OUTPUT") or os.devnull).open("a", encoding="utf-8") as file:
        file.writelines(f"{name}={value}\n" for name, value in told.items())
    return 0 if "report" in told else code


if __name__ == "__main__":
    sys.exit(step())
