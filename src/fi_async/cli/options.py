"""The flags of the commands, as the parser reads them and `--help` shows them."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass, fields
from glob import escape, glob
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter, validators

from fi_async import _catalogue
from fi_async._settings import RunOptions
from fi_async.cli.asked_judge import OF_PAID_JUDGES, JudgeChoice, PaidJudgeChoice
from fi_async.cli.errors import UsageError
from fi_async.cli.flag_kinds import (
    EVALUATION,
    FROM_ONE,
    FROM_ZERO,
    INPUT,
    JUDGE,  # noqa: F401  # the parser reads the annotations of inherited flags here
    KEEPING,
    OUTPUT,
    PACE,
    POSITIVE,
    SHARE,
    VERDICT,
    WITHIN,
    Count,
    Flag,
    RunPlace,
    Several,
    at_home,
    from_one,
    one_of_shards,
    short,
    whole,
)
from fi_async.cli.repeat_flags import RepeatChoice

if TYPE_CHECKING:
    from cyclopts.completion import CompletionContext

_AS_SET = RunOptions()
_NOT_HERE = Parameter(parse=False)  # a flag of run that another command lacks


def refuse(flags: JudgeChoice | GateFlags | ImportFlags, names: Collection[str], because: str) -> None:
    """Return if none of these flags was given.

    Raises:
        UsageError: One was.
    """
    for each in fields(flags):
        if each.name in names and getattr(flags, each.name) != each.default:
            name = {"evals": "eval", "passed": "pass", "id_column": "id"}.get(each.name, each.name.replace("_", "-"))
            raise UsageError(f"--{name} {because}")


def _at_home(flags: Any) -> None:
    for each in fields(flags):
        if isinstance(value := getattr(flags, each.name), Path):
            object.__setattr__(flags, each.name, at_home(value))


def _templates(_context: object) -> list[str]:
    """Return the names that a shell completes after --eval: those of the system templates."""
    return list(_catalogue.rows())


def _files(context: CompletionContext) -> list[str]:
    """Return the files and directories that a shell completes for FILE."""
    begun = context.incomplete
    found = sorted(glob(f"{escape(os.path.expanduser(begun))}*"))  # noqa: PTH111, PTH207  # as far as it is typed
    home = os.path.expanduser("~") if begun.startswith("~/") else ""  # noqa: PTH111  # as above
    return [f"~{each.removeprefix(home)}" if home else each for each in found]


FileName = Annotated[str, Parameter(completer=_files)]
Minima = Annotated[list[str] | None, Several, Parameter(metavar="CONDITION...")]
Tolerance = Annotated[float, Parameter(metavar="SCORE", validator=FROM_ZERO, show_default=short)]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class RunFlags(RepeatChoice):
    """What `fi-async run` is told.

    Attributes:
        evals: Templates to evaluate each row under, one or several; FILE.py:NAME is a function or a Criteria of yours.
        model: The platform's judge, such as turing_small.
        concurrency: Requests under way at once; auto finds how many the server can do with.
        out: Write every outcome to this file as it comes: .csv, .parquet, .sqlite, or else one JSON object a line.
        backend: Who evaluates. Omitted: cloud if FI_API_KEY and FI_SECRET_KEY are set, else local.
        backends: Who evaluates, each template by the first that can: local (functions here, exact), judge, cloud.
            Omitted with --judge: local judge cloud if FI_API_KEY and FI_SECRET_KEY are set, else local judge.
        timeout: Seconds that one case may take: 600, and less once it is known how long others take.
        on_ambiguous: Whether to send again what was sent and got no reply: it may have been evaluated, and paid.
        on_stalled: What to do with what the server accepted and does not finish in the case's time.
        max_retries: Repeats of a request that failed; waiting for a rate limit is not counted.
        strategy: Hold each request until it is scored (sync), submit and poll (async), or what is quicker (auto).
        rows: Cases that one request carries; auto sends several where that costs nothing.
        poll_interval: Seconds between two requests for one evaluation. Omitted: as the run learns to.
        limits: What the server or your plan allows: 300/min, 40/10s; of evaluations, 1000/hour:evaluations.
        extra_keys: What to do with a column that no template takes: leave it out, or refuse the row.
        param: The template's parameters; values are JSON, or else text. Of several templates: TEMPLATE.KEY=VALUE.
        mapping: Take the template's key from a column of another name.
        constants: Give every case this key; values are JSON, or else text.
        id_column: The column that comes back as the outcome's id; it is no input.
        limit: Read so many rows, and no more.
        sample: Evaluate so many of these, drawn at random, in their order.
        seed: Of that draw: the same seed draws the same rows.
        shard: Evaluate one of N parts of the rows, numbered from 1/N to N/N, at its part of the limits; each keeps a
            --run of its own, and fi-async merge makes one of them.
        shared_budget: Be paced together with all runs of this key pair that name this file, made if missing; or this
            database: postgresql://user@host/database, with the password in PGPASSWORD or ~/.pgpass.
        min: What the scores must reach, such as 'groundedness>=0.9': see fi-async gate --help.
        labels: A file of labels by people, for what they decide. Omitted: those in the file of --run.
        coverage: The share of cases that must have a score; the others are let go.
        confidence: Whole intervals must reach --min, not only the values. Omitted: the values.
        fail_fast: Stop as soon as the verdict of --min and --coverage is certain.
        error_rate: Let --fail-fast be wrong so often, to stop much sooner; rows are taken in random order.
        run: Keep the run in this file, or in the database of this URL, where fi-async work may help: the same command
            again, or fi-async resume, goes on where it stopped.
        reuse: Take the results of other runs for equal work: their files, as a quoted pattern such as 'runs/*.db'.
        duplicates: Evaluate equal rows once, or refuse the second.
        drain: Seconds that requests under way may take to their end when a run with --run is stopped.
        no_progress: Show no progress.
        otel: Export spans, metrics and results over OTLP, as the OTEL_ variables say; needs the extra [otel].
        json: Print the summary, or the plan of --dry-run, as one JSON object.
        dry_run: Evaluate nothing: print what the run would take, and which rows cannot be sent.
    """

    evals: Annotated[list[str], EVALUATION, Several, Parameter(name="--eval", metavar="NAME...", completer=_templates)]
    model: Annotated[str | None, EVALUATION, Parameter(metavar="NAME")] = None
    concurrency: Annotated[
        int | Literal["auto"],
        PACE,
        Parameter(metavar="auto|N", converter=whole, validator=from_one, show_choices=False),
    ] = _AS_SET.concurrency
    out: Annotated[Path | None, OUTPUT, Parameter(metavar="PATH")] = None
    backend: Annotated[Literal["cloud", "local"] | None, EVALUATION] = None
    backends: Annotated[
        list[Literal["local", "judge", "cloud"]] | None, EVALUATION, Several, Parameter(metavar="NAME...")
    ] = None
    timeout: Annotated[float | None, PACE, Parameter(metavar="SECONDS", validator=POSITIVE)] = None
    on_ambiguous: Annotated[Literal["resubmit", "fail"], PACE] = _AS_SET.on_ambiguous
    on_stalled: Annotated[Literal["resubmit", "fail", "wait"], PACE] = _AS_SET.on_stalled
    max_retries: Annotated[int, PACE, Parameter(metavar="N", converter=whole, validator=FROM_ZERO)] = (
        _AS_SET.max_retries
    )
    strategy: Annotated[Literal["auto", "sync", "async"], PACE] = _AS_SET.strategy
    rows: Annotated[
        int | Literal["auto"],
        PACE,
        Parameter(metavar="auto|N", converter=whole, validator=from_one, show_choices=False),
    ] = _AS_SET.rows
    poll_interval: Annotated[float | None, PACE, Parameter(metavar="SECONDS", validator=POSITIVE)] = None
    limits: Annotated[list[str] | None, PACE, Several, Parameter(metavar="COUNT/TIME...")] = None
    extra_keys: Annotated[Literal["ignore", "forbid"], INPUT] = "ignore"
    param: Annotated[list[str] | None, EVALUATION, Several, Parameter(metavar="KEY=VALUE...")] = None
    mapping: Annotated[list[str] | None, INPUT, Several, Parameter(name="--map", metavar="KEY=COLUMN...")] = None
    constants: Annotated[list[str] | None, INPUT, Several, Parameter(name="--set", metavar="KEY=VALUE...")] = None
    id_column: Annotated[str, INPUT, Parameter(name="--id", metavar="COLUMN")] = "id"
    limit: Annotated[int | None, INPUT, Parameter(metavar="N", converter=whole, validator=FROM_ONE)] = None
    sample: Annotated[int | None, INPUT, Parameter(metavar="N", converter=whole, validator=FROM_ONE)] = None
    seed: Annotated[int, INPUT, Parameter(metavar="N", converter=whole)] = 0
    shard: Annotated[str | None, INPUT, Parameter(metavar="I/N", validator=one_of_shards)] = None
    shared_budget: Annotated[str | None, PACE, Parameter(metavar="PATH|URL")] = None
    min: Annotated[Minima, VERDICT] = None
    labels: Annotated[Path | None, VERDICT, Parameter(metavar="PATH")] = None
    coverage: Annotated[float | None, VERDICT, Parameter(metavar="SHARE", validator=SHARE)] = None
    confidence: Annotated[float | None, VERDICT, Parameter(metavar="SHARE", validator=WITHIN)] = None
    fail_fast: Annotated[bool, VERDICT, Flag] = False
    error_rate: Annotated[float | None, VERDICT, Parameter(metavar="RATE", validator=WITHIN)] = None
    run: Annotated[RunPlace, KEEPING, Parameter(metavar="PATH|URL")] = None
    reuse: Annotated[str | None, KEEPING, Parameter(metavar="PATTERN")] = None
    duplicates: Annotated[Literal["once", "refuse"], KEEPING] = "once"
    drain: Annotated[float, KEEPING, Parameter(metavar="SECONDS", validator=POSITIVE, show_default=short)] = 5.0
    no_progress: Annotated[bool, OUTPUT, Flag] = False
    otel: Annotated[bool, OUTPUT, Flag] = False
    json: Annotated[bool, OUTPUT, Flag] = False
    dry_run: Annotated[bool, OUTPUT, Flag] = False

    def __post_init__(self) -> None:
        _at_home(self)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class LoadFlags(RunFlags):
    """What `fi-async load` is told: who evaluates what, and how, as of run; workers do it so.

    Attributes:
        store: The run: the URL of a PostgreSQL database that ends in the run's name.
        retry: Try again what ended so in the run.
    """

    store: Annotated[str, KEEPING, Parameter(name="--run", metavar="URL")]
    retry: Annotated[list[Literal["failed", "stalled", "ambiguous"]] | None, KEEPING, Several] = None
    run: Annotated[RunPlace, _NOT_HERE] = None
    out: Annotated[Path | None, _NOT_HERE] = None
    min: Annotated[Minima, _NOT_HERE] = None
    confidence: Annotated[float | None, _NOT_HERE] = None
    coverage: Annotated[float | None, _NOT_HERE] = None
    fail_fast: Annotated[bool, _NOT_HERE] = False
    error_rate: Annotated[float | None, _NOT_HERE] = None
    shard: Annotated[str | None, _NOT_HERE] = None
    labels: Annotated[Path | None, _NOT_HERE] = None
    otel: Annotated[bool, _NOT_HERE] = False
    shared_budget: Annotated[str | None, _NOT_HERE] = None
    drain: Annotated[float, _NOT_HERE] = 5.0
    no_progress: Annotated[bool, _NOT_HERE] = True
    dry_run: Annotated[bool, _NOT_HERE] = False


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class ResumeFlags(PaidJudgeChoice):
    """What `fi-async resume` and `fi-async retry` are told; all else is as when the run began.

    Attributes:
        evals: Of a program's run: FILE.py:NAME of each function and each Criteria that it was begun with.
        out: Write every outcome of the run to this file, as run does.
        concurrency: Requests under way at once; auto finds how many the server can do with. Omitted: as it was.
        timeout: Seconds that one case may take. Omitted: as it was.
        max_retries: Repeats of a request that failed. Omitted: as it was.
        on_ambiguous: Whether to send again what was sent and got no reply. Omitted: as it was.
        no_progress: Show no progress.
        otel: Export spans, metrics and results over OTLP, as run does.
        json: Print the summary as one JSON object.
    """

    evals: Annotated[list[str] | None, Several, Parameter(name="--eval", metavar="FILE.py:NAME...")] = None
    out: Annotated[Path | None, Parameter(metavar="PATH")] = None
    concurrency: Count = None
    timeout: Annotated[float | None, Parameter(metavar="SECONDS", validator=POSITIVE)] = None
    max_retries: Annotated[int | None, Parameter(metavar="N", converter=whole, validator=FROM_ZERO)] = None
    on_ambiguous: Literal["resubmit", "fail"] | None = None
    no_progress: Annotated[bool, Flag] = False
    otel: Annotated[bool, Flag] = False
    json: Annotated[bool, Flag] = False

    def __post_init__(self) -> None:
        _at_home(self)

    def pace(self) -> dict[str, Any]:
        """Return what is told anew of how the run goes, by name."""
        told = {name: getattr(self, name) for name in ("concurrency", "timeout", "max_retries", "on_ambiguous")}
        return {name: value for name, value in told.items() if value is not None}

    def judging(self) -> dict[str, Any]:
        """Return what is told anew of the judge, by name."""
        return {name: value for name in OF_PAID_JUDGES if (value := getattr(self, name)) not in (None, False)}


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class ServeFlags(JudgeChoice):
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
        no_call_log: A sync evaluation that fails gets a 500 without a reason, not a 400 that says why.
        allow_network: Evaluate the templates that ask others: contains_valid_link, no_invalid_links, api_call.
        seed: Of every draw: the same seed meets the same requests with the same fate.
        store: Keep evaluations in this file, past the end of the server.
        key: A key pair it knows, all others being refused. Omitted: it takes any.
    """

    host: Annotated[str, Parameter(metavar="ADDRESS")] = "127.0.0.1"
    port: Annotated[int, Parameter(metavar="N", converter=whole, validator=validators.Number(gte=0, lte=65535))] = 8100
    latency: Annotated[str, Parameter(metavar="SECONDS")] = "0"
    overhead: Annotated[float, Parameter(metavar="SECONDS", validator=FROM_ZERO, show_default=short)] = 0.0
    capacity: Annotated[int | None, Parameter(metavar="N", converter=whole, validator=FROM_ONE)] = None
    requests: Annotated[str | None, Parameter(metavar="QUOTA")] = None
    evaluations: Annotated[list[str] | None, Several, Parameter(metavar="QUOTA...")] = None
    fault: Annotated[list[str] | None, Several, Parameter(metavar="KIND=PROBABILITY...")] = None
    spelling: Literal["snake", "camel"] = "snake"
    no_call_log: Annotated[bool, Flag] = False
    allow_network: Annotated[bool, Flag] = False
    seed: Annotated[int, Parameter(metavar="N", converter=whole)] = 0
    store: Annotated[Path | None, Parameter(metavar="PATH")] = None
    key: Annotated[list[str] | None, Several, Parameter(metavar="KEY:SECRET...")] = None

    def __post_init__(self) -> None:
        _at_home(self)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class CompareFlags:
    """What `fi-async compare` is told.

    Attributes:
        by: What makes two cases the same. Omitted: id if every case has one of its own, else inputs.
        tolerance: Scores that differ by no more than this are a tie.
        lower_is_better: Templates whose score is the better the lower.
        confidence: How probably an interval holds what it is about; of three runs and more, all intervals together.
        baseline: The run that the others are compared with: its path or URL, or its name without the ending. Omitted:
            BEFORE.
        fail_if_worse: Exit with 4 if a run is worse than the baseline under any template, with 5 if nobody can tell.
        html: Write a page too, with every case that changed and what it was; it opens offline.
        json: Print JSON, with every case that changed.
    """

    by: Literal["id", "inputs"] | None = None
    tolerance: Tolerance = 0.0
    lower_is_better: Annotated[list[str] | None, Several, Parameter(metavar="TEMPLATE...")] = None
    confidence: Annotated[float, Parameter(metavar="SHARE", validator=WITHIN, show_default=short)] = 0.95
    baseline: Annotated[str | None, Parameter(metavar="RUN")] = None
    fail_if_worse: Annotated[bool, Flag] = False
    html: Annotated[Path | None, Parameter(metavar="PATH")] = None
    json: Annotated[bool, Flag] = False

    def __post_init__(self) -> None:
        _at_home(self)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class ImportFlags:
    """What `fi-async import` is told.

    Attributes:
        tool: Whose results FILE holds: OpenAI's hosted evals, promptfoo, or JSON lines of any tool.
        out: The run's file to make; none is replaced.
        eval_file: Of openai-evals: the eval object with its testing_criteria, if it is not in FILE.
        prompt: Of promptfoo: take only the results of this prompt and provider (promptIdx, from 0).
        score: Of jsonl: the columns of numbers. Of several, each is a template. Omitted: score.
        passed: Of jsonl: the columns of verdicts, as --score. Omitted: passed.
        template: Of jsonl: the column of the template's name, or a name for all lines.
        id_column: Of jsonl: the column of the case's id.
        reason: Of jsonl: the column of the grader's words.
        error: Of jsonl: the column that says why a line has no result.
        json: Print JSON.
    """

    tool: Annotated[Literal["openai-evals", "promptfoo", "jsonl"], Parameter(name="--as")]
    out: Annotated[Path, Parameter(name=("--out", "-o"), metavar="RUN")]
    eval_file: Annotated[Path | None, Parameter(metavar="PATH")] = None
    prompt: Annotated[int | None, Parameter(metavar="N", converter=whole, validator=FROM_ZERO)] = None
    score: Annotated[list[str] | None, Several, Parameter(metavar="COLUMN...")] = None
    passed: Annotated[list[str] | None, Several, Parameter(name="--pass", metavar="COLUMN...")] = None
    template: Annotated[str, Parameter(metavar="COLUMN")] = "template"
    id_column: Annotated[str, Parameter(name="--id", metavar="COLUMN")] = "id"
    reason: Annotated[str, Parameter(metavar="COLUMN")] = "reason"
    error: Annotated[str, Parameter(metavar="COLUMN")] = "error"
    json: Annotated[bool, Flag] = False

    def __post_init__(self) -> None:
        _at_home(self)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class GateFlags:
    """What `fi-async gate` is told.

    Attributes:
        min: What the scores must reach: TEMPLATE[.mean|.pass_rate] and >=, >, <= or < and a number; or what labels
            tell: TEMPLATE:true (the corrected rate), TEMPLATE:kappa, :alpha, :tpr, :tnr.
        labels: A file of labels by people, or another run, as of fi-async agree. Omitted: those that the run keeps.
        coverage: The share of cases that must have a score, of each template; the others are let go.
        confidence: Whole intervals must reach --min, not only the values. Omitted: the values.
        baseline: A file of --write-baseline, or a run, that this run must not be worse than.
        max_regressions: So many cases may be worse than in the baseline. Omitted: none.
        tolerance: Scores that are lower by no more than this are not worse.
        by: What makes a case that of the baseline. Omitted: id if every case has one of its own, else inputs.
        backend: Take what the local backend made of a run for which nobody had named it, estimates included.
        write_baseline: If it passes, keep what each case scored in this file.
        junit: Write JUnit XML: a failure for what is below, an error for what nobody can tell.
        json: Print JSON.
    """

    min: Minima = None
    labels: Annotated[RunPlace, Parameter(metavar="PATH|URL")] = None
    coverage: Annotated[float | None, Parameter(metavar="SHARE", validator=SHARE)] = None
    confidence: Annotated[float | None, Parameter(metavar="SHARE", validator=WITHIN)] = None
    baseline: Annotated[RunPlace, Parameter(metavar="PATH|URL")] = None
    max_regressions: Annotated[int | None, Parameter(metavar="N", converter=whole, validator=FROM_ZERO)] = None
    tolerance: Tolerance = 0.0
    by: Literal["id", "inputs"] | None = None
    backend: Literal["local"] | None = None
    write_baseline: Annotated[Path | None, Parameter(metavar="PATH")] = None
    junit: Annotated[Path | None, Parameter(metavar="PATH")] = None
    json: Annotated[bool, Flag] = False

    def __post_init__(self) -> None:
        _at_home(self)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class LabelFlags:
    """What `fi-async label` is told.

    Attributes:
        csv: Write the cases to this CSV file instead, to be filled in; none is replaced, as it may hold labels.
        from_: Take labels from this CSV or JSONL file instead, as of fi-async agree.
        by: Who labels. Omitted: the name of the user of this machine.
        eval: The template whose results are to be checked. Omitted: the one of the run.
        sample: How many cases to draw, 50 if none were drawn before; more than before draws more to those.
        draw: All alike; as many of each verdict; or those more often whose score is near the threshold.
        threshold: The score at which a judge that gives scores is least sure.
        seed: Of the draw: the same seed draws the same cases.
        redraw: Draw anew, although there is a draw. Labels of cases that are not in the new one are left out.
        verdicts: Label passed or failed, where the judge gives scores.
        show_verdict: Show what the judge says. It sways whoever sees it; the labels are marked.
        port: The port of the page; 0 takes a free one.
        open: Open the page in a browser. Omitted: if a person is at the terminal.
    """

    csv: Annotated[Path | None, Parameter(name=("--csv", "--out", "-o"), metavar="PATH")] = None
    from_: Annotated[Path | None, Parameter(name="--from", metavar="PATH")] = None
    by: Annotated[str | None, Parameter(metavar="NAME")] = None
    eval: Annotated[str | None, Parameter(metavar="NAME", completer=_templates)] = None
    sample: Annotated[int | None, Parameter(metavar="N", converter=whole, validator=from_one)] = None
    draw: Literal["random", "balanced", "uncertain"] | None = None
    threshold: Annotated[float | None, Parameter(metavar="SCORE")] = None
    seed: Annotated[int | None, Parameter(metavar="N", converter=whole)] = None
    redraw: Annotated[bool, Flag] = False
    verdicts: Annotated[bool, Flag] = False
    show_verdict: Annotated[bool, Flag] = False
    port: Annotated[int, Parameter(metavar="N", converter=whole, validator=validators.Number(gte=0, lte=65535))] = 0
    open: bool | None = None

    def __post_init__(self) -> None:
        _at_home(self)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class AgreeFlags:
    """What `fi-async agree` is told.

    Attributes:
        eval: The template that the labels are of. Omitted: the one that has labels.
        by: Only labels by these people.
        labelled: The run that the labels are of, if it is another: the judge's errors there correct the rate of RUN.
        column: The column of the labels.
        min: What the judge must reach: kappa, alpha, tpr, tnr or rate, and >=, >, <= or < and a number; also as
            TEMPLATE:kappa.
        confidence: Of the intervals; given, whole intervals must reach --min. Omitted: 0.95, and the values.
        threshold: The score from which a judge that gives scores passes a case.
        json: Print JSON.
    """

    eval: Annotated[str | None, Parameter(metavar="NAME", completer=_templates)] = None
    by: Annotated[list[str] | None, Several, Parameter(metavar="NAME...")] = None
    labelled: Annotated[RunPlace, Parameter(metavar="RUN")] = None
    column: Annotated[str, Parameter(metavar="NAME")] = "label"
    min: Minima = None
    confidence: Annotated[float | None, Parameter(metavar="SHARE", validator=WITHIN)] = None
    threshold: Annotated[float, Parameter(metavar="SCORE", show_default=short)] = 0.5
    json: Annotated[bool, Flag] = False

    def __post_init__(self) -> None:
        _at_home(self)
