"""The house rules: which way imports point, and how large a room may be."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from checkout import ROOT

TOPS = ("simulator", "judges", "leaderboard_app", "deepprune_sim")

ORDER = {
    "simulator": """
        errors signals counting arrays arrow spelling statistics significance remote storage answers
        pools
        generated importers hub rules policy methods loading replay isolation workers live
        conformance runs report studies submissions verification boards catalogue api completion
        commands cli
    """.split(),  # noqa: SIM905  (a list a line would be long)
    "judges": """
        prefixes protocol loading kinds scores pairs evaluation training runs for_commands
        commands cli
    """.split(),  # noqa: SIM905
    "deepprune_sim": ["cli", "__main__"],
    "leaderboard_app": [
        *("formulas", "library", "shown", "tradeoff", "views", "export", "interchange"),
        *("address", "warming", "app", "server", "cli"),
    ],
}
"""The parts of each top package, lowest first: a part imports those before it only."""

POLICYS_SIDE = ("simulator.rules", "simulator.policy", "simulator.methods", "simulator.loading")

MAY_USE_STREAMLIT = {
    "leaderboard_app.address",
    "leaderboard_app.app",
    "leaderboard_app.server",
    "leaderboard_app.shown.screen",
    "leaderboard_app.shown.chips",
    "leaderboard_app.shown.chosen_entries",
    "leaderboard_app.shown.group_choice",
}

MODULES_IN_A_FOLDER = 13
LINES_IN_A_FUNCTION = 80
RIDDLES = re.compile(r"(What|Whether|Who|Whose|Whom|How|Where|When|Which|That|Why)\b")


def _module_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_module_of(file): file for top in TOPS for file in sorted((ROOT / top).rglob("*.py"))}


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def _imports(module: str, *, types: bool = True) -> Iterator[str]:
    """List what a module imports, function bodies included; `types`: for types alone, too."""
    waiting: list[tuple[ast.AST, bool]] = [(_tree(module), False)]
    while waiting:
        node, for_types = waiting.pop()
        if isinstance(node, ast.ImportFrom) and node.module and (types or not for_types):
            assert node.level == 0, f"{module} imports relatively"
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in MODULES else node.module
        elif isinstance(node, ast.Import) and (types or not for_types):
            yield from (alias.name for alias in node.names)
        only = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        waiting += [(child, for_types or only) for child in ast.iter_child_nodes(node)]


def _ours(module: str, *, types: bool = True) -> set[str]:
    return {name for name in _imports(module, types=types) if name.split(".")[0] in TOPS}


def _within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == each or module.startswith(each + ".") for each in packages)


def _part(module: str) -> str:
    """Return the second part of a module's name; the package itself is its lowest part."""
    return module.split(".")[1] if "." in module else ""


def test_each_part_imports_only_parts_below_it() -> None:
    assert {_part(module) for module in MODULES if module.startswith("simulator.")} <= set(
        ORDER["simulator"]
    )
    upward = []
    for module in MODULES:
        top, part = module.split(".")[0], _part(module)
        for other in _ours(module):
            if other.split(".")[0] == top and part and _part(other) not in (part, ""):
                order = ORDER[top]
                if order.index(_part(other)) > order.index(part):
                    upward.append(f"{module} -> {other}")
    assert upward == []


def test_top_packages_import_one_way() -> None:
    below = {
        "simulator": set(),
        "judges": {"simulator"},
        "leaderboard_app": {"simulator", "judges"},
        "deepprune_sim": {"simulator"},
    }
    wrong = [
        f"{module} -> {other}"
        for module in MODULES
        for other in _ours(module)
        if other.split(".")[0] not in below[module.split(".")[0]] | {module.split(".")[0]}
    ]
    assert wrong == []


def test_no_file_imports_itself_through_others() -> None:
    graph = {module: _ours(module) & set(MODULES) for module in MODULES}

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            for other in graph[waiting.pop()] - seen:
                seen.add(other)
                waiting.append(other)
        return seen

    assert [module for module in MODULES if module in reached(module)] == []


def test_the_policys_side_loads_neither_pools_nor_engine() -> None:
    wrong = [
        f"{module} -> {other}"
        for module in MODULES
        if _within(module, POLICYS_SIDE)
        for other in _ours(module, types=False)
        if _within(other, ("simulator.pools", "simulator.replay", "simulator.isolation"))
    ]
    assert wrong == []


def test_methods_use_the_public_names_only() -> None:
    wrong = {
        (module, other)
        for module in MODULES
        if module.startswith("simulator.methods.")
        for other in _ours(module)
        if other != "simulator"
    }
    assert wrong == {("simulator.methods.oracle", "simulator.policy.visible")}


def test_pages_import_no_other_page_and_only_they_know_streamlit() -> None:
    wrong = []
    for module in MODULES:
        page = ".".join(module.split(".")[:3])
        if page.startswith("leaderboard_app.views."):
            wrong += [
                f"{module} -> {other}"
                for other in _ours(module)
                if other.startswith("leaderboard_app.views.") and not _within(other, (page,))
            ]
        renders = module.startswith("leaderboard_app.views.") and module.endswith(".page")
        if not renders and module not in MAY_USE_STREAMLIT:
            wrong += [
                f"{module} -> {other}"
                for other in _imports(module)
                if other.split(".")[0] == "streamlit"
            ]
    assert wrong == []


@pytest.mark.parametrize("module", ["recompute", "decisions"])
def test_recomputing_shares_no_code_with_the_engine(module: str) -> None:
    shared = {
        other
        for other in _ours(f"simulator.verification.{module}")
        if other.startswith("simulator.replay")
    }
    allowed = {"grading", "orders", "clusters.facts", "recording"}
    assert shared <= {f"simulator.replay.{each}" for each in allowed}


def test_folders_are_small_and_none_is_a_drawer_for_the_rest() -> None:
    count = Counter(file.parent for file in MODULES.values() if file.name != "__init__.py")
    large = {
        str(folder.relative_to(ROOT)): number
        for folder, number in count.items()
        if number > MODULES_IN_A_FOLDER and folder.name not in ("methods", "formats")
    }
    assert large == {}
    assert [name for name in MODULES if re.search(r"\b(utils?|helpers?|misc|common)\b", name)] == []


def test_functions_fit_on_a_screen() -> None:
    long = [
        f"{module}:{node.lineno} {node.name}: {(node.end_lineno or 0) - node.lineno + 1} lines"
        for module in MODULES
        for node in ast.walk(_tree(module))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > LINES_IN_A_FUNCTION
    ]
    assert long == []


def _docstrings(module: str) -> Iterator[tuple[int, str]]:
    """List docstrings of a module, its classes, functions and constants: line and text."""
    for node in ast.walk(_tree(module)):
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        for statement in body:
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                text = statement.value.value
                if isinstance(text, str):
                    yield statement.lineno, text.strip()


def test_docstrings_name_their_subject() -> None:
    riddles = [
        f"{module}:{line} {text[:60]}"
        for module in MODULES
        for line, text in _docstrings(module)
        if RIDDLES.match(text)
    ]
    assert riddles == []
