"""mmengine's Runner with a quiet screen, strict loading and batch norm over all GPUs."""

import logging
import time

import mmengine
import torch
from mmengine.logging import MMLogger, print_log
from mmengine.model import is_model_wrapper
from mmengine.registry import RUNNERS
from mmengine.runner import Runner
from mmengine.runner.checkpoint import weights_to_cpu
from mmengine.utils import apply_to
from mmengine.visualization import Visualizer
from torch import nn
from torch.utils.data import DataLoader

from distill.data.workers import ending_with_us
from distill.engine.screen import LineHook, screen_handlers
from distill.engine.trackers import start_trackers
from distill.engine.training_states import TrainingStateHook, instead_of, read_training_state
from distill.errors import UserError


@RUNNERS.register_module()
class DistillRunner(Runner):
    """mmengine's Runner with seven changes.

    The dump at its start goes to the log file only. A training state is plain data, written without a copy
    in memory (by ``TrainingStateHook``) and loaded strictly, from the mapped file. The config key
    ``sync_batch_norm`` synchronises batch norm over the processes: mmengine's ``sync_bn`` drops the
    activation that timm's MobileNets, EfficientNets and RegNets keep inside their norm layers. Data workers
    end with their process. The key ``device`` names the device of a run of one process, which mmengine takes
    a GPU for where there is one. A tracker that cannot be used is told before anything is trained.
    """

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        if self.cfg.get("device") and not self.distributed:
            return model.to(self.cfg.device)
        if self.cfg.get("sync_batch_norm") and self.distributed:
            if torch.cuda.is_available():
                from timm.layers import convert_sync_batchnorm

                model = convert_sync_batchnorm(model)
            else:
                note = "sync_batch_norm needs GPUs: each process normalises by its own part of the batch"
                print_log(note, "current", logging.WARNING)
        return super().wrap_model(model_wrapper_cfg, model)

    def train(self) -> nn.Module:
        try:
            return super().train()
        finally:
            # The loader's workers end here. Left to the garbage collector, which closes their queues first,
            # they would not hear of it, and torch would wait five seconds for each.
            self.train_dataloader._iterator = None
            for hook in self.hooks:
                if isinstance(hook, LineHook):
                    hook.erase()  # before what has gone wrong is told
            for hook in self.hooks:
                if isinstance(hook, TrainingStateHook):
                    hook.settle()

    @staticmethod
    def build_dataloader(*args, **kwargs) -> DataLoader:
        loader = Runner.build_dataloader(*args, **kwargs)
        loader.worker_init_fn = ending_with_us(loader.worker_init_fn)
        return loader

    def build_visualizer(self, visualizer: Visualizer | dict | None = None) -> Visualizer:
        built = super().build_visualizer(visualizer)
        start_trackers(built)
        return built

    def build_logger(self, *args, **kwargs) -> MMLogger:
        logger = super().build_logger(*args, **kwargs)
        for handler in screen_handlers(logger):
            handler.setLevel(logging.ERROR)  # QuietStartHook opens it again
        return logger

    def load_checkpoint(self, filename, map_location="cpu", strict=True, revise_keys=()):
        try:
            state = read_training_state(filename)
        except UserError as error:
            raise UserError(f"{error}; {instead_of(filename, self.work_dir)}") from error
        self.call_hook("after_load_checkpoint", checkpoint=state)
        try:
            self._bare_model().load_state_dict(state["state_dict"])
        except RuntimeError as error:
            line = " ".join(str(error).split())
            raise UserError(f"{filename}: not a training state of this config ({line[:300]})") from error
        self._has_loaded = True
        return state

    def training_state(self, epoch: int, step: int) -> dict:
        """All that a resume needs, after ``epoch`` epochs and ``step`` steps, in mmengine's layout.

        Tensors on a CPU are the run's own, not copies; those on a GPU are copied to the CPU.
        """
        state = {
            "meta": {
                "epoch": epoch,
                "iter": step,
                "cfg": self.cfg.pretty_text,
                "seed": self.seed,
                "experiment_name": self.experiment_name,
                "time": time.strftime("%Y%m%d_%H%M%S"),
                "mmengine_version": mmengine.__version__,
            },
            "state_dict": weights_to_cpu(self._bare_model().state_dict()),
            "optimizer": apply_to(self.optim_wrapper.state_dict(), torch.is_tensor, lambda x: x.cpu()),
            "param_schedulers": [scheduler.state_dict() for scheduler in self.param_schedulers or []],
            # the log's history is left out: it smooths what is shown, and mmengine's is no plain data
            "message_hub": {"log_scalars": {}, "runtime_info": {}, "resumed_keys": {}},
        }
        self.call_hook("before_save_checkpoint", checkpoint=state)
        return state

    def _bare_model(self) -> nn.Module:
        return self.model.module if is_model_wrapper(self.model) else self.model
