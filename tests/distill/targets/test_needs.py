"""What a method needs is compared once with what its targets give; one line says what to change."""

import pytest
from mmengine.registry import DefaultScope

from distill.engine.validate import validate
from distill.errors import UserError
from distill.registry import MODELS
from distill.targets import CachedTeacher, Need, Teacher, TeacherInTraining, source_of
from tests.distill.methods.small import SMALL, STUDENT, small_config

CACHED = {"cache": "CACHE", "output": "auto"}
MISMATCHES = [
    ("pcd", CACHED, "PCD needs maps of random views, teacher cache .* gives none; leave out --teacher-cache"),
    ("pcd", {"output": "backbone"}, "PCD needs the output of a projection head, .*teacher.output='head'"),
    ("oss_offline", CACHED, "OSSOffline needs embeddings of random views, .*; leave out --teacher-cache"),
    ("oss_offline", {"weights": "MOCO"}, "OSSOffline needs prototypes .*; take a SwAV checkpoint"),
    ("seed_small_patches", CACHED, "SEED needs embeddings of random views, .*; leave out --teacher-cache"),
    ("seed_kmeans", {"cache": None}, "ClusterClassification needs the embeddings of all .*cache_teacher.py"),
]


@pytest.mark.parametrize(("name", "teacher", "line"), MISMATCHES)
def test_a_teacher_that_does_not_give_it_is_one_line(name, teacher, line, method_inputs):
    model = small_config(name, method_inputs).model
    files = {"CACHE": str(method_inputs.cache), "MOCO": str(method_inputs.moco)}
    model.teacher.update({key: files.get(value, value) for key, value in teacher.items()})
    if "cache" in teacher:
        model.teacher.weights = str(method_inputs.moco)
    with DefaultScope.overwrite_default_scope("distill"), pytest.raises(UserError, match=line):
        MODELS.build(model)


def test_what_each_kind_of_target_gives(method_inputs):
    views = {Need.EMBEDDINGS, Need.VIEWS, Need.MAPS}
    plain, moco = (Teacher(str(method_inputs.moco), output=output) for output in ("backbone", "auto"))
    swav = Teacher(str(method_inputs.swav), output="head")
    assert (plain.gives, moco.gives) == (views, views | {Need.HEAD})
    assert swav.gives == views | {Need.HEAD, Need.PROTOTYPES}
    cached = CachedTeacher(str(method_inputs.cache), moco)
    assert cached.gives == {Need.EMBEDDINGS, Need.ALL_IMAGES, Need.HEAD}
    trained = TeacherInTraining.create(STUDENT)
    assert trained.gives == {Need.TRAINING} and trained.trains and not cached.trains


def test_only_a_method_that_uses_embeddings_has_rows_read(method_inputs):
    with DefaultScope.overwrite_default_scope("distill"):
        rows = {name: MODELS.build(small_config(name, method_inputs).model).rows() for name in SMALL}
    assert [name for name in rows if rows[name] is not None] == [
        "seed_cached", "feature_matching_no_map",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["compress_1q", "oss"])
def test_a_teacher_not_given_names_its_key_and_flag(name, method_inputs):
    config = small_config(name, method_inputs)
    source = source_of(MODELS.get(config.model.type).needs)
    key = f"model.{source.key}.{source.required}"
    for missing in ({source.required: None}, {}):
        config.model[source.key] = missing
        with pytest.raises(UserError, match=f"config key {key} is not set: {source.flag} or --cfg-options"):
            validate(config)


def test_a_model_that_is_no_method_is_one_line(method_inputs):
    config = small_config("compress_1q", method_inputs)
    config.model = dict(type="BaseDataPreprocessor")
    with pytest.raises(UserError, match="model.type 'BaseDataPreprocessor' is not a method"):
        validate(config)
