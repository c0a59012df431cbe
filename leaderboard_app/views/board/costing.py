"""Total cost of a row of the board: in tokens, in dollars, or in FLOPs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from leaderboard_app.library.entry import Entry
from leaderboard_app.library.library import Library
from leaderboard_app.library.standings import Group, Standing
from leaderboard_app.shown.glossary import FIGURES
from leaderboard_app.shown.table import Cell
from simulator.errors import UserError
from simulator.report.prices import Price, Prices, read_prices
from simulator.runs.results import Metric, RunResult, read_results

TOKENS, DOLLARS, FLOPS = UNITS = ("tokens", "dollars", "FLOPs")
"""Units of the total cost, by their names in links."""

PRICED = (DOLLARS, FLOPS)
"""Units that need a price or a size of each model."""

PRICES_FILE = "prices.toml"
"""File in the folder of submissions with prices and sizes of models (`report --prices`)."""

_PARTS = (
    "traces and the answers of probes as output, suffixes of probes and what a judge reads as input"
)


@dataclass(frozen=True, slots=True)
class Costing:
    """The unit of the total cost, and the prices and sizes of models, by name."""

    unit: str = TOKENS
    prices: Mapping[str, Price] = field(default_factory=dict)

    @property
    def heading(self) -> str:
        """Heading of the column."""
        return {TOKENS: "Total cost, tokens", DOLLARS: "Total cost, $", FLOPS: "Total cost, FLOPs"}[
            self.unit
        ]

    @property
    def help(self) -> str:
        """Explanation of the column."""
        if self.unit == TOKENS:
            return FIGURES["cost"].help
        return f"Per problem, with {_PARTS}; without prompts and prefixes read again."

    def cell(self, library: Library, row: Standing) -> Cell:
        """Build the cell of a row's total cost; its note is the reason there is none."""
        if self.unit == TOKENS:
            found = row.metrics.get("cost")
            alone = "No interval of a mean over pools with probes or a judge."
            return FIGURES["cost"].cell(
                found, missing="Its cost is not known.", alone=alone, brackets=True
            )
        metric, missing = self.bill(library, row)
        if metric is None:
            return Cell(note=missing)
        form = ".3g" if self.unit == DOLLARS else ".2e"
        return Cell(
            f"{metric.value:{form}}",
            metric.value,
            low=metric.low,
            high=metric.high,
            below=_interval(metric, form),
        )

    def bill(self, library: Library, row: Standing) -> tuple[Metric | None, str]:
        """Return dollars or FLOPs per problem, a mean over the row's pools, or why there are none.

        The interval is that of the tokens, where nothing else is spent.
        """
        prices = Prices(library.folders.submissions / PRICES_FILE, self.prices)
        runs = {each.pool: each for each in _runs(library, row.entry)}
        values = []
        for result in row.results:
            run = runs.get(result.pool)
            if run is None:
                return None, "Its run does not say what its probes cost."
            try:
                bill = prices.bill(replace(run, metrics=result.metrics))
            except UserError:
                judge = f" or of its judge {run.judge}" if run.judge else ""
                return None, f"The price or size of {result.model}{judge} is not given."
            value = bill.dollars if self.unit == DOLLARS else bill.flops
            if value is None:
                return None, f"A price or size of {result.model} is not given."
            values.append(value)
        mean = sum(values) / len(values)
        tokens, total = row.metrics.get("tokens_per_problem"), row.metrics.get("cost")
        if tokens is None or tokens != total or len(values) > 1 or not tokens.value:
            return Metric(mean), ""
        each = mean / tokens.value
        ends = (None if end is None else end * each for end in (tokens.low, tokens.high))
        return Metric(mean, *ends), ""

    def notes(self, library: Library, rows: Sequence[Standing]) -> list[str]:
        """Return the notes below a table: what the total cost counts, and at which prices."""
        if self.unit == TOKENS:
            if not any(
                row.metrics.get("cost") != row.metrics.get("tokens_per_problem") for row in rows
            ):
                return []
            return [
                "Total cost: tokens generated on traces, those of probes, and those that a judge "
                "reads, at the run's cost of a judge token."
            ]
        models = dict.fromkeys(each.model for row in rows for each in row.results)
        return [
            f"{self.unit} a problem: {_PARTS}; without prompts and prefixes read again. "
            + " ".join(
                _rates(name, self.prices[name], self.unit) for name in models if name in self.prices
            )
        ]


def _rates(model: str, price: Price, unit: str) -> str:
    if unit == FLOPS:
        size = price.active_parameters
        return f"{model}: {size:.3g} active parameters, 2 FLOPs each a token." if size else ""
    rates = ((price.input, "read"), (price.output, "generated"))
    said = ", ".join(
        f"${rate:g} per million tokens {what}" for rate, what in rates if rate is not None
    )
    return f"{model}: {said}." if said else ""


def _interval(metric: Metric, form: str) -> str:
    if metric.low is None or metric.high is None:
        return ""
    return f"[{metric.low:{form}}, {metric.high:{form}}]"


def _runs(library: Library, entry: Entry) -> Sequence[RunResult]:
    """Return an entry's run as recorded: what its probes cost, and the name of its judge."""

    def read() -> Sequence[RunResult]:
        try:
            return read_results(entry.path)
        except UserError:
            return ()

    return library.once(("run", entry.id), read)


def prices_of(library: Library, group: Group) -> Mapping[str, Price]:
    """Return the prices and sizes of models that the board knows.

    They are those of `prices.toml` in the folder of submissions; a model without a size there has
    the one that its pool records, if that is here.

    Raises
    ------
    UserError
        The file is not valid.
    """
    file = library.folders.submissions / PRICES_FILE
    stated = library.once("prices", lambda: read_prices(file).models if file.is_file() else {})
    found = dict(stated)
    for name in group.pools:
        price = found.get(_model(name), Price(None, None, None))
        if price.active_parameters is None and (pool := library.pool(name)) is not None:
            found[_model(name)] = replace(price, active_parameters=pool.info.active_parameters)
    return found


def _model(pool: str) -> str:
    return pool.split("/")[-2] if "/" in pool else pool


def unpriced(group: Group, unit: str, prices: Mapping[str, Price]) -> list[str]:
    """Return the group's models whose price, or size, is not known."""
    models = dict.fromkeys(map(_model, group.pools))

    def known(price: Price | None) -> bool:
        if price is None:
            return False
        return price.output is not None if unit == DOLLARS else price.active_parameters is not None

    return [each for each in models if not known(prices.get(each))] if unit in PRICED else []
