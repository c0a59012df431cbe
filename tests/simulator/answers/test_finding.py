"""Answers are found in every form that models give them, and templates and prose are none."""

from __future__ import annotations

import re

import pytest
from checkout import ROOT
from hypothesis import given
from hypothesis import strategies as st

from simulator.answers.cleaning import bare_value
from simulator.answers.finding import GIVEN, PATTERN, compiled, find_answer, find_gold
from simulator.answers.forms import FORMS
from simulator.errors import UserError

Table = dict[str, list[tuple[str, str | None]]]

MATH: Table = {
    "box": [
        (r"First \boxed{6}, no: \boxed{\frac{2}{9}}.", r"\frac{2}{9}"),
        (r"It is \fbox{31}", "31"),
        (r"It is $\boxed 31$", "31"),
        (r"It is $\boxed \frac{2}{9}$", r"\frac{2}{9}"),
        (r"It is \boxed{\boxed{31}}", "31"),
        (r"It is \boxed{\text{Final answer: }31}", "31"),
        (r"It is \boxed{\text{The answer is } 31}", "31"),
        ("It is \x08oxed{31}", "31"),
        (r"\boxed{]2, 9]}", "]2, 9]"),
        (r"\boxed{x^*}", "x^*"),
        (r"\boxed{\{2, 9\}.}", r"\{2, 9\}"),
        (r"ANSWER: 30 \boxed{31} ANSWER: 32", "31"),
        (r"**Answer:** Final answer: \boxed{31}", "31"),
        (r"\boxed{30} \boxed{your answer} \boxed{} \boxed{\ldots}", "30"),
        (r"The final answer is \boxed{31", None),
    ],
    "tag": [
        ("hm <answer> 31 </answer>", "31"),
        (r"<answer>$\frac{2}{9}$</answer>", r"\frac{2}{9}"),
    ],
    "hashes": [
        ("5 + 26 = 31\n#### 31", "31"),
        ("#### 2,031\n\nNext question", "2,031"),
        ("Add up.\n#### **$31**", "31"),
        ("Add up.\n#### 31 marbles", "31 marbles"),
        ("Add up.\n#### x + 1", "x + 1"),
        ("#### Step 2: add\nand so on", None),
        ("so\n\n#### Case 2: the sum of", None),
    ],
    "json": [
        ('```json\n{"reason": "5 + 26", "answer": 31}\n```', "31"),
        ('{"final_answer": "31"}', "31"),
        ("{'Answer': '31'}", "31"),
        (r'{"answer": "\\frac{2}{9}"}', r"\frac{2}{9}"),
        (r'{"answer": "\frac{2}{9}"}', r"\frac{2}{9}"),
        ('{"answer": ["31"]}', "31"),
        (r'{"answer": "\ud800 5"} or {"answer": "..."}', "? 5"),
    ],
    "announcement": [
        ("Five and 26. The answer is 31.", "31"),
        ("The answer is $31, which is a lot.", "31"),
        ("So the answer to 5 + 26 is therefore 31.", "31"),
        (r"The final answer is $\frac{2}{9}$. I hope it helps.", r"\frac{2}{9}"),
        ("**Final Answer:** 31 meters", "31 meters"),
        ("Final answer - 31", "31"),
        ("Answer (in metres): 31", "31"),
        ("The answer is **31** metres.", "31 metres"),
        ("The answer is:\n\n\\[\n31\n\\]", "31"),
        ("### Answer:\n**31**", "31"),
        ("**ANSWER: 31**", "31"),
        (r"\[ \textbf{ANSWER: 31} \]", "31"),
        ("\\[\n\\text{ANSWER: } 31\n\\]", "31"),
        (r"$\textbf{Answer: } 31$", "31"),
        ("Final Answer: The answer is 31", "31"),
        ("Answer: 30\nNo.\nAnswer: 31", "31"),
        ("The answer is 31. I verified that the answer is correct.", "31"),
        ("The answer is 31 because the answer is not 30.", "31"),
        ("The answer is [2, 9).", "[2, 9)"),
        ("The answer is $x = 2$ or $x = 9$.", "$x = 2$ or $x = 9$"),
        ("The answer is 31 (thirty-one).", "31"),
        ("The answer is 31: five more than 26.", "31"),
        ("The answer is 31 and we are done.", "31"),
        ("The answer is no.", "no"),
        ("The answer is a + b.", "a + b"),
        ("The answer is a good one.", None),
        ("The answer is right, and we are done.", None),
        ("ANSWER: 31<|im_end|>", "31"),
        ("最终答案：31。", "31"),
        ("Answer: 31\n\nNote: if the answer is 30, one pair was counted twice.", "31"),
        ("Let us see whether the answer is 30.", None),
        ("Answer: [your answer]", None),
        ("The answer is the sum of what the two of them have together.", None),
        ("The answer is not 30.", None),
        ("ANSWER:", None),
    ],
    "heading": [
        ("## Answer\n\n31", "31"),
        ("**Final Answer**\n\n\\[ x = 31 \\]\n", "x = 31"),
        ("Final answer\n- 31\n", "31"),
        ("## Answer\n\nWe have shown that it is so.", None),
    ],
    "A:": [
        ("5 + 26 = <<5+26=31>>31\nA: 31", "31"),
        ("A: 31</s>", "31"),
        ("A: 3 apples\nB: 4 apples", None),
    ],
    "bare": [
        ("31", "31"),
        (r"$\frac{2}{9}$", r"\frac{2}{9}"),
        ("<think>Is it 30?</think>\n\n31", "31"),
        ("Yes.", "Yes"),
        ("I give up.", None),
        ("There are 31 of them.", None),
        (r"\boxed{31", None),
        ("<think>\n31", None),
    ],
    "conclusion": [
        ("Add up.\nSo 31 is the final answer.", "31"),
        ("Result: $31$", "31"),
        ("Ans. 31", "31"),
        ("final_answer(31)", "31"),
        ("| step | sum |\n| answer | 31 |", "31"),
        ("So the sum of both is 31.", None),
        ("31 is not the final answer.", None),
        ("Result: 30\nNo, that was the first half.", None),
        ("<think>\nResult: 31", None),
    ],
}
"""Texts by the form that they give their answer in, to a question of mathematics."""

CHOICE: Table = {
    "box": [
        (r"\boxed{\text{(C)}}", "C"),
        (r"\boxed{C. Copper}", "C"),
        (r"\boxed{\mathbf{C}: copper}", "C"),
        (r"Answer: B? No. \boxed{C}", "C"),
        (r"\boxed{8.9\,g}", None),
        (r"\boxed{A, C}", None),
    ],
    "tag": [("<answer>C</answer>", "C")],
    "hashes": [
        ("so\n#### C", "C"),
        ("so\n#### **C**\nas it conducts", "C"),
        ("so\n#### C. copper", "C"),
        ("#### A. zinc\nNo.\n#### B. lead\nNo.", None),
    ],
    "json": [('{"why": "A is wrong", "answer": "C"}', "C"), ('{"choice": "(C) copper"}', "C")],
    "announcement": [
        (r"It weighs \boxed{8.9\,g}." + "\n\n**Answer: C**", "C"),
        ("Therefore the answer is (C).", "C"),
        ("The correct option is C.", "C"),
        ("The answer is option C: copper", "C"),
        ("Answer: C, not A", "C"),
        (r"Answer: C, since it weighs \boxed{8.9}", "C"),
        ("Answer: C because A is out", "C"),
        ("**Answer:** Answer: C", "C"),
        ("Answer: **C) copper**", "C"),
        ("Answer:\nC\nas it conducts", "C"),
        ("The answer is C. Or so. Answer: A or B", "C"),
        ("Answer: I believe in copper", None),
        ("Answer: A good conductor", None),
        ("The answer is A or C.", None),
        ("The answer is not C", None),
        ("Answer choices: A) zinc B) lead", None),
        ("锌和铅不对，故选C。", "C"),
        ("故选：C", "C"),
        ("故选项C错误", None),
        ("所以答案选C。", "C"),
        ("答案应选择C", "C"),
        ("答案选项C", None),
    ],
    "heading": [("## Final answer\n**C. copper**", "C")],
    "A:": [("Q: which?\nA: (C)", "C")],
    "bare": [
        ("C", "C"),
        ("**C**", "C"),
        ("(C - copper)", "C"),
        ("C. Copper", "C"),
        ("C\n\nIt conducts best.", "C"),
        ("It conducts best.\n\n(C)", "C"),
        ("<think>(B)</think>C", "C"),
        ("I think it is C", None),
        ("Not sure, maybe copper", None),
        ("It conducts best.\n\nA. zinc", None),
        ("C. Copper\n\nIt conducts best.", "C"),
        ("A. Zinc is out.\nC. Copper is not.", None),
    ],
    "conclusion": [
        ("I'd go with C.", "C"),
        ("It conducts best, so I choose option C.", "C"),
        ("Therefore, option C is the answer.", "C"),
        ("My verdict is [[C]]", "C"),
        ("I would not choose C.", None),
        ("I choose A metal.", None),
        ("I choose A or C.", None),
        ("So A is a metal", None),
    ],
}

TEXT: Table = {
    "box": [(r"\boxed{\text{Lima}}", "Lima")],
    "hashes": [("so\n#### Lima", "Lima")],
    "announcement": [
        ("The letters are q and z. The answer is qz.", "qz"),
        ('So the answer is "qz".', "qz"),
        ("A: The last letter is q. The answer is qz.", "qz"),
        ("Final Answer: St. Gallen.", "St. Gallen"),
        ("The answer is New York City, because it is larger.", "New York City"),
        ("The answer is The Hague.", "The Hague"),
        ("The answer is right whale.", "right whale"),
        ("The answer is C#.", "C#"),
    ],
    "A:": [("Q: where?\nA: Lima", "Lima")],
    "bare": [("Lima", "Lima"), ("I do not know.", None)],
}

TABLE = [
    (kind, form, text, answer)
    for kind, forms in (("math", MATH), ("choice", CHOICE), ("text", TEXT))
    for form, texts in forms.items()
    for text, answer in texts
]


@pytest.mark.parametrize(("kind", "form", "text", "answer"), TABLE)
def test_each_form_of_answer_is_found(kind: str, form: str, text: str, answer: str | None) -> None:
    found = find_answer(text, kind)
    assert (found and found.answer) == answer
    if found and text != r"ANSWER: 30 \boxed{31} ANSWER: 32":
        assert found.form == form or {found.form, form} == {"announcement", "heading"}


def test_the_table_has_every_form() -> None:
    assert {form.name for form in FORMS} == MATH.keys() == CHOICE.keys()


def test_the_guide_names_the_forms_in_their_order_and_its_examples_are_found() -> None:
    guide = (ROOT / "docs" / "recorded-traces.md").read_text(encoding="utf-8")
    guide = guide.partition("| form |")[2]
    rows = re.findall(r"^\| `([\w:]+)` \|[^|]*\| (.*) \|$", guide, re.MULTILINE)
    names = [name for name, _ in rows if name not in (PATTERN, GIVEN)]
    assert names == [form.name for form in FORMS]
    for name, examples in rows:
        if name in (PATTERN, GIVEN):
            continue
        for example in re.findall(r"`([^`]*7[^`]*)`", examples):
            found = find_answer(f"So.\n{example}" if name != "bare" else example, "math")
            assert (found and found.answer, found and found.form) == ("7", name), example


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"<think>\boxed{30}</think>The answer is 31.", "31"),
        (r"<think>\boxed{30}</think>", "30"),
        (r"<think>\boxed{30}</think>That is all.", "30"),
        ("<think>The answer is 30</think>That is all.", "30"),
        (r"\boxed{29}</think>\boxed{30}</think>31", "31"),
        (r"<think>\boxed{30}", "30"),
        (r"<|channel>thought \boxed{30}<channel|>The answer is 31.", "31"),
        (r"[THINK]\boxed{30}[/THINK]#### 31", "31"),
    ],
)
def test_the_response_counts_before_the_reasoning(text: str, answer: str) -> None:
    found = find_answer(text, "math")
    assert found is not None
    assert found.answer == answer


def test_boxes_alone_count_before_a_files_own_field() -> None:
    assert find_answer("The answer is 31.", "math", boxes_only=True) is None
    assert find_answer(r"<think>\boxed{30}</think>I do not know.", "math", boxes_only=True) is None
    found = find_answer(r"<think>\boxed{30}</think> ", "math", boxes_only=True)
    assert (found and found.answer) == "30"


def test_a_users_patterns_come_first() -> None:
    text = r"Result = 1; Result = 31; \boxed{30}"
    patterns = compiled([r"no such (.)", r"Result = (\d+)", r"boxed"])
    found = find_answer(text, "math", patterns)
    assert (found and found.answer, found and found.form) == ("31", PATTERN)
    found = find_answer("chosen: (C) copper; B", "choice", compiled([r"\([A-D]\).*?;"]))
    assert (found and found.answer) == "C"


def test_a_bad_pattern_and_a_slow_one_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"--answer-pattern '\(': missing \)"):
        compiled(["("])
    monkeypatch.setattr("simulator.answers.finding.PATTERN_SECONDS", 0.05)
    with pytest.raises(UserError, match=r"takes more than 0\.05 s on a text of 5,001"):
        find_answer("a" * 5000 + "b", "math", compiled([r"(?:a|aa|a.)+(?:a|aa|a.)+(?:a|a.)+c"]))


@pytest.mark.parametrize(
    ("text", "kind", "gold"),
    [
        ("31", "math", "31"),
        ("the answer", "text", "the answer"),
        ("Five and 26.\n#### 2,031", "math", "2,031"),
        (r"So $5 + 26 = \boxed{31}$.", "math", "31"),
        ("5 + 26 = <<5+26=31>>31\nA: 31", "math", "31"),
        ("One adds five to 26, which he had before. Thus the answer is 31.", "math", "31"),
        ("(C)", "choice", "(C)"),
        (r"\boxed{C}", "choice", "C"),
        ("Answer: 31", "math", "31"),
        ("C. Copper", "choice", "C. Copper"),
        ("Zinc and lead conduct worse than copper does, so the answer is (C).", "choice", "C"),
        ("two\nlines", "text", "two\nlines"),
    ],
)
def test_gold_answers_are_found_in_solutions(text: str, kind: str, gold: str) -> None:
    assert find_gold(text, kind) == gold
    assert find_gold(gold, kind) == gold


PIECES = st.sampled_from(
    r"""\boxed{ | } | { | The answer is | Answer: | #### | A: | ** | $ | \( | \] | </think>
    | <think> | {"answer": " | " | <answer> | </answer> | C | 31 | . | or | \text{ | ( | )
    | because | 答案 | \ | <|x|> | ## | - | \ud800""".split(" | ")  # noqa: SIM905
) | st.sampled_from(["\n", "\x00", "\ud800", " "])
TEXTS = st.lists(PIECES | st.text(max_size=5), max_size=40).map("".join)
KINDS = st.sampled_from(["math", "choice", "text"])


@given(TEXTS, KINDS, st.booleans())
def test_any_text_can_be_searched(text: str, kind: str, boxes_only: bool) -> None:
    found = find_answer(text, kind, boxes_only=boxes_only)
    if found is not None:
        assert found.answer == found.answer.strip() != ""
        assert found.form in {form.name for form in FORMS}
        if kind == "choice":
            assert found.answer in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    find_gold(text, kind)


@given(TEXTS)
def test_a_bare_value_stays_as_it_is(text: str) -> None:
    bare = bare_value(text)
    assert bare_value(bare) == bare


WRAPPED = [
    r"So it is \boxed{X}.",
    r"\fbox{X}",
    "<answer>X</answer>",
    "so\n#### X",
    '{"answer": "X"}',
    "The answer is X.",
    "**Final Answer:** X",
    "**Final Answer**\n\nX",
    r"The answer is \boxed{X}.",
    r"\boxed{\text{Answer: }X}",
    r"<think>\boxed{77} The answer is 78</think>" + "\nAnswer: $X$",
]
NUMBERS = st.integers(-(10**6), 10**6).map(str) | st.decimals(
    -1000, 1000, allow_nan=False, places=2
).map(str)
FRACTIONS = st.tuples(st.integers(1, 99), st.integers(1, 99)).map("{0[0]}/{0[1]}".format)
WORDS = st.text("abcdefghijklmnop", min_size=4, max_size=4).filter(
    lambda word: word not in ("done", "line", "also", "each", "then", "from", "find")
)


@given(NUMBERS | FRACTIONS, st.sampled_from(WRAPPED))
def test_a_number_is_found_in_any_form(value: str, form: str) -> None:
    found = find_answer(form.replace("X", value), "math")
    assert (found and found.answer) == value


@given(
    st.sampled_from("ABCDEFGHIJ"), st.sampled_from(WRAPPED), st.sampled_from(["X", "(X)", "X. Zn"])
)
def test_a_letter_is_found_in_any_form(letter: str, form: str, option: str) -> None:
    found = find_answer(form.replace("X", option.replace("X", letter)), "choice")
    assert (found and found.answer) == letter


@given(WORDS, st.sampled_from(WRAPPED))
def test_a_word_is_found_in_any_form(value: str, form: str) -> None:
    found = find_answer(form.replace("X", value), "text")
    assert (found and found.answer) == value


ODD = [
    *(r"\boxed{", r"\boxed{1}", r"\boxed ", "<think>", "</think>", "<answer>", "<|end|>", "{", "}"),
    *("the answer is ", "answer to ", "#### ", "\n## Answer\n", '"answer": "', "\nA: 5", "$", "*"),
]


@pytest.mark.parametrize("piece", ODD)
def test_long_odd_texts_come_to_an_end(piece: str) -> None:
    text = piece * 10_000  # minutes, if time were quadratic in their number
    for kind in ("math", "choice"):
        find_answer(text, kind)
        find_answer(f"<think>{text}</think>{text[: len(text) // 2]}", kind)


@given(TEXTS, KINDS)
def test_what_was_found_is_found_again_in_a_box(text: str, kind: str) -> None:
    found = find_answer(text, kind)
    if found is not None and not re.search(r"[{}\\]", found.answer):
        again = find_answer(rf"\boxed{{{found.answer}}}", kind)
        assert (again and again.answer) == found.answer
