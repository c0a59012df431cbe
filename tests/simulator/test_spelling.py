from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.spelling import keys, mixed_scripts
from simulator.submissions.metadata import check_metadata

FIELDS = {
    "format": 1,
    "method": "A method",
    "authors": ["A. Author"],
    "date": date(2026, 1, 31),
    "description": "Two words.",
}


@pytest.mark.parametrize(
    ("name", "letter"),
    [
        ("Dee\u0440Conf", "U+0440 (CYRILLIC SMALL LETTER ER)"),
        ("\u0421ons@32", "U+0421 (CYRILLIC CAPITAL LETTER ES)"),
        ("\u0391SC", "U+0391 (GREEK CAPITAL LETTER ALPHA)"),
        ("s\u03bfrt", "U+03BF (GREEK SMALL LETTER OMICRON)"),
        ("c0n\u0455", "U+0455 (CYRILLIC SMALL LETTER DZE)"),  # digits part no words
        ("\u0430-SC", "U+0430 (CYRILLIC SMALL LETTER A)"),  # a letter that stands for nothing
        ("\u0391-SC", "U+0391 (GREEK CAPITAL LETTER ALPHA)"),  # nobody can tell it from A
        (
            "Self \u0405\u0410\u0421",
            "U+0405 (CYRILLIC CAPITAL LETTER DZE)",
        ),  # wholly Latin in looks
        ("\u13a0SC", "U+13A0 (CHEROKEE LETTER A)"),
        ("de\u0585p", "U+0585 (ARMENIAN SMALL LETTER OH)"),
        ("\u0410\u03bfsc", "U+0410 (CYRILLIC CAPITAL LETTER A)"),  # three scripts
    ],
)
def test_a_letter_of_another_script_within_a_name_is_named(name: str, letter: str) -> None:
    assert mixed_scripts(name) == letter
    for fields in ({"method": name}, {"authors": ["A", name]}, {"organisation": name}):
        metadata, (wrong,) = check_metadata({**FIELDS, **fields})
        assert metadata is None
        assert "mixes scripts" in wrong
        assert letter in wrong
        assert wrong.isascii()


@pytest.mark.parametrize(
    "name",
    [
        "deepconf-low",
        "β-sc",
        "top-κ",
        "α-β pruning",
        "Δ-vote (λ=0.5)",
        "Việt Nam, Ærøskøbing",
        "Метод голосования",
        "Метод DeepConf",
        "深度DeepConf",
        "自己一致性とKL",
        "투표 SC",
        "short-3@16",
        "½ of the traces",
        "שיטה",
    ],
)
def test_names_in_one_script_and_single_greek_letters_are_fine(name: str) -> None:
    assert mixed_scripts(name) is None
    assert check_metadata({**FIELDS, "method": name})[1] == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("DeepConf", "deepconf"),
        ("DeepConf", "Deep Conf"),
        ("DeepConf", "deep_conf."),
        ("DeepConf", "Dee\u0440Conf"),
        ("SAC", "\u0405\u0410\u0421"),  # all Cyrillic
        ("SAC", "\U0001d412\U0001d400\U0001d402"),  # mathematical bold
        ("SAC", "\uff33\uff21\uff23"),  # full width
        ("Déepconf", "Deepconf"),
        ("Majority", "rnajority"),
        ("prune-I", "prune-l"),
        ("prune-I", "prune-1"),
        ("COT", "C0T"),
        ("straße", "STRASSE"),
        ("øre", "ore"),
    ],
)
def test_names_that_look_alike_share_a_key(one: str, other: str) -> None:
    assert keys(one) & keys(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("esc", "asc"),
        ("short-3@16", "short-31@6"),
        ("asc-0.8", "asc-0.99"),
        ("deepconf-low", "deepconf-high"),
        ("β-sc", "γ-sc"),
        ("深度", "投票"),
    ],
)
def test_other_names_share_none(one: str, other: str) -> None:
    assert not keys(one) & keys(other)


def test_no_two_built_in_methods_look_alike() -> None:
    from simulator.methods import METHODS

    names = [*METHODS]
    found = [
        (one, other)
        for place, one in enumerate(names)
        for other in names[place + 1 :]
        if keys(one) & keys(other)
    ]
    assert found == []


@given(st.text(max_size=30))
def test_every_text_has_keys_and_they_ignore_case(name: str) -> None:
    assert keys(name)
    mixed_scripts(name)
    assert keys(name) & keys(name.casefold())


@pytest.mark.parametrize("joined", ["β\u200d-sc", "é\u200cx", "де\u200dр", "深\u200d度"])
def test_invisible_joiners_are_refused_where_no_script_needs_them(joined: str) -> None:
    assert check_metadata({**FIELDS, "method": joined})[0] is None
    assert check_metadata({**FIELDS, "method": "ക്\u200d"})[1] == []
