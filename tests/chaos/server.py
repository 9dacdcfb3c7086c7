"""The server of a round: the embedded backend with a store file, until it is killed.

    python -m chaos.server '{"switches": …, "store": …, "port": …}'

It prints its port.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from fi_async.local import LocalBackend, Quota, parse_switches
from fi_async.local.server import serve

from .lifeline import end_with_parent


def told(url: str) -> None:
    sys.stdout.write(url.rpartition(":")[2] + "\n")
    sys.stdout.flush()


def main(order: dict[str, Any]) -> None:
    switches = dict(order["switches"])
    for name in ("requests", "evaluations"):
        if name in switches:
            quota = Quota(**switches[name])
            switches[name] = quota if name == "requests" else (quota,)
    serve(LocalBackend(parse_switches(switches), store=order["store"]), port=order["port"], on_started=told)


if __name__ == "__main__":
    end_with_parent()
    main(json.loads(sys.argv[1]))
