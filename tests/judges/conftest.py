from __future__ import annotations

from pathlib import Path

import pytest
from tiny_models import make_causal_model


@pytest.fixture(scope="session")
def causal_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny Qwen3 with random weights. Not to be changed."""
    return make_causal_model(tmp_path_factory.mktemp("causal"))


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Set torch to one thread: tests run in parallel, where threads of tiny models only compete."""
    import torch

    torch.set_num_threads(1)
