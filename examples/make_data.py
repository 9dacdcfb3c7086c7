"""Writes support_answers.jsonl and support_answers.csv: the same rows each time, as the seed says.

    python make_data.py [DIRECTORY]

The rows are what an assistant of a shop that does not exist answered to its customers, with the passages it
was given. `label` says whether the answer is grounded in them. Six lines are bad on purpose.
"""

import csv
import json
import random
import sys
from pathlib import Path

HERE = Path(__file__).parent
SEED = 20
CSV_ROWS = 50

PRODUCTS = ["a Heron sleeping bag", "a pair of Marten boots", "a rain jacket", "a family tent", "a rucksack", "a stove"]
DAYS = ["yesterday", "on Friday", "last week", "two days ago", "on the 3rd"]
NAMES = ["Ilse", "Tomas", "Mireille", "Jonas", "Anouk", "Piet", "Sanna", "Karel"]


def in_words_of_a_customer(question: str, rng: random.Random) -> str:
    inside = question if question.startswith("I ") else question[0].lower() + question[1:]
    return rng.choice(
        [
            question,
            question,
            f"Hi, {inside}",
            f"Hello! {question}",
            f"Quick question: {inside}",
            f"{question} I could not find it on your site.",
            f"I ordered {rng.choice(PRODUCTS)} {rng.choice(DAYS)}. {question}",
            f"{question} Thanks, {rng.choice(NAMES)}",
            f"Good morning, my order is {rng.randrange(410000, 489999)}. {question}",
            f"{question} It is a bit urgent.",
        ]
    )


def in_words_of_the_assistant(answer: str, title: str, rng: random.Random) -> str:
    about = title[0].lower() + title[1:]
    lead = rng.choice(["", "", "", "", f"On {about}: ", f"About {about}: "])
    return lead + answer


def passages(fact: dict, others: list[dict], rng: random.Random) -> str | list[str]:
    """One passage as text, or, as a retriever gives them, several as a list."""
    found = [f"{each['title']}. {each['text']}" for each in (fact, rng.choice(others))]
    return found if rng.random() < 0.3 else found[0]


def cases(facts: list[dict], rng: random.Random) -> list[dict]:
    rows = []
    for fact in facts:
        first, second = fact["questions"]
        of_first, of_second, of_both = fact["answers"]
        pairs = [(first, of_first), (first, of_both), (second, of_second), (second, of_both)]
        pairs.append(rng.choice(pairs))
        wrong = rng.randrange(2)
        asked = [(question, answer, "grounded") for question, answer in pairs]
        asked.append((fact["questions"][wrong], fact["wrong"][wrong], "not grounded"))
        others = [each for each in facts if each["topic"] != fact["topic"]]
        rows += [
            {
                "topic": fact["topic"],
                "input": in_words_of_a_customer(question, rng),
                "output": in_words_of_the_assistant(answer, fact["title"], rng),
                "context": passages(fact, others, rng),
                "label": label,
            }
            for question, answer, label in asked
        ]
    rng.shuffle(rows)
    return [{"id": f"sup-{number:04}", **row} for number, row in enumerate(rows, 1)]


def bad_lines(rows: list[dict]) -> dict[int, str]:
    """By line: what exports of real systems hold too."""
    return {
        31: json.dumps({**rows[0], "id": "bad-1", "output": ""}),
        74: json.dumps({name: value for name, value in rows[1].items() if name != "context"} | {"id": "bad-2"}),
        118: '{"id": "bad-3", "topic": "shipping", "input": "Where is my parcel?", "output": "It is on i',
        163: json.dumps(["bad-4", "Where is my parcel?", "It is on its way."]),
        201: json.dumps({**rows[2], "id": "bad-5", "output": None}),
        239: json.dumps({**rows[3], "id": "bad-6", "context": []}),
    }


def main(directory: Path) -> None:
    facts = json.loads((HERE / "support_facts.json").read_text(encoding="utf-8"))
    rows = cases(facts, random.Random(SEED))  # noqa: S311  # rows to be the same each time, no secret
    lines = [json.dumps(row) for row in rows]
    for line, text in sorted(bad_lines(rows).items()):
        lines.insert(line - 1, text)
    (directory / "support_answers.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    with (directory / "support_answers.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["id", "topic", "question", "answer", "passage"])
        for row in [row for row in rows if isinstance(row["context"], str)][:CSV_ROWS]:
            writer.writerow([row["id"], row["topic"], row["input"], row["output"], row["context"]])
    print(f"{len(lines)} lines, {len(rows)} of them cases; {CSV_ROWS} rows of CSV")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
