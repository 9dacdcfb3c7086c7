"""Ctrl-C, SIGTERM, a full disk: how a run that is kept ends in a terminal, in a shell and in a notebook."""

from __future__ import annotations

import json
import os
import pty
import resource
import select
import signal
import subprocess
import sys
import time

import pytest

from fi_async.journal.view import open_view
from fi_async.local import LocalBackend, Switches
from fi_async.local.server import running

CLI = [sys.executable, "-W", "error", "-m", "fi_async"]
NO_ACCOUNT = {name: value for name, value in os.environ.items() if not name.startswith("FI_")}
COUNT = 200
ASKED = ["--eval", "contains", "--param", "keyword=7", "--run", "nightly.db", "--out", "out.jsonl"]
GO_ON = "To go on: fi-async resume nightly.db --out out.jsonl"


@pytest.fixture
def place(tmp_path):
    rows = "".join(json.dumps({"text": f"Paris {n}"}) + "\n" for n in range(COUNT))
    (tmp_path / "in.jsonl").write_text(rows, encoding="utf-8")
    return tmp_path


def served(url):
    return {**NO_ACCOUNT, "FI_API_KEY": "key", "FI_SECRET_KEY": "secret", "FI_BASE_URL": url, "TERM": "xterm"}


def wait_for(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def begun(place, url, *words, **how):
    process = subprocess.Popen(
        [*CLI, "run", "in.jsonl", *ASKED, "--concurrency", "16", "--strategy", "sync", *words],
        cwd=place,
        env=served(url),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        **how,
    )
    out = place / "out.jsonl"
    wait_for(lambda: process.poll() is not None or (out.exists() and out.read_text().count("\n") >= 16))
    return process


def standing(place):
    with open_view(place / "nightly.db") as view:
        return view.past.done, view.count().ambiguous


def resumed(place, url, app):
    app.switches = Switches()  # it need not be slow any more
    words = [*CLI, "resume", "nightly.db", "--out", "out.jsonl", "--json", "--no-progress"]
    ended = subprocess.run(words, cwd=place, env=served(url), capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")
    written = sorted(json.loads(line)["index"] for line in (place / "out.jsonl").read_text().splitlines())
    assert written == list(range(COUNT))
    return json.loads(ended.stdout)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_lets_what_is_under_way_come_to_its_end(number, code, place):
    app = LocalBackend(Switches(latency=0.5))
    with running(app) as url:
        process = begun(place, url, "--no-progress")
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
        done, ambiguous = standing(place)
        assert ambiguous == 0
        assert process.returncode == code
        assert err.splitlines() == [
            "stopping: up to 5 s for the requests under way; Ctrl-C again ends at once",
            f"interrupted: {done} of {COUNT} cases done; they are in nightly.db. {GO_ON}",
        ]
        assert done == app.statistics()["evaluations_made"] < COUNT
        assert resumed(place, url, app)["scored"] == COUNT
        assert app.statistics()["duplicates"] == 0


def test_a_second_signal_ends_at_once(place):
    app = LocalBackend(Switches(latency=2.0))
    with running(app) as url:
        process = begun(place, url, "--no-progress", "--drain", "60")
        process.send_signal(signal.SIGINT)
        assert process.stderr.readline().startswith("stopping: up to 60 s ")
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert time.monotonic() - began < 5.0  # and not the minute that the first would have waited
        done, ambiguous = standing(place)
        told = f"{done} of {COUNT} cases done; they are in nightly.db. {ambiguous} more may have been evaluated."
        assert (process.returncode, err) == (130, f"interrupted: {told} {GO_ON}\n")
        assert " scored " in out
        assert 0 < ambiguous <= 16
        assert resumed(place, url, app)["possible_duplicates"] == ambiguous


class Terminal:
    """A command in a terminal of its own, whose keys are typed here."""

    def __init__(self, words, cwd, env):
        self.pid, self._screen = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            os.execve(words[0], words, env)
        self.text = ""

    def read(self, until):
        deadline = time.monotonic() + 30
        while not until(self.text):
            assert time.monotonic() < deadline, self.text
            if select.select([self._screen], [], [], 0.1)[0]:
                try:
                    self.text += os.read(self._screen, 65536).decode()
                except OSError:  # the command has ended, and closed it
                    return

    def type(self, keys):
        os.write(self._screen, keys)

    def ended(self):
        self.read(lambda _: False)
        os.close(self._screen)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c_in_a_terminal(presses, place):
    app = LocalBackend(Switches(latency=1.0))
    with running(app) as url:
        terminal = Terminal([*CLI, "run", "in.jsonl", *ASKED], place, served(url))
        terminal.read(lambda text: "16/200" in text)
        terminal.type(b"\x03")
        terminal.read(lambda text: "Ctrl-C again ends at once" in text)
        if presses == 2:
            terminal.type(b"\x03")
        assert terminal.ended() == 130
        done, _ = standing(place)
        assert f"interrupted: {done} of {COUNT} cases done; they are in nightly.db." in terminal.text
        assert GO_ON in terminal.text.replace("\r\n", "\n")
        assert "Traceback" not in terminal.text
        assert "Exception" not in terminal.text
        assert resumed(place, url, app)["scored"] == COUNT


def test_a_full_disk_is_one_line_and_the_run_can_be_gone_on_with(place):
    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (90_000, 90_000))

    app = LocalBackend(Switches(latency=0.05))
    with running(app) as url:
        process = begun(place, url, "--no-progress", preexec_fn=limited)  # nothing else runs in it
        _, err = process.communicate(timeout=30)
        assert (process.returncode, err.count("\n")) == (3, 1)
        assert err.startswith("fi-async: nightly.db: it cannot be written (")
        assert err.endswith("): make room on its disk, then run the same again to go on\n")
        kept = (place / "out.jsonl").read_text().count("\n")
        done, _ = standing(place)
        assert 16 <= kept <= done + 16
        again = resumed(place, url, app)
        assert again["scored"] == COUNT
        assert app.statistics()["duplicates"] <= again["possible_duplicates"]


NOTEBOOK = """
from fi_async import Evaluator
ev = Evaluator()
cases = [{"text": f"Paris {n}"} for n in range(200)]
report = ev.gather(cases, "contains", eval_config={"keyword": "7"}, run="nightly.db", concurrency=16)
print(report.summary()["scored"], report.summary()["possible_duplicates"])
"""


def test_an_interrupted_cell_of_a_notebook_can_be_run_again(place, monkeypatch):
    pytest.importorskip("ipykernel")
    client = pytest.importorskip("jupyter_client")
    for name, value in {"JUPYTER_PLATFORM_DIRS": "1", "IPYTHONDIR": str(place / "ipython")}.items():
        monkeypatch.setenv(name, value)
    app = LocalBackend(Switches(latency=0.5))
    with running(app) as url:
        manager, kernel = client.manager.start_new_kernel(
            kernel_name="python3", cwd=str(place), env=served(url), startup_timeout=60
        )
        said = []
        try:
            cell = kernel.execute(NOTEBOOK)
            wait_for(lambda: app.statistics()["evaluations_made"] >= 40)
            manager.interrupt_kernel()
            while (reply := kernel.get_shell_msg(timeout=30))["parent_header"]["msg_id"] != cell:
                pass  # a late answer to one of the questions whether the kernel is ready
            assert (reply["content"]["status"], reply["content"]["ename"]) == ("error", "KeyboardInterrupt")
            assert standing(place)[1] == 0  # what was under way came to its end
            again = kernel.execute_interactive(
                NOTEBOOK, timeout=60, output_hook=lambda message: said.append((message["msg_type"], message["content"]))
            )
            assert again["content"]["status"] == "ok"
        finally:
            kernel.stop_channels()
            manager.shutdown_kernel(now=True)
    assert [content["text"] for kind, content in said if kind == "stream"] == ["200 0\n"]
    assert app.statistics()["evaluations_made"] == COUNT
