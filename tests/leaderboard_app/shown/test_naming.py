"""Short names of entries, pools and files."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest
from made_entries import made_entry, made_result

from leaderboard_app.library.entry import Entry
from leaderboard_app.library.library import Library
from leaderboard_app.library.memo import Once
from leaderboard_app.shown.naming import file_name, pool_name, short_name


def library_of(*entries: Entry, pools: tuple[str, ...] = ()) -> Library:
    rows = [{"name": name} for name in pools]
    return cast(Library, SimpleNamespace(entries=entries, pools=rows, once=Once()))


def test_an_entry_is_called_by_its_method_unless_another_submission_has_it() -> None:
    first = made_entry("a", method="asc", label="asc (threshold=0.8)")
    second = made_entry("b", method="asc", label="asc (threshold=0.9)")
    probe = made_entry("c", method="probe", label="probe (patience=2)")
    own = made_entry("runs/c", method="probe", label="probe [runs/c]", badge="local")
    alone = made_entry("runs/d", method="esc", label="esc (window=3)", badge="local")
    here = made_entry("derived/e", method="probe", label="probe on aime24", badge="derived")
    entries = (first, second, probe, own, alone, here)
    assert [short_name(library_of(*entries), each) for each in entries] == [
        "asc (threshold=0.8)",
        "asc (threshold=0.9)",
        "probe",
        "probe [runs/c]",
        "esc",
        "probe",
    ]


def test_a_pool_is_called_by_as_much_of_its_name_as_no_other_has() -> None:
    entry = made_entry("a", made_result("scout/qwen/aime24"), made_result("scout/qwen/aime25"))
    library = library_of(entry, pools=("scout/llama/aime25", "other/llama/aime25"))
    assert pool_name(library, "scout/qwen/aime24") == "aime24"
    assert pool_name(library, "scout/qwen/aime25") == "qwen/aime25"
    assert pool_name(library, "other/llama/aime25") == "other/llama/aime25"
    assert pool_name(library, "not/here/gpqa") == "gpqa"


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (("parallel-probe", "school-math", "problems"), "parallel-probe-school-math-problems"),
        (("short-3@16", "aime 25/x"), "short-3-16-aime-25-x"),
        (("asc (threshold=0.8)",), "asc-threshold-0.8"),
        (("../../etc/passwd",), "etc-passwd"),
        (("Überprüft",), "Uberpruft"),
        (("<b>", "数学"), "b"),
        (("数学",), "table"),
        (("x" * 300,), "x" * 100),
    ],
)
def test_a_files_name_has_letters_digits_dots_and_hyphens(
    parts: tuple[str, ...], name: str
) -> None:
    assert file_name(*parts) == name
