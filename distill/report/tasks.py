"""What the rows' tasks are called, of which kind they are and how their metrics are read."""

from dataclasses import replace
from functools import cache

from distill.report.published import facts
from distill.results.protocol import KINDS, Protocol, declared


class Tasks:
    """Descriptions of tasks, from the rows themselves, this project's protocols and the published tables."""

    def __init__(self):
        self.known = dict(_protocols())
        for name, said in facts()["benchmarks"].items():
            self.known[name] = Protocol(name, said["title"], "transfer", facts()["metrics"], said["headline"])

    def of(self, row: dict) -> Protocol:
        """The row's task: as the row says, else as it is known here, else by its name made readable."""
        name = row["task"]
        readable = name.replace("_", " ").strip().capitalize()
        known = self.known.get(name, Protocol(name, readable, "transfer", facts()["metrics"]))
        told = {"title": row.get("title"), "kind": row.get("kind"), "headline": row.get("headline")}
        told = {key: value for key, value in told.items() if value}
        if told.get("kind") not in KINDS:
            told.pop("kind", None)  # of a later version
        metrics = known.metrics | row.get("names", {})
        if headline := told.get("headline"):
            metrics = {headline: metrics.get(headline, headline), **metrics}
        published = facts()["readings"].get(name, known.published)
        return replace(known, metrics=metrics, published=published, **told)

    def place(self, task: Protocol) -> tuple:
        """Sorts tasks by kind, then as they are known here, then by title."""
        names = list(self.known)
        known = names.index(task.name) if task.name in names else len(names)
        return list(KINDS).index(task.kind), known, task.title, task.name


@cache
def _protocols() -> dict[str, Protocol]:
    """This project's own, read once."""
    return declared()
