"""The part of the build that `pyproject.toml` has no stable words for: compiled code.

It is optional: where no C compiler works, it is left out, and numpy takes its place.
"""

from setuptools import Extension, setup


def extension(name: str, optimised: str) -> Extension:
    """Return an extension for the limited API of Python 3.11, in the arithmetic of numpy."""
    return Extension(
        name,
        [name.replace(".", "/") + ".c"],
        extra_compile_args=[optimised, "-ffp-contract=off"],
        py_limited_api=True,
        optional=True,
    )


setup(
    ext_modules=[
        extension("simulator.replay.clusters._greedy", "-O2"),
        extension("simulator.rules._group_steps", "-O3"),
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
