"""Ranks kept in files, as those of thousands of entries take minutes.

A file holds the ranks on one set of pools of one board. They count only if all that they follow
from is the same: the entries, the hashes of their answers, their pools, and this program.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np

import leaderboard_app.library
from leaderboard_app.library.library import Library
from leaderboard_app.library.ranking import Place, with_ranks
from simulator.arrays import Floats
from simulator.catalogue.kept_file import digest, keep, read_kept
from simulator.catalogue.pool_rows import stamp
from simulator.runs.results import Metric
from simulator.significance import Contrast


def kept_places(
    library: Library, name: str, inputs: object, make: Callable[[], Mapping[str, Place]]
) -> Mapping[str, Place]:
    """Return the places of a board's entries by id, from a file or else from `make`.

    Parameters
    ----------
    name
        Name of the set of pools: another set has another file.
    inputs
        All that the places follow from, to be written as JSON.
    """
    file = library.kept_place(f"ranks-{digest(name)[:16]}")
    here = Path(leaderboard_app.library.__path__[0])
    of = json.dumps([name, inputs, [each[:3] for each in stamp(here) if each[0].endswith(".py")]])
    content = read_kept(file, of)
    if content is not None:
        with suppress(ValueError, KeyError, TypeError, IndexError, OSError, EOFError, *_DAMAGED):
            return unpacked(bytes(content))
    found = make()
    keep(file, of, packed(found))
    return found


_DAMAGED = (zipfile.BadZipFile, zlib.error)


def packed(places: Mapping[str, Place]) -> bytes:
    """Return places as bytes."""
    ranked = [name for name, each in places.items() if each.rank is not None]
    row_of = {name: row for row, name in enumerate(ranked)}
    better = np.zeros((len(ranked), len(ranked)), dtype=np.bool_)
    for name, row in row_of.items():
        better[row, [row_of[other] for other in places[name].worse]] = True
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
