"""The sync facade, in cells that VS Code and Jupyter run one by one: no await, no event loop of yours."""

# %% One client for the whole notebook. Evaluator() asks the cloud, with FI_API_KEY and FI_SECRET_KEY.
import csv
from collections import defaultdict
from pathlib import Path

from fi_async import Case, Evaluator

ev = Evaluator.local()

# %% One evaluation.
result = ev.evaluate("is_json", {"text": '{"colour": "blue"}'}).eval_results[0]
print(result.name, result.output, "-", result.reason)

# %% A file of answers, each row a case. The names of the columns need not be those of the template.
with Path(__file__).with_name("support_answers.csv").open(encoding="utf-8", newline="") as file:
    rows = list(csv.DictReader(file))
cases = [
    Case({"input": row["question"], "output": row["answer"], "context": row["passage"]}, id=row["id"]) for row in rows
]
report = ev.gather(cases, "groundedness")
report  # noqa: B018  # a notebook shows the last value of a cell

# %% Which topics are weak?
by_topic = defaultdict(list)
for row, outcome in zip(rows, report.outcomes, strict=True):
    by_topic[row["topic"]].append(outcome.passed)
for topic, verdicts in sorted(by_topic.items(), key=lambda item: sum(item[1]) / len(item[1]))[:3]:
    print(f"{topic}: {sum(verdicts)} of {len(verdicts)} grounded")

# %% The first answer that is not grounded, and why.
worst = next(outcome for outcome in report.outcomes if outcome.passed is False)
print(worst.case.id, worst.case.inputs["output"])
print(worst.result.reason)

# %% What a cell shows of a report.
print(report)
