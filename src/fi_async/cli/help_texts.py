"""What `--help` says below the flags of each command."""

from __future__ import annotations

from typing import Final

from fi_async.cli.errors import AGREE_EXIT_CODES, COMPARE_EXIT_CODES, EXIT_CODES, GATE_EXIT_CODES, IMPORT_EXIT_CODES

RUN: Final = f"""\
FILE is JSONL (.jsonl, .ndjson: one JSON object a line), CSV (.csv, with a header), a workbook (.xlsx, .xls, \
.ods; its first sheet, with a header), Parquet (.parquet), or a \
directory of .json files; - reads JSONL from stdin. \
Columns that no template takes are carried along; a column named id comes back on every outcome. Rows that cannot \
be read or evaluated become outcomes that say why, and the others go on.

--out writes JSONL, or what its extension says: .csv, .parquet, .sqlite. Each line or row is an outcome: index (of the \
row, from 0), id, template, status (scored, failed, stalled, cancelled, invalid), score, passed, output, reason, \
error, backend, estimate, eval_id, attempts, latency_s, inputs (the row). \
They come as cases end, in any order.

Examples:
  fi-async run answers.jsonl --eval groundedness --out scores.jsonl
  fi-async run answers.csv --eval groundedness contains \\
      --param contains.keyword=Paris --map output=answer
  fi-async run answers.jsonl --eval groundedness --run nightly.db \\
      --out scores.jsonl
  cat answers.jsonl | fi-async run - --eval is_json --backend local --json
  fi-async run answers.csv --eval is_json groundedness checks.py:cites_all \\
      --judge qwen3:8b --judge-url http://127.0.0.1:11434/v1
  fi-async run answers.csv --eval groundedness --repeats 3 \\
      --jury mini qwen third --rule majority --run nightly.db

Judges that --jury and --judge name are tables of fi-async.toml, such as [judges.mini] with the keys model, url, \
key-env, price, limits, concurrency, allow-http, temperature, max-tokens and extra-body; model is required. \
Keys are in no flag: those of the platform are FI_API_KEY and FI_SECRET_KEY, that of the judge is OPENAI_API_KEY, or \
the variable that --judge-key-env names. FILE.py:NAME is a function with @template, or a Criteria, at the top of a \
file; module:NAME is one of a module that can be imported from here.

{EXIT_CODES}"""

LOAD: Final = """\
URL is postgresql://user@host:port/database/RUN, or .../database?run=RUN; the tables are made in a schema of their \
own, fi_async. Give the password as libpq takes it: PGPASSWORD, or ~/.pgpass. It is shown nowhere, and no key enters \
the database. Loaded again, the run has the rows of FILE: new ones are added, and those that are gone are removed.

Examples:
  fi-async load answers.jsonl --eval groundedness --limits 3000/10s \\
      --run postgresql://fi@db.example.com/evals/nightly
  fi-async load answers.jsonl --eval groundedness --repeats auto \\
      --jury mini qwen third \\
      --run postgresql://fi@db.example.com/evals/nightly
  fi-async work postgresql://fi@db.example.com/evals/nightly

Exit codes:
  0    all rows are there
  2    wrong usage: an unknown flag, template or column, another template
  3    the database cannot be used"""

WORK: Final = """\
Run it on as many machines as you like, at any time, and stop any of them: each holds chunks of the run, and what one \
leaves, the others do. Credentials are in the environment, as of run. What was sent when a worker died is sent again \
and counted as a possible duplicate, or fails as ambiguous, as --on-ambiguous of load says. What ended here is told of \
cases: with --repeats or --jury of load, by the worker that ended the last of a case's samples and votes.

Examples:
  fi-async work postgresql://fi@db.example.com/evals/nightly
  fi-async work postgresql://fi@db.example.com/evals/nightly --concurrency 16
  fi-async status postgresql://fi@db.example.com/evals/nightly --watch

Exit codes:
  0    nothing is left, and all that ended here is scored
  1    some that ended here have no score, or something is left
  2    wrong usage: the run asks for what is not given, or for other code
  3    it could not be done: the database or the server cannot be used
  130  stopped by Ctrl-C; what it held is free for others
  143  stopped by SIGTERM; as above"""

CONTROL: Final = """\
Workers look for it each second. What is under way comes to its end first.

Examples:
  fi-async control postgresql://fi@db.example.com/evals/nightly pause
  fi-async control postgresql://fi@db.example.com/evals/nightly resume
  fi-async control postgresql://fi@db.example.com/evals/nightly \\
      --concurrency 8 --limits 1000/10s

Exit codes:
  0    it is set
  2    wrong usage
  3    the database cannot be used"""

SERVE: Final = """\
Examples:
  fi-async serve
  fi-async serve --latency 2~0.8 --capacity 8 --requests 300/10s
  fi-async serve --latency 1 --fault 503=0.05 reset_after=0.01
  fi-async serve --judge-latency 2~0.8 --judge-tokens 100000/min
  fi-async serve --judge qwen3:8b --judge-url http://127.0.0.1:11434/v1

With --judge MODEL that model answers groundedness and its like, over the evaluation API, in place of the estimates. \
The flags under "Model to test judges with" are about a model that this server makes up, at /v1/chat/completions.

Ctrl-C stops it (exit code 0). Exit code 3: the port is taken."""

REPORT: Final = """\
The page holds the inputs of its cases: show it to those who may read them.

Examples:
  fi-async report nightly.db
  fi-async report nightly.db -o nightly.html"""

RESUME: Final = f"""\
RUN is the file of fi-async run --run, or of a program's gather(run=...) or stream(run=...). The rows are taken from \
where they came from; if that was stdin, a program, or is gone, from RUN itself. Credentials are in no file: \
FI_API_KEY, FI_SECRET_KEY and FI_BASE_URL must say what they said, and so must the variable with a judge's key. A \
run that a program began with functions, Criteria or a judge of its own needs them again: --eval FILE.py:NAME, --judge.

Examples:
  fi-async resume nightly.db
  fi-async resume nightly.db --max-cost 10
  fi-async resume nightly.db --out scores.jsonl

{EXIT_CODES}"""

RETRY: Final = f"""\
Alone it tries again what failed and what stalled, and leaves what may have been evaluated: that costs twice.

Examples:
  fi-async retry nightly.db
  fi-async retry nightly.db --failed --concurrency 4
  fi-async retry nightly.db --ambiguous --out scores.jsonl

{EXIT_CODES}"""

RUNS: Final = """\
Each case counts once for each template. A run that is stopped goes on with fi-async resume.

Examples:
  fi-async runs
  fi-async runs nightly --json"""

STATUS: Final = """\
Works while another process goes on with the run. Possibly evaluated are cases that were sent and have no answer yet, \
or none that is known.

Examples:
  fi-async status nightly.db
  fi-async status nightly.db --watch"""

EXPORT: Final = """\
Writes what has ended so far, as fi-async run --out does. Exit code 3: RUN is damaged; what is whole was written.

Examples:
  fi-async export nightly.db -o scores.csv
  fi-async export nightly.db --labels -o labels.csv"""

TEMPLATES: Final = """\
Examples:
  fi-async templates
  fi-async templates groundedness
  fi-async templates --local --json"""

CONFIG: Final = """\
Flags go above the environment (FI_ASYNC_CONCURRENCY=32), and that above a file: fi-async.toml, or [tool.fi_async] in \
pyproject.toml, the nearest from here up.

Examples:
  fi-async config
  fi-async config --json"""

IMPORT: Final = f"""\
Rows that failed become failures with the tool's words, never a score; rows that cannot be read are named by line. A \
grader with a number and a verdict gives two templates: NAME is the verdict, NAME.score the number. Nothing of the run \
can be sent: resume and retry refuse it.

Examples:
  fi-async import items.json --as openai-evals --eval-file eval.json -o old.db
  fi-async import results.json --as promptfoo --prompt 0 -o gpt.db
  fi-async import scores.jsonl --as jsonl --score quality --id case -o old.db

{IMPORT_EXIT_CODES}"""

MERGE: Final = """\
The shards are runs of the same templates, parameters and source; what differs is refused. Spending is added up. Where \
several shards made the same evaluation, the one with a score is kept, and of several the first. The file is a run as \
any other: of shards that are missing, fi-async resume evaluates the cases.

Examples:
  fi-async run answers.jsonl --eval groundedness --shard 1/2 --run part-1.db
  fi-async run answers.jsonl --eval groundedness --shard 2/2 --run part-2.db
  fi-async merge part-1.db part-2.db -o nightly.db

Exit codes: 0 all is there and has ended; 1 cases are missing, or have not \
ended; 2 these are no shards of one run; 3 a file is damaged."""

COMPARE: Final = f"""\
BEFORE, AFTER and OTHERS are runs: their files, or the .jsonl of fi-async run --out. A case of one is that of another \
if their ids are equal, or their inputs, whatever the judge. Shows which cases got worse or better; how much the mean \
changed, with an interval (paired bootstrap); and p, how probable so uneven a split into better and worse is if \
neither run is better (McNemar's test). Of three runs and more, all intervals hold together, p is adjusted by Holm, \
and the cases are listed on which the runs disagree most.

Examples:
  fi-async compare old.jsonl new.jsonl
  fi-async compare old.db new.db --html changes.html
  fi-async compare a.db b.db c.db --baseline b --html matrix.html
  fi-async compare old.db new.db --fail-if-worse
  fi-async compare old.jsonl new.jsonl --tolerance 0.05 --json

{COMPARE_EXIT_CODES}"""

GATE: Final = f"""\
Without --coverage, cases without a score may have \
had any, and the verdict must hold whatever it was. Quote conditions: the shell takes > for itself.

Examples:
  fi-async gate scores.jsonl --min 'groundedness>=0.9' --coverage 0.98
  fi-async gate scores.jsonl --min 'toxicity.mean<=0.1' --confidence 0.95 \\
      --junit gate.xml
  fi-async gate nightly.db --min 'groundedness:true>=0.9' 'groundedness:kappa>=0.6'
  fi-async gate scores.jsonl --write-baseline base.json
  fi-async gate scores.jsonl --baseline base.json --max-regressions 2

{GATE_EXIT_CODES}"""

LABEL: Final = """\
The page is served on this machine alone, under an address that cannot be guessed. Keys: 1 or p passes, 0 or f \
fails, digits and letters choose, numbers and Enter score, s skips, u takes back, n writes a note, ? shows all. Each \
label is in RUN before the page says so; the same command goes on where it stood. The judge's results are not shown, \
so that they sway nobody. --csv writes a file to fill in instead: Passed or Failed, a choice, or a number; leave \
blank what cannot be told, and its column weight as it is.

Examples:
  fi-async label nightly.db --eval groundedness --by ana
  fi-async label nightly.db --sample 100 --draw balanced
  fi-async label nightly.db --csv labels.csv
  fi-async label nightly.db --from labels.csv --by ana"""

AGREE: Final = f"""\
Labels that were drawn from RUN correct its pass rate by PPI++. With --labelled they are of another run, whose judge \
is the same: then by Rogan and Gladen. Of several people, the judge is held against what most of them say.

Examples:
  fi-async agree nightly.db
  fi-async agree nightly.db labels.csv --eval groundedness \\
      --min 'kappa>=0.6' 'rate>=0.9'
  fi-async agree tonight.db --labelled nightly.db --json

{AGREE_EXIT_CODES}"""

DATASET_PUSH: Final = """\
All columns go up. Up to 24 MiB go as one file, and further rows in parts. An upload that was cut off goes on with \
--resume: rows that are there are compared, and the others added.

Examples:
  fi-async dataset push answers.csv --name "answers of May"
  fi-async dataset push answers.csv --name "answers of May" --resume"""

DATASET_EVALUATE: Final = """\
The evaluations go on on the platform, whatever becomes of this command.

Examples:
  fi-async dataset evaluate "answers of May" --eval groundedness \\
      --map output=answer --out scores.jsonl
  fi-async dataset evaluate "answers of May" --eval is_json --as is_json=v2 \\
      --detach

Exit codes: 0, every row is scored; 1, some have no score; 2, wrong usage; \
3, it could not be done, or not to its end."""

DATASET_PULL: Final = """\
Examples:
  fi-async dataset pull "answers of May" --out scores.jsonl
  fi-async dataset pull "answers of May" --table answers-of-may.csv --no-wait

Exit codes: 0, every row is scored; 1, some have no score; 2, wrong usage; \
3, it could not be done, or not to its end."""

DATASET: Final = """\
Examples:
  fi-async dataset push answers.csv --name "answers of May"
  fi-async dataset evaluate "answers of May" --eval groundedness
  fi-async dataset pull "answers of May" --out scores.jsonl"""

TOP: Final = """\
Examples:
  fi-async run answers.jsonl --eval groundedness --out scores.jsonl
  fi-async gate scores.jsonl --min 'groundedness>=0.9'
  fi-async templates
  fi-async COMMAND --help

Any command takes --debug: a traceback with what went wrong."""
