"""This package's registries, children of mmengine's.

A config names a class by ``type='CompRess'``; mmengine's Runner finds it here because the config's
``default_scope`` is ``distill``. Each registry imports the modules given with it on first use.
"""

from mmengine import registry as root
from mmengine.registry import Registry


def _child(name: str, parent: Registry, *locations: str) -> Registry:
    return Registry(name, parent=parent, scope="distill", locations=list(locations))


MODELS = _child("model", root.MODELS, "distill.methods")
DATASETS = _child("dataset", root.DATASETS, "distill.data.unlabelled")
SAMPLERS = _child("data sampler", root.DATA_SAMPLERS, "distill.data.sampler")
TRANSFORMS = _child("transform", root.TRANSFORMS, "distill.data.views")
OPTIMIZERS = _child("optimizer", root.OPTIMIZERS, "distill.engine.optimizers")
PARAM_SCHEDULERS = _child("parameter scheduler", root.PARAM_SCHEDULERS)
HOOKS = _child(
    "hook", root.HOOKS, "distill.engine.hooks", "distill.engine.training_states", "distill.evaluation.hook",
    "distill.evaluation.collapse",
)  # fmt: skip
LOG_PROCESSORS = _child("log processor", root.LOG_PROCESSORS, "distill.engine.step_log")
EVALUATORS = _child("evaluator", root.EVALUATOR, "distill.evaluation")
