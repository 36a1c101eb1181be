"""Our results in the papers' tables: where protocol, data and student are the same kind."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from distill.report.blocks import Block, Model, reduced
from distill.report.origins import Origin
from distill.report.published import Column, Group, Line, Table, facts
from distill.report.svg import clip

COSTS = ("params", "gmacs")  # properties of a network, whatever its weights


def placed(table: Table, blocks: list[Block], origins: dict[Model, Origin]) -> Table | None:
    """The table with our lines below the published ones of each group; None where none of ours belongs."""
    groups = [
        replace(group, lines=(*group.lines, *_ours(table, group, blocks, origins)))
        for group in table.groups or (Group("", {}, ()),)
    ]
    ours = any(line.ours for group in groups for line in group.lines)
    return replace(table, groups=tuple(groups)) if ours else None


def _ours(table: Table, group: Group, blocks: list[Block], origins: dict[Model, Origin]) -> Iterator[Line]:
    models = dict.fromkeys(model for block in blocks for model in block.models)
    if all(column.metric in COSTS for column in table.columns):
        yield from _networks(table, models, origins)
        return
    for model in models:
        if model.init == "teacher":
            continue
        origin = origins.get(model, Origin())
        variants: dict[tuple, dict[int, Block]] = {}
        for number, column in enumerate(table.columns):
            seen = Counter()
            for block in _matching(table, column, group, blocks, model, origin):
                folder = "" if block.known else block.data
                reading = "" if block.task.name == _protocol(column, group) else block.task.name
                kind = (folder, block.image_size, reading)
                variants.setdefault((*kind, seen[kind]), {})[number] = block
                seen[kind] += 1
        for measured in variants.values():
            yield _line(table, group, measured, model, origin)


def _networks(table: Table, models: Iterable[Model], origins: dict[Model, Origin]) -> Iterator[Line]:
    """A line for each network whose costs are known, in a table of nothing else."""
    for backbone, model in {model.backbone: model for model in models}.items():
        cells = tuple(origins.get(model, Origin()).told(column.metric) for column in table.columns)
        if any(cells):
            yield Line((named(backbone),), cells, "counted here", ours=True)


def _matching(
    table: Table, column: Column, group: Group, blocks: list[Block], model: Model, origin: Origin
) -> Iterator[Block]:
    """The blocks whose value of this model may stand in the column, in order."""
    given = column.given | group.given
    student = given.get("student")
    if not column.task or (student and student != named(model.backbone)):
        return
    if "epochs" in column.given and _tells_epochs(table) and column.given["epochs"] != origin.epochs:
        return
    sets = {str(other.given.get("data", "")) for other in table.columns if other.task == column.task}
    for block in blocks:
        names = (block.task.name,) if "protocol" in given else (block.task.name, block.task.published)
        same_task = _protocol(column, group) in names
        # a folder of the user's own may stand for a table's only set: its line says so
        same_data = block.known in _several(given.get("data", "")) or (not block.known and len(sets) == 1)
        if same_task and same_data and (column.metric, model) in block.cells:
            yield block


def _protocol(column: Column, group: Group) -> str:
    """The name of the protocol whose values stand in a column of a group."""
    return (column.given | group.given).get("protocol", column.task)


def _several(data: str | list[str]) -> list[str]:
    return [data] if isinstance(data, str) else data


def _tells_epochs(table: Table) -> bool:
    """Whether columns stand for different numbers of epochs."""
    return len({column.given["epochs"] for column in table.columns if "epochs" in column.given}) > 1


def _line(table: Table, group: Group, measured: dict[int, Block], model: Model, origin: Origin) -> Line:
    cells = []
    for number, column in enumerate(table.columns):
        if block := measured.get(number):
            cell = block.cells[column.metric, model]
            cells.append(f"{cell} ± {cell.draws:.1f}" if cell.draws is not None else str(cell))
        else:
            cells.append("" if column.task else origin.told(column.metric))
    told = {"method": model.label, "student": named(model.backbone), "teacher": origin.teacher}
    told["epochs"] = origin.epochs
    labels = tuple(told.get(fact, "") for _, fact in table.labels)
    if model.label not in labels:
        labels = (f"{model.label} {labels[0]}".strip(), *labels[1:])
    return Line(labels, tuple(cells), _conditions(table, group, measured, model, origin), ours=True)


def named(backbone: str) -> str:
    """The papers' name of a network, or timm's."""
    return facts()["students"].get(backbone, backbone)


def _changed(block: Block) -> list[str]:
    """Numbers among the settings of a protocol that are not its defaults, such as fewer epochs."""
    found, published = block.settings.get(block.task.name) or {}, block.task.settings
    return [
        f"the protocol's {name.replace('_', ' ')} {_text(value)}, not {_text(published[name])}"
        for name, value in found.items()
        if name != "seed" and name in published and _text(value) != _text(published[name])
        if all(isinstance(number, int | float) for number in (value if isinstance(value, list) else [value]))
    ]


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _conditions(table: Table, group: Group, measured: dict[int, Block], model: Model, origin: Origin) -> str:
    """Seeds, and in words what differs from the paper's conditions, as far as it is known."""
    words = [model.init]
    for number, block in measured.items():
        given = table.columns[number].given | group.given
        words.append(block.seeds[model])
        if block.cells[table.columns[number].metric, model].draws is not None:
            words.append("± over draws of the labels")
        if not block.known or len(_several(given.get("data", ""))) > 1:
            words.append(f"data: {clip(block.data, 80) or 'unknown'}")
        words.append(reduced(block.known, block.settings))
        size = given.get("image_size")
        if size and block.image_size and block.image_size != size:
            words.append(f"{block.image_size} px, not {size}")
        if block.task.name != _protocol(table.columns[number], group):
            words.append(f"protocol: {block.task.title}")
        words += _changed(block)
        if schedule := block.settings.get("schedule"):
            words.append(f"{schedule.get('steps')} steps of batch {schedule.get('batch')}")
        if model.init == "random":
            continue
        if given.get("epochs") and given["epochs"] != origin.epochs:
            words.append(f"{origin.epochs or 'unknown'} epochs, not {given['epochs']}")
        if given.get("teacher") and origin.epochs:
            words.append(f"teacher: {origin.teacher or 'none'}, not {given['teacher']}")
    return ", ".join(dict.fromkeys(filter(None, words)))
