"""SQL stays at home: in the product's store, naming only schemas the product may name."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.house import tree

PRODUCTS = tree.SOURCE / "products"
STATEMENT = re.compile(
    r"^\s*(?:SELECT\s|INSERT\s+INTO\s|UPDATE\s+\w|DELETE\s+FROM\s|WITH\s+\w+\s+AS\s|COPY\s+\w"
    r"|CREATE\s+(?:TABLE|TEMP|INDEX))",
)
RELATION = re.compile(
    r"\b(?:FROM|JOIN|INTO|UPDATE|TABLE(?:\s+IF\s+NOT\s+EXISTS)?|REFERENCES|COPY)\s+([a-z_]+)\.[a-z_]+",
    re.IGNORECASE,
)
CALL = re.compile(r"\b(kernel|jobs|route)\.[a-z_]+\s*\(")
ALWAYS = {"kernel", "jobs", "pg_catalog", "information_schema"}


def sql_texts(source: str) -> list[str]:
    """String constants of a module that are SQL statements (docstrings are prose)."""
    module = ast.parse(source)
    prose = {
        id(node.body[0].value)
        for node in ast.walk(module)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return [
        node.value
        for node in ast.walk(module)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in prose
        and STATEMENT.search(node.value)
    ]


def foreign_schemas(sql: str, own: str) -> set[str]:
    """Schemas that a statement names and its product may not."""
    named = {m.lower() for m in RELATION.findall(sql)} | {m.lower() for m in CALL.findall(sql)}
    return named - ALWAYS - {own}


def _product_files() -> list[tuple[str, Path]]:
    return [
        (p.relative_to(PRODUCTS).parts[0], p)
        for p in tree.python_files(PRODUCTS)
        if len(p.relative_to(PRODUCTS).parts) > 1
    ]


def test_a_product_keeps_its_sql_in_its_store() -> None:
    """No SQL statement of a product stands outside its store."""
    found = [
        f"{tree.shown(path)}: {text.strip()[:50]}"
        for _, path in _product_files()
        if "store" not in path.parts and path.stem != "store"
        for text in sql_texts(path.read_text())
    ]
    assert found == []


def test_a_product_names_only_its_own_schema() -> None:
    """SQL of a product names its own schema, kernel and jobs, nobody else's (checked as text)."""
    found = [
        f"{tree.shown(path)}: {schema}"
        for own, path in _product_files()
        for text in sql_texts(path.read_text())
        for schema in foreign_schemas(text, own)
    ]
    for path in sorted(PRODUCTS.glob("*/migrations/*.sql")):
        own = path.relative_to(PRODUCTS).parts[0]
        found += [f"{tree.shown(path)}: {s}" for s in foreign_schemas(path.read_text(), own)]
    assert found == []


def test_the_sql_rules_can_fail() -> None:
    """Both SQL rules see what they are for."""
    assert sql_texts('"""SELECT is a verb."""\nQ = "SELECT 1 FROM route.attempts"') == [
        "SELECT 1 FROM route.attempts"
    ]
    assert foreign_schemas(
        "SELECT * FROM recall.facts JOIN kernel.api_keys k ON true", "route"
    ) == {"recall"}
    assert foreign_schemas("INSERT INTO route.attempts SELECT 1", "route") == set()
    assert len(_product_files()) > 10
