import numpy as np

from simulator import Answer, Policy, Problem, Sampler, chance_of_lead, majority_vote, top_two


class CMC(Policy):
    """CMC, AutoTTS's controller: a smoothed certainty of finished traces opens, prunes and stops.

    Traces advance by an interval a round, those that agree with the finished ones' majority by a
    burst of them. A trace that disagrees for long is abandoned; while the certainty does not grow,
    more traces are opened. One dial, `beta`, sets everything: more spends more. The published
    program probes after every interval; here a probe is asked only where its answer is read.
    """

    source = "arXiv 2605.08083, appendix D"
    requires = frozenset({"probes"})
    budget = 64
    beta = 0.5
    interval = 500  # tokens of an advance
    max_rounds = 500

    def validate(self) -> None:
        if not 0 <= self.beta <= 1 or self.interval < 1 or self.max_rounds < 1:
            raise ValueError("needs 0 <= beta <= 1, interval >= 1 and max_rounds >= 1")

    def solve(self, problem: Problem, sampler: Sampler) -> Answer:
        b, interval = self.beta, min(self.interval, 2**60)
        warm_up, patience = max(2, round(2 + 8 * b)), max(3, round(3 + 9 * b))
        burst, widen = max(1, round(1 + 2 * b)), max(1, round(1 + 3 * b))
        most, least_done = min(sampler.budget, round(4 + 60 * b)), max(2, round(2 + 3 * b))
        gate, slack = 0.85 + 0.12 * b, 0.04 - 0.03 * b
        momentum = Momentum(0.7 - 0.4 * b, max(2, round(2 + 6 * b)))

        live = sampler.start(min(most, max(2, round(2 + 6 * b))))
        sampler.decode(live, tokens=interval)
        live = live[~live.finished]
        astray = np.zeros(len(live), dtype=int)  # rounds in a row that each has disagreed
        for r in range(self.max_rounds):
            winner = majority_vote(sampler.traces)
            momentum.begin_round(certainty(sampler))
            agree = np.zeros(len(live), dtype=bool)
            if r >= warm_up and winner is not None:
                agree = sampler.probe(live) == winner
                astray = np.where(agree, 0, astray + 1)
                worst = np.argsort(-astray, kind="stable")[: max(0, len(live) - 2)]
                leave = np.zeros(len(live), dtype=bool)
                leave[worst[astray[worst] >= patience]] = True
                sampler.stop(live[leave])
                live, agree, astray = live[~leave], agree[~leave], astray[~leave]
            sampler.decode(live, tokens=np.where(agree, burst, 1) * interval)
            momentum.end_round(certainty(sampler))
            done = np.count_nonzero(sampler.traces.finished)
            certain = momentum.level >= gate
            if r >= warm_up and done >= least_done and certain and momentum.trend >= -slack:
                break
            live, astray = live[~live.finished], astray[~live.finished]
            if not len(live):
                break
            if momentum.trend <= slack and r >= max(1, warm_up // 2) and not certain:
                opened = sampler.start(min(widen, max(0, most - len(sampler.traces))))
                sampler.decode(opened, tokens=interval)
                opened = opened[~opened.finished]
                live, astray = live + opened, np.append(astray, np.zeros(len(opened), dtype=int))
        left = sampler.traces[~sampler.traces.stopped]
        winner = majority_vote(left)
        return majority_vote(sampler.probe(left)) if winner is None else winner


def certainty(sampler: Sampler) -> float:
    """Return the chance that the leading answer of the finished traces leads; 0 without one."""
    first, second = top_two(sampler.traces)
    return chance_of_lead(first, second) if first else 0.0


class Momentum:
    """The certainty, smoothed: its level now, and its trend over the last rounds."""

    def __init__(self, weight: float, rounds: int) -> None:
        self.weight, self.rounds = weight, rounds
        self.level = 0.0
        self.levels: list[float] = []

    def begin_round(self, value: float) -> None:
        """Take in the certainty at the start of a round."""
        self.level += self.weight * (value - self.level)
        self.levels = [*self.levels, self.level][-self.rounds :]

    def end_round(self, value: float) -> None:
        """Take in the certainty at its end, too, in the place of the level at the start."""
        self.level += self.weight * (value - self.level)
        self.levels[-1] = self.level

    @property
    def trend(self) -> float:
        """The level now minus that of the first of the last rounds."""
        return self.levels[-1] - self.levels[0]
