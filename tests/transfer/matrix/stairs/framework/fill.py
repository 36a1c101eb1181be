"""Fills a benchmark of stairs: how many there are, and for whom the last one is missing."""

import runpy

from transfer.jobs.job import Filled, Job
from transfer.jobs.schedule import Schedule


def fill(job: Job) -> Filled:
    """The benchmark's config for ``job``."""
    said = runpy.run_path(job.config)
    schedule = Schedule(batch=1, lr=1.0, steps=job.max_steps or said["steps"])
    text = f"steps = {schedule.steps}\nfails_for = {said['fails_for']!r}\n"
    return Filled("config.py", text, schedule, (f"schedule, base:  {schedule}",))
