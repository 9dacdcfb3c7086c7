"""Fixtures for tests of programs that evaluate: the embedded backend in process, or on a port.

The plugin of pytest brings them along: a test asks for them by name. Without the plugin (`-p no:fi_async`), import them
into a `conftest.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from fi_async import AsyncEvaluator, Evaluator
    from fi_async.local import LocalBackend


@dataclass(frozen=True, slots=True)
class LocalServer:
    """An embedded backend on a port of the loopback.

    Attributes:
        url: Its base URL, for `fi_base_url=` or FI_BASE_URL. Any key pair will do.
        backend: What answers there: `backend.switches` may be assigned, `backend.statistics()` tells what was asked.
    """

    url: str
    backend: LocalBackend

    @contextmanager
    def switched(self, **switches: Any) -> Iterator[None]:
        """Let the server be like this while the block lasts: slow, small, strict or faulty; see `Switches`.

        Raises:
            ValueError: A switch is out of its range.
        """
        before = self.backend.switches
        self.backend.switches = replace(before, **switches)
        try:
            yield
        finally:
            self.backend.switches = before


@pytest.fixture(scope="session")
def fi_local_server() -> Iterator[LocalServer]:
    """Yield an embedded backend on a port, for programs in other processes or languages. Needs the extra `local`."""
    from fi_async._extras import need  # noqa: PLC0415  # not needed by who asks for no server
    from fi_async.local import LocalBackend  # noqa: PLC0415  # as above

    need("uvicorn", "fi-async[local]", "fi_local_server")
    from fi_async.local.server import running  # noqa: PLC0415  # it imports uvicorn

    backend = LocalBackend()
    with running(backend) as url:
        yield LocalServer(url, backend)


@pytest.fixture
def fi_local_backend() -> LocalBackend:
    """Return an embedded backend of the test's own, which `fi_local` and `fi_local_async` ask."""
    from fi_async.local import LocalBackend  # noqa: PLC0415  # not needed by who asks for none

    return LocalBackend()


@pytest.fixture
def fi_local(fi_local_backend: LocalBackend) -> Iterator[Evaluator]:
    """Yield an Evaluator that asks the embedded backend, in this process."""
    from fi_async import Evaluator  # noqa: PLC0415  # as above

    with Evaluator.local(fi_local_backend) as evaluator:
        yield evaluator


@pytest.fixture
def fi_local_async(fi_local_backend: LocalBackend) -> AsyncEvaluator:
    """Return an AsyncEvaluator that asks the embedded backend, in this process. There is nothing to close."""
    from fi_async import AsyncEvaluator  # noqa: PLC0415  # as above

    return AsyncEvaluator.local(fi_local_backend)
