"""A method in one file outside the package trains by a config that names the file; nothing else is edited."""

import pytest

from distill import pretrain
from distill.checkpoints import read_weights
from distill.engine.config_root import config_root
from tests.distill.methods.small import STUDENT

METHOD = '''
from torch import nn
from torch.nn import functional as F

from distill.methods.base import Method
from distill.registry import MODELS
from distill.targets import Need


@MODELS.register_module()
class Cosine(Method):
    """The student's embedding points where the teacher's does."""

    needs = frozenset({Need.EMBEDDINGS})

    def __init__(self, student, teacher):
        super().__init__(student, teacher)
        self.head = nn.Linear(self.student.width, self.teacher.width)

    def loss(self, views, index, rows=None):
        (view,) = views
        embedding = self.head(self.student(view))
        return {"loss": -F.cosine_similarity(embedding, self.teacher(view, rows)).mean()}
'''
CONFIG = """
_base_ = {base!r}

custom_imports = dict(imports=["cosine_method"])
model = dict(_delete_=True, type="Cosine", student=dict(arch={student!r}), teacher={teacher!r})
batch_size = 8
train_dataloader = dict(num_workers=0, dataset=dict(data_root={images!r}, augmentation=dict(size=32)))
train_cfg = dict(max_epochs=1)
param_scheduler = []
"""


@pytest.mark.parametrize("cached", [False, True])
def test_a_method_of_ones_own(cached, method_inputs, tmp_path, monkeypatch):
    (tmp_path / "cosine_method.py").write_text(METHOD)
    monkeypatch.syspath_prepend(str(tmp_path))
    teacher = {"weights": str(method_inputs.moco), "output": "auto"}
    config = tmp_path / "cosine.py"
    config.write_text(
        CONFIG.format(
            base=str(config_root() / "_base_" / "compress_1q.py"),
            student=STUDENT,
            teacher=teacher | ({"cache": str(method_inputs.cache)} if cached else {}),
            images=str(method_inputs.images),
        )
    )
    said = []
    file = pretrain(config=str(config), work_dir=str(tmp_path / "run"), say=said.append)
    assert read_weights(file).meta["method"] == "Cosine"
    assert any("taken from the cache" in line for line in said) == cached
    # the run's own config finds the file as well
    written = str(tmp_path / "run" / "config.py")
    again = pretrain(config=written, work_dir=str(tmp_path / "again"), say=said.append)
    first, second = read_weights(file).backbone, read_weights(again).backbone
    assert all(first[key].equal(second[key]) for key in first)
