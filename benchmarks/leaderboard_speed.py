"""Speed and memory of the leaderboard with many submissions on nine pools.

    nice -n -20 python benchmarks/leaderboard_speed.py --submissions 200

Makes a board (`made_board.py`) in a temporary folder, or takes the one in --board, starts the app
as users do, and navigates it in a headless Chromium (`apt-get install chromium chromium-driver`).
Figures and ranks are computed before that, which happens once, and timed; so is opening the board
again, each in a process of its own. Each step is timed in the page, from the click until its result
is visible, and by the processor time of the server until the page is quiet. The first round, in
which nothing is cached, is a column of its own.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from made_board import board_in, make_board
from opening_speed import in_another_process

from leaderboard_app.shown.navigation import link

sys.path.append(str(Path(__file__).parents[1] / "tests/leaderboard_app/helpers"))
from served import Browser, browser, server

POOL = "recorded/qwen3-32b/gpqa-diamond"

ROW = "table.dps tbody tr"

PAGE = "[data-testid='stTopNavLink']"
"""Selector of a page's name in the navigation."""

CHART = "[data-testid='stVegaLiteChart']:not(.st-key-charts-ahead *) svg.marks"
"""Selector of a chart's image."""

PART = "[data-testid='stButtonGroup'] button"
"""Selector of a part of a switch."""

TIMED = """
const [act, condition, found, done] = arguments;
const holds = new Function('return ' + condition);
const began = performance.now();
new Function('found', act)(found);
const look = () => holds() ? done(performance.now() - began) : setTimeout(look, 5);
look();
"""

CLICK = "found.click()"

PRESS = """
const {x, y, width, height} = found.getBoundingClientRect();
const at = {bubbles: true, clientX: x + width / 2, clientY: y + height / 2, view: window};
for (const type of ['pointermove', 'mousemove', 'pointerdown', 'mousedown', 'pointerup', 'mouseup',
  'click']) found.dispatchEvent(new (type[0] == 'p' ? PointerEvent : MouseEvent)(type, at));
"""
"""Script that clicks a mark of a chart."""

GO = """
history.pushState({}, '', new URL(found, location.href));
window.dispatchEvent(new PopStateEvent('popstate'));
"""
"""Script with the effect of a link in a table."""


class Reader:
    """Navigation of the app in a browser; times are in seconds."""

    def __init__(self, seen: Browser, url: str, submissions: Path) -> None:
        self.seen, self.url = seen, url
        seen.driver.set_script_timeout(60)
        copies = sorted(each.name for each in submissions.iterdir())
        self.entries = [
            next(each for each in copies if f"{name}-" in each)
            for name in ("parallel-probe", "asc", "deepconf-low")
        ]

    def open(self, page: str, **parameters: str) -> None:
        """Open a page, untimed, and wait until it is done."""
        self.seen.open(f"{self.url}/{link(page, **parameters)}")

    def opened(self, until: str) -> float:
        """Measure the time from entering the board's address until a condition holds."""
        self.seen.driver.get("about:blank")
        began = time.perf_counter()
        self.seen.driver.get(f"{self.url}/{link('board')}")
        self.timed("", until)
        return time.perf_counter() - began

    def timed(self, act: str, until: str, found: object = None) -> float:
        """Measure the time from a script's start, with `found` given, until a condition holds."""
        return float(self.seen.driver.execute_async_script(TIMED, act, until, found)) / 1000

    def clicked(self, selector: str, text: str, until: str) -> float:
        """Measure the time from a click until a condition holds."""
        return self.timed(CLICK, until, self.seen.wait_for(selector, text))

    def changed(self, selector: str) -> str:
        """Return the condition that an element or its content has changed."""
        now = f'document.querySelector("{selector}")?.innerHTML'
        self.seen.driver.execute_script(f"window.before = {now}")
        return f"{now} && {now} !== window.before"

    def option(self, box: str, name: str) -> Any:
        """Open a box, and find one of its options."""
        found = self.seen.wait_for(f"input[aria-label*='{box}']")
        self.seen.click(found)
        found.send_keys(name)
        return self.seen.wait_for("[role='option']", name)


def there(selector: str, text: str = "") -> str:
    """Return the condition that an element of a selector contains a text."""
    return (
        f'[...document.querySelectorAll("{selector}")].some(e => e.textContent.includes("{text}"))'
    )


def drawn(count: int = 1) -> str:
    """Return the condition that at least `count` charts are drawn."""
    return f'document.querySelectorAll("{CHART}").length >= {count}'


def first_view(reader: Reader) -> float:
    return reader.opened(there(ROW))


def another_group(reader: Reader) -> float:
    reader.open("board")
    other = reader.changed("table.dps tbody")
    return reader.timed(CLICK, other, reader.option("Model and benchmark", "All 9 pools"))


def sort(reader: Reader) -> float:
    reader.open("board")
    return reader.clicked("table.dps [data-sort]", "Accuracy", there("th[aria-sort]"))


def tradeoff(reader: Reader) -> float:
    reader.open("board")
    return reader.clicked(PAGE, "Trade-off", f"{there('h1', 'against tokens')} && {drawn()}")


def another_cost(reader: Reader) -> float:
    reader.open("tradeoff")
    return reader.clicked(PART, "lock", reader.changed(CHART))


def entry(reader: Reader) -> float:
    reader.open("board")
    return reader.clicked(f"{ROW} > th a[data-go]", "", f"{drawn()} && {there('h2', 'Cite')}")


def problem(reader: Reader) -> float:
    reader.open("entry", entry=reader.entries[0], pool=POOL)
    shown = f"{there('h1', ' on problem ')} && {drawn()}"
    return reader.clicked(".st-key-table-problems tbody a", "", shown)


def next_problem(reader: Reader) -> float:
    reader.open("problem", entry=reader.entries[0], pool=POOL)
    other = reader.changed(CHART)
    return reader.clicked("[data-testid='stPageLink'] a", "Next problem", other)


def order_by_length(reader: Reader) -> float:
    reader.open("problem", entry=reader.entries[0], pool=POOL)
    return reader.clicked(PART, "length", reader.changed(CHART))


def trace_by_number(reader: Reader) -> float:
    reader.open("problem", entry=reader.entries[0], pool=POOL)
    box = reader.seen.wait_for("input[aria-label='Trace']")
    reader.seen.click(box)
    box.send_keys("2")
    return reader.timed("found.blur()", there("h2", "Trace 2"), box)


def trace_by_click(reader: Reader) -> float:
    reader.open("problem", entry=reader.entries[0], pool=POOL)
    bar = f"{CHART} .mark-rect path[aria-roledescription='bar'], {CHART} .mark-rect path"
    return reader.timed(PRESS, there("h2", "Trace "), reader.seen.find(bar)[3])


def copy_markdown(reader: Reader) -> float:
    reader.open("board")
    shown = there("[data-testid='stCode']", "| Method |")
    return reader.clicked("[data-testid='stPopover'] button", "Markdown", shown)


def compare(reader: Reader) -> float:
    reader.open("board")
    target = link("compare", entries=",".join(reader.entries[:2]))
    return reader.timed(GO, f"{there('h2', 'Problem by problem')} && {drawn()}", target)


def compare_a_third(reader: Reader) -> float:
    reader.open("compare", entries=",".join(reader.entries[:2]))
    method, number = reader.entries[2][len("2025-01-01-") :].rsplit("-", 1)
    option = reader.option("Entries", f"{method} {int(number)} ")
    return reader.timed(CLICK, there("h2", "All pairs"), option)


def data(reader: Reader) -> float:
    reader.open("board")
    return reader.clicked(PAGE, "Data", there(".st-key-table-pools td"))


def data_of_a_pool(reader: Reader) -> float:
    reader.open("data")
    shown = f"{there('h2', POOL)} && {drawn(3)}"
    return reader.timed(CLICK, shown, reader.option("Open a pool", POOL))


STEPS: dict[str, Callable[[Reader], float]] = {
    "first view: board": first_view,
    "board: all pools": another_group,
    "board: sort": sort,
    "board: copy as Markdown": copy_markdown,
    "trade-off": tradeoff,
    "trade-off: another cost": another_cost,
    "entry, from the board": entry,
    "problem, from the entry": problem,
    "problem: the next one": next_problem,
    "problem: order by length": order_by_length,
    "problem: a trace by number": trace_by_number,
    "problem: a trace by a click": trace_by_click,
    "compare two": compare,
    "compare: a third": compare_a_third,
    "data": data,
    "data: open a pool": data_of_a_pool,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--submissions", type=int, default=200)
    parser.add_argument("--board", type=Path, help="Folder of a board that was made before.")
    parser.add_argument("--rounds", type=int, default=5, help="Rounds after the first.")
    parser.add_argument("--only", default="", help="Only steps whose names contain this text.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = given.board or Path(scratch)
        folders = board_in(root) if given.board else make_board(root, given.submissions)
        for name in ("opened for the first time", "opened again"):
            loading, ranking, peak = in_another_process(folders)
            print(f"{name}: {loading:.2f} s, ranks {ranking:.2f} s; {peak:.0f} MiB at most")
        with server(folders) as running, browser() as seen:
            reader = Reader(seen, running.url, folders.submissions)
            print(f"first view of a cold server: {first_view(reader):.2f} s")
            seen.settle()
            print("\n| step | first, s | least, s | median, s | most, s | server's CPU, s |")
            print("|---|---:|---:|---:|---:|---:|")
            for name, step in STEPS.items():
                if given.only in name:
                    rounds = [measured(reader, step, running.pid) for _ in range(given.rounds + 1)]
                    (first, _), *others = rounds
                    times, spent = (sorted(each) for each in zip(*others, strict=True))
                    middle = len(times) // 2
                    shown = (first, times[0], times[middle], times[-1], spent[middle])
                    print(f"| {name} | {' | '.join(f'{each:.2f}' for each in shown)} |", flush=True)
            print(f"\npeak memory of the server: {most_memory(running.pid):.0f} MiB")
            if faults := seen.faults():
                raise RuntimeError(f"the browser reported errors: {faults}")


def measured(reader: Reader, step: Callable[[Reader], float], pid: int) -> tuple[float, float]:
    """Return the time of a step, and the server's processor time from its page's until quiet.

    The latter includes that of the page from which a step starts.
    """
    before = processor_time(pid)
    taken = step(reader)
    reader.seen.settle()
    return taken, processor_time(pid) - before


def processor_time(pid: int) -> float:
    """Read the processor time of a process, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def most_memory(pid: int) -> float:
    """Read the peak memory of a process, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no such process")


if __name__ == "__main__":
    main()
