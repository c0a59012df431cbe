import numpy as np

from simulator import Answer, Policy, Problem, Sampler, majority_vote


class Dynasor(Policy):
    """Dynasor-CoT: a trace stops once its last probes agree and were made without doubt; all vote.

    A probe is certain if it gives an answer and no word of doubt is near it, also as part of a
    word. The program reads the probe's own 20 tokens; pools do not store these, so that this
    coarser variant reads the end of the trace before it. While a probe is answered the trace goes
    on by an interval; if it finishes, its own answer counts. The program has a single trace.
    """

    source = "Fu et al. 2024 (Dynasor), arXiv 2412.20993; dynasor/core/cot.py"
    requires = frozenset({"probes", "text"})
    budget = 64
    interval = 500  # tokens between probes; the program's: 64 or 32
    in_a_row = 3  # its levels: 8 (mild), 5 (low), 3 (mid), 2 (high)
    reach = 80  # characters before a probe in which a word of doubt counts
    words = "wait/hold/but/okay/no/hmm"

    def validate(self) -> None:
        if self.interval < 1 or self.in_a_row < 1 or self.reach < 1:
            raise ValueError("interval, in_a_row and reach must be at least 1")

    def solve(self, problem: Problem, sampler: Sampler) -> Answer:
        live = sampler.start(sampler.budget)
        sampler.decode(live, tokens=self.interval)
        answers = live.answer  # of every trace: that of its last probe, or its own
        streak = np.zeros(len(live), dtype=int)  # certain probes in a row with that answer
        while len(live := live[~live.finished & (live.num_tokens > 0)]):
            probes, certain = sampler.probe(live), [not self.doubts(text) for text in live.text]
            sampler.decode(live, tokens=self.interval)
            again = (probes == answers[live.ids]) & (streak[live.ids] > 0)
            streak[live.ids] = np.where(again, streak[live.ids] + 1, 1) * certain * (probes >= 0)
            answers[live.ids] = np.where(live.finished, live.answer, probes)
            convinced = (streak[live.ids] >= self.in_a_row) & ~live.finished
            sampler.stop(live[convinced])
            live = live[~convinced]
        return majority_vote(answers)

    def doubts(self, text: str) -> bool:
        """Check whether the end of a text has a word of doubt."""
        end = text[-self.reach :].lower()
        return any(word in end for word in self.words.split("/"))
