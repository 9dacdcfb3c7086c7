"""What a round is told to do, all of it drawn from its seed."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass
from typing import Any, Final

PARAMS: Final[dict[str, dict[str, Any]]] = {
    "contains": {"keyword": "needle"},
    "word_count_in_range": {"min_words": 8, "max_words": 12},
}
KEYS: Final[dict[str, tuple[str, ...]]] = {
    "contains": ("text",),
    "is_json": ("text",),
    "word_count_in_range": ("text",),
    "levenshtein_similarity": ("output", "expected"),
    "fuzzy_match": ("output", "expected"),
    "rouge_score": ("reference", "hypothesis"),
}
_WORDS: Final = ["needle", "straw", "Paris", "42", "été", "漢字", "🙂", "\\n", '"', "{", "]", "null", "the", "of", "a"]
# What the proxy can do to an exchange; each is explained where it is done.
MISCHIEF: Final = (
    "delay",
    "swallow",
    "drop_request",
    "cut_request",
    "trickle_request",
    "corrupt_request",
    "cut",
    "reset",
    "half_close",
    "trickle",
    "corrupt_head",
    "corrupt_body",
    "again",
    "again_later",
    "another",
    "another_later",
    "junk",
    "early_hints",
)


@dataclass(frozen=True)
class Order:
    """One round.

    Attributes:
        door: How the client asks: "gather", "stream" or "sync".
        transport: "httpx", "aiohttp", or "client" for an httpx client of the program's own.
        options: Keywords of the run.
        timeout: Fields of its Timeout.
        switches: Of the server, as `parse_switches` reads them.
        mischief: How probable each is that the proxy can do to an exchange.
        kills: Signal and seconds of each client that does not live to the end; "LINE" and how many lines it writes
            before it kills itself: at the very moment at which it was handed an outcome.
        restarts: Seconds until the server is killed, and seconds it is away, one after the other.
    """

    seed: int
    kept: bool
    door: str
    transport: str
    templates: list[str]
    count: int
    options: dict[str, Any]
    timeout: dict[str, float]
    switches: dict[str, Any]
    mischief: dict[str, float]
    kills: list[tuple[str, float]]
    restarts: list[tuple[float, float]]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def cases(self) -> list[dict[str, str]]:
        """Return the inputs of each case: no two are equal, and their verdicts differ."""
        rng = random.Random(f"{self.seed} cases")
        keys = sorted({key for name in self.templates for key in KEYS[name]})
        return [{key: _text(rng, number, key) for key in keys} for number in range(self.count)]


def _text(rng: random.Random, number: int, key: str) -> str:
    if key == "text" and rng.random() < 0.2:
        return f"[{number}]"
    return f"{key[0]}{number} " + " ".join(rng.choices(_WORDS, k=rng.randint(3, 12)))


def inputs_of(template: str, case: dict[str, str]) -> dict[str, str]:
    """Return what the server is sent of a case under a template."""
    return {key: case[key] for key in KEYS[template]}


def draw(seed: int, *, short: bool = False) -> Order:
    """Return the round of a seed; a short one has few cases and two kills at most."""
    rng = random.Random(f"{seed} round")
    kept = rng.random() < 0.75
    count = rng.randint(50, 90 if short else 300)
    templates = rng.sample(sorted(KEYS), rng.choice([1, 1, 2] if short else [1, 1, 2, 3]))
    faults = _faults(rng)
    work = count * len(templates)
    switches: dict[str, Any] = {
        "latency": rng.choice([0.0, 0.02, 0.1, "0.05~0.8", "0.02~1.2"]),
        "overhead": rng.choice([0.0, 0.0, 0.01]),
        "capacity": rng.choice([None, None, 16]),
        "faults": faults,
        "seed": rng.randrange(10**6),
        "spelling": rng.choice(["snake", "camel"]),
    }
    if rng.random() < 0.3:
        switches["requests"] = {"count": max(40, work // 2), "window_seconds": rng.choice([1.0, 2.0])}
    if rng.random() < 0.3:
        switches["evaluations"] = {"count": max(40, work // 3), "window_seconds": rng.choice([1.0, 2.0])}
    options = {
        "strategy": rng.choice(["sync", "async", "auto"]),
        "concurrency": rng.choice([4, 8, 32, 64, "auto"]),
        "on_ambiguous": rng.choice(["resubmit", "resubmit", "fail"]),
        "on_stalled": rng.choice(
            ["fail", "resubmit"] if any(each.startswith("stuck") for each in faults) else ["fail", "resubmit", "wait"]
        ),
        "max_retries": rng.choice([0, 2, 4, 8, 8]),
        "rows": rng.choice(["auto", "auto", 1, 3]),
    }
    most = 2 if short else 5
    return Order(
        seed=seed,
        kept=kept,
        door=rng.choice(["gather", "stream", "stream", "sync"]),
        transport=rng.choice(["httpx", "aiohttp", "aiohttp", "client"]),
        templates=templates,
        count=count,
        options=options,
        timeout={"connect": 3.0, "read": rng.choice([1.0, 2.0]), "case": rng.choice([3.0, 8.0]), "patience": 20.0},
        switches=switches,
        mischief=_mischief(rng),
        kills=[_kill(rng) for _ in range(rng.randint(0, most))] if kept else [],
        restarts=[(rng.uniform(0.3, 3), rng.uniform(0, 1)) for _ in range(rng.choice([0, 0, 1, 1 if short else 2]))],
    )


def _kill(rng: random.Random) -> tuple[str, float]:
    how = rng.choice(["KILL", "KILL", "TERM", "INT", "LINE", "LINE"])
    return how, rng.randint(1, 60) if how == "LINE" else rng.triangular(0, 2, 0.2)


def _faults(rng: random.Random) -> list[str]:
    if rng.random() < 0.3:
        return []
    chances = {
        "503": 0.03,
        "500": 0.02,
        "html_500": 0.02,
        "reset_before": 0.03,
        "reset_after": 0.03,
        "cut_json": 0.03,
        "502_after": 0.03,
        "slow": 0.03,
        "fail": 0.03,
        "stuck": 0.01,
    }
    chosen = rng.sample(sorted(chances), rng.randint(1, 4))
    return [f"{name}={chances[name]}" + (":0.5" if name == "slow" else "") for name in chosen]


def _mischief(rng: random.Random) -> dict[str, float]:
    if rng.random() < 0.15:
        return {}
    chosen = rng.sample(MISCHIEF, rng.randint(1, 6))
    return {name: rng.choice([0.005, 0.02, 0.06]) for name in chosen}
