"""A method's published settings, filled in for one's own data, teacher and student."""

from pathlib import Path

from mmengine.config import Config

from distill.data.index import list_images
from distill.errors import UserError, unknown

# of 1.28 million images in CompRess's 16,000 clusters
IMAGES_A_CLUSTER = 80


def config_root() -> Path:
    """The folder ``configs``: beside the package in a checkout, inside it when installed."""
    package = Path(__file__).resolve().parent.parent
    beside = package.parent / "configs"
    return beside if beside.is_dir() else package / "configs"


def method_names() -> list[str]:
    """The methods that have published settings in ``configs/_base_``."""
    return sorted(path.stem for path in (config_root() / "_base_").glob("*.py") if path.stem != "runtime")


def recipe(
    method: str,
    data: str,
    student: str,
    teacher: str | None = None,
    teacher_cache: str | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    image_size: int | None = None,
    lr: float | None = None,
    workers: int | None = None,
    arch: str | None = None,
) -> tuple[Config, list[str]]:
    """The config of a run, and a line for everything in it that is not as published.

    Fewer epochs shorten the schedule in proportion; another batch size scales the learning rate
    linearly unless ``lr`` is given; a queue longer than the data set is cut to its length.

    Raises:
        UserError: unknown method, a missing or needless teacher, no images.
    """
    if method not in method_names():
        raise unknown("method", method, method_names())
    config = Config.fromfile(config_root() / "_base_" / f"{method}.py")
    notes: list[str] = []
    config.model.student.arch = student
    dataset = config.train_dataloader.dataset
    dataset.data_root = str(data)
    _set_teacher(config, method, teacher, teacher_cache)
    images = len(list_images(data))
    notes += _fit_to_data(config.model, images)
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
    if workers is not None:
        config.train_dataloader.num_workers = workers
        config.train_dataloader.persistent_workers = workers > 0
    if arch is not None:
        _name_teacher(config.model, method, arch)
    return config, notes


def _set_teacher(config: Config, method: str, teacher: str | None, cache: str | None) -> None:
    if "online_teacher" in config.model:  # trained together with the student: an architecture
        if teacher is None:
            raise UserError(f"{method} needs the name of a teacher to train: --teacher NAME")
        if cache is not None:
            raise UserError(f"{method} trains its teacher; leave out --teacher-cache")
        config.model.online_teacher.arch = teacher
        return
    if "teacher" not in config.model:
        if teacher is not None or cache is not None:
            raise UserError(f"{method} takes no teacher; leave out --teacher and --teacher-cache")
        return
    if teacher is None:
        raise UserError(f"{method} needs a teacher: --teacher NAME_OR_FILE")
    config.model.teacher.weights = str(teacher)
    if cache is not None:
        config.model.teacher.cache = str(cache)


def _fit_to_data(model: dict, images: int) -> list[str]:
    """Cuts what is longer than the data set and counts its samples."""
    notes = []
    for key in ("queue_length", "negatives"):
        if model.get(key, 0) > images:
            notes.append(f"{key} {model[key]} -> {images}: as long as the data set")
            model[key] = images
    if "clusters" in model and model.clusters * IMAGES_A_CLUSTER > images:
        clusters = max(2, images // IMAGES_A_CLUSTER)
        notes += [f"clusters {model.clusters} -> {clusters}: {IMAGES_A_CLUSTER} images a cluster"]
        model.clusters = clusters
    if "samples" in model:
        model.samples = images  # a place for each image: not a setting that could depart from a published one
    return notes


def _name_teacher(model: dict, method: str, arch: str) -> None:
    """``arch``: the teacher's architecture, for a file that does not tell it."""
    if "teacher" not in model:
        raise UserError(f"{method} takes no teacher from a file; leave out --arch")
    model["teacher"]["arch"] = arch


def _never_reached(model: dict, epochs: int) -> list[str]:
    """A line for what would begin or end at an epoch (SwAV's queue) that a short run does not have.

    Such epochs do not shrink with the schedule: the authors use the same ones for 200 and 400 epochs.
    """
    late = [key for key in model if key.endswith("_epoch") and model[key] >= epochs]
    return [f"{key} {model[key]:g} is not reached in {epochs} epochs" for key in late]


def scale_schedule(schedulers: list[dict], published: int, epochs: int) -> list[dict]:
    """The same schedule over another number of epochs; steps that fall on the end are left out.

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
