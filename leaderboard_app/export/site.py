"""The export: all pages of a board in a folder."""

from __future__ import annotations

from pathlib import Path

from leaderboard_app.export import board, charts, feed, pools, tradeoff
from leaderboard_app.export.content import Content, Told, read_content
from leaderboard_app.export.entry import write_entry
from leaderboard_app.export.folder import Folder, check_target, writing
from leaderboard_app.export.pages import FEED, PREVIEW, Writer
from leaderboard_app.export.problem import OnPool, write_problem
from leaderboard_app.library.folders import Folders
from simulator.api.progress import note, stages_shown

HERE = Path(__file__).parent
SHOWN = HERE.parent / "shown"

WITHOUT_ADDRESS = (
    "no url in board.toml: written without sitemap.xml, canonical links and an absolute address of "
    "the preview picture"
)


def export_site(folders: Folders, target: Path) -> None:
    """Write the board as pages that need no server; local runs are left out.

    Equal submissions and pools give equal bytes. Files of an earlier export that are gone are
    removed.

    Raises
    ------
    UserError
        `board.toml` is not valid, or the target is a folder with other files or cannot be written.
    """
    check_target(target)
    with stages_shown() as told:
        content = read_content(folders, told)
        with writing(target) as folder:
            write_site(content, folder, told)
    if content.board.url is None:
        note(WITHOUT_ADDRESS)


def write_site(content: Content, folder: Folder, told: Told = lambda stage, done: None) -> None:
    """Write all pages of a board into a folder."""
    on_pools = [OnPool(content, pool) for pool in sorted(content.names.pools)]
    navigation = [("index.html", "Board")]
    if content.groups:
        navigation += [(tradeoff.FIRST, "Trade-off"), (pools.INDEX, "Problems")]
    writer = Writer(folder, content.board, content.names, tuple(navigation))
    _assets(content, folder)
    board.write_boards(content, writer)
    _pictures(content, writer, told)
    entries = content.library.entries
    for number, entry in enumerate(entries):
        told("Entries", number / len(entries))
        write_entry(content, writer, entry)
    if content.groups:
        pools.write_pools(content, writer, on_pools)
    for number, on in enumerate(on_pools):
        pools.write_pool(writer, on)
        for place, problem in enumerate(on.problems):
            told("Problems", (number + place / len(on.problems)) / len(on_pools))
            write_problem(writer, on, problem)
    folder.write(FEED, feed.feed(content, FEED))
    pages = [name for name in folder.files if name.endswith(".html")]
    robots = "User-agent: *\nAllow: /\n"
    if content.board.url:
        folder.write("sitemap.xml", feed.sitemap(content.board, pages))
        robots += f"Sitemap: {content.board.url}sitemap.xml\n"
    folder.write("robots.txt", robots)


def _pictures(content: Content, writer: Writer, told: Told) -> None:
    """Write the pages of accuracy against tokens, and the preview picture."""
    first = None
    for number, group in enumerate(content.groups):
        told("Trade-off", number / len(content.groups))
        view = tradeoff.view_of(content, group)
        tradeoff.write_tradeoff(content, writer, group, view)
        if first is None and view.points:
            first = view
    entries = content.library.entries
    subtitle = f"{len(entries)} {'entry' if len(entries) == 1 else 'entries'}"
    if first is not None:
        subtitle += f": accuracy against tokens on {first.measured.heading}"
    drawn = None if first is None else tradeoff.drawn(first)
    writer.folder.write(PREVIEW, charts.preview(drawn, content.board.title, subtitle))


def _assets(content: Content, folder: Folder) -> None:
    """Write styles, scripts and the icon."""
    import vl_convert

    style = [(HERE / "site.css"), SHOWN / "table.css"]
    folder.write("style.css", "".join(each.read_text(encoding="utf-8") for each in style))
    folder.write("tables.js", (HERE / "tables.js").read_bytes())
    folder.write("icon.svg", (HERE.parent / "icon.svg").read_bytes())
    folder.write(".nojekyll", "")
    if content.groups:
        folder.write("charts.js", (HERE / "charts.js").read_bytes())
        folder.write("vega.js", vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))
        folder.write("vega-licences.txt", (HERE / "vega-licences.txt").read_bytes())
