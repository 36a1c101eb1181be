"""A method's settings, published ones where there are such, filled in for one's own data and networks."""

from mmengine.config import Config

from distill.data.image_files import open_images
from distill.distributed import own_cores
from distill.engine.config_root import config_root
from distill.errors import UserError, unknown
from distill.registry import MODELS
from distill.settings import Count, Number, Positive, check_settings
from distill.targets.sources import Source, source_of

DEFAULT_METHOD = "feature_matching"  # docs/methods.md, "Which one?", says why


def method_names() -> list[str]:
    """The methods that have settings in ``configs/_base_``."""
    return sorted(path.stem for path in (config_root() / "_base_").glob("*.py") if path.stem != "runtime")


def recipe(
    method: str | None,
    data: str,
    student: str,
    teacher: str | None = None,
    teacher_cache: str | None = None,
    epochs: Count | None = None,
    batch_size: Count | None = None,
    image_size: Count | None = None,
    lr: Positive | None = None,
    workers: Number | None = None,
    arch: str | None = None,
) -> tuple[Config, list[str]]:
    """The config of a run, and a line for everything in it that is not as in ``configs/_base_``.

    Without a method it is ``DEFAULT_METHOD``, which needs a teacher.

    Fewer epochs shorten the schedule in proportion; another batch size scales the learning rate (see
    ``scaled_rate``) unless ``lr`` is given; settings that the method ties to the size of the data set follow
    it. By default there are no more data workers than cores for them, which changes no image.

    Raises:
        UserError: unknown method, a teacher that is missing or not wanted, no images, a number out of range.
    """
    given = dict(epochs=epochs, batch_size=batch_size, image_size=image_size, lr=lr, workers=workers)
    check_settings(recipe, given)
    if method is None and teacher is None:
        raise UserError("no method is named, and the default one needs a teacher: give --teacher or --method")
    method = method or DEFAULT_METHOD
    if method not in method_names():
        raise unknown("method", method, method_names())
    config = Config.fromfile(config_root() / "_base_" / f"{method}.py")
    notes: list[str] = []
    config.model.student.arch = student
    dataset = config.train_dataloader.dataset
    dataset.data_root = str(data)
    kind = MODELS.get(config.model.type)
    _set_teacher(config.model, source_of(kind.needs), method, teacher, teacher_cache, arch)
    images = len(open_images(data))
    fitted, fitting_notes = kind.fit_to_data(config.model, images)
    config.model.update(fitted)
    notes += fitting_notes
    if image_size is not None:
        notes += _changed("image size", dataset.augmentation.size, image_size)
        dataset.augmentation.size = image_size
    if epochs is not None and epochs != config.train_cfg.max_epochs:
        published = config.train_cfg.max_epochs
        config.train_cfg.max_epochs = epochs
        steps = max(images // (batch_size or config.batch_size), 1)
        config.param_scheduler = scale_schedule(config.param_scheduler, published, epochs, steps)
        notes += [
            *_changed("epochs", published, epochs),
            *_never_reached(config.model, epochs),
            f"schedule: {_show_schedule(config.param_scheduler)}",
        ]
    optimizer = config.optim_wrapper.optimizer
    if lr is not None:
        notes += _changed("lr", optimizer.lr, lr)
        optimizer.lr = lr
    if batch_size is not None and batch_size != config.batch_size:
        notes += _changed("batch size", config.batch_size, batch_size)
        if lr is None:
            scaled, rule = scaled_rate(optimizer, batch_size / config.batch_size)
            notes.append(f"lr {optimizer.lr:g} -> {scaled:g}: {rule}, {batch_size}/{config.batch_size}")
            optimizer.lr = scaled
        config.batch_size = batch_size
    loader = config.train_dataloader
    loader.num_workers = min(loader.num_workers, own_cores()) if workers is None else workers
    loader.persistent_workers = loader.num_workers > 0
    return config, notes


def _set_teacher(
    model: dict, source: Source | None, method: str, teacher: str | None, cache: str | None, arch: str | None
) -> None:
    if arch is not None and (source is None or not source.cacheable):
        raise UserError(f"{method} takes no teacher from a file; leave out --arch")
    if source is None:
        if teacher is not None or cache is not None:
            raise UserError(f"{method} takes no teacher; leave out --teacher and --teacher-cache")
        return
    if teacher is None:
        raise UserError(f"{method} needs {source.wanted}: {source.flag}")
    model[source.key][source.required] = str(teacher)
    if cache is not None:
        if not source.cacheable:
            raise UserError(f"{method} trains its teacher; leave out --teacher-cache")
        model[source.key]["cache"] = str(cache)
    if arch is not None:
        model[source.key]["arch"] = arch


def _never_reached(model: dict, epochs: int) -> list[str]:
    """Lines for settings that name an epoch (SwAV's queue) which a short run does not reach.

    Such epochs do not shrink with the schedule: the authors use the same ones for 200 and 400 epochs.
    """
    late = [key for key in model if key.endswith("_epoch") and model[key] >= epochs]
    return [f"{key} {model[key]:g} is not reached in {epochs} epochs" for key in late]


def scaled_rate(optimizer: dict, factor: float) -> tuple[float, str]:
    """The learning rate for a batch ``factor`` times as large, and the name of the rule that it follows.

    Linear (Goyal et al., 2017), but for Adam's kind, whose steps do not grow with the gradient: the square
    root (Malladi et al., NeurIPS 2022).

    >>> scaled_rate(dict(type="SGD", lr=0.1), 4), scaled_rate(dict(type="AdamW", lr=0.1), 4)
    ((0.4, 'linear rule'), (0.2, 'square-root rule'))
    """
    if "Adam" in optimizer["type"]:
        return optimizer["lr"] * factor**0.5, "square-root rule"
    return optimizer["lr"] * factor, "linear rule"


def scale_schedule(schedulers: list[dict], published: int, epochs: int, steps: int = 100) -> list[dict]:
    """The same schedule over another number of epochs, of ``steps`` each.

    Beginnings and ends are whole epochs, but for those within the first half epoch: a short run keeps its
    warm-up, if that has two steps at least. Milestones at or after the end are left out.

    >>> scale_schedule([dict(type="MultiStepLR", milestones=[90, 120])], 130, 13)
    [{'type': 'MultiStepLR', 'milestones': [9, 12]}]
    >>> scale_schedule([dict(type="LinearLR", begin=0, end=10)], 100, 3, steps=50)
    [{'type': 'LinearLR', 'begin': 0, 'end': 0.3}]
    """
    factor = epochs / published

    def scaled_epoch(epoch: int) -> float:
        if epoch * factor * steps < 2:
            return 0
        return round(epoch * factor) or round(epoch * factor, 3)

    scaled = []
    for scheduler in schedulers:
        scheduler = dict(scheduler)
        if "milestones" in scheduler:
            milestones = sorted({round(step * factor) for step in scheduler["milestones"]})
            scheduler["milestones"] = [step for step in milestones if 0 < step < epochs]
            if not scheduler["milestones"]:
                continue
        if "end" in scheduler:
            begin, end = scaled_epoch(scheduler["begin"]), scaled_epoch(scheduler["end"])
            if end <= begin:
                continue
            scheduler.update(begin=begin, end=end)
            if "T_max" in scheduler:
                scheduler["T_max"] = end - begin
        scaled.append(scheduler)
    return scaled


def _show_schedule(schedulers: list[dict]) -> str:
    def show(scheduler: dict) -> str:
        if "milestones" in scheduler:
            return f"{scheduler['type']} at epochs {', '.join(map(str, scheduler['milestones']))}"
        return f"{scheduler['type']} over epochs {scheduler['begin']:g}-{scheduler['end']:g}"

    return "; ".join(show(scheduler) for scheduler in schedulers) or "constant lr"


def _changed(name: str, published: object, now: object) -> list[str]:
    return [] if published == now else [f"{name} {published} -> {now}: as asked"]
