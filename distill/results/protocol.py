"""What a protocol is called, measures and is published as: declared in its file, read everywhere else."""

import ast
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from distill.errors import UserError

KINDS = {  # kind -> its heading in a report
    "features": "Frozen features",
    "images": "Trained on images",
    "transfer": "Transfer",
}
EVALUATION = Path(__file__).resolve().parent.parent / "evaluation"


@dataclass(frozen=True)
class Protocol:
    """One protocol's description.

    Attributes:
        name: ``task`` of its result rows; the name of its file.
        title: its heading in reports.
        kind: ``features`` (given features of frozen networks), ``images`` (trains on labelled images) or
            ``transfer`` (a detection or segmentation benchmark).
        metrics: what it measures, in percent: name in rows -> name for readers.
        headline: the metric that stands for it in an overview.
        about: what it does, for a table.
        paper, tables: where it comes from, and which published tables hold its numbers.
        published: the name of its columns in ``published.json``, if that is not its own.
        sets: the known data sets (``distill.data.sets``) on which the papers report it, none: any labelled
            folder. If they have several labels an image, it is for such sets alone.
        resize: how it resizes images where the user says nothing of it, as ``Extraction.resize``.
        parts: the images that it looks at. Without ``train`` their classes need not be the same.
        default: its place among the protocols that run unasked, from 1 up; 0: it runs only when asked for.
        settings: the defaults of its settings, those of the evaluator's class; known where the declaration
            was read from its file.

    Raises:
        UserError: an unknown kind, or a headline that is not among the metrics.
    """

    name: str
    title: str
    kind: str
    metrics: dict[str, str] = field(default_factory=dict)
    headline: str = ""
    about: str = ""
    paper: str = ""
    tables: str = ""
    published: str = ""
    sets: tuple[str, ...] = ()
    parts: tuple[str, ...] = ("train", "val")
    resize: str = ""
    default: int = 0
    settings: dict[str, object] = field(default_factory=dict, compare=False)

    def __post_init__(self):
        if self.kind not in KINDS:
            raise UserError(f"protocol {self.name}: kind is {self.kind!r}; valid: {', '.join(KINDS)}")
        if self.headline and self.metrics and self.headline not in self.metrics:
            known = ", ".join(self.metrics)
            raise UserError(f"protocol {self.name}: headline is {self.headline!r}; its metrics: {known}")

    def fields(self) -> dict:
        """What a result row says of its protocol, so that a report needs no other source."""
        return {"title": self.title, "kind": self.kind, "headline": self.headline, "names": self.metrics}

    def read_as(self, metric: str) -> str:
        """A metric's name for readers; ``1nn_1-shot`` is read as ``1nn`` is, with "1-shot" behind it."""
        first, *rest = (metric,) if metric in self.metrics else metric.split("_")
        return ", ".join([self.metrics.get(first, first), *rest])


def declared(folder: str | os.PathLike = EVALUATION) -> dict[str, Protocol]:
    """Name -> every protocol declared in a folder, those that run unasked first.

    A declaration is an assignment ``PROTOCOL = Protocol(...)`` of literals at the top level of a module.
    It is read without importing that module, which needs torch: the tools' help must be quick.

    Raises:
        UserError: a declaration that is not made of literals, or whose name is not its file's.
    """
    found = [protocol for path in Path(folder).glob("*.py") if (protocol := _declared_in(path))]
    return {p.name: p for p in sorted(found, key=lambda p: (p.default or len(found) + 1, p.name))}


def _declared_in(path: Path) -> Protocol | None:
    module = ast.parse(path.read_text())
    for node in module.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == "PROTOCOL":
            try:
                said = {part.arg: ast.literal_eval(part.value) for part in node.value.keywords}
                protocol = Protocol(**said, settings=_settings(module))
            except (ValueError, TypeError, AttributeError) as error:
                raise UserError(f"{path}: PROTOCOL must be Protocol(...) of literals: {error}") from error
            if protocol.name != path.stem:
                raise UserError(f"{path}: the protocol's name is {protocol.name!r}; valid: {path.stem!r}")
            return protocol
    return None


def _settings(module: ast.Module) -> dict[str, object]:
    """Defaults of the evaluator, the class with a field ``protocol``, as far as they are literals."""
    for node in module.body:
        fields = {}
        for part in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(part, ast.AnnAssign) and part.value is not None:
                fields[part.target.id] = part.value
        if "protocol" in fields:
            return dict(filter(None, map(_literal, fields.items())))
    return {}


def _literal(field: tuple[str, ast.expr]) -> tuple[str, object] | None:
    with suppress(ValueError):
        return field[0], ast.literal_eval(field[1])
    return None


def table(protocols: dict[str, Protocol]) -> list[str]:
    """The lines of a Markdown table of protocols, as it stands in ``docs/evaluation.md``."""
    lines = ["| protocol | what it does | metrics (percent) | from | on |", "|---|---|---|---|---|"]
    for protocol in protocols.values():
        name = f"**`{protocol.name}`**" if protocol.default else f"`{protocol.name}`"
        metrics = ", ".join(f"`{metric}`" for metric in protocol.metrics)
        source = ", ".join(filter(None, (protocol.paper, protocol.tables)))
        known = ", ".join(f"`{name}`" for name in protocol.sets)
        lines.append(f"| {name} | {protocol.about} | {metrics} | {source} | {known} |")
    return lines


if __name__ == "__main__":
    print(*table(declared()), "", f"--protocols {','.join(declared())}", sep="\n")
