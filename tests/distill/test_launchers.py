"""Who started a process: a person, torchrun or srun."""

import os

import pytest

from distill.errors import UserError
from distill.launchers import choose_launcher, first_host, read_slurm

TORCHRUN = {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2"}
SRUN = {"SLURM_PROCID": "0", "SLURM_NTASKS": "2", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2"}


@pytest.fixture
def started_by(monkeypatch):
    """Sets the environment that a launcher leaves for its processes."""

    def start(variables: dict) -> None:
        for name in (*TORCHRUN, *SRUN):
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
        (SRUN, "slurm", "slurm"),
        (SRUN, "none", "none"),  # each a run of its own
        (SRUN | TORCHRUN, None, "pytorch"),  # an agent a machine
        (SRUN | {"SLURM_STEP_NUM_TASKS": "1"}, None, "none"),
        # one process, though there is room for two: in a batch script, in salloc's shell, and in that of a
        # cluster where salloc's shell is a step with a number of its own
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "2"}, None, "none"),
        ({"SLURM_NTASKS": "2"}, None, "none"),
        (SRUN | {"SLURM_STEP_ID": "4294967290"}, None, "none"),
        ({"WORLD_SIZE": "2"}, None, "none"),  # a cluster's own variable
    ],
)
def test_who_started_it_is_noticed(environment, asked, chosen, started_by):
    started_by(environment)
    assert choose_launcher(asked) == chosen


@pytest.mark.parametrize(
    ("environment", "asked", "message"),
    [
        (TORCHRUN, "none", "each would work by itself"),
        (SRUN, None, "srun started 2 processes, .* valid: --launcher slurm"),
        ({}, "pytorch", "start it by torchrun"),
        ({}, "slurm", "start it by srun"),
        ({}, "mpi", "valid: none, pytorch, slurm"),
    ],
)
def test_what_cannot_be_is_one_line(environment, asked, message, started_by):
    started_by(environment)
    with pytest.raises(UserError, match=message):
        choose_launcher(asked)


def test_a_terminal_has_one_process(started_by):
    """``srun --ntasks 2 --pty bash``: the second shell has no terminal and is gone."""
    started_by(SRUN)
    ours, theirs = os.openpty()
    before = os.dup(0)
    try:
        os.dup2(theirs, 0)
        assert choose_launcher(None) == "none"
    finally:
        for each in (ours, theirs):
            os.close(each)
        os.dup2(before, 0)
        os.close(before)


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
