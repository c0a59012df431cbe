import re
from functools import lru_cache

from simulator import Answer, Policy, Problem, Sampler

NEGATIONS = re.compile(r"not|isn't|isnt|no |cannot|can't|cant|doesn't|doesnt|never", re.IGNORECASE)


class KStable(Policy):
    """k-stable: a single trace, cut once its text has named the same option k times in a row.

    A line names an option if, after the word "answer" and up to a full stop, it has the letter of
    exactly one, and no negation. Only questions with options have any; other traces run to their
    ends. The program also knows the options' texts, and names no k. It reads as text arrives, this
    looks every `interval` tokens.
    """

    source = "interwhen, interwhen/monitors/k_stable.py"
    requires = frozenset({"text"})
    k = 3
    interval = 50

    def validate(self) -> None:
        if self.k < 1 or self.interval < 1:
            raise ValueError("needs k >= 1 and interval >= 1")

    def solve(self, problem: Problem, sampler: Sampler) -> Answer:
        trace = sampler.start(1)[0]
        options = problem.answer_kind == "choice"
        sampler.decode(trace, tokens=self.interval if options else None)
        while not trace.finished and trace.num_tokens:
            if option := self.stable(trace.text):
                return option
            sampler.decode(trace, tokens=self.interval)
        return trace.answer if trace.answer >= 0 else None

    def stable(self, text: str) -> str:
        """Return the first option that whole lines of a text name k times in a row, or none."""
        row: list[str] = []
        for line in text.split("\n")[:-1]:
            option = named(line)
            if option:
                row = [*row, option] if option in row else [option]
            if len(row) == self.k:
                return option
        return ""


@lru_cache(maxsize=65536)
def named(line: str) -> str:
    """Return the only option that a line calls the answer, or none."""
    after = re.split("answer", line, maxsplit=1, flags=re.IGNORECASE)[1:]
    segment = after[0].split(".")[0] if after else ""
    options = set(re.findall(r"(?<![A-Za-z'])[A-J](?![A-Za-z'])", segment))
    return options.pop() if len(options) == 1 and not NEGATIONS.search(segment) else ""
