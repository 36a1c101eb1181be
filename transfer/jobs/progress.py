"""Progress lines that the parent process picks out of a trainer's output."""

import time
from datetime import timedelta

MARK = "progress| "


def show(text: str) -> None:
    """Prints a line for the person watching; the rest of the output stays in the log file."""
    print(f"{MARK}{text}", flush=True)


class Progress:
    """Prints every ``every`` seconds how far a run is and how long the rest will take."""

    def __init__(self, first: int, steps: int, every: float = 10.0):
        self.first, self.steps, self.every = first, steps, every
        self.started = self.shown = time.monotonic()

    def step(self, done: int, loss: float) -> None:
        """After ``done`` steps in all; prints at most once in ``every`` seconds, and at the end."""
        now = time.monotonic()
        if done < self.steps and now - self.shown < self.every:
            return
        self.shown = now
        pace = (now - self.started) / max(done - self.first, 1)
        left = timedelta(seconds=round(pace * (self.steps - done)))
        show(f"step {done}/{self.steps}, loss {loss:.3f}, {pace:.2f} s/step, {left} left")
