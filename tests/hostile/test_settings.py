"""Settings out of range or of another type: one line with key, value and what is valid, and no run begun."""

import copy
import json
import re
from collections.abc import Iterator
from functools import reduce
from operator import getitem

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.config import Config

from distill import pretrain
from distill.engine.recipe import recipe
from distill.engine.validate import validate
from distill.errors import UserError
from tests.distill.methods.small import SMALL, arguments

NAN, INFINITE = float("nan"), float("inf")
ABOVE_0, FROM_0 = "greater than 0", "greater than or equal to 0"
SHARE = "(greater than or equal to 0|less than 1)"
COUNT, NUMBER, WHOLE, BOOLEAN = "greater than or equal to 1", "a number", "a whole number", "a boolean"
KEYS = {  # method: {key: {value: what is valid}}
    "simclr": {
        "optim_wrapper.optimizer.lr": {
            0: ABOVE_0,
            -0.1: ABOVE_0,
            NAN: "a finite number",
            INFINITE: "a finite number",
            "fast": NUMBER,
            None: NUMBER,
            (1,): NUMBER,
            True: NUMBER,
        },
        "optim_wrapper.optimizer.momentum": {
            -0.1: SHARE,
            1.5: SHARE,
            1.0: SHARE,
            "x": NUMBER,
            NAN: "a finite number",
        },
        "optim_wrapper.optimizer.weight_decay": {-1: FROM_0, "x": NUMBER, NAN: "a finite number"},
        "optim_wrapper.accumulative_counts": {0: COUNT, -2: COUNT, 1.5: WHOLE, "2": WHOLE},
        "batch_size": {0: COUNT, -1: COUNT, 2.5: WHOLE, "8": WHOLE, None: WHOLE, True: WHOLE},
        "train_cfg.max_epochs": {0: COUNT, -1: COUNT, 2.5: WHOLE, "x": WHOLE, True: WHOLE},
        "randomness.seed": {-1: FROM_0, 2.5: WHOLE, "x": WHOLE, 2**40: "less than 4294967296", True: WHOLE},
        "train_dataloader.num_workers": {-1: FROM_0, 2.5: WHOLE, "x": WHOLE},
        "train_dataloader.dataset.augmentation.size": {
            0: COUNT,
            -3: COUNT,
            2.5: WHOLE,
            "x": WHOLE,
            None: WHOLE,
        },
        "train_dataloader.dataset.augmentation.strength": {-1: FROM_0, "x": NUMBER, NAN: "a finite number"},
        "train_dataloader.dataset.augmentation.views": {0: COUNT, -1: COUNT, "x": WHOLE},
        "train_dataloader.dataset.augmentation.scale": {
            0.5: "a tuple",
            (0.1,): "more values",
            (-1.0, 1.0): ABOVE_0,
            (0.0, 1.0): ABOVE_0,
            "all": "a tuple",
        },
        "default_hooks.logger.interval": {0: COUNT, -1: COUNT, "x": WHOLE, 2.5: WHOLE},
        "compile_networks": {"yes": BOOLEAN, 3: BOOLEAN, None: BOOLEAN},
        "find_unused_parameters": {"yes": BOOLEAN},
        "sync_batch_norm": {"yes": BOOLEAN, 1: BOOLEAN},
        "model.temperature": {0: ABOVE_0, -1: ABOVE_0, "x": NUMBER, None: NUMBER, NAN: "a finite number"},
        "model.projection": {0: COUNT, -1: COUNT, "x": WHOLE, 12.0: WHOLE},
        "model.head_norm": {"yes": BOOLEAN, 2: BOOLEAN},
        "model.student.zero_init_last": {"no": BOOLEAN, 1: BOOLEAN},
        "model.student.image_size": {"x": WHOLE, 2.5: WHOLE},
    },
    "compress_1q": {
        "model.temperature": {0: ABOVE_0, -1: ABOVE_0, NAN: "a finite number", "x": NUMBER},
        "model.queue_length": {0: COUNT, -1: COUNT, 2.5: WHOLE, "x": WHOLE},
        "model.queues": {"1": WHOLE, None: WHOLE, 1.0: WHOLE},
    },
    "compress_2q": {
        "model.momentum": {-0.1: SHARE, 1.1: SHARE, 1.0: SHARE, "x": NUMBER},
        "model.key_encoder": {3: BOOLEAN},
    },
    "seed": {
        "model.student_temperature": {0: ABOVE_0, "x": NUMBER},
        "model.teacher_temperature": {0: ABOVE_0, -1: ABOVE_0, "x": NUMBER, NAN: "a finite number"},
        "model.queue_length": {0: COUNT, -1: COUNT},
    },
    "seed_small_patches": {"model.small_patches": {-1: FROM_0, "x": WHOLE, 0.5: WHOLE}},
    "moco_v2": {
        "model.momentum": {-1: SHARE, 2: SHARE, "x": NUMBER},
        "model.queue_length": {0: COUNT, -1: COUNT, 1.5: WHOLE},
        "model.temperature": {0: ABOVE_0, -1: ABOVE_0},
        "model.shuffle_groups": {0: COUNT, "x": WHOLE},
    },
    "byol": {
        "model.momentum": {-1: SHARE, 2: SHARE, "x": NUMBER},
        "model.hidden": {0: COUNT, -1: COUNT, "x": WHOLE},
        "model.projection": {0: COUNT, -1: COUNT},
    },
    "crd": {
        "model.negatives": {0: COUNT, -1: COUNT, "x": WHOLE},
        "model.temperature": {0: ABOVE_0, -1: ABOVE_0},
        "model.momentum": {-1: SHARE, 2: SHARE},
        "model.samples": {0: COUNT, -1: COUNT},
        "model.projection": {0: COUNT},
    },
    "swav": {
        "model.prototypes": {0: COUNT, -1: COUNT, "x": WHOLE},
        "model.temperature": {0: ABOVE_0, -1: ABOVE_0},
        "model.epsilon": {0: ABOVE_0, -1: ABOVE_0},
        "model.iterations": {0: COUNT, -1: COUNT, "x": WHOLE},
        "model.queue_length": {-1: FROM_0, 1.5: WHOLE, "x": WHOLE},
        "model.queue_start_epoch": {-1: FROM_0, "x": NUMBER},
        "model.hidden": {0: COUNT, "x": WHOLE},
        "model.prototypes_frozen_until_epoch": {-1: FROM_0, "x": NUMBER},
        "train_dataloader.dataset.augmentation.small_views": {-1: FROM_0, "x": WHOLE},
        "train_dataloader.dataset.augmentation.small_size": {0: COUNT, "x": WHOLE},
    },
    "oss": {
        "model.dropout": {
            2: "a tuple",
            (0.1,): "more values",
            (2.0, 0.1): "less than 1",
            (-0.1, 0.1): FROM_0,
        },
        "model.adversarial": {"yes": BOOLEAN},
        "model.own_copy": {"yes": BOOLEAN},
        "model.joint_classifier": {1: BOOLEAN},
    },
    "cluster_classification": {
        "model.clusters": {0: COUNT, -1: COUNT, "x": WHOLE},
        "model.iterations": {0: COUNT, -1: COUNT},
        "model.seed": {-1: FROM_0, "x": WHOLE},
    },
    "seed_online_clustering": {"model.clusters": {0: COUNT}, "model.temperature": {0: ABOVE_0}},
    "seed_binary_contrastive": {"model.queue_length": {0: COUNT}, "model.temperature": {-1: ABOVE_0}},
    "pcd": {
        "model.temperature": {0: ABOVE_0, -1: ABOVE_0},
        "model.attention_width": {0: COUNT, -1: COUNT},
        "model.queue_length": {0: COUNT, -1: COUNT},
        "model.hidden": {0: COUNT, (8, 0): COUNT, "x": WHOLE},
        "model.symmetric": {"yes": BOOLEAN},
    },
}
CASES = [
    (method, key, value, valid)
    for method, keys in KEYS.items()
    for key, values in keys.items()
    for value, valid in values.items()
]
ARGUMENTS = {
    "epochs": {0: COUNT, -1: COUNT, 1.5: WHOLE, "x": WHOLE, True: WHOLE},
    "batch_size": {0: COUNT, "8": WHOLE},
    "image_size": {0: COUNT, -8: COUNT, 22.5: WHOLE},
    "lr": {0: ABOVE_0, -1: ABOVE_0, NAN: "a finite number", "x": NUMBER},
    "workers": {-1: FROM_0, "x": WHOLE, 1.5: WHOLE},
}


@pytest.mark.parametrize(("method", "key", "value", "valid"), CASES)
def test_a_config_key_out_of_range(method, key, value, valid, method_inputs, tmp_path):
    call = arguments(method, method_inputs)
    with pytest.raises(UserError) as error:
        pretrain(**call, work_dir=str(tmp_path / "run"), cfg_options=SMALL[method].options | {key: value})
    line = str(error.value)
    assert re.fullmatch(rf"config key {re.escape(key)} is {re.escape(repr(value))}; valid: .*{valid}.*", line)
    assert "\n" not in line and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "value", "valid"),
    [(name, value, valid) for name, values in ARGUMENTS.items() for value, valid in values.items()],
)
def test_an_argument_of_the_python_call_out_of_range(name, value, valid, image_folder):
    message = f"{name} is {value!r}; valid: .*{valid}"
    with pytest.raises(UserError, match=message):
        recipe("simclr", str(image_folder), "resnet18", **{name: value})


@pytest.mark.parametrize(
    ("option", "value"),
    [("--lr", "-1"), ("--lr", "nan"), ("--epochs", "0"), ("--batch-size", "0"), ("--image-size", "0")],
)
def test_an_option_out_of_range(option, value, image_folder, tmp_path, run_here):
    call = ("--method", "simclr", "--data", image_folder, "--student", "test_resnet")
    line = run_here("distill.py", *call, f"{option}={value}", "--work-dir", tmp_path / "run", code=2)
    name = option.removeprefix("--").replace("-", "_")
    assert re.fullmatch(rf"error: {name} is {value}(\.0)?; valid: .*\n", line)


LINEAR, COSINE, STEPS = "LinearLR", "CosineAnnealingLR", "MultiStepLR"


@pytest.mark.parametrize(
    ("schedule", "line"),
    [
        ({"begin": 0}, "config key param_scheduler.0.type is missing"),
        ({"type": "LinearLr"}, "unknown param_scheduler.0.type 'LinearLr'; did you mean 'LinearLR'"),
        ({"type": None}, "unknown param_scheduler.0.type None"),
        ({"type": LINEAR, "start_facter": 0.1}, "unknown config key 'param_scheduler.0.start_facter'"),
        ({"type": LINEAR, "start_factor": 0}, "start_factor is 0; valid: greater than 0"),
        ({"type": LINEAR, "start_factor": 1.5}, "start_factor is 1.5; valid: less than or equal to 1"),
        ({"type": LINEAR, "begin": -1}, "begin is -1; valid: greater than or equal to 0"),
        ({"type": LINEAR, "begin": NAN}, "begin is nan; valid: a finite number"),
        ({"type": LINEAR, "end": "x"}, "end is 'x'; valid: a number"),
        ({"type": LINEAR, "by_epoch": "yes"}, "by_epoch is 'yes'; valid: a boolean"),
        ({"type": COSINE, "T_max": 0}, "T_max is 0; valid: greater than 0"),
        ({"type": COSINE, "eta_min": -1}, "eta_min is -1; valid: greater than or equal to 0"),
        ({"type": COSINE, "convert_to_iter_based": 3}, "convert_to_iter_based is 3; valid: a boolean"),
        ({"type": STEPS, "milestones": [1], "gamma": NAN}, "gamma is nan; valid: a finite number"),
        ({"type": STEPS, "milestones": 3}, "milestones is 3; valid: a list or a tuple"),
        ({"type": STEPS, "milestones": [2]}, "milestones: 2 is not before the last epoch (2)"),
        (5, "config key param_scheduler is [5]; valid: a list of dict(type=...)"),
    ],
)
def test_a_schedule_out_of_range(schedule, line, method_inputs, tmp_path):
    options = SMALL["simclr"].options | {"param_scheduler": [schedule], "train_cfg.max_epochs": 2}
    with pytest.raises(UserError, match=re.escape(line)) as error:
        pretrain(**arguments("simclr", method_inputs), work_dir=str(tmp_path / "run"), cfg_options=options)
    assert "\n" not in str(error.value) and not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", SMALL)
def test_the_settings_of_every_method_pass_as_they_are_and_as_json(name, method_inputs):
    """JSON has no tuples."""
    config, _ = recipe(**arguments(name, method_inputs))
    plain = json.loads(json.dumps(config.to_dict()))
    for each in (config, Config(plain)):
        validate(each)  # raises what it finds
    plain["train_dataloader"]["dataset"]["augmentation"]["size"] = 0
    with pytest.raises(UserError, match="augmentation.size is 0"):
        validate(Config(plain))


def places(settings: dict | list, prefix: tuple = ()) -> Iterator[tuple]:
    """The keys of all settings, of groups and lists of them too."""
    for key, value in settings.items() if isinstance(settings, dict) else enumerate(settings):
        yield (*prefix, key)
        if isinstance(value, dict | list):
            yield from places(value, (*prefix, key))


SINGLE = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8))
VALUES = st.recursive(
    SINGLE, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("aB.", max_size=4), inner)
)


@pytest.mark.parametrize("method", ["compress_1q", "swav", "pcd"])
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_any_value_of_any_key_passes_or_is_refused_in_one_line(whole_configs, method, data):
    config = copy.deepcopy(whole_configs[method])
    *groups, key = data.draw(st.sampled_from(list(places(config))))
    value = data.draw(VALUES)
    reduce(getitem, groups, config)[key] = value
    try:
        validate(Config(config))
    except UserError as error:
        assert "\n" not in str(error)


@pytest.fixture(scope="module")
def whole_configs(method_inputs):
    return {name: recipe(**arguments(name, method_inputs))[0].to_dict() for name in KEYS}
