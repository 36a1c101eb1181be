"""Features of a data set: computed once, by all processes together, into a folder that is memory-mapped."""

from distill.features.fill import Pictures, fill
from distill.features.records import check_rows
from distill.features.store import DTYPES, PRECISIONS, Store, compare, describe, read_record

__all__ = [
    "DTYPES", "PRECISIONS", "Pictures", "Store", "check_rows", "compare", "describe", "fill", "read_record",
]  # fmt: skip
