"""Frozen-feature evaluation: one extraction, several evaluators, the same code in a tool and a hook."""

from distill.data.labelled import LabelledFolder, check_same_classes, list_labelled
from distill.evaluation.cluster_alignment import Alignment, ClusterAlignment
from distill.evaluation.features import Extraction, Features, evaluation_mode, extract
from distill.evaluation.knn import KNN
from distill.evaluation.linear import Linear
from distill.evaluation.protocol import (
    EVALUATORS_OF_TASKS,
    Evaluator,
    Result,
    evaluate,
    extract_both,
    format_table,
)
from distill.evaluation.retrieval import Retrieval
from distill.evaluation.together import together
from distill.evaluation.view_agreement import ViewAgreement, view_agreement

__all__ = [
    "EVALUATORS_OF_TASKS", "KNN", "Alignment", "ClusterAlignment", "Evaluator", "Extraction", "Features",
    "LabelledFolder", "Linear", "Result", "Retrieval", "ViewAgreement", "check_same_classes", "evaluate",
    "evaluation_mode", "extract", "extract_both", "format_table", "list_labelled", "together",
    "view_agreement",
]  # fmt: skip
