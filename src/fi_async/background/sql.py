"""Outcomes as rows of a SQL table, over SQLAlchemy Core: SQLite, PostgreSQL, and what else it has a dialect for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fi_async._errors import ConfigurationError
from fi_async._models import Outcome
from fi_async.background.sinks import record

if TYPE_CHECKING:
    from sqlalchemy import Engine, Table


class SqlSink:
    """Stores each outcome as a row of a table, once: a restart that brings an outcome again changes nothing.

    The table is made if it is not there. Its key is `offer_id` and `template`; its columns are `case_id`,
    `offered_at` (seconds since the epoch), `status`, `score`, `passed`, `output` (JSON), `reason`, `error`, `eval_id`,
    `backend`, `attempts`, `latency_s`, and `inputs` (JSON) if they are asked for.

    Args:
        database: A URL such as "sqlite:///scores.db" or "postgresql+psycopg://user@host/name", or an Engine of
            yours, which is not disposed of.
        table: The table's name.
        inputs: Store the cases' inputs too.

    Raises:
        ConfigurationError: SQLAlchemy is not installed, or the URL is none.
    """

    def __init__(self, database: str | Engine, table: str = "evaluations", *, inputs: bool = False) -> None:
        self._owns = isinstance(database, str)
        self._engine = _engine(database) if isinstance(database, str) else database
        self._table = _table(table, inputs=inputs)
        self._inputs = inputs

    def __repr__(self) -> str:
        return f"<SqlSink {self._engine.url.render_as_string(hide_password=True)} {self._table.name}>"

    def open(self) -> None:
        """Make the table if it is not there.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: The database cannot be reached, or permits no table.
        """
        import sqlalchemy as sa  # noqa: PLC0415  # an extra

        try:
            self._table.create(self._engine, checkfirst=True)
        except sa.exc.DBAPIError:
            # Another worker of the application, begun at the same moment, may have made it first.
            if not sa.inspect(self._engine).has_table(self._table.name):
                raise

    def write(self, outcomes: Sequence[Outcome]) -> None:
        """Store those outcomes that are not stored yet, in one transaction.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: None was stored.
        """
        import sqlalchemy as sa  # noqa: PLC0415  # an extra

        rows = [_storable(record(outcome, inputs=self._inputs)) for outcome in outcomes]
        key = self._table.c.offer_id, self._table.c.template
        offered = {row["offer_id"] for row in rows}
        with self._engine.begin() as connection:
            # Asked first, and not left to ON CONFLICT, which each dialect has words of its own for: nobody else
            # stores the offers of this queue.
            stored = {tuple(row) for row in connection.execute(sa.select(*key).where(key[0].in_(offered)))}
            if missing := [row for row in rows if (row["offer_id"], row["template"]) not in stored]:
                connection.execute(self._table.insert(), missing)

    def close(self) -> None:
        """Close the connections, unless the engine is yours."""
        if self._owns:
            self._engine.dispose()


def _engine(url: str) -> Engine:
    try:
        import sqlalchemy as sa  # noqa: PLC0415  # an extra
    except ImportError as error:
        raise ConfigurationError("SqlSink needs SQLAlchemy: pip install 'fi-async[sql]'") from error
    try:
        # What the driver raises must not show the reasons and inputs that were to be stored.
        return sa.create_engine(url, hide_parameters=True, pool_pre_ping=True)
    except (sa.exc.ArgumentError, ValueError) as error:  # the latter of a port that is no number
        raise ConfigurationError('SqlSink needs a database URL such as "sqlite:///scores.db"') from error


def _table(name: str, *, inputs: bool) -> Table:
    import sqlalchemy as sa  # noqa: PLC0415  # an extra

    json = sa.JSON(none_as_null=True)
    return sa.Table(
        name,
        sa.MetaData(),
        sa.Column("offer_id", sa.String(64), primary_key=True),
        sa.Column("template", sa.String(255), primary_key=True),
        sa.Column("case_id", sa.Text),
        sa.Column("offered_at", sa.Double, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("score", sa.Double),
        sa.Column("passed", sa.Boolean),
        sa.Column("output", json),
        sa.Column("reason", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("eval_id", sa.String(64)),
        sa.Column("backend", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("latency_s", sa.Double),
        *([sa.Column("inputs", json)] if inputs else []),
    )


def _storable(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row with texts that every database takes: PostgreSQL refuses NUL, none takes half a surrogate pair."""
    return {
        name: value.replace("\0", "\ufffd").encode(errors="replace").decode() if isinstance(value, str) else value
        for name, value in row.items()
    }
