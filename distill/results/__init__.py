"""Files that are written whole, the record of a run, and ``results.jsonl``."""

from distill.results.rows import SCHEMA, append, find, label_of, make_row, read

__all__ = ["SCHEMA", "append", "find", "label_of", "make_row", "read"]
