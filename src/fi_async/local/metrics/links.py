"""Checks that ask the network: whether links answer, and what an API says of an answer.

They run only within `network()`, which whoever was told to allow it enters. A request carries nothing but what the
evaluation gives it: no cookies, no credentials of this machine. It has 5 seconds, and 1 MB of its reply is read at
most.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from fi_async.local.metrics._verdict import Metric, Verdict, pass_or_fail

if TYPE_CHECKING:
    import httpx

MOST_LINKS: Final = 20
"""How many different links of a text are asked; a text with more is refused."""

_allowed: ContextVar[bool] = ContextVar("_allowed", default=False)

_SECONDS: Final = 5.0  # of one step of a request: to connect, to send, to receive some bytes
_ALL_SECONDS: Final = 20.0
_MOST_BYTES: Final = 1_000_000
_MOST_REDIRECTS: Final = 5
_AGENT: Final = {"User-Agent": "fi-async"}
_SCHEMES: Final = ("http://", "https://")
# A label has at most 63 characters: without that bound a long text of hyphens takes a quadratic time.
_LINK: Final = re.compile(
    r"""(?<![\w@.])(?:https?://[^\s<>"']+|(?:[a-z0-9][a-z0-9-]{0,62}\.)+[a-z]{2,63}(?![\w@-])(?:[/?\#:][^\s<>"']*)?)""",
    re.IGNORECASE,
)
_FILES: Final = frozenset(
    """
    bat bmp c cfg cpp css csv doc docx env gif go gz h html ini java jpeg jpg js json jsx kt lock log md mp3 mp4 pdf
    php png ppt pptx py rb rs sh sql svg swift tar toml ts tsx txt xls xlsx xml yaml yml zip
    """.split()  # noqa: SIM905 - a list of fifty quoted endings is harder to read
)


@contextmanager
def network() -> Iterator[None]:
    """Let what is called within it ask the network."""
    token = _allowed.set(True)
    try:
        yield
    finally:
        _allowed.reset(token)


def links_in(text: str) -> list[str]:
    """The different links of a text, in order, each with a scheme.

    Addresses of e-mail and names of files ("data.csv") are none; punctuation after a link is not of it.
    """
    found = (match.group().rstrip(".,;:!?)]}") for match in _LINK.finditer(text))
    return list(dict.fromkeys(_absolute(link) for link in found if "@" not in link and not _is_file(link)))


def _absolute(link: str) -> str:
    return link if link.lower().startswith(_SCHEMES) else f"https://{link}"


def _is_file(link: str) -> bool:
    host = re.split(r"[/?#:]", link, maxsplit=1)[0]
    return not link.lower().startswith(_SCHEMES) and host.rpartition(".")[2].lower() in _FILES


def client(transport: httpx.BaseTransport | None = None) -> httpx.Client:
    """Who asks: it follows redirects, and has no credentials but what a URL or a header is given.

    Raises:
        ValueError: The network is not allowed.
    """
    if not _allowed.get():
        raise ValueError("the network is not allowed here")
    import httpx  # noqa: PLC0415  # most evaluations ask nobody

    return httpx.Client(
        transport=transport,
        timeout=_SECONDS,
        follow_redirects=True,
        max_redirects=_MOST_REDIRECTS,
        headers=_AGENT,
    )


def _fault(asker: httpx.Client, link: str) -> str | None:
    """What is wrong with the answer to HEAD; None for a 200."""
    import httpx  # noqa: PLC0415  # as above

    try:
        with asker.stream("HEAD", link) as reply:
            return None if reply.status_code == 200 else f"status {reply.status_code}"
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return f"unreachable: {str(error) or type(error).__name__}"


def contains_valid_link(
    inputs: Mapping[str, Any], _params: Mapping[str, Any], transport: httpx.BaseTransport | None = None
) -> Verdict:
    """Passed when the text has a link, and the first one answers HEAD with 200."""
    links = links_in(str(inputs["text"]))
    if not links:
        return pass_or_fail(ok=False, reason="No link found in output")
    with client(transport) as asker:
        fault = _fault(asker, links[0])
    told = "valid (status 200)" if fault is None else f"not valid ({fault})"
    return pass_or_fail(ok=fault is None, reason=f"Link {links[0]} found and {told}")


def no_invalid_links(
    inputs: Mapping[str, Any], _params: Mapping[str, Any], transport: httpx.BaseTransport | None = None
) -> Verdict:
    """Passed when each link of the text answers HEAD with 200 within 20 seconds, or there is none.

    Raises:
        ValueError: There are more than `MOST_LINKS` different links.
    """
    links = links_in(str(inputs["text"]))
    if len(links) > MOST_LINKS:
        raise ValueError(f"text has {len(links)} different links, and {MOST_LINKS} at most are asked: split it")
    if not links:
        return pass_or_fail(ok=True, reason="No links found in output, so none are invalid")
    end = time.monotonic() + _ALL_SECONDS
    invalid = []
    with client(transport) as asker:
        for link in links:
            late = time.monotonic() > end
            if fault := f"not asked within {_ALL_SECONDS:g} s" if late else _fault(asker, link):
                invalid.append(f"{link} ({fault})")
    if invalid:
        return pass_or_fail(ok=False, reason=f"Found invalid links: {', '.join(invalid)}")
    return pass_or_fail(ok=True, reason=f"All {len(links)} link(s) are valid")


def api_call(
    inputs: Mapping[str, Any], params: Mapping[str, Any], transport: httpx.BaseTransport | None = None
) -> Verdict:
    """What an API says: Passed when the "result" of its JSON reply is true; its "reason" is the reason.

    `response` is posted as JSON to the param `url`, beside the fields of `payload` and with `headers`.

    Raises:
        ValueError: `url` is not one of http or https, `payload` or `headers` is not an object, or the reply is not a
            200 with a JSON object of at most 1 MB.
        httpx.HTTPError: There is no reply.
    """
    url, payload, headers = params.get("url"), params.get("payload") or {}, params.get("headers") or {}
    if not isinstance(url, str) or not url.lower().startswith(_SCHEMES):
        raise ValueError("params.url is the address of an API: give it as https://…")
    for name, given in (("payload", payload), ("headers", headers)):
        if not isinstance(given, Mapping):
            raise ValueError(f"params.{name} is an object, not {type(given).__name__}")
    body = {**payload, "response": inputs["response"]}
    with (
        client(transport) as asker,
        asker.stream("POST", url, json=body, headers={str(key): str(value) for key, value in headers.items()}) as reply,
    ):
        if reply.status_code != 200:
            raise ValueError(f"the API answered with status {reply.status_code}")
        answer = _json_object(reply)
    ok = answer.get("result") is True or answer.get("result") == 1
    return pass_or_fail(ok=ok, reason=str(answer.get("reason") or f"The API answered result={answer.get('result')}"))


def _json_object(reply: httpx.Response) -> dict[str, Any]:
    content = bytearray()
    for part in reply.iter_bytes():
        content += part
        if len(content) > _MOST_BYTES:
            raise ValueError(f"the API's reply has more than {_MOST_BYTES} bytes")
    try:
        answer = json.loads(content)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise ValueError("the API's reply is not a JSON object")
    return answer


METRICS: Final[Mapping[str, Metric]] = MappingProxyType(
    {metric.__name__: metric for metric in (contains_valid_link, no_invalid_links, api_call)}
)
