"""Rows of an organisation that hold until they are removed, and are kept then: budgets, limits."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Generic, TypeVar

from psycopg.rows import class_row, scalar_row
from psycopg.sql import SQL, Composable, Composed, Identifier

from dd0c.base.errors import NotFound
from dd0c.kernel.db.pool import Transaction

Row = TypeVar("Row")


class Held(Generic[Row]):
    """The rows of one table; `columns` are those of `row`, `noun` is what one is called."""

    def __init__(self, table: str, columns: Composable, row: type[Row], noun: str):
        self._table = Identifier("route", table)
        self._columns = columns
        self._row = row
        self._noun = noun

    async def count(self, tx: Transaction) -> int:
        """How many of the organisation hold."""
        query = SQL("SELECT count(*) FROM {} WHERE removed_at IS NULL").format(self._table)
        async with tx.cursor(row_factory=scalar_row) as cursor:
            await cursor.execute(query)
            return int(await cursor.fetchone() or 0)

    async def list_held(
        self, tx: Transaction, limit: int | None, after: uuid.UUID | None = None
    ) -> list[Row]:
        """Those of the organisation that hold, oldest first; `limit` None: all."""
        query = SQL(
            "SELECT {} FROM {} WHERE removed_at IS NULL"
            " AND (%(after)s::uuid IS NULL OR id > %(after)s) ORDER BY id LIMIT %(limit)s"
        ).format(self._columns, self._table)
        async with tx.cursor(row_factory=class_row(self._row)) as cursor:
            await cursor.execute(query, {"after": after, "limit": limit})
            return await cursor.fetchall()

    async def get(self, tx: Transaction, which: uuid.UUID) -> Row:
        """One that holds; NotFound."""
        query = SQL("SELECT {} FROM {} WHERE id = %s AND removed_at IS NULL")
        return await self._one(tx, query.format(self._columns, self._table), (which,))

    async def remove(self, tx: Transaction, which: uuid.UUID, now: datetime) -> Row:
        """End one; NotFound when none of that id holds."""
        query = SQL(
            "UPDATE {} SET removed_at = %s WHERE id = %s AND removed_at IS NULL RETURNING {}"
        )
        return await self._one(tx, query.format(self._table, self._columns), (now, which))

    async def _one(self, tx: Transaction, query: Composed, values: tuple[object, ...]) -> Row:
        async with tx.cursor(row_factory=class_row(self._row)) as cursor:
            await cursor.execute(query, values)
            row = await cursor.fetchone()
        if row is None:
            raise NotFound(f"there is no such {self._noun}")
        return row
