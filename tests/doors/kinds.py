"""The kinds of values that come in, and what each is: as it is sent, and as it comes out again."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from pydantic import BaseModel

DAY = dt.date(2026, 1, 2)
NOON = dt.datetime(2026, 1, 2, 12, 30, 5, 250_000)  # noqa: DTZ001  # naive, as most columns are
UTC = NOON.replace(tzinfo=dt.UTC)
ID = uuid.UUID("12345678-1234-5678-1234-567812345678")


class Colour(Enum):
    RED = "red"


class Tone(StrEnum):
    WARM = "warm"


class Level(IntEnum):
    HIGH = 3


class Point(NamedTuple):
    x: float
    y: float


@dataclass
class Turn:
    role: str
    at: dt.date


class Message(BaseModel):
    role: str
    count: int = 1


class Quoted(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "not what it is"


class Silent:
    """What raises when it is shown."""

    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


def endless() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


NESTED = np.array([np.array(["a", "b"], dtype=object), np.array(["c"], dtype=object)], dtype=object)
STRUCTURED = np.array([(1.5, 2.5)], dtype=[("n", "f4"), ("x", "f8")])

# Each by its name: the value, and what JSON has for it.
SENT: dict[str, tuple[Any, Any]] = {
    "text": ("Paris", "Paris"),
    "text with a line break": ("a\r\nb", "a\r\nb"),
    "text of many scripts": ("naïve 日本 🙂 \u202e", "naïve 日本 🙂 \u202e"),
    "text that is a formula": ("=1+1", "=1+1"),
    "text that is markup": ("</script><b>&amp;", "</script><b>&amp;"),
    "text of a subclass": (Quoted("Paris"), "Paris"),
    "number": (5, 5),
    "great number": (2**62, 2**62),
    "fraction": (0.25, 0.25),
    "whole fraction": (2.0, 2.0),
    "true": (True, True),
    "list": (["a", "b"], ["a", "b"]),
    "list of lists": ([["a"], ["b", "c"]], [["a"], ["b", "c"]]),
    "list with nothing in it": (["a", None], ["a", None]),
    "list with NaN in it": ([0.5, float("nan")], [0.5, None]),
    "tuple": (("a", "b"), ["a", "b"]),
    "named tuple": (Point(1.5, 2.5), [1.5, 2.5]),
    "dict": ({"role": "user", "n": 1}, {"role": "user", "n": 1}),
    "dict of other keys": ({1: "b", None: "c", DAY: "d"}, {"1": "b", "null": "c", "2026-01-02": "d"}),
    "ordered dict": (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
    "date": (DAY, "2026-01-02"),
    "time": (dt.time(12, 30), "12:30:00"),
    "datetime": (NOON, "2026-01-02T12:30:05.250000"),
    "datetime of a zone": (UTC, "2026-01-02T12:30:05.250000+00:00"),
    "span": (dt.timedelta(days=1, hours=2), "P1DT2H"),
    "Decimal": (Decimal("10.50"), "10.50"),
    "Fraction": (Fraction(1, 3), "1/3"),
    "UUID": (ID, str(ID)),
    "path": (PurePosixPath("a/b.png"), "a/b.png"),
    "enum": (Colour.RED, "red"),
    "enum of text": (Tone.WARM, "warm"),
    "enum of numbers": (Level.HIGH, 3),
    "bytes": ("Zürich".encode(), "Zürich"),
    "bytearray": (bytearray(b"abc"), "abc"),
    "dataclass": (Turn("user", DAY), {"role": "user", "at": "2026-01-02"}),
    "model": (Message(role="user"), {"role": "user", "count": 1}),
    "numpy array": (np.array([1, 2]), [1, 2]),
    "numpy array of arrays": (NESTED, [["a", "b"], ["c"]]),
    "numpy matrix": (np.array([[1.5], [2.5]]), [[1.5], [2.5]]),
    "numpy array of times": (np.array(["2026-01-02", "NaT"], dtype="M8[ns]"), ["2026-01-02T00:00:00", None]),
    "numpy array of records": (STRUCTURED, [[1.5, 2.5]]),
    "numpy whole number": (np.int32(7), 7),
    "numpy number": (np.float32(0.5), 0.5),
    "numpy boolean": (np.bool_(True), True),  # its constructor
    "numpy text": (np.str_("Paris"), "Paris"),
    "numpy day": (np.datetime64("2026-01-02"), "2026-01-02"),
    "numpy time": (np.datetime64("2026-01-02T12:30:05.250000", "ns"), "2026-01-02T12:30:05.250000"),
    "numpy span": (np.timedelta64(90, "s"), "PT1M30S"),
    "pandas timestamp": (pd.Timestamp(UTC), "2026-01-02T12:30:05.250000+00:00"),
    "pandas span": (pd.Timedelta(hours=1), "PT1H"),
    "pandas series": (pd.Series(["a", None], dtype="string"), ["a", None]),
    "pandas series of times": (pd.Series(pd.to_datetime(["2026-01-02", None])), ["2026-01-02T00:00:00", None]),
    "pandas array": (pd.array([1, None], dtype="Int64"), [1, None]),
    "pandas frame": (pd.DataFrame({"role": ["user"], "n": [1]}), [{"role": "user", "n": 1}]),
    "polars series": (pl.Series([["a"], None]), [["a"], None]),
    "polars frame": (pl.DataFrame({"role": ["user"]}), [{"role": "user"}]),
    "Arrow array": (pa.array([["a"], None]), [["a"], None]),
    "Arrow table": (pa.table({"role": ["user"]}), [{"role": "user"}]),
    "Arrow scalar": (pa.scalar(DAY), "2026-01-02"),
    "all of it, deep": (
        {"turns": [{"at": pd.Timestamp(NOON), "scores": np.array([0.5, np.nan]), "id": ID, "cost": Decimal("1.10")}]},
        {"turns": [{"at": "2026-01-02T12:30:05.250000", "scores": [0.5, None], "id": str(ID), "cost": "1.10"}]},
    ),
}

MISSING: dict[str, Any] = {
    "None": None,
    "NaN": float("nan"),
    "numpy NaN": np.float32("nan"),
    "numpy NaT": np.datetime64("NaT", "s"),
    "pandas NaT": pd.NaT,
    "pandas NA": pd.NA,
    "Decimal NaN": Decimal("NaN"),
    "Arrow null": pa.scalar(None, pa.string()),
}

# The value, and why it is refused.
REFUSED: dict[str, tuple[Any, str]] = {
    "set": ({"a"}, "is a set with no JSON form"),
    "object": (object(), "is a object with no JSON form"),
    "generator": ((n for n in range(3)), "is a generator with no JSON form"),
    "function": (endless, "is a function with no JSON form"),
    "module's class": (Silent, "is a type with no JSON form"),
    "what raises": (Silent(), "is a Silent with no JSON form"),
    "what raises, deep": ([{"a": Silent()}], "holds a Silent with no JSON form"),
    "bytes of no text": (b"\xff\xfe", "is bytes that are no UTF-8"),
    "infinity": (float("inf"), "is an infinite number, which JSON has no form for"),
    "infinite Decimal": (Decimal("-Infinity"), "is an infinite number, which JSON has no form for"),
    "complex": (1j, "is a complex with no JSON form"),
    "number of many digits": (10**5000, "is a number of more digits than JSON is read with"),
    "list within itself": (endless(), "holds lists more than 100 deep, or within themselves"),
    "dict of pairs": ({(1, 2): "a"}, "holds a dict with a tuple as key, with no JSON form"),
}

# The id, and the text it becomes.
IDS: dict[str, tuple[Any, str | None]] = {
    "none": (None, None),
    "text": ("q-17", "q-17"),
    "text of many scripts": ("日本 🙂", "日本 🙂"),
    "text that is a formula": ("-2", "-2"),
    "number": (7, "7"),
    "great number": (2**62, str(2**62)),
    "whole fraction": (1.0, "1"),
    "great whole fraction": (1e16, "10000000000000000"),
    "fraction": (1.5, "1.5"),
    "NaN": (float("nan"), None),
    "true": (True, "true"),
    "UUID": (ID, str(ID)),
    "Decimal": (Decimal(7), "7"),
    "date": (DAY, "2026-01-02"),
    "bytes": (b"q-17", "q-17"),
    "enum": (Tone.WARM, "warm"),
    "numpy number": (np.int64(7), "7"),
    "numpy whole fraction": (np.float64(1e16), "10000000000000000"),
    "numpy text": (np.str_("q"), "q"),
    "pandas timestamp": (pd.Timestamp(DAY), "2026-01-02T00:00:00"),
    "list": (["a", 1], '["a", 1]'),
    "dict": ({"$oid": "5f"}, '{"$oid": "5f"}'),
}

REFUSED_IDS: dict[str, Any] = {"object": object(), "set": {1}, "what raises": Silent(), "bytes of no text": b"\xff"}
