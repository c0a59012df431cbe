"""Commands against a server on loopback that stands for the Hugging Face Hub."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def command(
    folder: Path, url: str, *arguments: str, token: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run `deepprune-sim` in a process of its own: the client reads its environment when loaded."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HF_", "HUGGING", "TRANSFORMERS_", "DEEPPRUNE_"))
        and not name.casefold().endswith("_proxy")
    }
    environment |= {
        "DEEPPRUNE_SIM_CACHE": str(folder / "cache"),
        "HF_HOME": str(folder / "hf"),
        "HF_ENDPOINT": url,
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "HF_HUB_DISABLE_XET": "1",
    }
    if token:
        environment["HF_TOKEN"] = token
    return subprocess.run(
        [sys.executable, "-m", "simulator.cli", *arguments],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
    )
