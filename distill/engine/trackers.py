"""Services that keep the curves of many runs: mmengine's backends by one name each."""

import importlib
import os
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import master_only
from mmengine.visualization import Visualizer

from distill.errors import UserError, unknown

PROJECT = "distill"
TRACKERS = ("wandb", "mlflow", "aim", "tensorboard")  # names of their packages
SERVICES = ("WandbVisBackend", "MLflowVisBackend", "AimVisBackend")


def add_tracker(config: Config, name: str) -> None:
    """Has the run's curves and config sent to a tracker as well, as a run of its folder's name.

    Where it keeps them is told by its own variables (``WANDB_MODE``, ``MLFLOW_TRACKING_URI``, ...).

    Raises:
        UserError: a name that is not in ``TRACKERS``, or its package cannot be imported.
    """
    if name not in TRACKERS:
        raise unknown("tracker", name, TRACKERS)
    try:
        importlib.import_module(name)
    except ImportError as error:
        raise UserError(f"--track {name}: {error}; install it: pip install {name}") from error
    visualizer = config.get("visualizer") or {"type": "Visualizer"}
    backend, backends = _backend(name, Path(config.work_dir).name), visualizer.get("vis_backends") or []
    if backend["type"] not in [each["type"] for each in backends]:
        config.visualizer = {**visualizer, "vis_backends": [*backends, backend]}


@master_only
def start_trackers(visualizer: Visualizer) -> None:
    """Starts the trackers among its backends, which would wait until they are given something.

    Raises:
        UserError: one cannot be used: nobody is logged in, no server answers.
    """
    for backend in visualizer._vis_backends.values():
        if type(backend).__name__ in SERVICES:
            try:
                _ = backend.experiment
            except Exception as error:  # each has errors of its own
                reason = " ".join(str(error).split()) or type(error).__name__
                raise UserError(f"{type(backend).__name__} cannot be used: {reason[:300]}") from error


def _backend(name: str, run: str) -> dict:
    if name == "wandb":
        return dict(type="WandbVisBackend", init_kwargs=dict(project=PROJECT, name=run))
    if name == "mlflow":
        # MLflow's own default; it refuses mmengine's, files in the run's folder
        uri = os.environ.get("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
        return dict(type="MLflowVisBackend", exp_name=PROJECT, run_name=run, tracking_uri=uri)
    if name == "aim":
        return dict(type="AimVisBackend", init_kwargs=dict(experiment=run))
    return dict(type="TensorboardVisBackend")
