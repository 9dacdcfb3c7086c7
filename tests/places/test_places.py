"""The examples of places that others made: Streamlit, Celery, gevent. `nox -s integrations` installs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PLACES = Path(__file__).parents[2] / "examples" / "places"
GROUNDED = {"output": "Refunds take 5 working days.", "context": "Refunds take 5 working days."}


@pytest.mark.filterwarnings("ignore")  # Streamlit's own, of being run without its server
def test_a_streamlit_app_evaluates_at_the_press_of_a_button():
    pytest.importorskip("streamlit")
    from streamlit.testing.v1 import AppTest

    app = AppTest.from_file(str(PLACES / "streamlit_app.py"), default_timeout=30).run()
    app.button[0].click().run()
    assert not app.exception
    assert app.metric[0].value == "1"
    assert list(app.dataframe[0].value["status"]) == ["scored", "scored"]
    assert list(app.dataframe[0].value["passed"]) == [True, False]


def test_a_celery_worker_of_forked_processes_scores_what_is_queued(tmp_path):
    pytest.importorskip("celery")
    for name in ("in", "results"):
        (tmp_path / name).mkdir()
    send = f"""
import celery_tasks
celery_tasks.app.conf.broker_transport_options = {{
    "data_folder_in": {str(tmp_path / "in")!r}, "data_folder_out": {str(tmp_path / "in")!r}}}
"""
    (tmp_path / "queued.py").write_text(f"{send}\nfrom celery_tasks import app, score\n")
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(PLACES), str(tmp_path), os.environ.get("PYTHONPATH", "")]),
        "BROKER": "filesystem://",
        "RESULTS": f"file://{tmp_path / 'results'}",
    }
    command = [sys.executable, "-m", "celery", "-A", "queued:app", "worker"]
    options = ["--pool", "prefork", "-c", "2", "-l", "WARNING", "--without-gossip", "--without-mingle"]
    with subprocess.Popen([*command, *options], cwd=tmp_path, env=env) as worker:
        try:
            asked = f"{send}\nprint([celery_tasks.score.delay(case).get(timeout=40)['passed'] for case in {CASES!r}])"
            done = subprocess.run(
                [sys.executable, "-c", asked],
                cwd=tmp_path,
                env=env,
                capture_output=True,
                text=True,
                check=True,
                timeout=60,
            )
        finally:
            worker.terminate()
    assert done.stdout.split("\n")[0] == "[True, False, True]"


CASES = [GROUNDED, {**GROUNDED, "output": "Never."}, GROUNDED]


def test_greenlets_go_on_while_the_facade_waits():
    pytest.importorskip("gevent")
    command = [sys.executable, str(PLACES / "gevent_batch.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "2.0 True\n"
