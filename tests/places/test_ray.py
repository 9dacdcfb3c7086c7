"""Workers by Ray, on real raylets and a real database: killed, moved to another machine, ended with their driver."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from fi_async import AsyncEvaluator, ConfigurationError, JournalError, template
from fi_async._run_url import RunUrl
from fi_async.store.run_workers import shared_standing
from fi_async.store.store_reader import open_run
from killing import serve, statistics

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own

KEYS = {"fi_api_key": "a-key", "fi_secret_key": "a-secret"}
NEEDLE = {"keyword": "needle"}


@pytest.fixture(scope="module")
def cluster():
    """Two raylets on this machine, the second of which has what is called a GPU here."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "object_store_memory": 10**8})
    made.second = made.add_node(num_cpus=2, resources={"fast": 4}, object_store_memory=10**8)
    ray.init(address=made.address, log_to_driver=False)
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.fixture(scope="module")
def url():
    process, where = serve("--latency", "0.02")
    yield where
    process.terminate()
    process.wait()
    process.stdout.close()


@pytest.fixture
def client(url):
    return lambda: AsyncEvaluator(fi_base_url=url, strategy="sync", **KEYS)


@pytest.fixture
def run(postgres_url):
    return f"{postgres_url}/nightly"


def rows(count: int, mark: str = "") -> list[dict[str, object]]:
    return [{"id": f"c{n}", "text": f"{mark} {n}{' needle' if n % 3 == 0 else ''}", "n": n} for n in range(count)]


def seen(run: str) -> list[bool]:
    with open_run(RunUrl.parse(run)) as view:
        return [record.outcome.passed for record in view.records()]


@pytest.mark.usefixtures("cluster")
def test_a_dataset_goes_in_and_its_outcomes_come_out_as_parquet(client, url, run, tmp_path, capsys):
    from fi_async.integrations import ray as fi_ray

    before = statistics(url)["evaluations_made"]
    loaded = fi_ray.load(
        ray.data.from_items(rows(600, "io")), "contains", run=run, evaluator=client, eval_config=NEEDLE
    )
    assert (loaded.evaluations, loaded.new) == (600, 600)
    done = fi_ray.work(run, 2, evaluator=client, concurrency=16)
    assert (done.statuses, done.pending, done.is_complete) == ({"scored": 600}, 0, True)
    assert sum(each.evaluations for each in done.workers) == 600
    assert statistics(url)["evaluations_made"] - before == 600
    assert "the-pass" not in repr(done) + capsys.readouterr().err

    fi_ray.dataset(run).write_parquet(str(tmp_path / "out"))
    from pyarrow import parquet

    kept = parquet.read_table(tmp_path / "out").sort_by("index").to_pylist()
    assert [each["id"] for each in kept] == [f"c{n}" for n in range(600)]
    assert [each["passed"] for each in kept] == [n % 3 == 0 for n in range(600)]
    assert json.loads(kept[5]["inputs"])["text"] == "io 5"


@pytest.mark.usefixtures("cluster")
def test_a_dataset_of_a_run_tells_ray_no_password_and_has_the_same_cases_in_each_block(client, url, run):
    from fi_async.integrations import ray as fi_ray

    exporter = pytest.importorskip("ray.data._internal.metadata_exporter")
    fi_ray.load(ray.data.from_items(rows(2_500, "block")), "contains", run=run, evaluator=client, eval_config=NEEDLE)
    given = fi_ray.dataset(run)
    operator = given._logical_plan.dag
    assert "the-pass" not in str(exporter.sanitize_for_struct(vars(operator)))
    assert [len(block) for block in fi_ray._outcomes(RunUrl.parse(run))] == [0]
    fi_ray.work(run, 1, evaluator=client, concurrency=16, progress=False)
    whole = list(fi_ray._outcomes(RunUrl.parse(run)))
    assert [block["index"].to_pylist() for block in whole] == [
        list(range(1_000)), list(range(1_000, 2_000)), list(range(2_000, 2_500)),
    ]  # fmt: skip


def test_killed_workers_and_a_lost_machine_lose_nothing_and_count_what_is_paid_twice(cluster, client, url, run):
    from fi_async.integrations import ray as fi_ray

    before = statistics(url)["evaluations_made"]
    fi_ray.load(ray.data.from_items(rows(3_000, "kill")), "contains", run=run, evaluator=client, eval_config=NEEDLE)
    killer = threading.Thread(target=_kill, args=(run, cluster), daemon=True)
    killer.start()
    done = fi_ray.work(run, 4, evaluator=client, concurrency=8, lease=2.0, progress=False)
    killer.join(60)
    assert done.is_complete
    assert seen(run) == [n % 3 == 0 for n in range(3_000)]
    twice = statistics(url)["evaluations_made"] - before - 3_000
    with open_run(RunUrl.parse(run)) as view:
        counted = view.count().possible_duplicates
    assert 0 <= twice <= counted <= 3 * 4 * 8


def _kill(run: str, cluster) -> None:
    """Kill two workers, and then the second machine, which another replaces."""
    for _ in range(2):
        _at_work(run, 2)
        working = [each for each in shared_standing(RunUrl.parse(run)).workers if each.state == "working"]
        os.kill(working[0].pid, signal.SIGKILL)
        time.sleep(0.5)
    cluster.remove_node(cluster.second, allow_graceful=False)
    cluster.second = cluster.add_node(num_cpus=2, resources={"fast": 4}, object_store_memory=10**8)


def _at_work(run: str, least: int) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if sum(each.state == "working" for each in shared_standing(RunUrl.parse(run)).workers) >= least:
            return
        time.sleep(0.05)
    raise AssertionError("nobody is at work")


def test_code_of_the_users_own_runs_where_its_resources_are(cluster, client, run):
    from fi_async.integrations import ray as fi_ray

    @template
    def where(text: str) -> str:
        return ray.get_runtime_context().get_node_id()

    fi_ray.load(ray.data.from_items(rows(20, "own")), [where], run=run, evaluator=client)
    done = fi_ray.work(run, 2, eval_templates=[where], evaluator=client, resources={"fast": 1}, progress=False)
    assert done.statuses == {"scored": 20}
    with open_run(RunUrl.parse(run)) as view:
        assert {record.outcome.result.output for record in view.records()} == {cluster.second.node_id}


def test_trouble_is_told_by_its_own_name(cluster, client, url, run, postgres_url):
    from fi_async.integrations import ray as fi_ray

    fi_ray.load(ray.data.from_items(rows(5, "bad")), "contains", run=run, evaluator=client, eval_config=NEEDLE)
    with pytest.raises(ConfigurationError, match=r"no worker has been at work for 2 s.*fast"):
        fi_ray.work(run, 1, evaluator=client, resources={"nowhere": 1}, patience=2.0, progress=False)
    with pytest.raises(JournalError, match="there is no run 'other'"):
        fi_ray.work(f"{postgres_url}/other", 1, evaluator=client)
    with pytest.raises(ConfigurationError, match="workers must be a whole number"):
        fi_ray.work(run, 0, evaluator=client)


DRIVER = """
import sys
from fi_async import AsyncEvaluator
from fi_async.integrations import ray as fi_ray
import ray

url, run, address = sys.argv[1:]
ray.init(address=address, log_to_driver=False)
fi_ray.work(run, 2, progress=False, evaluator=lambda: AsyncEvaluator(
    fi_base_url=url, fi_api_key="a-key", fi_secret_key="a-secret", strategy="sync", concurrency=4))
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_no_worker_outlives_its_driver(cluster, client, url, run, how):
    from fi_async.integrations import ray as fi_ray

    before = statistics(url)["evaluations_made"]
    fi_ray.load(
        ray.data.from_items(rows(20_000, f"end {how}")), "contains", run=run, evaluator=client, eval_config=NEEDLE
    )
    with subprocess.Popen([sys.executable, "-c", DRIVER, url, run, cluster.address]) as driver:
        while statistics(url)["evaluations_made"] < before + 200:
            assert driver.poll() is None
            time.sleep(0.05)
        driver.send_signal(how)
        driver.wait(30)
        until = time.monotonic() + 30
        last = -1
        while (now := statistics(url)["evaluations_made"]) != last:
            assert time.monotonic() < until, "still evaluating 30 s after the driver ended"
            last = now
            time.sleep(2)
    with open_run(RunUrl.parse(run)) as view:
        assert 0 < view.count().pending < 20_000
