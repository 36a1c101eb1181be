"""OSS against its pseudo-code, written out in NumPy; which term gives which gradient."""

import math

import numpy as np
import pytest
import torch

from distill.checkpoints import save_student
from distill.errors import UserError
from distill.methods.base import Progress
from distill.methods.oss import OSS
from distill.modules.multi_crop import multi_crop_embeddings
from tests.distill.losses.test_sinkhorn import sinkhorn_by_the_paper
from tests.distill.losses.test_swapped_prediction import log_softmax, oss_by_the_paper, swav_by_the_paper
from tests.distill.methods.small import STUDENT
from tests.distill.methods.test_swav import LATER, SETTINGS, views

ABLATIONS = {
    "KD": dict(dropout=None, adversarial=False),
    "KD-Drop": dict(adversarial=False),
    "KD-Adv": dict(dropout=None),
    "KD-Drop-Adv": dict(),
}


def method(**settings):
    torch.manual_seed(0)
    oss = OSS(
        **{**SETTINGS, "online_teacher": dict(arch="mobilenetv3_small_075"), "queue_length": 3, **settings}
    )
    oss.progress = LATER
    oss.double().prototypes.normalise()  # to the last digit: they were drawn in float32
    return oss


def classifier_by_hand(classifier, rows):
    """Linear, batch norm with the batch's own statistics, ReLU, linear."""
    first, norm, _, last = classifier
    values = [p.detach().numpy() for p in (first.weight, first.bias, norm.weight, norm.bias)]
    hidden = rows @ values[0].T + values[1]
    hidden = (hidden - hidden.mean(0)) / np.sqrt(hidden.var(0) + norm.eps) * values[2] + values[3]
    return np.maximum(hidden, 0) @ last.weight.detach().numpy().T + last.bias.detach().numpy()


def adversary_by_the_paper(oss, z, w):
    """CrossEntropy(D(z), 0) + CrossEntropy(D(w), 1)."""
    rows = [z.reshape(-1, z.shape[-1]), w.reshape(-1, w.shape[-1])]
    if oss.joint_classifier:
        logits = np.split(classifier_by_hand(oss.classifier, np.concatenate(rows)), 2)
    else:
        logits = [classifier_by_hand(oss.classifier, part) for part in rows]
    return sum(-np.mean([log_softmax(row)[label] for row in part]) for label, part in enumerate(logits))


def clusters_by_the_paper(embeddings, prototypes, codes, own_copy):
    scores = embeddings @ prototypes.T
    if len(scores) == 1:
        return swav_by_the_paper(scores[0], codes, 0.1)
    return oss_by_the_paper(scores[0], scores[1], codes, 0.1, own_copy)


@pytest.mark.parametrize("ablation", ABLATIONS)
@pytest.mark.parametrize("literal", [False, True])
def test_terms_equal_the_pseudo_code(ablation, literal):
    """Two batches in train mode, with dropout: in the second the queue (as long as a batch) is in use."""
    oss = method(own_copy=literal, joint_classifier=literal, **ABLATIONS[ablation])
    queue = None
    for step in range(2):
        crops = views(seed=step)
        torch.manual_seed(step)  # the same dropout here and in the method
        z = multi_crop_embeddings(oss.online_teacher, oss.teacher_head, crops, oss.dropout).detach().numpy()
        w = multi_crop_embeddings(oss.student, oss.head, crops, oss.dropout).detach().numpy()
        prototypes = oss.prototypes.weight.detach().numpy().copy()
        codes = []
        for crop, batch in enumerate(z[0, :2]):
            rows = batch if queue is None else np.concatenate([queue[crop], batch])
            codes.append(sinkhorn_by_the_paper(rows @ prototypes.T, 0.05, 3)[-3:])
        queue = z[0, :2]
        torch.manual_seed(step)
        terms = {key: term.item() for key, term in oss.loss(crops, None).items()}
        expected = {
            "loss_teacher": clusters_by_the_paper(z, prototypes, codes, literal),
            "loss_student": clusters_by_the_paper(w, prototypes, codes, literal),
        }
        if oss.classifier is not None:
            expected["loss_adversarial"] = adversary_by_the_paper(oss, z, w)
        assert terms == pytest.approx(expected, abs=1e-8)


def parts(oss):
    return {
        "teacher": [*oss.online_teacher.parameters(), *oss.teacher_head.parameters()],
        "student": [*oss.student.parameters(), *oss.head.parameters()],
        "prototypes": [oss.prototypes.weight],
        "classifier": [*oss.classifier.parameters()],
    }


@pytest.mark.parametrize(
    ("term", "reached"),
    [
        ("loss_teacher", {"teacher", "prototypes"}),
        ("loss_student", {"student", "prototypes"}),
        ("loss_adversarial", {"teacher", "student", "classifier"}),
    ],
)
def test_what_each_term_reaches(term, reached):
    """The student's loss never reaches the teacher's backbone and head."""
    oss = method()
    loss = oss.loss(views(), None)[term]
    for name, parameters in parts(oss).items():
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True, retain_graph=True)
        found = [gradient is not None and bool(gradient.any()) for gradient in gradients]
        assert any(found) if name in reached else not any(found), name


@pytest.mark.parametrize("fraction", [0, 0.1, 0.5, 1])
def test_the_networks_get_the_classifier_s_gradient_reversed(fraction):
    oss = method(dropout=None)
    oss.progress = Progress(step=fraction, steps=1, epochs=200)
    crops, named = views(), parts(oss)
    given = torch.autograd.grad(
        oss.loss(crops, None)["loss_adversarial"], named["classifier"] + named["teacher"] + named["student"]
    )
    z = multi_crop_embeddings(oss.online_teacher, oss.teacher_head, crops).flatten(0, 2)
    w = multi_crop_embeddings(oss.student, oss.head, crops).flatten(0, 2)
    label = lambda rows, which: torch.full((len(rows),), which)  # noqa: E731
    plain = torch.nn.functional.cross_entropy(oss.classifier(z), label(z, 0))
    plain = plain + torch.nn.functional.cross_entropy(oss.classifier(w), label(w, 1))
    own = torch.autograd.grad(plain, named["classifier"] + named["teacher"] + named["student"])
    scale = 1 - 2 / (1 + math.exp(-10 * fraction))
    for number, (a, b) in enumerate(zip(given, own, strict=True)):
        factor = 1 if number < len(named["classifier"]) else scale
        torch.testing.assert_close(a, factor * b, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("ablation", ABLATIONS)
@pytest.mark.parametrize("epoch", [0, 100])
def test_every_parameter_takes_part(ablation, epoch):
    oss = method(**ABLATIONS[ablation])
    oss.progress = Progress(step=epoch, steps=200, epochs=200)
    sum(oss.loss(views(), None).values()).backward()
    assert [name for name, p in oss.named_parameters() if p.grad is None] == []
    assert oss.prototypes.weight.grad.any().item() is (epoch > 0)


def test_exports_both_networks():
    oss = method()
    exports = oss.exports()
    assert exports["last"].backbone is oss.student and exports["teacher"].backbone is oss.online_teacher
    assert exports["last"].head is oss.head and exports["teacher"].head is oss.teacher_head
    assert torch.equal(exports["last"].prototypes, exports["teacher"].prototypes)


def test_a_teacher_can_start_from_a_checkpoint(tmp_path):
    first = method().float().online_teacher
    mean, std = first.mean.flatten().tolist(), first.std.flatten().tolist()
    save_student(tmp_path / "teacher.pth", first.net, first.arch, mean, std, 32)
    torch.manual_seed(5)
    weights = dict(arch=first.arch, weights=str(tmp_path / "teacher.pth"))
    second = OSS(**SETTINGS, online_teacher=weights).online_teacher
    for key, value in first.state_dict().items():
        assert torch.equal(second.state_dict()[key], value), key
    assert all(p.requires_grad for p in second.parameters())
    with pytest.raises(UserError, match=STUDENT):
        OSS(**SETTINGS, online_teacher={**weights, "arch": STUDENT})


@pytest.mark.parametrize("dropout", [(0.1,), (0.1, 1.0), (-0.1, 0.0)])
def test_wrong_dropout_is_one_line(dropout):
    with pytest.raises(UserError, match="model.dropout"):
        method(dropout=dropout)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_autocast(dtype):
    oss = method().float().eval()
    crops = [crop.float() for crop in views()]
    expected = oss.loss(crops, None)
    with torch.autocast("cpu", dtype=dtype):
        terms = oss.loss(crops, None)
    for key, term in terms.items():
        assert term.dtype == torch.float32
        assert term.item() == pytest.approx(expected[key].item(), rel=0.1)
    sum(terms.values()).backward()
    assert all(p.grad.isfinite().all() for p in oss.parameters())
