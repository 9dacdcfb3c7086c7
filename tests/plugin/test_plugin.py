"""The plugin, over the embedded backend in this process."""

from __future__ import annotations

import asyncio
import re
import xml.etree.ElementTree as ET

import pytest

from fi_async import client
from fi_async.backends import criteria, functions, judge, rubrics, words  # noqa: F401  # as the one below
from fi_async.integrations import pytest_session  # noqa: F401  # pytester unloads what a session of its own loads
from fi_async.local import Faults, LocalBackend, Switches
from fi_async.local.server import running

pytest_plugins = "pytester"

HEAD = """
import pytest
NEEDLE = {"keyword": "needle"}
"""


class Server:
    """What the sessions of a test ask."""

    def __init__(self):
        self.backend = LocalBackend()

    def made(self):
        return self.backend.statistics()["evaluations_made"]


@pytest.fixture
def server(monkeypatch):
    served = Server()
    monkeypatch.setattr(client, "embedded_backend", lambda: served.backend)
    monkeypatch.setenv("FI_BASE_URL", "local")
    return served


@pytest.fixture
def run(pytester, monkeypatch):
    for name in ("CI", "BUILD_NUMBER"):  # there pytest's summary repeats a message whole
        monkeypatch.delenv(name, raising=False)

    def run(source, *arguments):
        pytester.makepyfile(test_it=HEAD + source)
        return pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:hypothesispytest", *arguments)

    return run


PARAMETERS = """
@pytest.mark.fi_eval("contains", inputs="text", eval_config=NEEDLE, threshold=1)
@pytest.mark.parametrize("text", [f"needle {n}" if n % 3 else f"straw {n}" for n in range(9)])
def test_it(text, fi_eval):
    assert fi_eval.result.passed
    assert repr(fi_eval) == f"<fi_eval test_it.py::test_it[{text}] results=1>"
"""


def test_each_test_reports_its_own(run, server):
    ran = run(PARAMETERS)
    ran.assert_outcomes(passed=6, failed=3)
    ran.stdout.fnmatch_lines(
        [
            "*_ test_it[[]straw 0] _*",
            "contains scored 0, below the threshold of 1",
            "  reason: Keyword 'needle' not found in output",
            "  evaluation: ????????-*",
            "  inputs:",
            "    text: 'straw 0'",
            "*_ test_it[[]straw 3] _*",
            "fi_async: 9 evaluations, 6 of 9 passed (66.7%)",
        ]
    )
    ran.stdout.no_fnmatch_line("*hidden*")
    assert server.made() == 9


def test_all_are_evaluated_at_the_same_time(run, server):
    asked, all_are_there = [], asyncio.Event()

    async def together(_):
        asked.append(1)
        if len(asked) == 9:
            all_are_there.set()
        await asyncio.wait_for(all_are_there.wait(), 20)

    server.backend = LocalBackend(Switches(latency=1.0), sleep=together)
    run(PARAMETERS).assert_outcomes(passed=6, failed=3)
    assert server.backend.statistics()["peak_in_flight"] == 9


def test_no_more_at_once_than_asked_for(run, server):
    server.backend = LocalBackend(Switches(latency=0.01))
    run(PARAMETERS, "--fi-concurrency", "2").assert_outcomes(passed=6, failed=3)
    assert server.backend.statistics()["peak_in_flight"] == 2


def test_what_is_deselected_or_skipped_is_not_evaluated(run, server):
    source = """
import sys

@pytest.mark.fi_eval("contains", inputs={"text": "needle"}, eval_config=NEEDLE)
class TestAll:
    def test_runs(self): pass
    def test_deselected(self): pass
    @pytest.mark.skip
    def test_skipped(self): pass
    @pytest.mark.skipif("sys.version_info > (3,)", reason="always")
    def test_skipped_by_a_condition(self): pass
    @pytest.mark.skipif("no_such_name", reason="wrong")
    def test_wrong_condition(self): pass
    @pytest.mark.xfail(run=False)
    def test_not_run(self): pass
"""
    ran = run(source, "-k", "not deselected")
    ran.assert_outcomes(passed=1, skipped=2, xfailed=1, errors=1, deselected=1)
    assert server.made() == 1


def test_tests_before_the_first_that_is_run_are_left_alone(run, server):
    run(PARAMETERS, "--collect-only").assert_outcomes()
    assert server.made() == 0
    run(PARAMETERS, "test_it.py::test_it[needle 8]").assert_outcomes(passed=1)
    assert server.made() == 1


def test_functions_make_inputs_at_the_same_time(run, server):
    source = """
import threading
together = threading.Barrier(4)

def answer(n):
    together.wait(20)
    if n == 1:
        raise OSError("the model is down")
    if n == 2:
        pytest.skip("not asked today")
    return {"text": f"needle {n}"}

@pytest.mark.fi_eval("contains", inputs=answer, eval_config=NEEDLE)
@pytest.mark.parametrize("n", range(4))
def test_it(n): pass
"""
    ran = run(source)
    ran.assert_outcomes(passed=2, errors=1, skipped=1)
    ran.stdout.fnmatch_lines(
        [
            "*_ ERROR at setup of test_it[[]1] _*",
            ">           raise OSError(*the model is down*",
            "E           OSError: the model is down",
            "fi_async: 2 evaluations, 2 of 2 passed (100.0%)",
        ]
    )
    ran.stdout.no_fnmatch_line("*concurrent/futures*")


def test_session_fixtures_come_before_the_inputs(run, server):
    source = """
models = []

@pytest.fixture(scope="session", autouse=True)
def model():
    models.append("needle")

@pytest.mark.fi_eval("contains", inputs=lambda: {"text": models[0]}, eval_config=NEEDLE)
def test_it(): pass
"""
    run(source).assert_outcomes(passed=1)


def test_a_test_may_ask_for_itself(run, server):
    source = """
@pytest.mark.fi_eval("contains", eval_config=NEEDLE)
def test_by_the_mark(fi_eval):
    assert fi_eval(text="a needle").passed
    fi_eval(text="a straw")

def test_without_one(fi_eval):
    fi_eval("contains", text="a straw", eval_config={"keyword": "straw"}, threshold=1)
    assert fi_eval("is_json", text="[1]", model_name="turing_small").model == "turing_small"
    assert [result.name for result in fi_eval.results] == ["contains", "is_json"]

@pytest.mark.fi_eval("contains", eval_config=NEEDLE, threshold=1)
@pytest.mark.fi_eval("is_json")
def test_one_of_two(fi_eval):
    with pytest.raises(pytest.fail.Exception, match="contains scored 0, below the threshold of 1"):
        fi_eval("contains", text="[1]")
    assert fi_eval("is_json", text="[1]").passed

@pytest.mark.fi_eval("contains", eval_config=NEEDLE)
@pytest.mark.fi_eval("is_json")
def test_which_of_two(fi_eval):
    fi_eval(text="[1]")

def test_no_template(fi_eval):
    fi_eval(text="[1]")

def test_blank(fi_eval):
    fi_eval("is_json", text="")
"""
    ran = run(source)
    ran.assert_outcomes(passed=2, failed=4)
    ran.stdout.fnmatch_lines(
        [
            '>       fi_eval(text="a straw")',
            "E       Failed: contains: Failed",
            "E         reason: Keyword 'needle' not found in output",
            (
                'E       *ConfigurationError: fi_eval() needs a template, such as fi_eval("groundedness", output=...):'
                " the test has 2 marks without inputs"
            ),
            (
                'E       *ConfigurationError: fi_eval() needs a template, such as fi_eval("groundedness", output=...):'
                " the test has 0 marks without inputs"
            ),
            (
                "E       Failed: test_it.py::test_blank: the input 'text' is blank, and the server refuses blank"
                " inputs: give it text, or leave this case out"
            ),
            "fi_async: 7 evaluations, 4 of 7 passed (57.1%)",
        ]
    )


def test_several_marks_are_several_questions(run, server):
    source = """
@pytest.mark.fi_eval("is_json", inputs=lambda text: {"text": text, "label": "more than it takes"})
class TestAll:
    @pytest.mark.fi_eval("contains", inputs="text", eval_config=NEEDLE)
    @pytest.mark.fi_eval("one_line", inputs="text")
    @pytest.mark.parametrize("text", ["needle", '["needle"]'])
    def test_it(self, text, fi_eval):
        assert [result.name for result in fi_eval.results] == ["is_json", "contains", "one_line"]
        fi_eval.result
"""
    ran = run(source)
    ran.assert_outcomes(failed=2)
    ran.stdout.fnmatch_lines(
        [
            "is_json: Failed",
            "E       *ConfigurationError: fi_eval.result: the test has 3 results: see fi_eval.results",
            "fi_async: 6 evaluations, 5 of 6 passed (83.3%)",
        ]
    )


def test_a_mark_that_nothing_answers_fails_its_test(run, server):
    source = """
@pytest.mark.fi_eval("contains", eval_config=NEEDLE)
def test_forgotten(fi_eval): pass

@pytest.mark.fi_eval("contains", inputs="txt")
@pytest.mark.parametrize("text", ["needle"])
def test_mistaken(text): pass

@pytest.mark.fi_eval("contains", inputs={"text": ""})
def test_blank(): pass
"""
    ran = run(source)
    ran.assert_outcomes(failed=2, errors=1)
    ran.stdout.fnmatch_lines(
        [
            "fi_eval: inputs asks for 'txt', which is no parameter of the test; it has text.*",
            "nothing was evaluated: give the mark inputs=, or call the fixture fi_eval in the test",
            (
                "test_it.py::test_blank: the input 'text' is blank, and the server refuses blank inputs: give it"
                " text, or leave this case out"
            ),
        ]
    )


TROUBLE = """
@pytest.mark.fi_eval("contains", inputs="text", eval_config=NEEDLE)
@pytest.mark.parametrize("text", ["needle 1", "needle 2"])
def test_declared(text): pass

def test_called(fi_eval):
    fi_eval("contains", text="needle 3")

def test_without(): pass
"""


def test_no_key_is_an_error_that_is_told_once(run, monkeypatch):
    monkeypatch.delenv("FI_BASE_URL", raising=False)
    ran = run(TROUBLE, "--junitxml=it.xml")
    ran.assert_outcomes(errors=3, passed=1)
    said = ran.stdout.str()
    assert len(re.findall("FI_API_KEY and FI_SECRET_KEY missing", said)) == 1
    assert "or run pytest with --fi-backend local to mean the embedded backend" in said
    assert said.count("not evaluated, for the same reason as test_it.py::test_declared[needle 1]\n") == 2
    ran.stdout.fnmatch_lines(["fi_async: 3 evaluations, 3 without a result"])


def test_a_server_that_fails_is_an_error(run, server, pytester):
    server.backend = LocalBackend(Switches(faults=Faults(fail=1.0)))
    ran = run(TROUBLE, "--junitxml=it.xml")
    ran.assert_outcomes(errors=3, passed=1)
    ran.stdout.fnmatch_lines(["not evaluated: ValidationError: the server refused the request: Evaluation failed.*"])
    cases = {
        case.get("name"): [child.tag for child in case] for case in ET.parse(pytester.path / "it.xml").iter("testcase")
    }
    assert cases == {
        "test_declared[needle 1]": ["error"],
        "test_declared[needle 2]": ["error"],
        "test_called": ["error"],
        "test_without": [],
    }


def test_the_summary_says_what_may_be_paid_twice_and_what_is_estimated(run, server):
    source = """
@pytest.mark.fi_eval("groundedness", inputs={"output": "Paris.", "context": "Paris.", "input": "?"})
def test_it(): pass
"""
    server.backend = LocalBackend(Switches(faults=Faults(cut_json=0.5), seed=5))
    ran = run(source)
    ran.assert_outcomes(passed=1)
    ran.stdout.fnmatch_lines(
        ["fi_async: 1 evaluation, 1 of 1 passed (100.0%), 1 possibly paid twice, 1 estimated by the local backend"]
    )


def test_junit_has_the_results(run, server, pytester):
    source = """
@pytest.mark.fi_eval("contains", inputs={"text": "needle"}, eval_config=NEEDLE)
def test_it(): pass
"""
    run(source, "--junitxml=it.xml").assert_outcomes(passed=1)
    found = {each.get("name"): each.get("value") for each in ET.parse(pytester.path / "it.xml").iter("property")}
    assert len(found.pop("contains.eval_id")) == 36
    assert found == {"contains.score": "1.0", "contains.reason": "Keyword 'needle' found in output"}


def test_kept_results_are_not_paid_again(run, server, pytester):
    run(PARAMETERS, "--fi-runs", "kept").assert_outcomes(passed=6, failed=3)
    ran = run(PARAMETERS.replace("straw", "hay"), "--fi-runs", "kept")
    ran.assert_outcomes(passed=6, failed=3)
    ran.stdout.fnmatch_lines(["fi_async: 9 evaluations, 6 of 9 passed (66.7%), 6 kept from earlier"])
    assert server.made() == 12
    assert [path.name.rpartition("-")[0] for path in (pytester.path / "kept" / "local").glob("*.db")] == ["contains"]


def test_the_end_of_a_session_cuts_off_what_nobody_waits_for(run, server):
    asked = []

    async def never(_):
        asked.append(1)
        await asyncio.sleep(0 if len(asked) == 1 else 3600)

    server.backend = LocalBackend(Switches(latency=1.0), sleep=never)
    ran = run(PARAMETERS, "-x")
    ran.assert_outcomes(failed=1)
    ran.stdout.fnmatch_lines(["fi_async: 1 evaluation, 0 of 1 passed (0.0%)"])


AGAIN = """
import pytest
from _pytest.runner import runtestprotocol

def pytest_runtest_protocol(item, nextitem):
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for _ in range(2):
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        item._initrequest()
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    return True
"""


def test_a_test_that_is_run_again_is_asked_again(run, server, pytester):
    pytester.makeconftest(AGAIN)
    source = """
@pytest.fixture
def seen(fi_eval):
    yield
    assert len(fi_eval.results) == 1

@pytest.mark.fi_eval("contains", inputs=lambda: {"text": "needle"}, eval_config=NEEDLE)
def test_declared(fi_eval, seen):
    assert fi_eval.result.score == 1

def test_called(fi_eval, seen):
    assert fi_eval("contains", text="needle", eval_config=NEEDLE) == fi_eval.result

asked = []

@pytest.mark.fi_eval("contains", eval_config=NEEDLE)
def test_forgotten_once(fi_eval):
    asked or asked.append(fi_eval(text="needle"))
"""
    ran = run(source)
    ran.assert_outcomes(passed=2, failed=1)
    ran.stdout.fnmatch_lines(["fi_async: 5 evaluations, 5 of 5 passed (100.0%)"])
    assert server.made() == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--fi-concurrency", "0"], "fi_concurrency must be \"auto\" or a whole number from 1, not '0'"),
        (["-o", "fi_concurrency=many"], "fi_concurrency must be \"auto\" or a whole number from 1, not 'many'"),
        (["--fi-backend", "clod"], "fi_backend must be cloud or local, not 'clod'"),
    ],
)
def test_options_are_checked_first(run, arguments, message):
    ran = run("", *arguments)
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    ran.stderr.fnmatch_lines([f"ERROR: {message}"])


def test_settings_come_from_the_configuration_file_too(run, server, pytester, monkeypatch):
    monkeypatch.setenv("FI_BASE_URL", "https://api.example")
    pytester.makeini(
        "[pytest]\nfi_backend = local\nfi_model = turing_flash\nfi_concurrency = auto\nfi_shared_budget = b.db"
    )
    source = """
@pytest.mark.fi_eval("is_json", inputs={"text": "[1]"})
def test_it(fi_eval):
    assert fi_eval.result.model == "turing_flash"

def test_other(fi_eval):
    assert fi_eval("is_json", text="[1]", model_name="turing_small").model == "turing_small"
"""
    run(source).assert_outcomes(passed=2)
    assert (pytester.path / "b.db").is_file()


def test_the_cloud_is_asked_where_the_option_says_so(run, monkeypatch):
    monkeypatch.setenv("FI_BASE_URL", "local")
    ran = run(TROUBLE, "--fi-backend", "cloud")
    ran.assert_outcomes(errors=3, passed=1)
    ran.stdout.fnmatch_lines(["not evaluated: MissingCredentialsError: * run pytest with --fi-backend local *"])


LONG = """
import pytest
from datetime import date

LONG = {"text": "straw\\n" + "x" * 500, "more": [date(2026, 1, 2)], **{f"k{n}": n for n in range(20)}}

@pytest.mark.fi_eval("contains", inputs=LONG, threshold=1, eval_config={"keyword": "needle"})
def test_mark(): pass

@pytest.mark.fi_eval("contains", threshold=1, eval_config={"keyword": "needle"})
def test_call(fi_eval): fi_eval(text="straw")

@pytest.mark.fi_eval("contains", inputs={"text": " "}, threshold=1, eval_config={"keyword": "needle"})
def test_invalid(): pass
"""


def test_a_failure_shows_the_inputs_in_their_first_characters(run, server):
    ran = run(LONG)
    ran.assert_outcomes(failed=3)
    shown = r"straw\n" + "x" * 294
    ran.stdout.fnmatch_lines(
        [
            "  inputs:",
            f"    text: '{shown}' and 206 characters more",
            "    more: '[[]\"2026-01-02\"]'",
            "    k9: '9'",
            "    and 10 more",
            "E     inputs:",
            "E       text: 'straw'",
            "*the input 'text' is blank*",
            "  inputs:",
            "    text: ' '",
        ]
    )


def test_without_a_marked_test_nothing_is_said(run, server):
    ran = run("def test_it(fi_eval): pass")
    ran.assert_outcomes(passed=1)
    ran.stdout.no_fnmatch_line("fi_async:*")
    assert "fi_eval(template, " in run("", "--markers").stdout.str()


OWN = """
from fi_async import Criteria, template

@template
def brief(output: str) -> float:
    return 1.0 if len(output) < 5 else 0.5

calm = Criteria("calm", "Is {{output}} calm?")
"""


def test_functions_need_no_account(run, monkeypatch):
    for name in ("FI_BASE_URL", "FI_API_KEY", "FI_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    ran = run(
        OWN
        + """
@pytest.mark.fi_eval(brief, inputs="output", threshold=0.8)
@pytest.mark.parametrize("output", ["abc", "abcdefg"])
def test_marked(output): pass

@pytest.mark.fi_eval.with_args(brief)
def test_called(fi_eval):
    assert fi_eval(output="abc").score == 1

def test_in_the_test(fi_eval):
    assert fi_eval(brief, output="abc").backend == "code"
"""
    )
    ran.assert_outcomes(passed=3, failed=1)
    ran.stdout.fnmatch_lines(["brief scored 0.5, below the threshold of 0.8"])


def test_a_function_that_would_be_marked_itself_is_refused(run, server):
    ran = run(OWN + "@pytest.mark.fi_eval(brief)\ndef test_it(fi_eval): pass\n")
    ran.assert_outcomes(errors=1)
    ran.stdout.fnmatch_lines(["*brief would be marked itself*@pytest.mark.fi_eval.with_args(brief)*"])


def test_a_judge_answers_criteria_and_templates(run, monkeypatch):
    for name in ("FI_BASE_URL", "FI_API_KEY", "FI_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("JUDGE_KEY", "sk-1")
    source = (
        OWN
        + """
@pytest.mark.fi_eval(calm, inputs={"output": "x"}, threshold=0)
@pytest.mark.fi_eval("groundedness", inputs={"output": "x", "context": "y"}, threshold=0)
@pytest.mark.fi_eval("is_json", inputs={"text": "[1]"})
def test_it(fi_eval):
    assert [each.backend for each in fi_eval.results] == ["judge", "judge", "local"]
"""
    )
    endpoint = LocalBackend()
    with running(endpoint) as url:
        flags = ("--fi-judge", "m", "--fi-judge-url", f"{url}/v1", "--fi-judge-key-env", "JUDGE_KEY")
        ran = run(source, *flags, "--fi-judge-limits", "900/min 1000000/min:tokens")
        run(source, *flags, "--fi-backends", "local judge", "--fi-runs", "kept").assert_outcomes(passed=1)
        asked = endpoint.judged("m").total()
        run(source, *flags, "--fi-backends", "local judge", "--fi-runs", "kept").assert_outcomes(passed=1)
    ran.assert_outcomes(passed=1)
    assert endpoint.judged("m").total() == asked == 4


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--fi-backends=clod", "fi_backends clod: no backend is called 'clod'; did you mean cloud?"),
        ("--fi-backends=judge", "fi_backends judge: which judge? Name its model by fi_judge"),
        ("--fi-judge=m", "OPENAI_API_KEY missing: set it for fi_judge m, or name another variable by fi_judge_key_env"),
        ("--fi-judge-url=http://127.0.0.1:1", "fi_judge_url is about a judge: name its model by fi_judge"),
        ("--fi-judge=m --fi-backend=local", "fi_backend stands beside fi_backends or fi_judge"),
        ("--fi-judge=m --fi-judge-key-env=none --fi-judge-limits=9", "fi_judge_limits 9: write it as COUNT/TIME"),
        ("--fi-judge=m --fi-judge-key-env=sk-a-b", "fi_judge_key_env takes the name of an environment variable"),
    ],
)
def test_who_evaluates_cannot_be_meant_so(flags, said, run, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    ran = run("def test_it(): pass", *flags.split())
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    assert said in ran.stderr.str()
