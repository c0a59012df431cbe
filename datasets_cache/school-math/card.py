"""Writes the card of the pool that comes with the package: `docs/school-math.md` and its pictures.

python datasets_cache/school-math/card.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

import deepprune_sim as dp
from simulator.pools.shipped import shipped_pools
from simulator.report.plotting.plot import picture
from simulator.statistics import bootstrap

HERE = Path(__file__).parent
TEMPLATE = HERE / "card.md"
DOCS = HERE.parents[1] / "docs"
PICTURES = DOCS / "school-math"
RIGHT, WRONG = "#0072B2", "#D55E00"

Frame = pd.DataFrame


def share(values: Any) -> str:
    """Return a mean over problems in percent, with its 95% interval."""
    estimate = bootstrap(len(values)).mean(values).as_dict()
    value, low, high = (100 * (estimate[key] or 0.0) for key in ("value", "low", "high"))
    return f"{value:.1f} [{low:.1f}, {high:.1f}]"


def of_problems(traces: Frame) -> Frame:
    """Return a row for each problem: family, pass@1, votes and agreement."""
    rows = []
    for problem, each in traces.groupby("problem_id"):
        votes = each.loc[each["answer"].notna(), "answer_class"].value_counts()
        first = votes.index[votes == votes.max()]
        right = each.groupby("answer_class")["correct"].first()
        rows.append(
            {
                "problem": problem,
                "family": str(problem).rpartition("-")[0].replace("-", " "),
                "pass@1": each["correct"].mean(),
                "voted": np.mean([bool(right[kind]) for kind in first]),
                "agreement": votes.max() / len(each),
                "answers": len(votes),
            }
        )
    return pd.DataFrame(rows)


def confidence_bins(pool: Any, traces: Frame) -> Frame:
    """Return the share of right traces by tenths of mean confidence within a problem."""
    parts = []
    for problem, each in traces[traces["answer"].notna()].groupby("problem_id"):
        means = pool.confidences(problem).set_index("trace_id")["confidence"].map(np.mean)
        rank = means[each["trace_id"]].rank(method="first").to_numpy() - 1
        parts.append(
            pd.DataFrame(
                {
                    "problem": problem,
                    "tenth": 1 + (10 * rank / len(rank)).astype(int),
                    "right": each["correct"].to_numpy(),
                }
            )
        )
    by_problem = pd.concat(parts).groupby(["tenth", "problem"])["right"].mean().reset_index()
    rows = []
    for tenth, each in by_problem.groupby("tenth"):
        estimate = bootstrap(len(each)).mean(each["right"].to_numpy()).as_dict()
        rows.append({"tenth": tenth, **{key: 100 * (estimate[key] or 0) for key in estimate}})
    return pd.DataFrame(rows)


def probe_rows(pool: Any, traces: Frame) -> Frame:
    """Return, by position, the share of probes that give the right, and the trace's own, answer."""
    final = traces[["problem_id", "trace_id", "answer_class"]]
    probes = pool.probes().merge(final, on=["problem_id", "trace_id"], suffixes=("", "_final"))
    probes["of the trace's final answer"] = probes["answer_class"] == probes["answer_class_final"]
    probes["right"] = probes["correct"]
    rows = probes.groupby("position")[["right", "of the trace's final answer"]].mean() * 100
    rows["probes"] = probes.groupby("position").size()
    found: Frame = rows[rows["probes"] >= 100].reset_index()
    return found


def save(name: str, chart: Any) -> str:
    """Write a chart beside the card; return the Markdown that shows it."""
    PICTURES.mkdir(exist_ok=True)
    file = PICTURES / f"{name}.svg"
    file.write_bytes(picture(chart.configure_axis(labelFontSize=12, titleFontSize=12), "svg"))
    return f"![{chart.title}]({file.relative_to(DOCS)})"


def pictures(problems: Frame, traces: Frame, bins: Frame, probes: Frame) -> dict[str, str]:
    """Draw the pictures; return the Markdown that shows each, by name."""
    order = problems.groupby("family")["pass@1"].mean().sort_values(ascending=False).index.tolist()
    scaled = problems.assign(**{"pass@1, %": 100 * problems["pass@1"]})
    families = (
        alt.Chart(scaled, title="pass@1 of each problem, by family", width=560)
        .mark_circle(size=70, opacity=0.8)
        .encode(
            x=alt.X("pass@1, %:Q", scale=alt.Scale(domain=[0, 100])),
            y=alt.Y("family:N", sort=order, title=None),
            color=alt.Color(
                "kind:N",
                title="vote of 64",
                scale=alt.Scale(domain=["right", "wrong", "tied"], range=[RIGHT, WRONG, "#777777"]),
            ),
        )
        .transform_calculate(
            kind="datum.voted == 1 ? 'right' : datum.voted == 0 ? 'wrong' : 'tied'"
        )
    )
    told = traces.assign(answer_is=np.where(traces["correct"], "right", "wrong"))
    lengths = (
        alt.Chart(
            told[["num_tokens", "answer_is"]], title="Lengths of traces", width=560, height=220
        )
        .mark_bar(opacity=0.75)
        .encode(
            x=alt.X("num_tokens:Q", bin=alt.Bin(step=20), title="tokens"),
            y=alt.Y("count():Q", title="traces"),
            color=alt.Color(
                "answer_is:N",
                title="answer",
                scale=alt.Scale(domain=["right", "wrong"], range=[RIGHT, WRONG]),
            ),
        )
    )
    base = alt.Chart(bins, width=560, height=220).encode(
        x=alt.X(
            "tenth:O",
            title="tenth by mean confidence within the problem, least first",
            axis=alt.Axis(labelAngle=0),
        )
    )
    confidence = alt.layer(
        base.mark_rule(color=RIGHT).encode(
            y=alt.Y("low:Q", title="right traces, %", scale=alt.Scale(zero=False)), y2="high:Q"
        ),
        base.mark_circle(size=80, color=RIGHT, opacity=1).encode(y="value:Q"),
        title="Confidence and correctness, with 95% intervals over problems",
    )
    kinds = ["right", "of the trace's final answer"]
    early = (
        alt.Chart(
            probes.melt("position", kinds, "probe", "share"),
            title="Probes by position",
            width=560,
            height=220,
        )
        .mark_line(point=True)
        .encode(
            x=alt.X("position:Q", title="tokens before the probe"),
            y=alt.Y("share:Q", title="probes, %", scale=alt.Scale(domain=[0, 100])),
            color=alt.Color("probe:N", title=None, scale=alt.Scale(range=[WRONG, RIGHT])),
        )
    )
    charts = {"families": families, "lengths": lengths, "confidence": confidence, "probes": early}
    return {name: save(name, chart) for name, chart in charts.items()}


def text() -> str:
    """Return the card."""
    (name,) = shipped_pools()
    pool = dp.open_pool(name)
    info = pool.info
    traces = pool.traces()
    problems = of_problems(traces)
    shown = pictures(problems, traces, confidence_bins(pool, traces), probe_rows(pool, traces))
    lengths = traces["num_tokens"].quantile([0.05, 0.25, 0.5, 0.75, 0.95]).astype(int)
    families = (
        problems.groupby("family")
        .agg(
            low=("pass@1", "min"),
            mean=("pass@1", "mean"),
            high=("pass@1", "max"),
            voted=("voted", "mean"),
            agreement=("agreement", "mean"),
            answers=("answers", "mean"),
        )
        .sort_values("mean", ascending=False)
    )
    rows = "\n".join(
        f"| {family} | {100 * row['mean']:.0f} ({100 * row['low']:.0f} to {100 * row['high']:.0f}) "
        f"| {100 * row['voted']:.0f} | {100 * row['agreement']:.0f} | {row['answers']:.0f} |"
        for family, row in families.iterrows()
    )
    cut = (traces["finish_reason"] == "length").mean()
    return TEMPLATE.read_text(encoding="utf-8").format(
        name=name,
        problems=info.problems,
        each=info.traces // info.problems,
        tokens=f"{info.tokens:,}",
        mean_length=f"{traces['num_tokens'].mean():.0f}",
        rows=rows,
        pass_at_1=share(problems["pass@1"].to_numpy()),
        voted=share(problems["voted"].to_numpy()),
        agreement=share(problems["agreement"].to_numpy()),
        no_answer=f"{100 * traces['answer'].isna().mean():.1f}",
        cut=f"{100 * cut:.1f}",
        quantiles=", ".join(map(str, lengths)),
        settings=(HERE / "settings.toml").read_text(encoding="utf-8").strip(),
        source=info.source,
        licence=info.licence,
        notes="\n".join(f"- {note}" for note in info.notes),
        **shown,
    )


def main() -> None:
    """Write the card."""
    (DOCS / "school-math.md").write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
