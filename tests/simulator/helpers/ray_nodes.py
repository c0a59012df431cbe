"""A Ray cluster of several nodes on this machine; tests are skipped where Ray is not installed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from checkout import ROOT

NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}


@contextmanager
def cluster_of(nodes: int) -> Iterator[Any]:
    """Start so many nodes, of one CPU each, and end all their processes."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install '.[ray]'")
    from ray.cluster_utils import Cluster

    importable = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])  # the tests' functions
    quiet = {"RAY_AUTH_MODE": "disabled", "PYTHONPATH": importable}
    with (
        tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder,
        mock.patch.dict(os.environ, {**quiet, "RAY_TMPDIR": folder}),  # all that Ray writes
    ):
        cluster = Cluster(initialize_head=True, head_node_args=NODE)
        try:
            for _ in range(nodes - 1):
                cluster.add_node(**NODE)
            yield cluster
        finally:
            cluster.shutdown()


def kill_node(cluster: Any, node: Any) -> None:
    """Kill all processes of a node, as if its machine had lost power."""
    cluster.remove_node(node, allow_graceful=False)
