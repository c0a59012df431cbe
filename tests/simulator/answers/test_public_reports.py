r"""Answers of the kinds that public reports found read wrongly, by this project or another.

Each group names its source, a repository and an issue or a file; after `like`, one of the same
kind. The inputs are made by hand.
"""

from __future__ import annotations

import pytest

from simulator.answers.equivalence import classify, equivalent
from simulator.answers.finding import find_answer, find_gold

Case = tuple[str, str, str, bool]
"""Kind, gold answer, response, and whether a careful person would call it right."""

FOUND: dict[str, list[Case]] = {
    # the MGSM of openai/simple-evals names the word for "Answer" in eleven languages
    "openai/simple-evals mgsm_eval.py": [
        ("math", "31", "Antwort: 31", True),
        ("math", "31", "Réponse : 31", True),
        ("math", "31", "Respuesta: **31**", True),
        ("math", "31", "答え: 31", True),
        ("math", "31", "Ответ: 31.", True),
        ("math", "31", "Jibu: 31", True),
        ("math", "31", "సమాధానం: 31", True),
        ("math", "31", "คำตอบ: 31", True),
        ("math", "31", "উত্তর: 31", True),
        ("math", "31", "Die Antwort ist nicht klar.", False),
    ],
    "openai/simple-evals common.py MULTILINGUAL_ANSWER_REGEXES": [
        ("choice", "C", "정답: C", True),
        ("choice", "C", "정답은 C입니다", True),
        ("choice", "C", "Jawaban: C", True),
        ("choice", "C", "Resposta: (C)", True),
        ("choice", "C", "A resposta correta é C.", True),
        ("choice", "C", "الإجابة الصحيحة هي: C", True),
        ("choice", "C", "उत्तर: C", True),
        ("choice", "C", "正解はCです。", True),
        ("choice", "C", "本题选 C。", True),
        ("choice", "C", "【答案】C", True),
        ("choice", "C", "选项C是错的", False),
        ("choice", "B", "الإجابة: ب", True),
        ("choice", "C", "উত্তর: ড", True),
        ("choice", "C", "Answer:\u200b\u200bC", True),
        ("choice", "B", "الإجابة: بعد ذلك", False),
    ],
    "open-compass/opencompass#1688": [
        ("choice", "C", "答案应该选C", True),
        ("choice", "C", "答案选项为：C", True),
        ("choice", "C", "因此选择C项。", True),
    ],
    "ai-twinkle/Eval#156": [
        ("choice", "C", "我認為應該選 C", True),
        ("choice", "C", "我選擇 C", True),
        ("choice", "C", "我選擇 C 型鋼", False),
        ("choice", "C", "正確答案為 C", True),
    ],
    "open-compass/opencompass#1462": [
        ("choice", "A", "A: Let's think step by step. The charge is", False),
        ("choice", "C", "A: Let's think step by step. The answer is (C).", True),
    ],
    "like EleutherAI/lm-evaluation-harness#2503": [
        ("choice", "C", "Therefore C is correct.", True),
        ("choice", "C", "=> (C)", True),
        ("choice", "C", "∴ C", True),
        ("choice", "C", "Final: C", True),
        ("choice", "C", "C</answer>", True),
        ("choice", "C", "Therefore C is not correct.", False),
        ("math", "2", "The answer is (2) Copper", True),
        ("math", "2", r"\boxed{\text{Option 2}}", True),
        ("math", "2", "The answer is (3) Copper", False),
        ("math", "II", "Answer: (II)", True),
    ],
    "UKGovernmentBEIS/inspect_ai#2216": [
        ("choice", "A", "ANSWER: None of the above", False),
        ("choice", "D", "ANSWER: Don't know", False),
        ("choice", "I", "ANSWER: I don't know", False),
    ],
    "aniri15/OPD-V#2": [("choice", "D", "(A) is out. The correct answer is d.", True)],
    "openai/simple-evals#33": [("choice", "C", "Antwort:\n\nAntwort: C", True)],
    "groq/openbench#348": [
        ("choice", "C", "Answer seems to be C.", True),
        ("choice", "C", "Answer seems to be A.\n\nAnswer: C", True),
    ],
    "EleutherAI/lm-evaluation-harness#4188": [
        ("choice", "C", "I would pick C — a safe choice.", True),
        ("choice", "A", "I would pick C — a safe choice.", False),
        ("choice", "C", "c. 31", True),
    ],
    "lm-sys/FastChat fastchat/llm_judge/data/judge_prompts.jsonl": [
        ("choice", "C", "Both are fine.\nMy final verdict is: [[C]]", True)
    ],
    "huggingface/lighteval#734": [
        ("choice", "C", "C. Copper\n\nIt conducts best.", True),
        ("choice", "A", "A. Zinc does not.\nC. Copper does.", False),
    ],
    "like huggingface/Math-Verify#76": [
        ("math", "31", "Final Answer\n------------\n**31**", True),
        ("math", "31", "final_answer: 31", True),
    ],
    "huggingface/Math-Verify#76": [("math", "31", "✅ Final Answer: **31** ✅", True)],
    "EleutherAI/lm-evaluation-harness#3644": [
        ("math", "3, 5, 7", r"\boxed{3}, \boxed{5}, \boxed{7}", True),
        ("math", "7", r"\boxed{3}, \boxed{5}, \boxed{7}", False),
        ("math", "3", "Mark your solution with \\boxed. The answer is 3.", True),
        ("math", "1, 31", r"The roots are $\boxed{1}$ and $\boxed{31}$.", True),
        ("math", "31", r"The roots are $\boxed{1}$ and $\boxed{31}$.", False),
        ("math", "(1, 31)", r"$a = \boxed{1}, b = \boxed{31}$", True),
        ("math", "31", r"So \boxed{31}. It is \boxed{31}, as we saw.", True),
        ("math", "31", r"Case 1 gives \boxed{1}. And in all, \boxed{31}.", True),
        ("choice", "C", r"\boxed{A} and \boxed{C}", False),
    ],
    "special tokens of DeepSeek, in public dumps of decoded texts": [
        ("math", "31", "The answer is 31<｜end▁of▁sentence｜>", True),
        ("choice", "C", "**C**<｜end▁of▁sentence｜>", True),
    ],
    # without special tokens, the channels of gpt-oss run together
    "oobabooga/textgen#7374": [
        ("math", "31", r"analysisMaybe \boxed{30}?assistantfinalThe answer is **31**.", True),
        ("math", "30", r"analysisMaybe \boxed{30}?assistantfinalThe answer is **31**.", False),
    ],
    # servers cut stop texts, such as </answer>, off
    "vllm-project/vllm#1973": [
        ("math", "31", "<think>30?</think>\n<answer>31", True),
        ("math", "31", "<answer>The total is $31.</answer>", True),
        ("math", "31", '<answer type="number">31</answer>', True),
        ("math", "31", "<answer>We have 30 or 31</answer>", False),
    ],
    "skylight-org/skylight-research#34": [("math", "31", r"<boxed{31}\).</answer>", True)],
    "hiyouga/EasyR1#382": [("math", "31", "Answer: `$31$`", True)],
    "like hud-evals/hud-python#659": [
        ("math", "31", "Answer: 31 (confidence: 95%)", True),
        ("math", "95", "Answer: 31 (confidence: 95%)", False),
    ],
    "huggingface/smolagents final_answer": [("math", "31", 'final_answer("31")', True)],
    "huggingface/lighteval#140": [
        ("math", "31", r"It is \framebox{31}", True),
        ("math", "31", r"It is \boxed31", True),
        ("math", "31", "It is boxed{31}", True),
    ],
    "yidakouyuan/Test-Time-Scaling-on-GSM8K reflection_results_limit100.json": [
        ("math", "31", "**最终答案**：Ana 每天赚取 **31 美元**。", True),
        ("math", "31", "**最终答案**：31 米", True),
        ("math", "31", "**Final Answer:** Ana earns **$31** every day.", True),
        ("math", "31", "Final Answer: Ana earns $31 every day at the market.", True),
        ("math", "31", "Answer: Ana earns less than 31 dollars.", False),
        ("math", "31", "Answer: Ana earns 30 or 31 dollars a day.", False),
        ("math", "31", "Answer: Ana works from 9 to 31 here.", False),
        ("math", "2", "Answer: The slope of the line is 7/2 here.", False),
        ("math", "3", "Answer: The train leaves at 3:30 in the morning.", False),
    ],
    "Yiwei98/ESC GPT4_result/coin_flip/T0.7.jsonl": [
        ("text", "yes", "A: Yes, the lamp is still on.", True),
        ("text", "no", "Nobody touched it. The answer is no: the lamp was off.", True),
        ("text", "no", "A: Yes, the lamp is still on.", False),
        ("text", "no", "A: Nobody, as it is off.", False),
    ],
    # a last sentence that takes the box back
    "EvolvingLMMs-Lab/lmms-eval#1511, thinking-machines-lab/tinker-cookbook#895": [
        ("math", "7", r"First, \boxed{5}. That is wrong; the answer is \boxed{7}.", True),
        ("math", "5", r"So \boxed{5}. The wrong answer is 7.", True),
        ("math", "5", r"So \boxed{5}. Actually, some may think that the answer is 7.", True),
        ("math", "31", r"So \boxed{30}. Wait, that is wrong: the answer is 31.", True),
        ("math", "30", r"So \boxed{30}. Wait, that is wrong: the answer is 31.", False),
        ("math", "30", r"So \boxed{30}. Wait: the answer is correct.", True),
        ("math", "30", r"So \boxed{30}. The answer to the first half is 31.", True),
    ],
}


@pytest.mark.parametrize(
    ("source", "kind", "gold", "text", "right"),
    [(source, *case) for source, cases in FOUND.items() for case in cases],
)
def test_the_answer_of_a_text_is_the_one_that_a_reader_finds(
    source: str, kind: str, gold: str, text: str, right: bool
) -> None:
    found = find_answer(text, kind)
    answer = found.answer if found else ""
    assert equivalent(kind, find_gold(gold, kind), answer) is right, source


SAME: dict[str, list[tuple[str, str]]] = {
    "huggingface/Math-Verify#69": [
        ("e^{14} - 1", "-1 + exp(14)"),
        (r"\dfrac{\pi}{5}", "pi/5"),
        (r"-7\pi", "-7*pi"),
    ],
    "huggingface/Math-Verify#41": [(r"3\sqrt{7}", r"3\sqrt(7)"), (r"3\sqrt{7}", "3*sqrt(7)")],
    "EleutherAI/lm-evaluation-harness#2212": [
        (r"\sin^2 t", "sin^2(t)"),
        (r"\binom{9}{4}", r"{9 \choose 4}"),
        ("31", "31\\ "),
    ],
    # JSON and shells eat backslashes, and the letter after some
    "deepseek-ai/DeepSeek-Coder#175": [
        (r"\frac{2}{9}", "rac{2}{9}"),
        (r"\frac{2}{9}", "frac{2}{9}"),
    ],
    "openai/prm800k prm800k/grading/math_normalize.py": [
        ("31", r"31\,\mathrm{m\,s^{-1}}"),
        ("31", r"31\ \frac{\text{m}}{\text{s}}"),
        ("31", "₹31"),
        ("31", "about 31"),
    ],
    "scitix/sieval#28": [
        ("ct", r"f(t) = ct \text{ for any constant } c"),
        (r"k\pi", r"k\pi, k \in \mathbb{Z}"),
    ],
    "NVIDIA-NeMo/Skills#1074": [("16", "016")],
    "modelscope/ms-swift#4541": [(r"a=1 \text{ or } a=-2", "1, -2")],
    # marks, labels and remarks around the value
    "hud-evals/hud-python#659": [
        ("31", r"31\ \checkmark"),
        ("31", r"\#31"),
        ("31", r"\mathbb{31}"),
        ("31", r"\text{There are }31\text{ ways}"),
        ("31", r"31 \text{ (exact)}"),
        ("31", r"31\ (\text{since }9+22)"),
        ("31", "n := 31"),
        ("31", "Total: 31"),
        ("31", r"\frac{9}{22} \Rightarrow 9+22=31"),
        ("2", "17 mod 5"),
        (r"\frac{3}{4}", "3/4 of the pie"),
        ("31", "31 (C)"),
        ("31", r"\begin{aligned}31\end{aligned}"),
    ],
    "open-compass/opencompass#2647": [("8000000", "8_000_000"), ("8,000", r"\boxed{8{,}000}")],
    "QwenLM/Qwen2.5-Math#29": [
        ("(300,200)", r"\left( 300, 200 \right)"),
        ("[300,400)", r"300 \leq x < 400"),
    ],
    "like EleutherAI/lm-evaluation-harness#4030": [
        (r"\emptyset", r"\{\}"),
        (r"\text{No solution}", "no real solutions"),
        (r"\emptyset", r"\text{there is no solution}"),
        ("[[1,2],[3,4]]", r"\begin{pmatrix}1&2\\3&4\end{pmatrix}"),
        ("2:3:7", "4 : 6 : 14"),
        (r"\frac{2}{3}", "0.(6)"),
        ("6:45 PM", r"6{:}45 \text{ p.m.}"),
        ("5", r"5 \pmod{7}"),
        ("5", "5 (mod 7)"),
    ],
}

APART: dict[str, list[tuple[str, str]]] = {
    # what a unit is not
    "like BunsenFeng/model_collaboration#122": [
        (r"6:45\text{ AM}", r"6:45\text{ PM}"),
        ("5", "5 dozen"),
        ("5", r"5\text{ dozen}"),
        ("5", "5 factorial"),
        ("5", r"5\,\mathrm{dozen}"),
        ("5", r"5 \text{ dozen} \text{ eggs}"),
        ("5", r"5\mathrm{i}"),
        ("5", r"5\,\mathrm{pi}"),
        ("5", r"5\text{ squared}"),
        ("2", "2 thirds"),
        ("3", r"3\text{ hundredths}"),
        ("5", r"5\text{ or more}"),
        (r"5\text{ m east}", r"5\text{ m west}"),
        ("5 miles north", "5 miles south"),
    ],
    "QwenLM/Qwen2.5-Math#29": [
        ("(300,200)", "300200"),
        ("300200", "(300,200)"),
        ("(300,200)", "(200,300)"),
    ],
    "like EleutherAI/lm-evaluation-harness#4030": [
        ("[[1,2],[3,4]]", r"\begin{pmatrix}1&3\\2&4\end{pmatrix}"),
        ("2:3:7", "2:3"),
        ("2:3:7", "2:7:3"),
        ("0", "no solution"),
        ("no", "no solution"),
        ("2024-01-02", "2021"),
        ("5", r"5 \pmod{7}" + " + 1"),
        ("0.6", "0.(6)"),
        ("4.5", "3.(15)"),
    ],
    "huggingface/Math-Verify#14": [
        ("19, 46, \\text{ and } 82", "21, 36, and 82"),
        (r"1:2:3:\ldots", r"1:4:9:\ldots"),
        (r"\frac{1}{2004!}", r"\frac{1}{2006!}"),
    ],
    "hud-evals/hud-python#659": [
        ("31", r"31 \text{ (base eight)}"),
        ("0.3", "0.3 (repeating)"),
        ("31", r"31 \text{ (thousands)}"),
        ("31", "at least 31"),
        ("2", "17 mod 6"),
    ],
    "huggingface/Math-Verify#64": [("f(t) = 0", r"\forall t>0, f(t) = 0")],
    "huggingface/Math-Verify#60": [("3x - y + 13 = 0", "3x + 4y + 14 = 0")],
    "huggingface/Math-Verify#47": [("1331 and 1728", "1728")],
}


@pytest.mark.parametrize(
    ("source", "a", "b"), [(source, *pair) for source, pairs in SAME.items() for pair in pairs]
)
def test_other_spellings_are_the_same(source: str, a: str, b: str) -> None:
    assert equivalent("math", a, b), source
    assert equivalent("math", b, a), source


@pytest.mark.parametrize(
    ("source", "a", "b"), [(source, *pair) for source, pairs in APART.items() for pair in pairs]
)
def test_other_values_are_apart(source: str, a: str, b: str) -> None:
    assert not equivalent("math", a, b), source
    assert not equivalent("math", b, a), source


def test_a_time_without_its_half_of_the_day_joins_no_group_of_several() -> None:
    answers = ["6:45 AM", "6:45 PM", "6:45", "6:45 pm"]
    classes = classify("1", "math", answers)
    assert [classes.of_text[answer] for answer in answers] == [0, 1, 2, 1]
