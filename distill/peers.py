"""Processes of one run that end together: an error, or the loss of a process, is told once and ends all.

The first process listens, every other one keeps a connection to it. When a process is killed the system
closes its connection at once; of a machine that is gone TCP's keepalive tells after ``GONE`` seconds.
Without this, processes that wait in a collective operation would stay until its time-out, and each
would end with a traceback of its own.
"""

import atexit
import gc
import json
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from typing import NoReturn

import torch.distributed as dist

from distill.errors import LOST, UserError, children_may_end, explain, told_by_first
from distill.launchers import choose_launcher, read_slurm

GRACE = 2.0  # seconds in which the cause of an error may arrive from another process
GONE = 30  # seconds of silence after which a machine counts as gone
MEET = 600  # seconds for all processes to come
RESUME = "the same command with --resume goes on"


class Alone:
    """A run of one process."""

    first = True

    def agreed(self, name: str, value):
        """``value`` of the first process, in all; it must be of JSON's types."""
        return value


@contextmanager
def ending_together(several: bool, go_on: str = RESUME) -> Iterator["Alone"]:
    """Within it an error of any of the launcher's processes ends all of them in one line; see the module.

    Args:
        several: whether a launcher started this process, which has set RANK, WORLD_SIZE, MASTER_ADDR and
            MASTER_PORT. All processes must come here. The process ends here too, by the error's exit code.
        go_on: which command goes on after the loss of a process.
    """
    if several:  # when Python ends: what comes later in this process goes on with the group
        atexit.register(leave_group)
    if not several or os.environ["WORLD_SIZE"] == "1":
        yield Alone()
        return
    try:
        store, rank, world = next(dist.rendezvous("env://"))
    except dist.DistError as error:
        where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        raise UserError(f"the processes did not meet at {where}: {str(error).splitlines()[0]}") from error
    visit = store.add(f"peers/{rank}", 1)  # a process may come here again for another run
    store = dist.PrefixStore(f"peers/{visit}", store)
    peers = (_First if rank == 0 else _Other)(store, world, go_on)
    with _asked_to_end(peers):
        try:
            yield peers
        except SystemExit:
            raise
        except BaseException as error:
            text, code, expected = explain(error)
            if rank > 0 or not expected:
                time.sleep(GRACE)  # if this is no cause but an effect, the cause ends this process meanwhile
            peers.end(text, code)
    peers.leave()


@contextmanager
def launched(launcher: str | None, go_on: str) -> Iterator["Alone"]:
    """Within it ``torch.distributed`` runs if a launcher started this process; its processes end together.

    It uses gloo: the tools that call it need each process's number and exchange nothing that is on a GPU.

    Raises:
        UserError: as ``choose_launcher`` does.
    """
    with told_by_first():
        launcher = choose_launcher(launcher)
    if launcher == "slurm":
        read_slurm()
    several = launcher != "none"
    with ending_together(several, go_on) as peers:
        if several:
            dist.init_process_group("gloo")
        yield peers


def leave_group() -> None:
    """Ends the process group of ``torch.distributed`` and its threads, where there is one.

    Without it one of gloo's threads may still hold a tensor when Python shuts down, and aborts a process
    whose work is done (SIGABRT, "terminate called without an active exception"); NCCL warns.
    """
    if dist.is_available() and dist.is_initialized():
        gc.collect()  # networks in DistributedDataParallel that nobody uses any more hold the group too
        dist.destroy_process_group()


@contextmanager
def _asked_to_end(peers: "_Peers") -> Iterator[None]:
    """SIGTERM, from a person or from torchrun when a process has failed, waits for the cause to be told."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(*_) -> NoReturn:
        children_may_end()
        time.sleep(GRACE)
        peers.end(f"error: {peers.name} was asked to end (SIGTERM); {peers.go_on}", 143)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Peers:
    """What the first and the other processes have in common.

    Attributes:
        name: of this process, for people: ``process 3 (pid 4711 on gpu-node-2)``.
    """

    def __init__(self, store: dist.Store, go_on: str):
        self.store, self.go_on = store, go_on
        self.name = f"process {os.environ['RANK']} (pid {os.getpid()} on {socket.gethostname()})"
        self.left = False
        self._ending = threading.Lock()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def agreed(self, name: str, value):
        if self.first:
            self.store.set(name, json.dumps(value))
        return json.loads(self.store.get(name))

    def _lost(self, name: str) -> str:
        return f"error: {name} was lost: it was killed, or its machine is gone; {self.go_on}"

    def _exit(self, code: int, text: str = "") -> NoReturn:
        self._ending.acquire()  # and never released: of two causes the first counts
        if text:
            print(text, file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # the main thread may be waiting for a process that is no more


class _First(_Peers):
    """The process that the others are connected to."""

    first = True

    def __init__(self, store: dist.Store, world: int, go_on: str):
        super().__init__(store, go_on)
        self._token = secrets.token_hex()
        self._server = socket.create_server(("", 0))
        self._missing, self._names = world - 1, {}  # processes that have not come, names of those who have
        self._complete = threading.Event()
        about = [_own_address(), self._server.getsockname()[1], self._token, self.name]
        store.set("first", json.dumps(about))
        os.register_at_fork(after_in_child=self._close)
        self._thread.start()
        if not self._complete.wait(MEET):
            self.end(f"error: {self._missing} of {world} processes did not come within {MEET} seconds", LOST)

    def _listen(self) -> None:
        while self._missing or self._names:
            for ready in wait([self._server, *self._names]):
                if ready is self._server:
                    self._welcome(self._server.accept()[0])
                else:
                    self._hear(ready, _receive(ready))

    def _welcome(self, caller: socket.socket) -> None:
        connection = _connection(caller)
        hello = _receive(connection) if connection.poll(GRACE) else None
        if hello and hello.get("token") == self._token:
            self._names[connection] = hello["name"]
            self._missing -= 1
            if not self._missing:
                self._complete.set()
        else:
            connection.close()  # a stranger

    def _hear(self, other: Connection, message: dict | None) -> None:
        if message is None:
            self.end(self._lost(self._names[other]), LOST)
        elif "error" in message:
            self.end(message["error"], message["code"])
        else:
            other.close()
            del self._names[other]

    def end(self, text: str, code: int) -> NoReturn:
        for other in list(self._names):
            _send(other, code=code)
        self._exit(code, text)

    def leave(self) -> None:
        """Waits until all others have left."""
        self._thread.join()
        self._close()

    def _close(self) -> None:
        """Also in data workers: a connection that one of them kept would outlive this process."""
        for connection in (self._server, *self._names):
            connection.close()


class _Other(_Peers):
    """A process that is connected to the first."""

    first = False

    def __init__(self, store: dist.Store, world: int, go_on: str):
        super().__init__(store, go_on)
        host, port, token, self._first_name = json.loads(store.get("first"))
        try:
            self._connection = _connection(socket.create_connection((host, port), MEET))
        except OSError as error:
            reason = f"cannot be reached at {host}:{port} ({error.strerror})"
            self._exit(LOST, f"error: {self._first_name} {reason} from {self.name}")
        _send(self._connection, token=token, name=self.name)
        os.register_at_fork(after_in_child=self._connection.close)  # else it would outlive this process
        self._thread.start()

    def _listen(self) -> None:
        message = _receive(self._connection)
        if self.left:
            return
        if message is not None:
            self._exit(message["code"])
        if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
            speaks = self.store.add("lost", 1) == 1
        else:  # the store went with the first process: one a machine
            speaks = os.environ["RANK"] == "1" or os.environ["LOCAL_RANK"] == "0"
        self._exit(LOST, self._lost(self._first_name) if speaks else "")

    def end(self, text: str, code: int) -> NoReturn:
        _send(self._connection, error=text, code=code)
        self._thread.join(GRACE)  # the first process tells it, and has this one end
        self._exit(code, text)

    def leave(self) -> None:
        self.left = True
        _send(self._connection)
        self._thread.join()
        self._connection.close()


def _own_address() -> str:
    """An address under which other machines find this one: that by which it reaches the launcher's store."""
    meeting = os.environ["MASTER_ADDR"]
    with socket.create_connection((meeting, int(os.environ["MASTER_PORT"]))) as connection:
        own = connection.getsockname()[0]
    return meeting if own.startswith("127.") or own == "::1" else own


def _connection(to: socket.socket) -> Connection:
    to.settimeout(None)
    to.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", GONE // 2), ("TCP_KEEPINTVL", GONE // 6), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, option):
            to.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return Connection(to.detach())


def _send(connection: Connection, **message) -> None:
    try:
        connection.send_bytes(json.dumps(message).encode())
    except OSError:
        pass  # the other one is gone, which its own watcher tells


def _receive(connection: Connection) -> dict | None:
    """The next message; None when the other one is gone, or is none of ours."""
    try:
        message = json.loads(connection.recv_bytes(1 << 20))
    except (EOFError, OSError, ValueError):
        return None
    return message if isinstance(message, dict) else None
