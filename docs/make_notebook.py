"""Make docs/examples/first-replay.ipynb: write its cells, run them, and keep what they show.

    python docs/make_notebook.py

Run it again when what the cells show has changed. It needs the packages of the extra `test`.
"""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parent / "examples" / "first-replay.ipynb"

TEXT, CODE = "markdown", "code"

CELLS = (
    (
        TEXT,
        "# A first replay\n\n"
        "Replay parallel-reasoning methods against stored traces, without a GPU. Without traces of "
        "your own, the first run replays a small pool that comes with the package: real traces, "
        "but of a model of half a billion parameters. [From Python](../from-python.md) explains "
        "the functions.",
    ),
    (CODE, "import deepprune_sim as dp\n\ndp.__version__"),
    (
        TEXT,
        "## A run\n\n"
        "`esc` samples traces in windows, and stops when all answers of a window agree. It may "
        "start 16 traces on each problem, and is replayed in 64 orders of the traces.",
    ),
    (CODE, 'esc = dp.run("esc", budget=16, output="runs/esc")\nesc'),
    (CODE, 'esc.summary().droplevel("pool").loc[["accuracy", "reduction", "tokens_per_problem"]]'),
    (CODE, 'esc.decisions()["stop_reason"].value_counts()'),
    (
        TEXT,
        "## A method of your own\n\n"
        "A policy is one class. Its attributes are its parameters, and a list of values makes a "
        "sweep.",
    ),
    (
        CODE,
        "from deepprune_sim import Policy, majority_vote\n\n\n"
        "class ShortM(Policy):\n"
        '    """short-m@k: answer with the majority of the first m traces to finish."""\n\n'
        "    m = 3\n\n"
        "    def solve(self, problem, sampler):\n"
        "        traces = sampler.start(sampler.budget)\n"
        "        finished = sampler.decode(traces, first=self.m)\n"
        "        return majority_vote(finished)",
    ),
    (CODE, 'short = dp.run(ShortM, budget=16, m=[1, 3, 5, 9], jobs=2, output="runs/short")\nshort'),
    (TEXT, "## Which is better?"),
    (CODE, "comparison = dp.compare([esc, short])\ncomparison"),
    (CODE, "comparison.plot()"),
    (TEXT, "## The traces"),
    (CODE, 'dp.pools()[["name", "problems", "traces", "tokens", "signals"]]'),
    (CODE, 'pool = dp.open_pool("shipped/*")\npool'),
    (CODE, 'pool.traces().groupby("correct")["num_tokens"].describe().round()'),
    (
        CODE,
        'probes = pool.probes()\nprobes.groupby("position")["correct"].mean().head()',
    ),
)


def main() -> None:
    """Run the cells in an empty folder and write the notebook."""
    make = {TEXT: nbformat.v4.new_markdown_cell, CODE: nbformat.v4.new_code_cell}
    cells = [make[kind](source, id=f"cell-{n}") for n, (kind, source) in enumerate(CELLS, 1)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    os.environ["DEEPPRUNE_SIM_CACHE"] = "pools"  # no path of this machine in what is shown
    with TemporaryDirectory() as folder:
        client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": folder}})
        client.execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # the time of day
        if cell.cell_type == CODE:  # without the place of a progress bar that was removed
            cell.outputs = [each for each in cell.outputs if each.output_type != "display_data"]
    notebook.metadata.pop("language_info", None)
    nbformat.validate(notebook)
    nbformat.write(notebook, NOTEBOOK)
    print(f"wrote {NOTEBOOK}")


if __name__ == "__main__":
    main()
