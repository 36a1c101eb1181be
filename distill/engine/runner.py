"""mmengine's Runner with a quiet screen, strict loading and batch norm over all GPUs."""

import logging
from pathlib import Path

import torch
from mmengine.logging import MMLogger, print_log
from mmengine.registry import RUNNERS
from mmengine.runner import Runner
from torch import nn

from distill.errors import UserError


@RUNNERS.register_module()
class DistillRunner(Runner):
    """mmengine's Runner with four changes.

    The dump at its start goes to the log file only. A training state is loaded strictly. The config
    key ``sync_batch_norm`` synchronises batch norm over the processes: mmengine's ``sync_bn`` drops the
    activation that timm's MobileNets, EfficientNets and RegNets keep inside their norm layers. The key
    ``device`` names the device of a run of one process, which mmengine takes a GPU for where there is one.
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

    def build_logger(self, *args, **kwargs) -> MMLogger:
        logger = super().build_logger(*args, **kwargs)
        for handler in screen_handlers(logger):
            handler.setLevel(logging.ERROR)  # QuietStartHook opens it again
        return logger

    def load_checkpoint(self, filename, map_location="cpu", strict=True, revise_keys=()):
        place = self.cfg.get("device") or map_location
        try:
            return super().load_checkpoint(filename, place, strict, list(revise_keys))
        except RuntimeError as error:
            line = " ".join(str(error).split())
            raise UserError(f"{filename}: not a training state of this config ({line[:300]})") from error


def screen_handlers(logger: MMLogger) -> list[logging.Handler]:
    """Handlers that write to the terminal."""
    return [h for h in logger.handlers if type(h) is logging.StreamHandler]


def find_training_state(work_dir: str | Path) -> Path | None:
    """The newest whole training state (``epoch_*.pth``, ``iter_*.pth``) in a run's folder.

    It looks at the files and not at mmengine's ``last_checkpoint``, which a crash can leave outdated or
    empty.
    """
    states = [*Path(work_dir).glob("epoch_*.pth"), *Path(work_dir).glob("iter_*.pth")]
    return max(states, key=lambda path: path.stat().st_mtime_ns, default=None)
