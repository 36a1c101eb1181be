"""What a network is worth: one file a protocol, the same code in a tool and in a hook.

A module that declares a ``PROTOCOL`` is found by itself; nothing is to be added here.
"""

from importlib import import_module

from distill.data.labelled import LabelledFolder, LabelledSet, check_same_classes, list_labelled
from distill.evaluation.features import Extraction, Features, evaluation_mode, extract, extract_both
from distill.evaluation.run import (
    Evaluator,
    Images,
    Outcome,
    Result,
    build,
    evaluate,
    evaluators_by_name,
    format_table,
)
from distill.evaluation.together import together
from distill.evaluation.view_agreement import ViewAgreement, view_agreement
from distill.registry import EVALUATORS
from distill.results.protocol import declared

__all__ = [
    "Evaluator", "Extraction", "Features", "Images", "LabelledFolder", "LabelledSet", "Outcome",
    "Result", "ViewAgreement", "build", "check_same_classes", "evaluate", "evaluation_mode",
    "evaluators_by_name", "extract", "extract_both", "format_table", "list_labelled", "together",
    "view_agreement",
]  # fmt: skip

for _name in declared():  # imported to be registered
    import_module(f"{__name__}.{_name}")


def __getattr__(name: str) -> type:
    """``KNN``, ``Linear`` and every other registered evaluator."""
    if name in EVALUATORS.module_dict:
        return EVALUATORS.module_dict[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
