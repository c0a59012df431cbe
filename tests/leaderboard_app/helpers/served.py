"""The app served on loopback, and a headless browser to use it.

For tests, screenshots and measurements; the app itself needs neither this module nor selenium.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leaderboard_app.library.folders import Folders

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--hide-scrollbars", "--force-device-scale-factor=1"),
)

PATIENCE = 40.0
"""Seconds that a page may take before it counts as broken; generous for slow machines."""

BUSY = "[data-testid='stStatusWidget'], [data-testid='stSkeleton'], [data-testid='stSpinner']"
"""Elements that Streamlit shows while it makes a page."""


DONE = "[data-testid='stApp'][data-test-script-state='notRunning'] h1"
"""A heading in an app whose page has run."""

STILL = """
const [element, done] = arguments;
let before = '';
const look = () => {
  element.scrollIntoView({block: 'center', behavior: 'instant'});
  const {x, y, width, height} = element.getBoundingClientRect();
  const now = [x, y, width, height].join();
  const top = document.elementFromPoint(x + width / 2, y + height / 2);
  if (now === before && top && (element.contains(top) || top.contains(element))) return done();
  before = now;
  setTimeout(look, 50);
};
look();
"""
"""Scrolls to an element until it is where it was 50 ms before, with nothing above it."""

LOOKING_FOR_ITS_ROOT = re.compile(r"/[a-z]+/_stcore/(health|host-config) .*404")
"""Harmless 404s: Streamlit probes below the page's path before it probes the root."""


@dataclass(frozen=True)
class Server:
    """A running app: its address and process id."""

    url: str
    pid: int


@contextmanager
def server(folders: Folders) -> Iterator[Server]:
    """Start `deepprune-sim leaderboard` on a free port, and stop it as Ctrl-C does.

    Raises
    ------
    RuntimeError
        It did not answer in time; the message has its output.
    """
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "simulator.cli", "leaderboard", "--headless"]
    command += ["--address", "127.0.0.1", "--port", str(port)]
    command += ["--submissions", str(folders.submissions), "--runs", str(folders.runs)]
    command += ["--cache", str(folders.cache)]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command,
            stdout=said,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        try:
            url = f"http://127.0.0.1:{port}"
            if not _answers(f"{url}/_stcore/health", process):
                said.seek(0)
                raise RuntimeError(f"the app did not start: {said.read().decode()[-2000:]}")
            yield Server(url, process.pid)
        finally:
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()


def _answers(url: str, process: subprocess.Popen[bytes]) -> bool:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
        time.sleep(0.05)
    return False


def chromium() -> str | None:
    """Return the path of a Chromium that has its driver; None if there is none."""
    found = next((path for name in CHROMIUM if (path := shutil.which(name))), None)
    return found if shutil.which("chromedriver") else None


@contextmanager
def browser(
    *, width: int = 1400, height: int = 1000, dark: bool = False, traffic: bool = False
) -> Iterator[Browser]:
    """Start a headless Chromium with an empty profile; with `traffic`, `requests` are logged."""
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = Options()
        options.binary_location = chromium() or ""
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        logs = {"browser": "ALL", **({"performance": "ALL"} if traffic else {})}
        options.set_capability("goog:loggingPrefs", logs)
        driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        try:
            found = Browser(driver)
            found.resize(width, height)
            found.prefer("dark" if dark else "light")
            yield found
        finally:
            driver.quit()


class Browser:
    """A browser with a reader's actions: open links, click, read, take pictures."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def resize(self, width: int, height: int) -> None:
        """Set the page's size in CSS pixels; it may be narrower than a window."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def prefer(self, scheme: str) -> None:
        """Set the preferred colour scheme, light or dark."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def open(self, url: str) -> None:
        """Open a page and wait until it is complete."""
        self.driver.get(url)
        self.settle()

    def find(self, selector: str) -> list[Any]:
        """Return the elements of a CSS selector, in page order."""
        found: list[Any] = self.driver.find_elements("css selector", selector)
        return found

    def wait_for(self, selector: str, text: str = "") -> Any:
        """Return the first visible element of a selector that contains a text; wait for it."""

        def there() -> Any:
            found = (each for each in self.find(selector) if text in each.text)
            return next((each for each in found if each.is_displayed()), None)

        return self._until(there, f"{selector} with {text!r}")

    def wait_until(self, holds: Callable[[], Any], what: str) -> Any:
        """Wait until `holds` returns something true, and return that."""
        return self._until(holds, what)

    def settle(self) -> None:
        """Wait until the page is complete: not busy and unchanged for 0.4 s."""
        self._until(lambda: self.find(DONE), "a page that has run")
        quiet, before = 0, ""
        until = time.monotonic() + PATIENCE
        while quiet < 4 and time.monotonic() < until:
            time.sleep(0.1)
            now = self.driver.execute_script(
                "return document.body.innerText.length + location.href"
            )
            quiet = quiet + 1 if now == before and not self.find(BUSY) else 0
            before = now

    def click(self, element: Any) -> None:
        """Scroll to an element and click it, once it stands still."""
        self.driver.execute_async_script(STILL, element)
        element.click()

    def faults(self) -> list[str]:
        """Return console errors since the last call, and exception boxes on the page."""
        boxes = [each.text for each in self.find("[data-testid='stException']")]
        said = [each for each in self.driver.get_log("browser") if each["level"] == "SEVERE"]
        severe = [
            each["message"] for each in said if not LOOKING_FOR_ITS_ROOT.search(each["message"])
        ]
        return [*severe, *boxes]

    def requests(self) -> list[str]:
        """Return the addresses requested since the last call; needs `browser(traffic=True)`."""
        events = [
            json.loads(each["message"])["message"] for each in self.driver.get_log("performance")
        ]
        return [
            each["params"]["request"]["url"]
            for each in events
            if each["method"] == "Network.requestWillBeSent"
        ]

    def picture(self, file: Path, *, whole: bool = True) -> None:
        """Write a PNG of the page; with `whole`, down to its end."""
        if whole:
            height = self.driver.execute_script(
                "return document.querySelector('[data-testid=\"stMain\"]').scrollHeight"
            )
            width = self.driver.execute_script("return window.innerWidth")
            self.resize(width, min(int(height) + 60, 6000))
            self.settle()
        file.write_bytes(self.driver.get_screenshot_as_png())

    def _until(self, holds: Callable[[], Any], what: str) -> Any:
        from selenium.common.exceptions import StaleElementReferenceException

        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            with suppress(StaleElementReferenceException):
                if found := holds():
                    return found
            time.sleep(0.02)
        shown = self.driver.execute_script("return document.body.innerText")
        raise AssertionError(
            f"not on the page after {PATIENCE:.0f} s: {what}; {self.driver.current_url} shows:\n"
            f"{shown[:3000]}"
        )
