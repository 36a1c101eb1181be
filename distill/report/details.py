"""What stands behind a block's metrics: repeated measurements, each class, settings tried, pictures."""

from statistics import mean

from distill.report import curves, markup, svg
from distill.report.blocks import Block, Model


def details(block: Block) -> str:
    """HTML below a block's table; "" where its rows tell nothing more."""
    return "".join(part(block) for part in (_repeated, _per_class, _sweep, _figures))


def _repeated(block: Block) -> str:
    if not block.repeated:
        return ""
    caption = f"{block.task.title}: mean over seeds, with the sample standard deviation as an error bar."
    rows = [row for own in block.rows.values() for row in own]
    return markup.figure(markup.wide(curves.bars(block, caption), caption), caption, _data(block), rows)


def _data(block: Block) -> str:
    return ", ".join(filter(None, (block.data or "unknown", block.notes)))


def told(rows: list[dict], name: str) -> dict[str, float]:
    """The numbers that rows hold in their details under a name, key by key, averaged over the rows."""
    found: dict[str, list[float]] = {}
    for row in rows:
        part = row.get("details", {}).get(name)
        for key, value in part.items() if isinstance(part, dict) else ():
            if isinstance(value, int | float):
                found.setdefault(str(key), []).append(value)
    return {key: mean(values) for key, values in found.items()}


def _of_models(block: Block, name: str) -> dict[Model, dict[str, float]]:
    found = {model: told(block.rows[model], name) for model in block.models}
    return {model: values for model, values in found.items() if values}


def _per_class(block: Block) -> str:
    """Every model's accuracy by category, sorted (CompRess Figure A1), and the categories to unfold."""
    found = _of_models(block, "per_class")
    if not found:
        return ""
    series = [
        curves.Series(model.label, [(place, value, 0) for place, value in enumerate(sorted(own.values()), 1)])
        for model, own in found.items()
    ]
    caption = f"{block.task.title}: accuracy of each category, each model's categories sorted by it."
    chart = curves.lines(series, caption, "categories, sorted", "accuracy in percent")
    rows = [row for model in found for row in block.rows[model]]
    table = _by_name(found, "Category", f"{block.task.title}, percent by category")
    return markup.figure(chart, caption, _data(block), rows) + markup.fold("Every category", table)


def _sweep(block: Block) -> str:
    """The settings that a protocol tried by itself, a line each."""
    found = _of_models(block, "sweep")
    if not found:
        return ""
    return _by_name(found, "Setting", f"{block.task.title}: settings that were tried, percent")


def _by_name(found: dict[Model, dict[str, float]], heading: str, caption: str) -> str:
    """A table of a line a name and a column a model."""
    names = dict.fromkeys(name for values in found.values() for name in values)
    lines = [[name, *(f"{own[name]:.1f}" if name in own else "" for own in found.values())] for name in names]
    return markup.table([heading, *(model.label for model in found)], lines, caption)


def _figures(block: Block) -> str:
    parts = []
    for model in block.models:
        for row in block.rows[model]:
            for name, path in row.get("figures", {}).items():
                caption = f"{name}: {svg.clip(model.label, markup.HEADING)} ({model.init}, {model.backbone})."
                parts.append(markup.figure(markup.image(str(path), caption), caption, _data(block), [row]))
    return "".join(parts)
