"""Where a run writes, on what device, and what it goes on from."""

import os
import signal
import socket
import subprocess
import sys

import pytest

from distill.engine.start import held, where_to_start
from distill.engine.validate import validate
from distill.errors import UserError
from tests.distill.methods.small import small_config


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
