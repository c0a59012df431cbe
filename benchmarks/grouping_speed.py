"""Time of grouping a problem's answers, as the number of distinct answers grows, and of real files.

    python benchmarks/grouping_speed.py [FILE...] [--rounds 5]

Generated problems have 200, 400, … 3,200 distinct answers of the kinds that models write: numbers,
fractions, sums that a model did not add up, roots, and formulas with letters; a fifth of them are
other spellings of the rest. Caches are emptied before each round; the least CPU time counts, and
the ratio to the row before says how time grows: 2 is linear, 4 quadratic. Each FILE is one of
SCOUT's form (a list of problems with `each_branch`): CPU time over traces, probes included.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path

from yardstick import in_yardsticks

from simulator.answers.equivalence import classify
from simulator.answers.meaning import arithmetic, math_answers, notation, reading

SIZES = (200, 400, 800, 1600, 3200)


def generated(size: int, seed: int = 0) -> list[str]:
    """Return distinct answers to one problem."""
    draw = random.Random(seed)
    found: dict[str, None] = {}
    while len(found) < size:
        a, b, c = draw.randrange(1, 5 * size), draw.randrange(2, 90), draw.randrange(2, 90)
        spellings = draw.choice(
            (
                (f"{a}", rf"\frac{{{2 * a}}}{{2}}"),
                (rf"\frac{{{a}}}{{{b}}}", f"{a}/{b}"),
                (rf"{a} + {b} \cdot \frac{{{c}}}{{7}}", rf"\frac{{{b * c}}}{{7}} + {a}"),
                (rf"\frac{{{a} + {b}\sqrt{{{c}}}}}{{3}}", rf"({b}\sqrt{{{c}}} + {a}) / 3"),
                (rf"{a}x + {b} y^2", rf"{b} y^2 + {a} \cdot x"),
                (f"({a}, {b})", rf"\left({a},\ {b}\right)"),
            )
        )
        found |= dict.fromkeys(spellings[: 1 + (draw.random() < 0.25)])
    return list(found)[:size]


def forget() -> None:
    """Empty all caches of readings."""
    for cached in (
        notation.plain,
        reading.read,
        math_answers.meaning,
        math_answers.verified,
        arithmetic._hashed,
    ):
        cached.cache_clear()


def least(answers: list[str], rounds: int) -> tuple[float, int]:
    """Return the least CPU seconds of grouping, and the number of classes."""
    times = []
    for _ in range(rounds):
        forget()
        started = time.process_time()
        classes = len(classify("7", "math", answers).texts)
        times.append(time.process_time() - started)
    return min(times), classes


def measure_file(path: Path) -> None:
    """Print the CPU time of grouping a file's answers."""
    traces = answers = 0
    forget()
    seconds = 0.0
    for problem in json.loads(path.read_text()):
        branches = problem["each_branch"]
        finals = [None if branch[2] == "ERR" else branch[2] for branch in branches]
        probes = [None if a == "ERR" else a for branch in branches for a in branch[0]]
        started = time.process_time()
        grouped = classify(problem["gold_answer"], "math", finals, probes)
        seconds += time.process_time() - started
        traces += len(finals)
        answers += len(grouped.of_text)
    print(f"{path.name:28} {traces:6,} traces  {answers:6,} distinct", end="")
    print(f"  {seconds:6.2f} s  {1000 * seconds / traces:5.2f} ms a trace")


def main() -> None:
    """Measure and print a table."""
    ask = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    ask.add_argument("files", nargs="*", type=Path)
    ask.add_argument("--rounds", type=int, default=5)
    said = ask.parse_args()
    classify("7", "math", generated(50))
    before = None
    total = 0.0
    for size in SIZES:
        seconds, classes = least(generated(size), said.rounds)
        ratio = f"{seconds / before:.2f}" if before else ""
        print(f"{size:6,} distinct  {classes:6,} classes  {1000 * seconds:8.1f} ms  {ratio}")
        before = seconds
        total += seconds
    for path in said.files:
        measure_file(path)
    print(in_yardsticks("grouping", total))


if __name__ == "__main__":
    main()
