"""Real processes on made-up devices: who runs where and when, and that none is left behind."""

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from distill.errors import UserError
from tests.processes import ROOT, alive, wait_until
from transfer.jobs.queue import Task, run_all
from transfer.matrix.choices import divide

# says where it runs and how long it took
TIMED = """
import os, time
began = time.monotonic()
print("on", os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
time.sleep(0.1)
print("from", began, "to", time.monotonic())
"""
# as a trainer with data-loading processes: a child that sleeps, and the numbers of both in a file
PARENT = """
import os, subprocess, sys, time
from transfer.jobs.queue import end_when_input_closes
end_when_input_closes()
child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
with open("pids.part", "w") as file:
    file.write(f"{os.getpid()} {child.pid}")
os.rename("pids.part", "pids")
time.sleep(600)
"""
TOOL = f"""
import signal, sys
from contextlib import closing
from pathlib import Path
from transfer.jobs.queue import Task, run_all
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job starts with Ctrl-C ignored
task = Task("job", (sys.executable, "-c", {PARENT!r}), Path("log"))
with closing(run_all([task], [()])) as events:
    list(events)
"""


def python(code: str, name: str, folder: Path) -> Task:
    return Task(name, (sys.executable, "-S", "-c", code), folder / f"{name}.log")


def test_each_place_has_one_task_at_a_time(tmp_path):
    places = [("2",), ("GPU-5", "7")]
    tasks = [python(TIMED, f"task{number}", tmp_path) for number in range(6)]
    seen, ran = [], {}
    with closing(run_all(tasks, places, every=0.01)) as events:
        for event, process, *_ in events:
            seen.append((event, process.task.name))
            if event == "end":
                first, second = process.output().splitlines()
                assert first == f"on {','.join(process.place)}", "its process sees its devices alone"
                ran.setdefault(process.place, []).append([float(word) for word in second.split()[1::2]])
    assert [name for event, name in seen if event == "start"] == [task.name for task in tasks]
    assert set(ran) == set(places) and sum(map(len, ran.values())) == 6
    for spans in ran.values():
        assert all(end <= begin for (_, end), (begin, _) in zip(spans, spans[1:], strict=False))


def test_places_work_side_by_side(tmp_path):
    meet = (
        "import os, time\nopen({mine!r}, 'w').close()\nwhile not os.path.exists({other!r}): time.sleep(0.01)"
    )
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    tasks = [
        python(meet.format(mine=one, other=two), "first", tmp_path),
        python(meet.format(mine=two, other=one), "second", tmp_path),
    ]
    ended = [process.poll() for event, process, *_ in run_all(tasks, [("0",), ("1",)]) if event == "end"]
    assert ended == [0, 0], "each waits for the other"


def test_a_log_whose_folder_is_renamed_ends_all_and_leaves_no_process(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    with closing(run_all([python("import time; time.sleep(60)", "job", folder)], [()], 0.01)) as events:
        _, process = next(events)
        folder.rename(tmp_path / "elsewhere")
        with pytest.raises(FileNotFoundError, match="job.log"):
            next(events)
    assert process.poll() == -signal.SIGKILL
    assert not folder.exists()


def test_lines_are_passed_on_and_a_failure_keeps_its_code(tmp_path):
    said = "print('one'); print('two', flush=True); raise SystemExit(7)"
    (tmp_path / "job.log").write_text("an earlier try\n")
    events = [
        (event, *line, process.poll())
        for event, process, *line in run_all([python(said, "job", tmp_path)], [()], 0.01)
    ]
    assert [told[:2] for told in events if told[0] == "line"] == [("line", "one"), ("line", "two")]
    assert events[-1] == ("end", 7)
    assert (tmp_path / "job.log").read_text() == "an earlier try\none\ntwo\n"


def test_the_cpu_is_one_place_and_shows_no_gpu(tmp_path):
    ((*_, process),) = (
        e for e in run_all([python(TIMED, "job", tmp_path)], divide([], None, True)) if e[0] == "end"
    )
    assert process.output().splitlines()[0] == "on "


def test_gpus_are_divided_among_jobs():
    four = ["0", "1", "2", "3"]
    assert divide(four, None, alone=False) == [("0",), ("1",), ("2",), ("3",)]
    assert divide(four, None, alone=True) == [("0", "1", "2", "3")]
    assert divide(four, 2, alone=True) == [("0", "1"), ("2", "3")]
    assert divide(four, 3, alone=False) == [("0", "1", "2")]
    for wrong in (0, 5):
        with pytest.raises(UserError, match=f"--gpus-per-job {wrong}: there are 4 GPUs to use"):
            divide(four, wrong, alone=False)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_the_tool(how, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    tool = subprocess.Popen(
        [sys.executable, "-c", TOOL], cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL
    )
    wait_until((tmp_path / "pids").exists)
    job, child = map(int, (tmp_path / "pids").read_text().split())
    assert alive(job) and alive(child)
    tool.send_signal(how)
    tool.wait(60)
    wait_until(lambda: not alive(job) and not alive(child))


def test_leaving_the_loop_ends_what_runs(tmp_path):
    tasks = [python("import time; time.sleep(600)", name, tmp_path) for name in ("one", "two", "three")]
    with closing(run_all(tasks, [("0",), ("1",)])) as events:
        started = [next(events)[1] for _ in range(2)]
    assert [process.poll() for process in started] == [-signal.SIGKILL] * 2
    assert not (tmp_path / "three.log").exists()
