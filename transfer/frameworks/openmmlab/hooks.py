"""What this project adds to a framework's run: progress lines, whole checkpoints of plain data."""

from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from distill.engine import hooks  # noqa: F401  registers PlainStateHook and the atomic file backend
from transfer.jobs.progress import Progress


@HOOKS.register_module()
class TransferProgress(Hook):
    """Prints progress lines, and ends a run whose loss is not a number."""

    def before_train(self, runner: Runner) -> None:
        self.progress = Progress(runner.iter, runner.max_iters)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        loss = float(outputs["loss"])
        if loss != loss:
            raise FloatingPointError(f"the loss is not a number at step {runner.iter + 1}: lower the rate")
        self.progress.step(runner.iter + 1, loss)
