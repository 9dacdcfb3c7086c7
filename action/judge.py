"""The last step of the action: fails the build by the exit code of the evaluation."""

from __future__ import annotations

import os
import sys

_NO_VERDICT = ("3", "5")


def judge(code: str, no_verdict: str) -> int:
    """Return the exit code of the step, after saying why."""
    if no_verdict not in ("fail", "warn"):
        print(f"::error::no-verdict: {no_verdict!r} is neither fail nor warn")
        return 2
    if code in _NO_VERDICT and no_verdict == "warn":
        print(f"::warning::no verdict (exit code {code}): a key pair that is refused, or a server that is down?")
        return 0
    return int(code or 3)


if __name__ == "__main__":
    sys.exit(judge(os.environ.get("ACTION_CODE", ""), os.environ.get("ACTION_NO_VERDICT", "fail")))
