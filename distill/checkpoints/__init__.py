"""Checkpoints: read safely, recognised by their keys, brought to one form, written whole."""

from distill.checkpoints.files import file_sha256, read_file
from distill.checkpoints.read import file_and_key, init_of, label_of_weights, random_weights, read_weights
from distill.checkpoints.students import FORMAT, save_student

__all__ = [
    "FORMAT", "file_and_key", "file_sha256", "init_of", "label_of_weights", "random_weights", "read_file",
    "read_weights", "save_student",
]  # fmt: skip
