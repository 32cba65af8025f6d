"""Which modules tell the audit log which event, read from the code: for reference/events.md."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"


def writers() -> dict[str, list[str]]:
    """The modules, and migrations, that name each type of event; by the event's name."""
    modules = {path: ast.parse(path.read_text()) for path in sorted(SOURCE.rglob("*.py"))}
    made = {
        (_dotted(path), constant): name
        for path, module in modules.items()
        for constant, name in _types(module)
    }
    found: defaultdict[str, list[str]] = defaultdict(list)
    for path, module in modules.items():
        for place in sorted(_named(module) & made.keys()):
            found[made[place]].append(str(path.relative_to(SOURCE)))
        for constant, name in _types(module):
            if _is_read(module, constant):
                found[name].append(str(path.relative_to(SOURCE)))
    for path in sorted(SOURCE.rglob("migrations/*.sql")):
        text = path.read_text()
        for name in made.values():
            if f"'{name}'" in text:
                found[name].append(str(path.relative_to(SOURCE)))
    return found


def _types(module: ast.Module) -> Iterator[tuple[str, str]]:
    """Constants that are types of events, and the names of those."""
    for node in module.body:
        match node:
            case ast.Assign(
                targets=[ast.Name(constant)],
                value=ast.Call(func=ast.Name("EventType"), args=[ast.Constant(str(name)), *_]),
            ):
                yield constant, name


def _named(module: ast.Module) -> set[tuple[str, str]]:
    """Modules and names in them that are used here, as far as imports tell."""
    modules, names = {}, set()
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            for one in node.names:
                modules[one.asname or one.name] = f"{node.module}.{one.name}"
                names.add((node.module, one.name))
    return names | {
        (modules[node.value.id], node.attr)
        for node in ast.walk(module)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in modules
    }


def _is_read(module: ast.Module, constant: str) -> bool:
    """Whether a function of the module itself uses it."""
    functions = (
        n for n in ast.walk(module) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    return any(
        isinstance(node, ast.Name) and node.id == constant
        for function in functions
        for node in ast.walk(function)
    )


def _dotted(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
