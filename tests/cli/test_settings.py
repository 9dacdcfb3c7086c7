from __future__ import annotations

import json
from pathlib import Path

import pytest


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder two below the test's own, where commands run."""
    folder = tmp_path / "project" / "sub"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


def settings(ended):
    assert (ended.code, ended.err) == (0, "")
    return {each["name"]: (each["value"], each["origin"]) for each in json.loads(ended.out)}


DEFAULTS = {
    "base_url": ("https://api.futureagi.com", "default"),
    "fi_api_key": (None, "not set"),
    "fi_secret_key": (None, "not set"),
    "backend": (None, "default"),
    "backends": (None, "default"),
    "concurrency": ("auto", "default"),
    "judge": (None, "default"),
    "judge_allow_http": (False, "default"),
    "judge_concurrency": (None, "default"),
    "judge_key_env": (None, "default"),
    "judge_limits": (None, "default"),
    "judge_price": (None, "default"),
    "judge_url": (None, "default"),
    "jury": (None, "default"),
    "max_cost": (None, "default"),
    "max_repeats": (9, "default"),
    "max_retries": (4, "default"),
    "model": (None, "default"),
    "no_progress": (False, "default"),
    "on_ambiguous": ("resubmit", "default"),
    "precision": (0.95, "default"),
    "reduce": (None, "default"),
    "repeats": (1, "default"),
    "rule": (None, "default"),
    "shard": (None, "default"),
    "strategy": ("auto", "default"),
    "timeout": (None, "default"),
}


def test_what_nobody_set_is_the_default(cli, here):
    assert settings(cli("config --json")) == DEFAULTS


def test_the_environment_goes_above_the_nearest_file(cli, here, monkeypatch):
    project = here.parent / "pyproject.toml"
    project.write_text("[tool.fi_async]\nmax-retries = 2\nstrategy = 'async'\n")
    (here / "pyproject.toml").write_text("[tool.other]\nstrategy = 1\n")
    monkeypatch.setenv("FI_ASYNC_STRATEGY", "sync")
    monkeypatch.setenv("FI_ASYNC_MODEL", "")
    assert settings(cli("config --json")) == DEFAULTS | {
        "max_retries": (2, str(project)),
        "strategy": ("sync", "FI_ASYNC_STRATEGY"),
    }
    nearer = here / "fi-async.toml"
    nearer.write_text("timeout = 7.5\nno_progress = true\n")
    assert settings(cli("config --json")) == DEFAULTS | {
        "no_progress": (True, str(nearer)),
        "strategy": ("sync", "FI_ASYNC_STRATEGY"),
        "timeout": (7.5, str(nearer)),
    }


def test_values_are_shown_as_they_are(cli, here, monkeypatch):
    monkeypatch.setenv("FI_ASYNC_MODEL", "[red]:smile:")
    assert " [red]:smile: " in cli("config").out


def test_no_key_and_no_password_is_shown(cli, here, monkeypatch):
    monkeypatch.setenv("FI_API_KEY", "the-key-itself")
    monkeypatch.setenv("FI_SECRET_KEY", "the-secret-itself")
    monkeypatch.setenv("FI_BASE_URL", "https://me:password@eval.example")
    for words in ("config", "config --json"):
        out = cli(words).out
        assert "itself" not in out
        assert "password" not in out
    found = settings(cli("config --json"))
    assert found["fi_api_key"] == ("********", "FI_API_KEY")
    assert found["base_url"] == ("https://***@eval.example", "FI_BASE_URL")


def test_a_run_goes_by_them_and_flags_go_above(cli, here, jsonl, embedded):
    app = embedded(capacity=1)
    Path("fi-async.toml").write_text("strategy = 'async'\nbackend = 'local'\n")
    assert cli("run", jsonl({"text": "1"}), "--eval is_json").code == 0
    polled = app.statistics()["requests"]
    assert polled > 1
    assert cli("run in.jsonl --eval is_json --strategy sync").code == 0
    assert app.statistics()["requests"] == polled + 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("concurency = 3", "unknown key 'concurency'; did you mean concurrency?"),
        ("limit = 1", "unknown key 'limit'; there are backend, backends, concurrency,"),
        ("xyz = 1", "unknown key 'xyz'; there are backend, backends, concurrency, judge, judge_allow_http,"),
        ("fi_api_key = 'x'", "fi_api_key belongs into the environment, as FI_API_KEY, not into a file"),
        ("judge_limits = [1]", "judge_limits must be text, or a list of it, not list"),
        ("backends = 1", "backends must be text, or a list of it, not int"),
        ("timeout = [1]", "timeout must be one value, not list"),
        ("timeout =", "not valid TOML (Invalid value (at line 1, column 10)"),
    ],
)
def test_a_wrong_file_is_named(content, said, cli, here, jsonl):
    Path("fi-async.toml").write_text(f"{content}\n")
    for ended in (cli("config"), cli("run", jsonl({"text": "1"}), "--eval is_json")):
        assert (ended.code, ended.out) == (2, "")
        assert ended.err.startswith(f"fi-async: {here}/fi-async.toml: {said}")
    assert cli("templates is_json").code == 0


def test_tool_fi_async_is_a_table(cli, here):
    Path("pyproject.toml").write_text("[tool]\nfi_async = 3\n")
    assert cli("config").err == f"fi-async: {here}/pyproject.toml: tool.fi_async must be a table\n"


def test_a_wrong_value_names_where_it_comes_from(cli, here, jsonl, monkeypatch):
    monkeypatch.setenv("FI_ASYNC_CONCURRENCY", "many")
    ended = cli("run", jsonl({"text": "1"}), "--eval is_json")
    assert ended.code == 2
    assert (
        'Invalid value for --concurrency from FI_ASYNC_CONCURRENCY: "many" is no whole number, nor auto.' in ended.err
    )


def test_completion_can_be_installed(cli, here):
    assert cli("--install-completion --shell bash --output completion.sh").code == 0
    assert "fi-async" in Path("completion.sh").read_text()
