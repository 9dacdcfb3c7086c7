"""The flags of the commands, as the parser reads them and `--help` shows them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter, validators

from fi_async._settings import RunOptions

_POSITIVE = validators.Number(gt=0)
_FROM_ONE = validators.Number(gte=1)
_AS_SET = RunOptions()


def _from_one(type_: object, value: int | str) -> None:
    if value != "auto":
        _FROM_ONE(type_, value)


def _short(value: object) -> str:
    return f"{value:g}"


Several = Parameter(consume_multiple=(1, 1_000_000), negative="")
Flag = Parameter(negative="", show_default=False)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class RunFlags:
    """What `fi-async run` is told.

    Attributes:
        evals: Templates to evaluate each row under, one or several.
        model: The judge, such as turing_small.
        concurrency: Requests under way at once; auto finds how many the server can do with.
        out: Write every outcome to this file as it comes, one JSON object a line.
        backend: Who evaluates. Omitted: cloud if FI_API_KEY and FI_SECRET_KEY are set, else local.
        timeout: Seconds that one case may take.
        on_ambiguous: Whether to send again what was sent and got no reply: it may have been evaluated, and paid.
        max_retries: Repeats of a request that failed; waiting for a rate limit is not counted.
        strategy: Hold each request until it is scored (sync), submit and poll (async), or what is quicker (auto).
        param: The template's parameters; values are JSON, or else text. Of several templates: TEMPLATE.KEY=VALUE.
        mapping: Take the template's key from a column of another name.
        limit: Read so many rows, and no more.
        no_progress: Show no progress.
        json: Print the summary as one JSON object.
        dry_run: Evaluate nothing: print what the run would take, and which rows cannot be sent.
    """

    evals: Annotated[list[str], Several, Parameter(name="--eval", metavar="NAME...")]
    model: Annotated[str | None, Parameter(metavar="NAME")] = None
    concurrency: Annotated[int | Literal["auto"], Parameter(metavar="auto|N", validator=_from_one)] = (
        _AS_SET.concurrency
    )
    out: Annotated[Path | None, Parameter(metavar="PATH")] = None
    backend: Literal["cloud", "local"] | None = None
    timeout: Annotated[float | None, Parameter(metavar="SECONDS", validator=_POSITIVE, show_default=_short)] = (
        _AS_SET.timeout.case
    )
    on_ambiguous: Literal["resubmit", "fail"] = _AS_SET.on_ambiguous
    max_retries: Annotated[int, Parameter(metavar="N", validator=validators.Number(gte=0))] = _AS_SET.max_retries
    strategy: Literal["auto", "sync", "async"] = _AS_SET.strategy
    param: Annotated[list[str] | None, Several, Parameter(metavar="KEY=VALUE...")] = None
    mapping: Annotated[list[str] | None, Several, Parameter(name="--map", metavar="KEY=COLUMN...")] = None
    limit: Annotated[int | None, Parameter(metavar="N", validator=_FROM_ONE)] = None
    no_progress: Annotated[bool, Flag] = False
    json: Annotated[bool, Flag] = False
    dry_run: Annotated[bool, Flag] = False


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class ServeFlags:
    """What `fi-async serve` is told.

    Attributes:
        host: The address to listen at.
        port: The port; 0 takes a free one.
        latency: Seconds an evaluation takes: 2, or 2~0.8 for lognormal ones (median ~ sigma).
        overhead: Seconds added to every reply, as a network would.
        capacity: Evaluations that run at once; the rest queue. Omitted: any number.
        requests: At most so many requests in each window, such as 300/10s: over it, 429.
        evaluations: At most so many evaluations in each window, such as 50/min.
        fault: What goes wrong, and how often: 503=0.05, 502_after=0.01, reset_after=0.02, slow=0.1:5 (seconds).
        spelling: Of the keys in replies to polls.
        seed: Of every draw: the same seed meets the same requests with the same fate.
        store: Keep evaluations in this file, past the end of the server.
        key: A key pair it knows, all others being refused. Omitted: it takes any.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Parameter(metavar="N", validator=validators.Number(gte=0, lte=65535))] = 8100
    latency: Annotated[str, Parameter(metavar="SECONDS")] = "0"
    overhead: Annotated[
        float, Parameter(metavar="SECONDS", validator=validators.Number(gte=0), show_default=_short)
    ] = 0.0
    capacity: Annotated[int | None, Parameter(metavar="N", validator=_FROM_ONE)] = None
    requests: Annotated[str | None, Parameter(metavar="QUOTA")] = None
    evaluations: Annotated[list[str] | None, Several, Parameter(metavar="QUOTA...")] = None
    fault: Annotated[list[str] | None, Several, Parameter(metavar="KIND=PROBABILITY...")] = None
    spelling: Literal["snake", "camel"] = "snake"
    seed: Annotated[int, Parameter(metavar="N")] = 0
    store: Annotated[Path | None, Parameter(metavar="PATH")] = None
    key: Annotated[list[str] | None, Several, Parameter(metavar="KEY:SECRET...")] = None
