"""A web application that scores its answers after it has given them, and a page that shows the scores.

Answers and scores are tables of one database, by SQLAlchemy Core; SQLite here, and a URL away from PostgreSQL. Serve it
with `uvicorn fastapi_app:app`, or run this file: it then asks the application a few questions itself.

    POST /ask     {"question": …}  →  the answer, at once; it is scored behind the handler
    GET  /        the page: answers, and their scores once they are there
    GET  /health  what the queue has done so far
"""

import asyncio
import html
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import sqlalchemy as sa
from fastapi import Body, FastAPI, Request
from fastapi.responses import HTMLResponse

from fi_async import AsyncEvaluator, Case
from fi_async.background import SqlSink
from fi_async.local import LocalBackend, Switches

metadata = sa.MetaData()
answers = sa.Table(
    "answers",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("asked_at", sa.DateTime, server_default=sa.func.now()),
    sa.Column("question", sa.Text),
    sa.Column("passage", sa.Text),
    sa.Column("answer", sa.Text),
)
# The sink's table: its key is (offer_id, template), and case_id is the id that we gave the case.
scores = sa.table("evaluations", *map(sa.column, ("case_id", "status", "score", "reason")))

# Stands for retrieval and a model, which is now and then wrong.
KNOWN = {
    "refund": ("Refunds are paid within 14 days.", "Refunds are paid within 14 days."),
    "delivery": ("Delivery takes three working days.", "Delivery is free on Sundays, by drone."),
}


def answer_to(question: str) -> tuple[str, str]:
    found = (known for topic, known in KNOWN.items() if topic in question.lower())
    return next(found, ("We are open from 9 to 17.", "We are open from 9 to 17."))


def create_app(database: str, spool: str) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        engine = sa.create_engine(database)
        metadata.create_all(engine)
        # In production: AsyncEvaluator(), which takes the keys from the environment.
        async with (
            AsyncEvaluator.local(LocalBackend(Switches(latency=0.2))) as ev,
            ev.background("groundedness", sink=SqlSink(database), spool=spool) as queue,
        ):
            app.state.engine, app.state.queue = engine, queue
            yield
        engine.dispose()

    app = FastAPI(lifespan=lifespan)

    @app.post("/ask")  # a plain function runs in a thread, so that it may wait for the database
    def ask(request: Request, question: str = Body(embed=True)) -> dict[str, Any]:
        passage, answer = answer_to(question)
        row = {"id": uuid4().hex, "question": question, "passage": passage, "answer": answer}
        with request.app.state.engine.begin() as connection:
            connection.execute(answers.insert(), row)
        case = Case({"input": question, "context": passage, "output": answer}, id=row["id"])
        return {"answer": answer, "is_scored": request.app.state.queue.offer(case)}

    @app.get("/", response_class=HTMLResponse)
    def page(request: Request) -> str:
        joined = answers.outerjoin(scores, scores.c.case_id == answers.c.id)
        asked = sa.select(answers.c.question, answers.c.answer, scores.c.status, scores.c.score, scores.c.reason)
        with request.app.state.engine.connect() as connection:
            rows = connection.execute(asked.select_from(joined).order_by(answers.c.asked_at.desc()).limit(100)).all()
        return PAGE.format("".join(map(line, rows)))

    @app.get("/health")
    def health(request: Request) -> dict[str, int]:
        return asdict(request.app.state.queue.statistics())

    return app


def line(row: Any) -> str:
    score = "not yet" if row.status is None else row.status if row.score is None else f"{row.score:.2f}"
    cells = (html.escape(str(cell or "")) for cell in (row.question, row.answer, score, row.reason))
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>\n"


PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Answers</title>
<style>body {{ font: 1rem system-ui; margin: 2rem }} td, th {{ padding: .4rem 1rem .4rem 0; text-align: left }}</style>
<h1>Answers, and how well they are grounded</h1>
<table><tr><th>question<th>answer<th>score<th>why</tr>
{}</table></html>
"""

_files = Path(os.environ.get("ANSWERS_DIRECTORY") or tempfile.mkdtemp())
app = create_app(f"sqlite:///{_files / 'answers.db'}", str(_files / "answers.spool"))


async def main() -> None:
    """Asks the application what a browser would."""
    questions = ["How long does delivery take?", "When is my refund paid?", "<b>When</b> are you open?"]
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://app") as browser,
    ):
        for question in questions:
            print("POST /ask   ", (await browser.post("/ask", json={"question": question})).json())
        while waiting := (await browser.get("/")).text.count("not yet"):
            print("GET  /      ", waiting, "not scored yet")
            await asyncio.sleep(0.1)
        told = (await browser.get("/health")).json()
        print("GET  /health", {name: told[name] for name in ("offered", "dropped", "done", "failed")})


if __name__ == "__main__":
    asyncio.run(main())
