"""Who starts the processes of a run, and where it runs."""

import os
import signal
import socket
import subprocess
import sys

import pytest

from distill.distributed import first_host, read_slurm
from distill.engine.start import choose_launcher, held, where_to_start
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


HOLDER = """
import os, sys, time
from distill.engine.start import held
with held(sys.argv[1]):
    if os.fork() == 0:  # as a data worker, which outlives its process for some seconds
        time.sleep(60)
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_folder_has_one_run_at_a_time_and_a_killed_one_leaves_it_at_once(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    assert holder.stdout.readline() == "held\n"
    try:
        message = rf"another run is at work there \(process {holder.pid} on {socket.gethostname()}\)"
        with pytest.raises(UserError, match=message), held(str(tmp_path)):
            pass
        holder.kill()
        holder.wait()
        rest = tmp_path / f".epoch_1.pth.{holder.pid}.part"
        rest.write_bytes(b"half of a sta")
        with held(str(tmp_path)):
            assert not rest.exists()
    finally:
        os.killpg(holder.pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("nodes", "first"),
    [("gpu7", "gpu7"), ("gpu[03-05,9]", "gpu03"), ("rack[2-3,7]gpu[01-04],login", "rack2gpu01")],
)
def test_the_first_host_of_slurms_list(nodes, first):
    assert first_host(nodes) == first


def test_slurms_variables_become_torchs(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, "")  # so that it is restored
        monkeypatch.delenv(name)
    given = {"PROCID": 5, "NTASKS": 8, "LOCALID": 1, "JOB_ID": 4_000_001, "STEP_ID": 2}
    for name, value in {**given, "STEP_NODELIST": "gpu[07-08]"}.items():
        monkeypatch.setenv(f"SLURM_{name}", str(value))
    read_slurm()
    found = [os.environ[name] for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")]
    assert found == ["5", "8", "gpu07", str(20000 + 4_000_003 % 12000)]


class Elsewhere:
    """A process on another machine: what the first one has chosen reaches it."""

    first = False

    def __init__(self, chosen):
        self.chosen = chosen

    def agreed(self, name, value):
        return self.chosen


def test_machines_that_share_no_folder_need_a_copy_of_the_state(tmp_path):
    state = tmp_path / "epoch_1.pth"
    with pytest.raises(UserError, match=f"no {state} of 5 bytes, as on the first machine; copy it there"):
        where_to_start(str(tmp_path), True, Elsewhere([str(state), 5]))
    state.write_bytes(b"state")
    assert where_to_start(str(tmp_path), True, Elsewhere([str(state), 5])) == state
    assert where_to_start(str(tmp_path), True, Elsewhere(None)) is None
