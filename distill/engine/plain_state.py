"""Training states of plain data, so that torch reads them without running code."""

from mmengine.hooks import Hook
from mmengine.registry import HOOKS as ROOT_HOOKS
from mmengine.runner import Runner


@ROOT_HOOKS.register_module()
class PlainStateHook(Hook):
    """Leaves mmengine's log history out of a training state.

    mmengine 0.10 pickles it with references to functions, which torch >= 2.6 refuses under
    ``weights_only``, so that its states could not be resumed. The history only smooths what is shown.
    Registered with mmengine itself, so that MMDetection and MMSegmentation runs can use it as well.
    """

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        checkpoint["message_hub"] = {"log_scalars": {}, "runtime_info": {}, "resumed_keys": {}}
