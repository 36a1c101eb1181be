"""Fine-tuning with few labels: the paper's settings step by step, known answers, and a kill."""

import pytest
import torch

from distill.backbones import Backbone
from distill.checkpoints import read_weights, save_student
from distill.errors import UserError
from distill.evaluation import SmallLabelFinetune
from tests.distill.evaluation.conftest import measure, write_folder

GENTLE = dict(
    labels=("50%",), epochs=5, milestones=(4,), batch_size=12, lr={"50%": 1e-3}, head_lr={"50%": 0.1}
)  # fmt: skip


@pytest.fixture(scope="module")
def backbone():
    """Random weights; its batch norms have seen coloured images, as those of a trained network have."""
    torch.manual_seed(0)
    backbone = Backbone("test_resnet")
    with torch.no_grad():
        for _ in range(40):
            backbone(torch.rand(16, 3, 1, 1).expand(-1, -1, 32, 32) * 0.9 + torch.rand(16, 3, 32, 32) * 0.1)
    return backbone.eval()


@pytest.mark.parametrize(
    ("share", "lr", "head_lr", "settings"),
    [("1%", 0.02, 5, {}), ("10%", 0.01, 0.2, {"epochs": 1, "milestones": ()})],
)
def test_both_learning_rates_in_every_epoch_are_the_papers(
    backbone, data, tmp_path, monkeypatch, share, lr, head_lr, settings
):
    """One image a class is one step an epoch; the rates are those of the optimiser's own steps."""
    steps, step = [], torch.optim.SGD.step

    def watched(self, *args, **kwargs):
        steps.append([(group["lr"], group["weight_decay"], *group["params"]) for group in self.param_groups])
        return step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.SGD, "step", watched)
    measure(backbone, data, tmp_path, SmallLabelFinetune(labels=(share,), **settings))
    assert len(steps) == settings.get("epochs", 20)
    for epoch, groups in enumerate(steps):
        factor = 0.2 ** ((epoch >= 12) + (epoch >= 16))
        of_head = [len(parameter) == 2 for _, _, parameter in groups]  # two classes
        assert of_head.count(True) == 2 and len(groups) == len(list(backbone.parameters())) + 2
        for (rate, decay, _), head in zip(groups, of_head, strict=True):
            assert decay == 0 and rate == pytest.approx((head_lr if head else lr) * factor)


def test_colours_are_told_apart_and_the_given_network_stays_as_it_was(backbone, data, tmp_path):
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    result, lines = measure(backbone, data, tmp_path, SmallLabelFinetune(**GENTLE))
    assert result.metrics == {"top1_50%": 100.0}
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())
    assert "learning rates: network 0.001, layer 0.1" in lines
    assert any("12 images in" in line for line in lines)
    (told,) = result.outcome.details["lists"].values()
    assert (told["pictures"], told["seed"]) == (12, 0)
    assert (tmp_path / "label_lists" / told["file"]).is_file()
    trained, start = (read_weights(next(tmp_path.glob(f"*/*/{name}.pth"))) for name in ("last", "start"))
    assert not torch.equal(trained.backbone["conv1.0.weight"], start.backbone["conv1.0.weight"])


def test_labels_that_mean_nothing_are_learnt_to_chance(backbone, tmp_path):
    """Every class is the same noise: 7 classes, the top five of them right in 5 of 7 cases."""
    for part, images, seeds in (("train", 4, range(7)), ("val", 40, range(7, 14))):
        for name, seed in zip("abcdefg", seeds, strict=True):
            write_folder(tmp_path / part, (name,), images, seed=seed)
    quick = GENTLE | dict(epochs=2, milestones=())
    result, _ = measure(backbone, tmp_path, tmp_path / "work", SmallLabelFinetune(**quick))
    assert result.metrics["top1_50%"] == pytest.approx(100 / 7, abs=8)
    assert result.metrics["top5_50%"] == pytest.approx(500 / 7, abs=10)


def test_a_published_list_and_what_the_row_says_of_it(backbone, data, tmp_path):
    """Another content of the same file is another run."""
    published = tmp_path / "published.txt"
    for names in (["cat/1.png", "dog/3.png"], ["cat/2.png", "dog/3.png", "dog/4.png"]):
        published.write_text("\n".join(names))
        quick = dict(epochs=1, milestones=(), lists={"50%": str(published)})
        protocol = SmallLabelFinetune(**GENTLE | quick)
        result, lines = measure(backbone, data, tmp_path / "work", protocol)
        assert f"50% of the labels: {len(names)} images, listed in {published}" in lines
        told = result.outcome.details["lists"]["50%"]
        assert told.keys() == {"file", "sha256", "pictures"} and told["pictures"] == len(names)
    assert len(list((tmp_path / "work").glob("small_label_finetune-*/50percent-*"))) == 2


def test_killed_and_started_again_it_ends_as_if_nothing_had_happened(
    backbone, data, kill_and_resume, tmp_path
):
    checkpoint = tmp_path / "run" / "last.pth"
    checkpoint.parent.mkdir()
    save_student(checkpoint, backbone.net, "test_resnet", [0.5] * 3, [0.25] * 3, 32)
    name = "small_label_finetune"
    arguments = [
        str(checkpoint), "--data", str(data), "--workers", "0", "--device", "cpu", "--protocols", name,
        "--seed", "3", "--cfg-options", f"{name}.labels=('60%',)", f"{name}.milestones=(1,)",
        f"{name}.epochs=3", f"{name}.batch_size=5", f"{name}.lr={{'60%':0.01}}",
        f"{name}.head_lr={{'60%':0.2}}",
    ]  # fmt: skip
    whole, broken, output = kill_and_resume(arguments, once="evaluation/*/60percent-*/epoch_1.pth")
    assert "resuming from" in output
    files = [next(folder.glob("evaluation/*/60percent-*/last.pth")) for folder in (whole, broken)]
    ends = [found.backbone | found.head for found in map(read_weights, files)]
    assert all(torch.equal(ends[0][key], ends[1][key]) for key in ends[0] | ends[1])


def test_defaults_are_the_papers():
    found = SmallLabelFinetune()
    assert (found.epochs, found.batch_size, found.weight_decay) == (20, 256, 0)
    assert (found.milestones, found.gamma) == ((12, 16), 0.2)
    assert found.lr == {"1%": 0.02, "10%": 0.01} and found.head_lr == {"1%": 5, "10%": 0.2}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(epochs=0), "epochs is 0; valid: greater than or equal to 1"),
        (dict(epochs=5), r"milestones is \(12, 16\); valid: epochs below 5, the last"),
        (dict(labels=("5%",)), "lr is .*valid: a number above 0 for each part, {'5%': 0.01}"),
        (dict(lr=0.1), "lr is 0.1; valid: a number above 0 for each part"),
        (dict(labels="10%"), r"labels is '10%'; valid: shares of them, as in \('1%', '10%'\)"),
        (dict(labels=("few",)), "valid: a share of them"),
        (dict(lists={"2%": "a.txt"}), "unknown share of the labels in small_label_finetune.lists '2%'"),
        (dict(lists="a.txt"), "small_label_finetune.lists is 'a.txt'; valid: a file for each share"),
    ],
)
def test_bad_settings_are_one_line(settings, message):
    with pytest.raises(UserError, match=message):
        SmallLabelFinetune(**settings)
