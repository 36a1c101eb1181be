"""Prints the table of known data sets for ``docs/evaluation.md``."""

from distill.data.sets import table

print(*table(), sep="\n")
