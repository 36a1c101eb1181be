"""Several machines, tried on one: two torchrun agents that meet, and processes as srun starts them."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
DISTILL, OURS = str(ROOT / "tools" / "distill.py"), ["-m", "distill.launch"]
TORCHRUN = ["-m", "torch.distributed.run"]
ENDS_WITHIN = 20  # seconds after a process is lost; docs/clusters.md says 10, on a machine that is not shared


def arguments(images: Path, work_dir: Path, *more: str) -> list[str]:
    """12 steps, 4 epochs of 3, of a network without batch norm, which sees each process's batch alone."""
    return [
        "--method", "simclr", "--data", str(images), "--student", "test_convnext", "--epochs", "4",
        "--batch-size", "8", "--image-size", "32", "--workers", "0", "--work-dir", str(work_dir), *more,
        "--cfg-options", "default_hooks.checkpoint.by_epoch=False",
        "default_hooks.checkpoint.max_keep_ckpts=-1",
        # gradients are added in one order in all steps, also in the first one after a resume
        "find_unused_parameters=True",
    ]  # fmt: skip


def start(*command: str, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )  # fmt: skip


def free_port() -> int:
    with socket.create_server(("localhost", 0)) as server:
        return server.getsockname()[1]


def two_agents(*arguments: str, torchrun: list[str] = TORCHRUN) -> list[subprocess.Popen]:
    """The command that docs/clusters.md gives for each of two machines."""
    meet = [
        "--nnodes", "2", "--nproc-per-node", "2", "--rdzv-backend", "c10d", "--rdzv-id", "run",
        "--rdzv-endpoint", f"localhost:{free_port()}",
    ]  # fmt: skip
    return [start(*torchrun, *meet, DISTILL, *arguments) for _ in range(2)]


def as_srun(processes: int, *arguments: str) -> list[subprocess.Popen]:
    """Processes with the variables that srun gives them."""
    port = str(free_port())
    common = {
        "SLURM_JOB_ID": "77",
        "SLURM_STEP_ID": "0",
        "SLURM_STEP_NODELIST": "localhost",
        "MASTER_PORT": port,
    }
    own = [{"SLURM_PROCID": str(n), "SLURM_LOCALID": str(n)} for n in range(processes)]
    return [
        start(DISTILL, "--launcher", "slurm", *arguments, SLURM_NTASKS=str(processes), **common, **variables)
        for variables in own
    ]


def finished(processes: list[subprocess.Popen]) -> tuple[list[int], str, str]:
    """Exit codes, and all that was written to stdout and to stderr."""
    said = [process.communicate(timeout=300) for process in processes]
    return [process.returncode for process in processes], *("".join(text) for text in zip(*said, strict=True))


def kill(rank: int, agents: list[subprocess.Popen], after: Path) -> str:
    """Kills a process of the run when the file ``after`` is there; returns what the others say of it."""
    while not after.exists():
        assert all(agent.poll() is None for agent in agents), finished(agents)
        time.sleep(0.01)
    for agent in agents:
        for child in Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text().split():
            if f"\0RANK={rank}\0" in Path(f"/proc/{child}/environ").read_text():
                os.kill(int(child), signal.SIGKILL)
                why = "it was killed, or its machine is gone; the same command with --resume goes on"
                return f"error: process {rank} (pid {child} on {socket.gethostname()}) was lost: {why}"
    raise AssertionError(f"no process {rank}")


def state(work_dir: Path) -> dict:
    return torch.load(work_dir / "iter_12.pth", weights_only=True)["state_dict"]


@pytest.fixture(scope="module")
def two_by_two(image_folder, tmp_path_factory) -> dict:
    work_dir = tmp_path_factory.mktemp("two_by_two")
    codes, output, errors = finished(two_agents(*arguments(image_folder, work_dir)))
    assert codes == [0, 0], errors
    assert output.count("batch 8 = 4 x 2") == 1, "the first process alone speaks"
    return state(work_dir)


def test_two_agents_of_two_equal_one_of_four_and_one_process(two_by_two, image_folder, run_here, tmp_path):
    four, alone = tmp_path / "four", tmp_path / "alone"
    line = arguments(image_folder, four)
    together = start(*TORCHRUN, "--standalone", "--nproc-per-node", "4", DISTILL, *line)
    assert finished([together])[0] == [0]
    run_here("distill.py", *arguments(image_folder, alone))
    for key, value in state(four).items():
        assert torch.equal(value, two_by_two[key]), key
    for key, value in state(alone).items():  # single precision, sums in another order
        torch.testing.assert_close(value, two_by_two[key], rtol=1e-4, atol=1e-5)


def test_a_lost_process_ends_all_in_one_line_and_the_same_command_goes_on(two_by_two, image_folder, tmp_path):
    """The first process is lost, and after a resume the last one."""
    for rank, reached, more in ((0, "iter_1.pth", ()), (3, "iter_6.pth", ("--resume",))):
        agents = two_agents(*arguments(image_folder, tmp_path, *more), torchrun=OURS)
        line = kill(rank, agents, after=tmp_path / reached)
        lost_at = time.time()
        codes, _, errors = finished(agents)
        assert time.time() - lost_at < ENDS_WITHIN
        assert codes == [3, 3]
        assert [said for said in errors.splitlines() if said.startswith("error")] == [line]
        assert "Traceback" not in errors
        assert not (tmp_path / "iter_12.pth").exists()
    codes, output, errors = finished(two_agents(*arguments(image_folder, tmp_path, "--resume")))
    assert codes == [0, 0], errors
    assert output.count("resuming from") == 1
    for key, value in state(tmp_path).items():
        assert torch.equal(value, two_by_two[key]), key


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        (["--seed", "1", "--lr", "x"], "distill.py: error: argument --lr: invalid float value: 'x'"),
        (["--data", "/no/where"], "error: no such image folder: /no/where"),
    ],
)
def test_a_mistake_is_told_once_and_not_by_every_process(wrong, line, image_folder, tmp_path):
    codes, _, errors = finished(two_agents(*arguments(image_folder, tmp_path, *wrong), torchrun=OURS))
    assert codes == [2, 2]
    assert [said for said in errors.splitlines() if not said.startswith((" ", "usage"))] == [line]


def test_srun_gives_the_run_of_one_process(two_by_two, image_folder, tmp_path):
    codes, output, errors = finished(as_srun(2, *arguments(image_folder, tmp_path)))
    assert codes == [0, 0], errors
    assert output.count("batch 8 = 2 x 4") == 1
    for key, value in state(tmp_path).items():
        torch.testing.assert_close(value, two_by_two[key], rtol=1e-4, atol=1e-5)


TWO_RUNS = """
import atexit, os, sys
from pathlib import Path

images, folder = sys.argv[1:]

def note():
    names = [task.read_text().strip() for task in Path("/proc/self/task").glob("*/comm")]
    Path(folder, f"threads_{os.environ['RANK']}").write_text(" ".join(names))

atexit.register(note)  # before all others, so that it runs after them

from distill import pretrain

for run in ("one", "two"):
    pretrain(
        "simclr", images, "test_convnext", work_dir=f"{folder}/{run}", epochs=1, batch_size=8, image_size=32,
        workers=0, cfg_options={"find_unused_parameters": True},
    )
"""


def test_no_thread_of_the_group_is_left_when_python_shuts_down(image_folder, tmp_path):
    """One that still holds a tensor would abort the process, and SLURM call a finished job failed."""
    script = tmp_path / "two_runs.py"
    script.write_text(TWO_RUNS)
    pair = [*TORCHRUN, "--standalone", "--nproc-per-node", "2", str(script), str(image_folder), str(tmp_path)]
    codes, _, errors = finished([start(*pair, PYTHONPATH=str(ROOT))])
    assert codes == [0], errors
    assert (tmp_path / "two" / "last.pth").exists(), "a second run goes on with the group of the first"
    for rank in (0, 1):
        threads = (tmp_path / f"threads_{rank}").read_text()
        assert "python" in threads and "gloo" not in threads


def test_under_srun_a_lost_process_and_a_mistake_are_one_line_as_well(image_folder, tmp_path):
    processes = as_srun(3, *arguments(image_folder, tmp_path, "--batch-size", "6"))
    while not (tmp_path / "iter_1.pth").exists():
        time.sleep(0.01)
    processes[0].kill()
    codes, _, errors = finished(processes)
    assert codes == [-9, 3, 3]
    assert errors.count("error: process 0 (pid") == 1 and "Traceback" not in errors
    codes, _, errors = finished(as_srun(2, *arguments(image_folder, tmp_path)))
    assert codes == [2, 2]
    (line,) = errors.strip().splitlines()
    assert line.startswith(f"error: {tmp_path} holds a run already (iter_")
