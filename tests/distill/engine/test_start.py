"""Who starts the processes of a run, and where it runs."""

import pytest

from distill.engine.start import choose_launcher
from distill.engine.validate import validate
from distill.errors import UserError
from tests.distill.methods.small import small_config

TORCHRUN = {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2"}


@pytest.fixture
def started_by(monkeypatch):
    """Sets the environment that a launcher leaves for its processes."""

    def start(variables: dict) -> None:
        for name in (*TORCHRUN, "SLURM_PROCID"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return start


@pytest.mark.parametrize(
    ("environment", "asked", "chosen"),
    [
        ({}, None, "none"),
        ({}, "none", "none"),
        (TORCHRUN, None, "pytorch"),
        (TORCHRUN, "pytorch", "pytorch"),
        (TORCHRUN | {"WORLD_SIZE": "1"}, "none", "none"),
        ({"SLURM_PROCID": "0"}, None, "none"),  # any command in a Slurm job, started by srun or not
        ({"SLURM_PROCID": "0"}, "slurm", "slurm"),
        ({"WORLD_SIZE": "2"}, None, "none"),  # a cluster's own variable
    ],
)
def test_torchrun_is_noticed(environment, asked, chosen, started_by):
    started_by(environment)
    assert choose_launcher(asked) == chosen


@pytest.mark.parametrize(
    ("environment", "asked", "message"),
    [
        (TORCHRUN, "none", "each would train by itself"),
        ({}, "pytorch", "start it by torchrun"),
        ({}, "slurm", "start it by srun"),
        ({}, "mpi", "valid: none, pytorch, slurm"),
    ],
)
def test_what_cannot_be_is_one_line(environment, asked, message, started_by):
    started_by(environment)
    with pytest.raises(UserError, match=message):
        choose_launcher(asked)


@pytest.mark.parametrize(
    ("device", "launcher", "message"),
    [
        ("cpu", "pytorch", "config key device is 'cpu': it is for a run of one process; leave it out"),
        ("gpu", "none", "config key device is 'gpu': .*device type"),
        ("meta:x", "none", "config key device is 'meta:x': Invalid device string"),
    ],
)
def test_a_device_that_cannot_be_is_named(device, launcher, message, method_inputs):
    config = small_config("compress_1q", method_inputs)
    config.device, config.launcher = device, launcher
    with pytest.raises(UserError, match=message):
        validate(config)
