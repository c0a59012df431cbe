from __future__ import annotations

import pytest
from tiny_models import causal_model, one_thread

__all__ = ["causal_model", "one_thread"]


@pytest.fixture(scope="session", autouse=True)
def _one_thread(one_thread: None) -> None:
    """Have every test of judges use one thread."""
