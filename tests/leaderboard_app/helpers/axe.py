"""axe-core, which finds barriers for readers with disabilities, run in a page of the browser."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from served import Browser

RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
"""Tags of the rules that are checked: WCAG 2.2 at level AA, and what axe-core recommends."""

RUN = """
const [tags, exceptions, done] = arguments;
const excused = (rule, node) => {
  if (!(rule in exceptions) || node.target.length > 1) return false;
  const found = document.querySelector(node.target[0]);
  return found !== null && found.closest(exceptions[rule]) !== null;
};
axe.run(document, { runOnly: tags, resultTypes: ['violations'] }).then(
  ({ violations }) => done(violations.flatMap(({ id, help, nodes }) => nodes
    .filter((node) => !excused(id, node))
    .map(({ target, html, failureSummary }) => ({ id, help, target, html, failureSummary })))),
  (error) => done(String(error)));
"""


@cache
def _source() -> str:
    """Read the script of axe-core; its package is not imported, as that would load Playwright."""
    spec = importlib.util.find_spec("axe_playwright_python")
    assert spec is not None, "axe-playwright-python is missing: install the extra 'test'"
    assert spec.origin is not None
    return (Path(spec.origin).parent / "axe.min.js").read_text(encoding="utf-8")


def violations(browser: Browser, *, exceptions: Mapping[str, str] | None = None) -> list[str]:
    """Return what axe-core finds wrong with the page as it is shown, a line for each element.

    A line has the rule's name, the element's selector, what is wrong and the element's HTML.
    `exceptions` names elements, by a selector for each rule, that the rule is not applied to.
    """
    if not browser.driver.execute_script("return Boolean(window.axe)"):
        browser.driver.execute_script(_source())
    found = browser.driver.execute_async_script(RUN, RULES, dict(exceptions or {}))
    assert isinstance(found, list), found
    return [_line(each) for each in found]


def _line(found: dict[str, Any]) -> str:
    target = " ".join(str(each) for each in found["target"])
    summary = " ".join(found["failureSummary"].split()[5:])  # after "Fix any of the following:"
    return f"{found['id']} {target}: {summary} | {found['html'][:200]}"
