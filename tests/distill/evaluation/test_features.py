import contextlib
import importlib
import json
import random

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from distill.backbones import Backbone
from distill.distributed import default_device
from distill.errors import UserError
from distill.evaluation import (
    KNN,
    ClusterAlignment,
    Extraction,
    Linear,
    Retrieval,
    SmallLabelLinear,
    evaluation_mode,
    extract,
    list_labelled,
)
from distill.registry import TRANSFORMS

SMALL = dict(image_size=32, batch_size=8, workers=0)


@pytest.fixture(scope="module")
def backbone():
    torch.manual_seed(0)
    return Backbone("test_resnet")


def test_features_are_those_of_the_network_image_by_image(image_folder, backbone):
    """Batches, workers and order change nothing; 40x32 pixels at resize 32 lose only rows."""
    folder = list_labelled(image_folder("train", size=(40, 32)))
    found = extract(backbone, folder, Extraction(resize=32, **SMALL))
    assert found.x.shape == (12, backbone.width) and found.x.dtype == torch.float32
    assert found.y.tolist() == [0] * 6 + [1] * 6 and found.classes == ("cat", "dog")
    with evaluation_mode(backbone), torch.no_grad():
        for number, file in enumerate(folder.files):
            pixels = np.asarray(Image.open(folder.root / file))[4:36]
            image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
            torch.testing.assert_close(found.x[number], backbone(image)[0], rtol=1e-4, atol=1e-4)
    in_workers = extract(backbone, folder, Extraction(resize=32, image_size=32, batch_size=4, workers=2))
    assert torch.equal(found.x, in_workers.x)


def prepared(extraction, image):
    return TRANSFORMS.build(extraction.view)(image)[0]


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_images_are_resized_by_pillow(interpolation):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8))
    how = Image.Resampling[interpolation.upper()]
    expected = np.asarray(image.resize((44, 32), how))[2:30, 8:36]  # 44.8 wide, cut off
    found = prepared(Extraction(image_size=28, resize=32, interpolation=interpolation), image)
    assert np.array_equal(found.permute(1, 2, 0).numpy(), expected)


def test_squash_shows_the_whole_picture():
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8))
    found = prepared(Extraction(image_size=28, resize="squash"), image)
    expected = np.asarray(image.resize((28, 28), Image.Resampling.BILINEAR))
    assert np.array_equal(found.permute(1, 2, 0).numpy(), expected)


def test_default_resize_is_the_256_to_224_rule():
    assert Extraction().resized_to == 256
    assert Extraction(image_size=64).resized_to == 73
    image = Image.fromarray(np.arange(64 * 96 * 3, dtype=np.uint32).astype(np.uint8).reshape(64, 96, 3))
    assert prepared(Extraction(image_size=64), image).shape == (3, 64, 64)
    untouched = prepared(Extraction(image_size=64, resize=64), image)
    assert torch.equal(untouched, torch.from_numpy(np.asarray(image)[:, 16:80].copy()).permute(2, 0, 1))


def test_network_and_random_state_stay_as_they_were(image_folder, backbone):
    """Frozen batch norms stay frozen, the others in training mode; no statistic moves."""
    folder = list_labelled(image_folder("train"))
    backbone.train()
    backbone.net.bn1.eval()
    modes = [part.training for part in backbone.modules()]
    state = {name: value.clone() for name, value in backbone.state_dict().items()}
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    for workers in (0, 1):
        extract(backbone, folder, Extraction(image_size=32, batch_size=4, workers=workers))
    assert [part.training for part in backbone.modules()] == modes
    assert all(torch.equal(value, state[name]) for name, value in backbone.state_dict().items())
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all() and random.getstate() == before[2]


def test_mode_returns_after_an_error(backbone):
    backbone.train()
    with pytest.raises(RuntimeError, match="on purpose"), evaluation_mode(backbone):
        assert not backbone.net.training
        raise RuntimeError("on purpose")
    assert backbone.net.training


def test_a_corrupt_image_is_skipped_and_named(image_folder, backbone):
    """1 of 100 is within 1 %: the other features keep their order and labels."""
    root = image_folder("train", images=50, size=(32, 32))
    whole = extract(backbone, list_labelled(root), Extraction(**SMALL))
    torn = root / "cat" / "3.png"
    torn.write_bytes(torn.read_bytes()[:100])
    found = extract(backbone, list_labelled(root), Extraction(**SMALL))
    assert found.unreadable == (str(torn),)
    position = list_labelled(root).files.index("cat/3.png")
    keep = torch.arange(100) != position
    assert torch.equal(found.y, whole.y[keep])
    torch.testing.assert_close(found.x, whole.x[keep], rtol=1e-4, atol=1e-4)


def test_more_than_one_percent_corrupt_is_an_error(image_folder, backbone):
    root = image_folder("train")
    (root / "dog" / "2.png").write_text("not an image")
    with pytest.raises(UserError, match=r"1 of 12 images could not be read.*dog/2\.png"):
        extract(backbone, list_labelled(root), Extraction(**SMALL))


def test_features_that_are_no_numbers_are_an_error(image_folder, backbone):
    broken = Backbone("test_resnet")
    broken.load_state_dict(backbone.state_dict())
    torch.nn.init.constant_(broken.net.layer4[0].conv1.weight, float("nan"))
    with pytest.raises(UserError, match=r"test_resnet: NaN or .* for .*cat/0.png and 7 others of its batch"):
        extract(broken, list_labelled(image_folder("train")), Extraction(**SMALL))


def test_an_image_size_that_the_network_does_not_take_is_one_line(image_folder):
    vit = Backbone("vit_tiny_patch16_224")
    folder = list_labelled(image_folder("train"))
    with pytest.raises(
        UserError, match="vit_tiny_patch16_224 fails on a batch of 8 images of 32 px"
    ) as error:
        extract(vit, folder, Extraction(**SMALL))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(image_size=64, resize=32), "resize is 32; valid: image_size"),
        (dict(resize="stretch"), r"resize is 'stretch'; valid: image_size \(224\) or more, 'squash'"),
        (dict(interpolation="cubic"), "valid: 'bilinear' or 'bicubic'"),
        (dict(batch_size=0), "batch_size"),
        (dict(precision="half"), "precision is 'half'; valid: 'float32', 'bfloat16' or 'float16'"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(UserError, match=message):
        Extraction(**settings)


def test_greyscale_palette_and_alpha_become_rgb(tmp_path, backbone):
    (tmp_path / "a").mkdir()
    pixels = np.full((32, 32), 200, np.uint8)
    for mode in ("L", "P", "RGBA", "CMYK"):
        Image.fromarray(pixels).convert(mode).save(tmp_path / "a" / f"{mode}.tif")
    found = extract(backbone, list_labelled(tmp_path), Extraction(resize=32, **SMALL))
    assert len(found.x) == 4
    assert F.cosine_similarity(found.x[1:], found.x[:1]).min() > 0.99


def test_kept_features_are_taken_and_not_made_again(image_folder, backbone, tmp_path):
    folder = list_labelled(image_folder("train"))
    made = extract(backbone, folder, Extraction(**SMALL), tmp_path / "features")
    before = (tmp_path / "features" / "embeddings.npy").stat().st_mtime_ns
    taken = extract(backbone, folder, Extraction(**SMALL), tmp_path / "features")
    assert torch.equal(made.x, taken.x) and torch.equal(made.y, taken.y)
    assert (tmp_path / "features" / "embeddings.npy").stat().st_mtime_ns == before
    taken.x.zero_()  # a private copy of the pages: the file stays
    assert torch.equal(extract(backbone, folder, Extraction(**SMALL), tmp_path / "features").x, made.x)


def test_kept_features_of_something_else_are_refused(image_folder, backbone, tmp_path):
    folder = list_labelled(image_folder("train"))
    extract(backbone, folder, Extraction(**SMALL), tmp_path / "features")
    torch.manual_seed(1)
    with pytest.raises(UserError, match=r"teacher\.weights_sha256 differ"):
        extract(Backbone("test_resnet"), folder, Extraction(**SMALL), tmp_path / "features")
    with pytest.raises(UserError, match=r"view\.interpolation differ"):
        extract(backbone, folder, Extraction(interpolation="bicubic", **SMALL), tmp_path / "features")
    (folder.root / "cat" / "0.png").unlink()
    with pytest.raises(UserError, match=r"data\.fingerprint, data\.images differ"):
        extract(backbone, list_labelled(folder.root), Extraction(**SMALL), tmp_path / "features")


def test_features_in_mixed_precision_are_close_and_not_taken_for_others(image_folder, backbone, tmp_path):
    """Autocast on the CPU computes in bfloat16 as a GPU does: eight bits of each number's fraction."""
    folder = list_labelled(image_folder("train"))
    made = {
        precision: extract(backbone, folder, Extraction(precision=precision, **SMALL), tmp_path / precision)
        for precision in ("float32", "bfloat16")
    }
    whole, mixed = (found.x for found in made.values())
    assert mixed.dtype == torch.float32 and not torch.equal(mixed, whole)
    assert (mixed - whole).norm() < 0.02 * whole.norm()
    with pytest.raises(UserError, match=r"\(precision differ\)"):
        extract(backbone, folder, Extraction(**SMALL), tmp_path / "bfloat16")
    record = tmp_path / "float32" / "cache.json"
    older = json.loads(record.read_text())
    del older["made_from"]["precision"]  # as records were when there was no other
    record.write_text(json.dumps(older))
    assert torch.equal(extract(backbone, folder, Extraction(**SMALL), tmp_path / "float32").x, whole)
    with pytest.raises(UserError, match=r"\(precision differ\)"):
        extract(backbone, folder, Extraction(precision="bfloat16", **SMALL), tmp_path / "float32")


@pytest.mark.parametrize(
    "protocol",
    [
        KNN(backend="torch"), KNN(backend="auto"), Linear(epochs=1), Retrieval(k=(1,), backend="torch"),
        SmallLabelLinear(), ClusterAlignment(restarts=1),
    ],
    ids=lambda protocol: f"{protocol.protocol.name}-{getattr(protocol, 'backend', '')}",
)  # fmt: skip
def test_protocols_compute_where_the_network_is(protocol, backbone, data, monkeypatch):
    """Also where there is a GPU and the network is on the CPU (`--device cpu`); this one is only claimed."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with contextlib.suppress(ImportError):
        monkeypatch.setattr(importlib.import_module("faiss"), "get_num_gpus", lambda: 1)
    folders = [list_labelled(data / part) for part in ("train", "val")]
    train, val = (extract(backbone, folder, Extraction(**SMALL)) for folder in folders)
    assert default_device() == "cuda:0" and train.device == "cpu"
    protocol.run(train, val)
