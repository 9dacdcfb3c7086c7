"""Under gevent: the blocking facade in greenlets, which go on while it waits."""

from gevent import monkey

monkey.patch_all()  # before all other imports

import gevent  # noqa: E402  # as gevent asks for

from fi_async import Evaluator  # noqa: E402  # as above

ev = Evaluator.local()  # Evaluator() asks the cloud
beats = 0


def beat() -> None:
    global beats  # noqa: PLW0603  # the shortest that shows that other greenlets run
    while True:
        gevent.sleep(0.001)
        beats += 1


gevent.spawn(beat)
cases = [{"text": f"[{number}]"} for number in range(100)]
jobs = [gevent.spawn(ev.gather, cases, "is_json", concurrency=8) for _ in range(2)]
gevent.joinall(jobs, raise_error=True)
print(sum(job.value.coverage for job in jobs), beats > 0)
ev.close()
