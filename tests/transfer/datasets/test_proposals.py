"""Proposals: given, searched, or on a grid."""

import pickle

import numpy as np
import pytest
from scipy.io import savemat

from distill.demo.scenes import DIGITS
from distill.demo.world import write_demo
from distill.errors import UserError
from transfer.datasets import proposals
from transfer.datasets.proposals import find_proposals, grid
from transfer.datasets.voc import find_detection


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return write_demo(tmp_path_factory.mktemp("demo"), n_classification=(10, 10), n_scenes=(4, 2))


def write_mat(path, boxes):
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = np.empty(len(boxes), dtype=object)
    cells[:] = [np.array(found, dtype=np.uint16) for found in boxes]
    savemat(path, {"boxes": cells})


def overlap(box, others):
    corner, end = np.maximum(others[:, :2], box[:2]), np.minimum(others[:, 2:], box[2:])
    inner = np.maximum(end - corner, 0).prod(axis=1)
    return inner / ((others[:, 2:] - others[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod() - inner)


def test_a_grid_has_a_box_on_every_object_of_its_sizes():
    """An object of a sixth of the picture's side or more, of a shape up to 1:2, is met by more than half."""
    boxes = grid(500, 375)
    assert len(boxes) <= proposals.AT_MOST and len(np.unique(boxes, axis=0)) == len(boxes)
    assert boxes.min() >= 0 and (boxes.max(axis=0) <= [500, 375, 500, 375]).all()
    rng = np.random.default_rng(0)
    for _ in range(200):
        area, ratio = rng.uniform(0.16, 0.9), 2 ** rng.uniform(-0.7, 0.7)
        side = np.minimum(area * (500 * 375) ** 0.5 * np.array([ratio**0.5, ratio**-0.5]), [500, 375])
        corner = rng.uniform(0, [500, 375] - side)
        assert overlap(np.array([*corner, *(corner + side)]), boxes).max() > 0.5


def test_without_a_file_or_opencvs_search_a_grid_is_written(demo, tmp_path, monkeypatch):
    monkeypatch.setattr(proposals, "_has_selective_search", lambda: False)
    found = find_proposals(demo, find_detection(demo, DIGITS), tmp_path)
    assert (found.source, found.test.name) == ("regular grid", "regular_grid_test.pkl")
    content = pickle.loads(found.test.read_bytes())
    assert content["ids"] == [image.name for image in find_detection(demo, DIGITS).images("test")]
    assert all(np.allclose(boxes, grid(128, 128)) for boxes in content["boxes"])
    assert [len(scores) for scores in content["objectness_logits"]] == [len(grid(128, 128))] * 2


def test_the_published_files_are_read_by_their_own_names(demo, tmp_path):
    """R. Girshick's have top, left, bottom, right, counted from 1."""
    data = find_detection(demo, DIGITS)
    folder = data.folder / "selective_search_data"
    try:
        write_mat(folder / "voc_2007_trainval.mat", [[[11, 21, 31, 41]]] * 4)
        with pytest.raises(UserError, match="one split alone; proposals/test.mat is missing"):
            find_proposals(demo, data, tmp_path)
        write_mat(folder / "voc_2007_test.mat", [[[1, 2, 3, 4]], [[1, 2, 3, 4], [5, 6, 7, 8]]])
        found = find_proposals(demo, data, tmp_path)
        assert found.source.startswith("given "), "and eight digits that tell one pair of files from another"
        assert pickle.loads(found.trainval.read_bytes())["boxes"][0].tolist() == [[20, 10, 41, 31]]
        assert [len(boxes) for boxes in pickle.loads(found.test.read_bytes())["boxes"]] == [1, 2]
        write_mat(folder / "voc_2007_test.mat", [[[1, 2, 3, 4]]])
        with pytest.raises(UserError, match="test.mat: proposals of 1 pictures, but the split has 2"):
            find_proposals(demo, data, tmp_path)
        (folder / "voc_2007_test.mat").write_text("no MATLAB file")
        with pytest.raises(UserError, match="test.mat: no proposals in it"):
            find_proposals(demo, data, tmp_path)
    finally:
        for file in folder.glob("*"):
            file.unlink()


def test_opencvs_search_finds_an_object(demo, tmp_path):
    cv2 = pytest.importorskip("cv2")
    if not hasattr(cv2, "ximgproc"):
        pytest.skip("OpenCV has no ximgproc (opencv-contrib-python): no selective search")
    data = find_detection(demo, DIGITS)
    found = find_proposals(demo, data, tmp_path)
    assert found.source == "selective search"
    boxes = pickle.loads(found.trainval.read_bytes())["boxes"]
    for image, proposed in zip(data.images("trainval"), boxes, strict=True):
        truth = np.array([thing.box for thing in image.objects])
        assert np.mean([overlap(box, proposed).max() > 0.5 for box in truth]) > 0.5
    before = found.trainval.stat().st_mtime_ns
    assert find_proposals(demo, data, tmp_path).trainval.stat().st_mtime_ns == before, "searched once"
