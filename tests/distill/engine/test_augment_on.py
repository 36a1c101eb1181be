"""A run sees the same views, finished in its data workers or on its training device."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope

from distill import pretrain
from distill.data.device_views import ViewPreprocessor
from distill.data.unlabelled import collate_views
from distill.engine.validate import validate
from distill.errors import UserError
from distill.methods.base import Method
from distill.registry import DATASETS, MODELS, TRANSFORMS
from tests.distill.methods.small import SMALL, STUDENT, arguments, small_config


class Own:
    """A person's own transform."""

    sizes, size = (32,), 32

    def __init__(self, size: int = 32):
        self.resize = TRANSFORMS.build(dict(type="Squash", size=size))

    def __call__(self, image):
        return [torch.roll(self.resize(image)[0], int(torch.randint(9, ())), dims=-1)]


class Seen(Method):
    """It learns nothing, and logs how bright, colourful and rough the views are that it is given."""

    number_of_views = None

    def loss(self, views, index):
        first, second = views[:2]
        return {
            "loss": 0 * self.student(first).mean(),
            "bright": first.mean(),
            "colourful": (first[:, 0] - first[:, 1]).abs().mean(),
            "rough": second.diff().abs().mean(),
            "leaning": (second * torch.linspace(0, 1, second.shape[-1], device=second.device)).mean(),
        }


@pytest.fixture
def own():
    TRANSFORMS.register_module("Own", module=Own)
    yield dict(type="Own", size=32, _delete_=True)
    TRANSFORMS.module_dict.pop("Own")


@pytest.fixture(autouse=True)
def seen():
    MODELS.register_module("Seen", module=Seen)
    yield
    MODELS.module_dict.pop("Seen")


def train(inputs, folder: Path, method: str = "byol", **options) -> tuple[np.ndarray, list[str]]:
    """What ``Seen`` logs of ten steps with the method's views, (10, 4), and the lines that the run says."""
    said, model = [], dict(_delete_=True, type="Seen", student=dict(arch=STUDENT))
    pretrain(
        **arguments(method, inputs), work_dir=str(folder), seed=3, say=said.append,
        cfg_options={"model": model, "default_hooks.logger.interval": 1, **options},
    )  # fmt: skip
    (curve,) = folder.glob("*/vis_data/scalars.json")
    lines = [json.loads(line) for line in curve.read_text().splitlines() if '"loss"' in line]
    logged = ("bright", "colourful", "rough", "leaning")
    return np.array([[line[name] for name in logged] for line in lines]), said


@pytest.mark.parametrize("method", ["byol", "swav"])
def test_pictures_are_the_same_to_within_rounding(method, method_inputs, tmp_path):
    worker, said = train(method_inputs, tmp_path / "worker", method, augment_on="worker")
    device, more = train(method_inputs, tmp_path / "device", method, augment_on="device")
    assert worker.shape == (10, 4)
    np.testing.assert_allclose(device, worker, atol=0.1 / 255)
    assert "  views: colour, blur and flip in the data workers, as asked" in said
    assert "  views: colour, blur and flip on the training device, as asked" in more


def test_auto_is_the_workers_on_a_cpu_and_is_not_mentioned(method_inputs, tmp_path):
    auto, said = train(method_inputs, tmp_path / "auto", device="cpu")
    worker, _ = train(method_inputs, tmp_path / "worker", device="cpu", augment_on="worker")
    np.testing.assert_array_equal(auto, worker)
    assert not any("views:" in line for line in said)


@pytest.mark.gpu
def test_auto_is_the_device_on_a_gpu(method_inputs, tmp_path):
    auto, _ = train(method_inputs, tmp_path / "auto")
    device, _ = train(method_inputs, tmp_path / "device", augment_on="device")
    worker, _ = train(method_inputs, tmp_path / "worker", augment_on="worker")
    np.testing.assert_array_equal(auto, device)
    np.testing.assert_allclose(device, worker, atol=0.1 / 255)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loaders_batch_is_finished_as_its_images_by_themselves(workers, method_inputs):
    """Draws travel from the data workers with the parts that they belong to."""
    config = small_config("byol", method_inputs).train_dataloader.dataset
    with DefaultScope.overwrite_default_scope("distill"):
        images = DATASETS.build(dict(config, seed=4))
    images.cut_only = True
    keys = [(1, index) for index in range(8)]
    loader = torch.utils.data.DataLoader(
        images, 4, sampler=keys, num_workers=workers, collate_fn=collate_views
    )
    finished = [ViewPreprocessor()(batch)["views"] for batch in loader]
    images.cut_only = False
    for view in range(2):
        whole = torch.stack([images[key]["views"][view] for key in keys]).float()
        found = torch.cat([batch[view] for batch in finished]).float()
        assert (found - whole).abs().mean() < 0.1


def test_ones_own_transform_and_a_fixed_view_train_in_the_workers(own, method_inputs, tmp_path):
    for number, view in enumerate((own, dict(type="Squash", size=32, _delete_=True))):
        changed = {**SMALL["reg"].options, "train_dataloader.dataset.augmentation": view}
        folder = str(tmp_path / str(number))
        file = pretrain(
            **arguments("reg", method_inputs), work_dir=folder, cfg_options=changed, say=lambda line: None
        )
        assert file.exists()


@pytest.mark.parametrize("kind", ["Own", "CentreCrop"])
def test_they_are_refused_on_the_device_in_one_line(kind, own, method_inputs):
    config = small_config("reg", method_inputs)
    config.augment_on = "device"
    validate(config)
    config.train_dataloader.dataset.augmentation = dict(type=kind, size=32)
    with pytest.raises(UserError, match=f"augment_on is 'device': {kind} makes its views .* leave it out"):
        validate(config)


def test_another_word_is_one_line(method_inputs):
    config = small_config("reg", method_inputs)
    config.augment_on = "gpu"
    with pytest.raises(UserError, match="unknown augment_on 'gpu'.* valid: auto, device, worker"):
        validate(config)
