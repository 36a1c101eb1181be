"""A method's published settings, filled in for one's own data, teacher and student."""

from mmengine.config import Config

from distill.data.image_files import open_images
from distill.distributed import own_cores
from distill.engine.config_root import config_root
from distill.errors import UserError, unknown
from distill.registry import MODELS
from distill.settings import Count, Number, Positive, check_settings
from distill.targets.sources import Source, source_of


def method_names() -> list[str]:
    """The methods that have published settings in ``configs/_base_``."""
    return sorted(path.stem for path in (config_root() / "_base_").glob("*.py") if path.stem != "runtime")


def recipe(
    method: str,
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
    """The config of a run, and a line for everything in it that is not as published.

    Fewer epochs shorten the schedule in proportion; another batch size scales the learning rate linearly
    unless ``lr`` is given; settings that the method ties to the size of the data set follow it. By default
    there are no more data workers than cores for them, which changes no image.

    Raises:
        UserError: unknown method, a teacher that is missing or not wanted, no images, a number out of range.
    """
    given = dict(epochs=epochs, batch_size=batch_size, image_size=image_size, lr=lr, workers=workers)
    check_settings(recipe, given)
    if method not in method_names():
        raise unknown("method", method, method_names())
    config = Config.fromfile(config_root() / "_base_" / f"{method}.py")
    notes: list[str] = []
    config.model.student.arch = student
    dataset = config.train_dataloader.dataset
    dataset.data_root = str(data)
    kind = MODELS.get(config.model.type)
    _set_teacher(config.model, source_of(kind.needs), method, teacher, teacher_cache, arch)
    fitted, fitting_notes = kind.fit_to_data(config.model, len(open_images(data)))
    config.model.update(fitted)
    notes += fitting_notes
    if image_size is not None:
        notes += _changed("image size", dataset.augmentation.size, image_size)
        dataset.augmentation.size = image_size
    if epochs is not None and epochs != config.train_cfg.max_epochs:
        published = config.train_cfg.max_epochs
        config.train_cfg.max_epochs = epochs
        config.param_scheduler = scale_schedule(config.param_scheduler, published, epochs)
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
            scaled = optimizer.lr * batch_size / config.batch_size
            notes.append(f"lr {optimizer.lr:g} -> {scaled:g}: linear rule, {batch_size}/{config.batch_size}")
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


def scale_schedule(schedulers: list[dict], published: int, epochs: int) -> list[dict]:
    """The same schedule over another number of epochs; milestones at or after the end are left out.

    >>> scale_schedule([dict(type="MultiStepLR", milestones=[90, 120])], 130, 13)
    [{'type': 'MultiStepLR', 'milestones': [9, 12]}]
    """
    factor = epochs / published
    scaled = []
    for scheduler in schedulers:
        scheduler = dict(scheduler)
        if "milestones" in scheduler:
            steps = sorted({round(step * factor) for step in scheduler["milestones"]})
            scheduler["milestones"] = [step for step in steps if 0 < step < epochs]
            if not scheduler["milestones"]:
                continue
        if "end" in scheduler:
            begin, end = round(scheduler["begin"] * factor), round(scheduler["end"] * factor)
            if end <= begin:
                continue  # a warm-up of less than half an epoch
            scheduler.update(begin=begin, end=end)
            if "T_max" in scheduler:
                scheduler["T_max"] = end - begin
        scaled.append(scheduler)
    return scaled


def _show_schedule(schedulers: list[dict]) -> str:
    def show(scheduler: dict) -> str:
        if "milestones" in scheduler:
            return f"{scheduler['type']} at epochs {', '.join(map(str, scheduler['milestones']))}"
        return f"{scheduler['type']} over epochs {scheduler['begin']}-{scheduler['end']}"

    return "; ".join(show(scheduler) for scheduler in schedulers) or "constant lr"


def _changed(name: str, published: object, now: object) -> list[str]:
    return [] if published == now else [f"{name} {published} -> {now}: as asked"]
