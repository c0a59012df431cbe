import numpy as np

from simulator import Answer, Policy, Problem, Sampler, majority_vote


class ParallelProbe(Policy):
    """Parallel-Probe: traces in lock step, one probe a step.

    A trace that disagrees with the plurality for `patience` steps in a row is pruned; a plurality
    that holds for `stable_steps` more steps is the answer.
    """

    source = "Parallel-Probe, arXiv 2602.03845"
    requires = frozenset({"probes"})
    budget = 64
    interval = 500
    max_steps = 100
    warm_up = 15
    patience = 7
    stable_steps = 40

    def validate(self) -> None:
        if self.interval < 1 or self.max_steps < 1:
            raise ValueError("interval and max_steps must be at least 1")

    def solve(self, problem: Problem, sampler: Sampler) -> Answer:
        traces = sampler.start(sampler.budget)
        sampler.decode(traces, tokens=self.interval)  # the published program's probe before step 0
        off_track = np.zeros(sampler.budget, dtype=int)  # steps in a row that each has disagreed
        winner, stable = None, 0
        for step in range(self.max_steps):
            sampler.decode(traces, tokens=self.interval)
            answers, finished = sampler.probe(traces), traces.finished
            previous, winner = winner, majority_vote(answers)
            if step >= self.warm_up and winner is not None:
                off_track = (off_track + 1) * ((answers != winner) & ~finished)
                if off_track.max() >= self.patience:
                    keep = off_track < self.patience
                    sampler.stop(traces[~keep])
                    traces, answers, off_track = traces[keep], answers[keep], off_track[keep]
                    finished = finished[keep]
                    winner = majority_vote(answers)
            stable = stable + 1 if winner is not None and winner == previous else 0
            if stable >= self.stable_steps or finished.all():
                break
        return winner
