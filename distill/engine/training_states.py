"""Training states: written whole without a copy in memory, a set number kept, read as a mapped file."""

import copy
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

from distill.checkpoints.files import read_file
from distill.checkpoints.students import FORMAT
from distill.errors import UserError
from distill.registry import HOOKS
from distill.results.atomic import atomic_rests, begin_tensors, remove_rest


def training_states(work_dir: str | Path) -> list[Path]:
    """The whole training states (``epoch_*.pth``, ``iter_*.pth``) in a run's folder, the newest first."""
    states = [*Path(work_dir).glob("epoch_*.pth"), *Path(work_dir).glob("iter_*.pth")]
    return sorted(states, key=lambda path: path.stat().st_mtime_ns, reverse=True)


def find_training_state(work_dir: str | Path) -> Path | None:
    """The newest whole training state in a run's folder.

    It looks at the files and not at mmengine's ``last_checkpoint``, which a crash can leave outdated or
    empty.
    """
    return next(iter(training_states(work_dir)), None)


def remove_unfinished(work_dir: str | Path) -> None:
    """Removes what a killed process had begun to write in ``work_dir``; no run may be at work there."""
    for part in atomic_rests(work_dir):
        remove_rest(part)


def read_training_state(path: str | os.PathLike) -> dict:
    """A training state whose tensors lie in the mapped file, all but the optimiser's.

    A network copies what it loads, an optimiser takes the tensors themselves: it would keep the file's
    space on the disk after the file is removed.

    Raises:
        UserError: no such file, or not a whole training state.
    """
    state = read_file(path, mmap=True)
    if not {"meta", "state_dict"} <= state.keys():
        keys = ", ".join(map(str, state))[:200]
        kind = "it is a student" if state.get("format") == FORMAT else f"its keys are {keys}"
        raise UserError(f"{path}: not a training state; {kind}")
    if "optimizer" in state:
        state["optimizer"] = copy.deepcopy(state["optimizer"])
    return state


def instead_of(path: str | os.PathLike, work_dir: str | os.PathLike) -> str:
    """What to resume from where the state at ``path`` cannot be read: the newest in ``work_dir`` that can."""
    for state in training_states(work_dir):
        with suppress(UserError):
            if state.resolve() != Path(path).resolve() and read_training_state(state):
                return f"the newest whole one is {state}: --resume {state}"
    return f"there is no whole one in {work_dir}"


@HOOKS.register_module()
class TrainingStateHook(Hook):
    """Writes the training state every ``interval`` epochs or steps, and at the end.

    The state goes straight from the tensors into the system's memory for files, under another name. Training
    goes on while the disk takes it; then it gets its own name, and only then is the oldest one removed, so
    the disk must hold one more than are kept.

    Args:
        interval: epochs, or steps, between two states.
        by_epoch: whether ``interval`` counts epochs.
        max_keep_ckpts: how many of the newest stay, whichever run wrote them; -1: all.
    """

    priority = "VERY_LOW"  # after every hook that changes the state, before the student is written

    def __init__(self, interval: int = 1, by_epoch: bool = True, max_keep_ckpts: int = 2):
        key = "config key default_hooks.checkpoint"
        if type(interval) is not int or interval < 1:
            raise UserError(f"{key}.interval is {interval!r}; it must be 1 or more")
        if type(max_keep_ckpts) is not int or (max_keep_ckpts < 1 and max_keep_ckpts != -1):
            raise UserError(f"{key}.max_keep_ckpts is {max_keep_ckpts!r}; it must be 1 or more, or -1")
        self.interval, self.by_epoch, self.max_keep_ckpts = interval, by_epoch, max_keep_ckpts
        self._thread, self._under_way = ThreadPoolExecutor(1), None

    def after_train_epoch(self, runner: Runner) -> None:
        if self.by_epoch and (self.every_n_epochs(runner, self.interval) or self.is_last_train_epoch(runner)):
            self._write(runner, f"epoch_{runner.epoch + 1}.pth", runner.epoch + 1, runner.iter)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        if not self.by_epoch and (
            self.every_n_train_iters(runner, self.interval) or self.is_last_train_iter(runner)
        ):
            self._write(runner, f"iter_{runner.iter + 1}.pth", runner.epoch, runner.iter + 1)

    @master_only
    def _write(self, runner: Runner, name: str, epoch: int, step: int) -> None:
        self.settle()
        started, path = time.perf_counter(), Path(runner.work_dir) / name
        finish = begin_tensors(path, runner.training_state(epoch, step))
        waited = time.perf_counter() - started
        self._under_way = self._thread.submit(self._finish, finish, path, waited)

    def _finish(self, finish: Callable[[], None], path: Path, waited: float) -> None:
        started = time.perf_counter()
        finish()
        size, more = path.stat().st_size / 1e6, time.perf_counter() - started
        took = f"training waited {waited:.1f} s, the disk took {more:.1f} s"
        print_log(f"training state {path.name}: {size:.0f} MB, {took}", logger="current")
        if self.max_keep_ckpts > 0:
            for old in training_states(path.parent)[self.max_keep_ckpts :]:
                old.unlink()

    def settle(self) -> None:
        """Waits for the state that is being written; raises what went wrong with it."""
        if self._under_way is not None:
            under_way, self._under_way = self._under_way, None
            under_way.result()
