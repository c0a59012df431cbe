"""The part of the build that `pyproject.toml` has no stable words for: compiled code.

It is optional: where no C compiler works, it is left out, and numpy takes its place.
"""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension("simulator.rules._group_steps", ["simulator/rules/_group_steps.c"], optional=True)
    ]
)
