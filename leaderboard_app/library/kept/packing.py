"""Places and averages of a board as bytes, to be kept (`Library.kept`).

Ranks of thousands of entries take minutes to compute. Of two entries, one bit says which is better.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from io import BytesIO

import numpy as np

from leaderboard_app.library.ranking import Others, Place, with_ranks
from simulator.arrays import Floats
from simulator.runs.results import Metric
from simulator.significance import Contrast


def packed(places: Mapping[str, Place]) -> bytes:
    """Return places as bytes."""
    ranked = tuple(name for name, each in places.items() if each.rank is not None)
    better = np.zeros((len(ranked), len(ranked)), dtype=np.bool_)
    for row, name in enumerate(ranked):
        worse = places[name].worse
        assert isinstance(worse, Others)  # as `with_ranks` makes them
        better[row] = worse.mask(ranked)
    sink = BytesIO()
    np.savez_compressed(
        sink,
        names=_text([*places]),
        ranked=_text(ranked),
        pools=_text([*{each.pools: 1 for each in places.values()}]),
        reduction=np.array([_numbers(each.reduction) for each in places.values()]),
        contrast=np.array([_contrast(each.to_baseline) for each in places.values()]),
        front=np.array([bool(places[name].pareto) for name in ranked], dtype=np.bool_),
        better=np.packbits(better, axis=1),
    )
    return sink.getvalue()


def unpacked(content: bytes) -> dict[str, Place]:
    """Return the places that `packed` has written."""
    with np.load(BytesIO(content), allow_pickle=False) as file:
        names, ranked, pools = (json.loads(str(file[key])) for key in ("names", "ranked", "pools"))
        reduction, contrast, front = (file[key] for key in ("reduction", "contrast", "front"))
        better = np.unpackbits(file["better"], axis=1, count=len(ranked)).astype(np.bool_)
    shared = tuple(pools[0]) if pools else ()
    places = {
        name: Place(_metric(reduction[row]), _made(contrast[row]), pools=shared)
        for row, name in enumerate(names)
    }
    return with_ranks(places, tuple(ranked), better, front) if ranked else places


def packed_metrics(metrics: Mapping[str, Sequence[Metric]]) -> bytes:
    """Return metrics of entries as bytes."""
    return json.dumps(
        {name: [_numbers(each) for each in found] for name, found in metrics.items()}
    ).encode()


def unpacked_metrics(content: bytes) -> dict[str, list[Metric]]:
    """Return the metrics that `packed_metrics` has written."""
    found = json.loads(content)
    return {
        name: [Metric(value, _or_none(low), _or_none(high)) for value, low, high in rows]
        for name, rows in found.items()
    }


def _or_none(number: float) -> float | None:
    return None if np.isnan(number) else number


def _text(value: object) -> np.ndarray[tuple[()], np.dtype[np.str_]]:
    return np.array(json.dumps(value))


def _numbers(metric: Metric | None) -> list[float]:
    found = (None,) * 3 if metric is None else (metric.value, metric.low, metric.high)
    return [np.nan if each is None else each for each in found]


def _metric(numbers: Floats) -> Metric | None:
    value, low, high = (None if each != each else each for each in numbers.tolist())
    return None if value is None else Metric(value, low, high)


def _contrast(found: Contrast | None) -> list[float]:
    if found is None:
        return [np.nan] * 5
    detectable = np.nan if found.detectable is None else found.detectable
    return [*_numbers(found.difference), found.differing, detectable]


def _made(numbers: Floats) -> Contrast | None:
    difference = _metric(numbers[:3])
    if difference is None:
        return None
    differing, detectable = numbers[3:].tolist()
    return Contrast(difference, int(differing), None if detectable != detectable else detectable)
