"""What ends a run, and which files it leaves."""

import errno

import pytest
import torch
from mmengine.fileio import get_file_backend

from distill import pretrain
from distill.checkpoints import init_of, read_weights
from distill.errors import UserError
from distill.methods.base import Progress
from distill.methods.simclr import SimCLR
from distill.registry import MODELS
from tests.distill.methods.small import SMALL, arguments


@MODELS.register_module()
class Diary(SimCLR):
    """Writes down how far the run is at every step."""

    pages: list[Progress] = []

    def loss(self, views, index):
        self.pages.append(self.progress)
        return super().loss(views, index)


def test_a_loss_that_is_no_number_ends_the_run_before_a_state_is_written(image_folder, tmp_path):
    with pytest.raises(UserError, match="the loss became nan at step .*--resume"):
        pretrain(
            "simclr", str(image_folder), "mobilenetv3_small_050", work_dir=str(tmp_path), say=lambda _: None,
            epochs=1, batch_size=8, image_size=32, workers=0, lr=1e38,
        )  # fmt: skip
    assert not list(tmp_path.rglob("*.pth"))


def test_no_state_inside_an_epoch_is_written_of_a_loss_that_is_no_number(image_folder, tmp_path):
    """States are saved at every step and the loss is checked at every fiftieth: saving checks it first."""
    with pytest.raises(UserError, match="the loss became nan at step"):
        pretrain(
            "simclr", str(image_folder), "mobilenetv3_small_050", work_dir=str(tmp_path), say=lambda _: None,
            epochs=1, batch_size=8, image_size=32, workers=0, lr=1e38,
            cfg_options={"default_hooks.checkpoint.by_epoch": False, "default_hooks.checkpoint.interval": 1},
        )  # fmt: skip
    for path in tmp_path.glob("iter_*.pth"):
        state = torch.load(path, weights_only=True)["state_dict"]
        assert not any(value.isnan().any() for value in state.values()), path.name


def test_states_are_written_through_a_backend_that_is_atomic(tmp_path):
    backend = get_file_backend(tmp_path, backend_args={"backend": "atomic"})
    backend.put(b"whole", str(tmp_path / "state.pth"))
    assert (tmp_path / "state.pth").read_bytes() == b"whole"
    with pytest.raises(OSError) as error:
        backend.put(b"x", "/dev/full/state.pth")
    assert error.value.errno in (errno.ENOTDIR, errno.EEXIST)
    assert [path.name for path in tmp_path.iterdir()] == ["state.pth"]


def test_a_method_knows_before_every_step_how_far_the_run_is_and_its_seed(image_folder, tmp_path):
    """Five batches an epoch; of two steps with accumulated gradients the first follows an update."""
    Diary.pages.clear()
    said: list[str] = []
    pretrain(
        "simclr", str(image_folder), "mobilenetv3_small_050", work_dir=str(tmp_path), say=said.append,
        epochs=2, batch_size=5, image_size=32, workers=0, seed=7,
        cfg_options={"model.type": "Diary", "optim_wrapper.accumulative_counts": 2},
    )  # fmt: skip
    assert Diary.pages == [
        Progress(step, steps=10, epochs=2, updated=step % 2 == 0, seed=7) for step in range(10)
    ]
    assert "batch 5 = 1 x 5, an update every 2 batches (10), LARS" in " ".join(said)


@pytest.mark.parametrize(
    ("name", "inits"),
    [
        ("compress_1q", {"last.pth": "distilled"}),
        ("simclr", {"last.pth": "self-supervised"}),
        ("oss_plain", {"last.pth": "distilled", "teacher.pth": "self-supervised"}),
    ],
)
def test_a_file_says_how_its_network_was_trained(name, inits, method_inputs, tmp_path):
    pretrain(
        **arguments(name, method_inputs), work_dir=str(tmp_path), seed=4, cfg_options=SMALL[name].options,
        say=lambda _: None,
    )  # fmt: skip
    for file, init in inits.items():
        weights = read_weights(tmp_path / file)
        assert init_of(weights) == weights.meta["init"] == init
        assert weights.meta["seed"] == 4
