"""Training and testing a filled config by mmengine's Runner: what MMDetection and MMSegmentation share."""

from collections.abc import Callable
from pathlib import Path

from mmengine.config import Config
from mmengine.runner import Runner

from distill.engine.training_states import find_training_state
from transfer.frameworks.openmmlab.fill import FILE
from transfer.frameworks.openmmlab.hooks import TransferProgress
from transfer.jobs.job import Job
from transfer.jobs.progress import show


def train_and_test(job: Job, read_metrics: Callable[[dict], dict]) -> tuple[dict, int]:
    """Trains from the newest checkpoint in the job's folder, or from the start, then tests.

    Args:
        read_metrics: what the framework's metric found -> metrics in percent.

    Returns:
        (metrics in percent, step the run was resumed from).
    """
    # without its file's name, under which Runner would save the changes below
    config = Config(Config.fromfile(Path(job.folder) / FILE).to_dict())
    latest = find_training_state(job.folder)
    if latest:
        config.resume, config.load_from = True, str(latest)
        show(f"continuing from {latest.name}")
    runner = Runner.from_cfg(config)
    runner.train()
    first = next(hook for hook in runner.hooks if isinstance(hook, TransferProgress)).progress.first
    show("testing")
    return read_metrics(runner.test()), first
