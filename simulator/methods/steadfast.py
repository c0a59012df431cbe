import numpy as np
import numpy.typing as npt

from simulator import Answer, Policy, Problem, Sampler, chance_of_lead, count_votes, weighted_vote

Held = npt.NDArray[np.int32]  # the answer that each trace holds, or has given; −1 for none


class Steadfast(Policy):
    """Steadfast: the first of many traces to finish vote, less for answers that traces have left.

    All traces are probed from time to time. The votes for an answer count by a power of the share
    of traces that have stayed with it, of all that ever held it: a right answer is seldom left, a
    wrong one often. It is taken once its chance to lead (ASC's, of the two largest scores) reaches
    a bar, which falls from 1 − doubt / starters at the first vote to ½ at the last; once one vote,
    or two that agree, have half of the running traces behind them; or once votes scatter over many
    answers. Ties go to the answer that was finished first; without probes, votes count in full.
    """

    source = "this project, docs/steadfast.md"
    optional = frozenset({"probes"})
    starters = 0  # traces that start, the dial from cheap to accurate; 0: the whole budget
    finishers = 0.5  # share of the starters that vote at most
    doubt = 3.0  # starters × (1 − the chance to lead that one vote would need)
    interval = 2000  # tokens between two probes
    power = 4.0  # of the share of traces that have stayed with an answer; 0: it counts for nothing

    def validate(self) -> None:
        if min(self.starters, self.doubt, self.power) < 0 or self.interval < 1:
            raise ValueError("starters, doubt, power must be at least 0, interval at least 1")
        if not 0 < self.finishers <= 1:
            raise ValueError("finishers is above 0 and at most 1")

    def solve(self, problem: Problem, sampler: Sampler) -> Answer:
        started = sampler.start(min(self.starters or sampler.budget, sampler.budget))
        running, votes = started[~started.finished], started[:0]
        most = min(len(started), max(3, round(self.finishers * len(started))))
        now: Held = np.full(len(started), -1, dtype=np.int32)
        seen, interval = [now.copy()], min(self.interval, 2**60)
        while len(running) and len(votes) < most:
            ahead = interval - int(running.num_tokens[0]) % interval
            probing = "probes" in problem.signals
            finished = sampler.decode(running, tokens=ahead if probing else None, first=1)
            votes, running = votes + finished, running[~running.finished]
            now[finished.ids] = finished.answer
            if probing and len(running) and running.num_tokens[0] % interval == 0:
                now[running.ids] = sampler.probe(running)
                seen.append(now.copy())
            if len(finished) and self.suffice(votes.answer, now, seen, most, now[running.ids]):
                break
        weights = [stayed(answer, now, seen) ** self.power for answer in votes.answer]
        return weighted_vote(votes, weights)

    def suffice(self, votes: Held, now: Held, seen: list[Held], most: int, running: Held) -> bool:
        """Check whether the votes are certain, have half of the running traces, or scatter."""
        counts = count_votes(votes)
        scores = {each: n * stayed(each, now, seen) ** self.power for each, n in counts.items()}
        first, second, *_ = [*sorted(scores.values(), reverse=True), 0, 0]
        to_come = (most - len(votes)) / max(most - 1, 1)
        bar = 0.5 + (0.5 - self.doubt / len(now)) * to_come
        if len(votes) <= 2 and len(counts) == 1 and counts.total() == len(votes):
            held = count_votes(running)
            (answer,) = counts
            behind, others = held.pop(answer, 0), max(held.values(), default=0)
            if len(running) and behind >= len(running) / 2 and others <= len(running) / 4:
                return True
        scattered = sum(n for _, n in counts.most_common(2)) < len(votes) / 2
        certain = len(votes) >= 2 and chance_of_lead(first, second) >= bar
        return certain or (len(votes) >= 4 and scattered)


def stayed(answer: int, now: Held, seen: list[Held]) -> float:
    """Return the share of traces with this answer now of all that ever had it, one more in each."""
    have = now == answer
    had = have | (np.array(seen) == answer).any(axis=0)
    return float((have.sum() + 1) / (had.sum() + 1))
