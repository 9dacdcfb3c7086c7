"""From a file of answers to a build that fails, and passes again: evaluate, report, change, compare, gate, mend.

    python strangers_path.py [DIRECTORY]

Each step prints its command and what came of it. The runs and pages stay in the directory, if one is given.
"""

import csv
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ANSWERS = Path(__file__).with_name("support_answers.csv")
COLUMNS = ["input=question", "output=answer", "context=passage"]
CHANGED = "sup-0005"
WRONG = "The reset link is written on the back of your first invoice."
BELOW = 4  # the exit code of a gate that a run does not pass


def evaluated(answers: str, run: str, *flags: str) -> dict[str, Any]:
    """Evaluate a file of answers, keep the run, and return its summary."""
    asked = ["--map", *COLUMNS, "--eval", "groundedness", "--backend", "local"]  # without it: your account, if any
    return dict(json.loads(fi_async("run", answers, *asked, "--run", run, *flags, "--json", "--no-progress")))


def fi_async(*words: str, expected: int = 0) -> str:
    """Run a command as a shell would, and return what it printed."""
    print(f"\n$ fi-async {shlex.join(words)}")
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-m", "fi_async", *words]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, check=False)  # noqa: S603  # ours
    print(f"{done.stdout}{done.stderr}".rstrip())
    check(done.returncode == expected, f"exit code {done.returncode}, not {expected}")
    return done.stdout


def check(holds: bool, otherwise: str) -> None:
    if not holds:
        raise SystemExit(otherwise)


def change(answers: str, changed: str, answer: str) -> None:
    """Copy a file of answers with another answer in one row."""
    with Path(answers).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    next(row for row in rows if row["id"] == CHANGED)["answer"] = answer
    with Path(changed).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"\n# {changed} is {answers} with another answer to {CHANGED}")


def main() -> None:
    shutil.copy(ANSWERS, "answers.csv")

    first = evaluated("answers.csv", "a.db")
    check(first["requests"] == first["scored"] == 50, "each answer is evaluated once")
    fi_async("report", "a.db")

    change("answers.csv", "worse.csv", WRONG)
    second = evaluated("worse.csv", "b.db", "--reuse", "*.db")
    check((second["requests"], second["reused"]) == (1, 49), "only the answer that changed is evaluated")

    said = fi_async("compare", "a.db", "b.db", "--html", "changes.html")
    check("Worse (1)" in said and CHANGED in said, "the changed answer got worse, and no other")

    demand = ["--baseline", "a.db", "--max-regressions", "0", "--coverage", "1"]
    fi_async("gate", "b.db", *demand, expected=BELOW)

    with ANSWERS.open(encoding="utf-8", newline="") as file:
        right = next(row["answer"] for row in csv.DictReader(file) if row["id"] == CHANGED)
    change("worse.csv", "mended.csv", right)
    third = evaluated("mended.csv", "c.db", "--reuse", "*.db")
    check(third["requests"] == 0, "all answers have been evaluated before")
    fi_async("gate", "c.db", *demand)
    print("\nevaluated 50, then 1, then 0; the gate failed with the wrong answer and passed with the right one")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(scratch)
        place.mkdir(parents=True, exist_ok=True)
        os.chdir(place)
        main()
        os.chdir(Path(__file__).parent)  # no system removes the directory that a program is in
