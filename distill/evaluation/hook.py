"""Frozen-feature evaluation while a student trains, by the code of ``tools/evaluate.py``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmengine.hooks import Hook
from mmengine.runner import Runner

from distill.backbones import Backbone
from distill.checkpoints import read_file
from distill.data.labelled import check_same_classes, list_labelled
from distill.distributed import rank
from distill.engine.hooks import export, method_of
from distill.errors import UserError, unknown
from distill.evaluation.features import Extraction, extract_both
from distill.evaluation.random_state import untouched_random_state
from distill.evaluation.run import Evaluator, Result, content, evaluate, format_table
from distill.evaluation.together import together
from distill.methods.base import Method
from distill.registry import EVALUATORS, HOOKS

DEFAULT_EVALUATORS = ({"type": "KNN"},)


@HOOKS.register_module()
class EvaluationHook(Hook):
    """Evaluates the model's ``student`` after every ``interval`` epochs and after the last.

    Training is the same, bit for bit, with and without this hook. All processes extract features, kept in
    the work dir meanwhile; the first one evaluates them, and the others wait for it as long as it takes.
    Scalars are named ``task/metric`` (``knn/1nn``), in percent, over training iterations.

    The student of the epoch with the best main metric of the first evaluator is kept as ``best.pth``, of
    equal ones the first. A run that goes on compares with the file that is there, unless that is of an epoch
    still to come, or was chosen by another metric or other images.

    Args:
        data: ``train`` and ``val``, two ImageFolders with the same classes.
        evaluators: configs of ``distill.registry.EVALUATORS``.
        interval: epochs.
        extraction: fields of ``distill.evaluation.Extraction`` (``image_size``, ``resize``,
            ``interpolation``, ``batch_size``, ``workers``, ``precision``).

    Raises:
        UserError: data without the two folders, or a bad field; as training starts: folders that
            cannot be used, or a model without ``student``.
    """

    priority = "LOW"

    def __init__(
        self, data: dict, evaluators: Sequence[dict] = DEFAULT_EVALUATORS, interval: int = 1, **extraction
    ):
        if set(data) != {"train", "val"}:
            raise UserError(f"EvaluationHook.data has the keys {sorted(data)}; valid: train, val")
        if interval < 1:
            raise UserError(f"EvaluationHook.interval is {interval}; valid: 1 or more epochs")
        if strange := extraction.keys() - Extraction.__annotations__.keys():
            raise unknown("EvaluationHook argument", min(strange), Extraction.__annotations__)
        self.data, self.interval = data, interval
        self.extraction = Extraction(**extraction)
        self.evaluators = [build_evaluator(config) for config in evaluators]

    def before_train(self, runner: Runner) -> None:
        student_of(runner)
        # a wrong folder ends the run now and not after the first epoch
        self.train, self.val = (list_labelled(self.data[part]) for part in ("train", "val"))
        check_same_classes(self.train, self.val)
        self.best = self._best_before(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        if not (self.every_n_epochs(runner, self.interval) or self.is_last_train_epoch(runner)):
            return
        keep = Path(runner.work_dir) / f"features_of_epoch_{runner.epoch + 1}"
        with untouched_random_state(), together(student_of(runner), keep) as student:
            if rank() == 0:
                self.evaluate(runner, student, keep)
            else:
                extract_both(student, self.train, self.val, self.extraction, keep=keep)

    def evaluate(self, runner: Runner, student: Backbone, keep: Path) -> None:
        say = runner.logger.info
        results = list(
            evaluate(student, self.train, self.val, self.evaluators, self.extraction, say, keep=keep)
        )
        for line in format_table(results):
            say(f"epoch {runner.epoch + 1}: {line}")
        scalars = {
            f"{result.task}/{name}": value for result in results for name, value in result.metrics.items()
        }
        runner.visualizer.add_scalars(scalars, step=runner.iter)
        if isinstance(method_of(runner), Method):
            self._keep_best(runner, results[0])

    def _keep_best(self, runner: Runner, result: Result) -> None:
        metrics = result.metrics
        name = result.protocol.headline if result.protocol.headline in metrics else next(iter(metrics))
        images = [content(self.train), content(self.val)]
        found = {"metric": f"{result.task}/{name}", "value": metrics[name], "images": images}
        found["epoch"] = runner.epoch + 1
        same = self.best and all(self.best[key] == found[key] for key in ("metric", "images"))
        if not same or found["value"] > self.best["value"]:
            self.best = found
            export(runner, "best", method_of(runner).exports()["last"], runner.epoch + 1, best=found)

    def _best_before(self, runner: Runner) -> dict | None:
        """What ``best.pth`` says of itself, if it is of a part of the run that is done."""
        path = Path(runner.work_dir) / "best.pth"
        if rank() != 0 or not path.is_file():
            return None
        best = read_file(path, mmap=True).get("meta", {}).get("best")
        return best if best and best["epoch"] <= runner.epoch else None

    def after_train(self, runner: Runner) -> None:
        if rank() == 0 and self.best is not None:
            of = f"epoch {self.best['epoch']}, {self.best['metric']} {self.best['value']:.1f}"
            runner.logger.info(f"best student, in {runner.work_dir}/best.pth: {of}")


def build_evaluator(config: dict) -> Evaluator:
    """The registered evaluator of ``config["type"]``, with the other entries as its settings."""
    if "type" not in config:
        raise UserError(f"EvaluationHook.evaluators has an entry without type: {dict(config)}")
    kind = EVALUATORS.get(config["type"])
    if kind is None:
        raise unknown("evaluator", config["type"], EVALUATORS.module_dict)
    settings = {key: value for key, value in config.items() if key != "type"}
    if kind.protocol.kind != "features":
        raise UserError(f"evaluator {config['type']} trains a network: use it after training, in evaluate.py")
    try:
        return kind(**settings)
    except TypeError as error:
        raise UserError(f"evaluator {config['type']}: {error}") from error


def student_of(runner: Runner) -> Backbone:
    """The network that the method in training exposes as ``student``."""
    method = method_of(runner)
    if not isinstance(getattr(method, "student", None), Backbone):
        raise UserError(f"EvaluationHook: {type(method).__name__} has no student that is a Backbone")
    return method.student
