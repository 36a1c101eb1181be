"""Features of a data set: computed once, by all processes together, into a folder that is memory-mapped."""

from distill.features.extract import Pictures, extract
from distill.features.store import DTYPES, Store, compare, describe, read_record

__all__ = ["DTYPES", "Pictures", "Store", "compare", "describe", "extract", "read_record"]
