"""A Celery task that scores one answer: `celery -A celery_tasks worker`, from this folder.

The client is made once, before the workers are forked; each begins a loop of its own on first use.
"""

import os

from celery import Celery

from fi_async import AuthenticationError, Evaluator, FiAsyncError, InvalidCaseError

app = Celery("scores", broker=os.environ.get("BROKER", "memory://"))
app.conf.update(task_acks_late=True, result_backend=os.environ.get("RESULTS", "cache+memory://"))

# Several workers, one key pair: with shared_budget="fi.budget" they keep to its limits together.
ev = Evaluator.local(timeout=60)  # Evaluator() asks the cloud


@app.task(bind=True, max_retries=5)
def score(self, case: dict) -> dict:
    """Return the verdict. The client has retried already: what is raised here is an outage, or a wrong case."""
    try:
        [result] = ev.evaluate("groundedness", case).eval_results
    except (InvalidCaseError, AuthenticationError):
        raise  # the same again would fail again
    except FiAsyncError as error:
        raise self.retry(exc=error, countdown=60 * 2**self.request.retries) from error
    return {"passed": result.passed, "reason": result.reason}
