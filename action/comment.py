"""The step of the action that keeps one comment on the pull request up to date.

A token that may not write, as that of a fork's pull request, is a warning: the same text is in the summary of the step.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

_LONGEST = 60_000  # characters; GitHub takes 65,536
_A_PAGE = 100
_TRUSTED = ("OWNER", "MEMBER", "COLLABORATOR")


def keep_comment(client: httpx.Client, repository: str, number: int, name: str, text: str) -> str:
    """Return the URL of the comment, written anew or in place of the one that an earlier build wrote.

    Raises:
        httpx.HTTPError: GitHub did not take it.
    """
    mark = f"<!-- fi-async: {name} -->"
    body = {"body": f"{mark}\n{text}"}
    issues = f"/repos/{quote(repository)}/issues"
    if (known := _find(client, f"{issues}/{number}/comments", mark)) is None:
        reply = client.post(f"{issues}/{number}/comments", json=body)
    else:
        reply = client.patch(f"{issues}/comments/{known}", json=body)
    return str(reply.raise_for_status().json().get("html_url", ""))


def _find(client: httpx.Client, comments: str, mark: str) -> int | None:
    page = 1
    while found := client.get(comments, params={"per_page": _A_PAGE, "page": page}).raise_for_status().json():
        for each in found:
            if (each.get("body") or "").startswith(mark) and _is_of_ours(each):
                return int(each["id"])
        if len(found) < _A_PAGE:
            return None
        page += 1
    return None


def clipped(text: str) -> str:
    """Return a text that GitHub takes, with room for what comes behind it."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}\n\n(cut off)\n"


def _is_of_ours(comment: dict[str, Any]) -> bool:
    """Tell whether somebody who may write here wrote it: in a public repository, anybody can write our mark."""
    is_bot = (comment.get("user") or {}).get("type") == "Bot"
    return is_bot or comment.get("author_association") in _TRUSTED


def step() -> int:
    """Write the comment, or say why not."""
    name = os.environ.get("ACTION_NAME") or "evaluation"
    event = json.loads(Path(os.environ["GITHUB_EVENT_PATH"]).read_text(encoding="utf-8"))
    text = Path(".fi-async", name, "comment.md").read_text(encoding="utf-8")
    place = (os.environ.get("GITHUB_SERVER_URL", ""), os.environ["GITHUB_REPOSITORY"], "actions/runs")
    run = "/".join((*place, os.environ["GITHUB_RUN_ID"]))
    headers = {"Authorization": f"Bearer {os.environ['GITHUB_TOKEN']}", "Accept": "application/vnd.github+json"}
    transport = httpx.HTTPTransport(retries=3)
    with httpx.Client(
        base_url=os.environ["GITHUB_API_URL"], headers=headers, transport=transport, timeout=30.0
    ) as client:
        try:
            where = keep_comment(
                client,
                os.environ["GITHUB_REPOSITORY"],
                event["pull_request"]["number"],
                name,
                f"{clipped(text)}\n[The report and all scores]({run})\n",
            )
        except httpx.HTTPStatusError as error:
            print(
                f"::warning::no comment: GitHub answered {error.response.status_code}; does the job have"
                " pull-requests: write? The summary of this job has the text"
            )
        except httpx.HTTPError as error:
            print(f"::warning::no comment: {type(error).__name__}; the summary of this job has the text")
        else:
            print(f"comment: {where}")
    return 0


if __name__ == "__main__":
    sys.exit(step())
