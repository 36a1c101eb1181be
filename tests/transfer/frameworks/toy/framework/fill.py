"""Fills a benchmark of the toy framework, a Python file with ``lr`` and ``steps``."""

import runpy

from transfer.jobs.job import Filled, Job
from transfer.jobs.schedule import Schedule


def fill(job: Job) -> Filled:
    """The benchmark's config for ``job``."""
    settings = runpy.run_path(job.config) | (runpy.run_path(job.smoke) if job.smoke else {}) | job.options
    schedule = Schedule(batch=job.batch or 4, lr=settings["lr"], steps=job.max_steps or settings["steps"])
    text = f"lr = {schedule.lr}\nsteps = {schedule.steps}\narch = {job.initial.arch!r}\n"
    return Filled("config.py", text, schedule, (f"schedule, base:  {schedule}",))
