"""Config files: YAML and JSON run nothing, and mistakes are one line."""

import time

import pytest
from mmengine.config import Config

from distill.engine.config_files import read_config
from distill.errors import UserError

READ_BASE = "from mmengine.config import read_base\nwith read_base():\n    from .{} import *"
SETTINGS = {"batch_size": 8, "model": {"type": "SimCLR", "scale": (0.2, 1.0)}}


@pytest.mark.parametrize("suffix", ["py", "yaml", "yml", "json"])
def test_every_kind_is_read_as_mmengine_writes_it(suffix, tmp_path):
    path = tmp_path / f"config.{suffix}"
    Config(SETTINGS).dump(path)
    found = read_config(path).to_dict()
    assert found["batch_size"] == 8
    assert tuple(found["model"]["scale"]) == (0.2, 1.0)


@pytest.fixture
def commands(tmp_path):
    """YAML files that would each make a file, one for every tag that calls something."""
    made = tmp_path / "made"
    tags = {
        "apply": f"x: !!python/object/apply:os.mkdir ['{made}']",
        "new": f"x: !!python/object/new:os.mkdir ['{made}']",
        "name": "x: !!python/name:os.system",
        "module": "x: !!python/module:os",
    }
    files = [tmp_path / f"{name}.yaml" for name in tags]
    for file, text in zip(files, tags.values(), strict=True):
        file.write_text(text + "\n")
    return files, made


def test_yaml_runs_no_command(commands):
    files, made = commands
    for file in files:
        with pytest.raises(UserError, match=f"{file.name}: ConstructorError: .*python/"):
            read_config(file)
        with pytest.raises(Exception, match="could not determine a constructor"):
            Config.fromfile(file)
    assert not made.exists()


@pytest.mark.parametrize("suffix", ["py", "json"])
def test_yaml_below_another_config_runs_no_command(suffix, commands, tmp_path):
    files, made = commands
    base = tmp_path / f"top.{suffix}"
    base.write_text('{"_base_": "apply.yaml"}' if suffix == "json" else '_base_ = "apply.yaml"\n')
    with pytest.raises(UserError, match="ConstructorError"):
        read_config(base)
    assert not made.exists()


@pytest.mark.parametrize(
    "files",
    [
        {"a.py": '_base_ = "a.py"'},
        {"a.py": '_base_ = ["b.yaml"]', "b.yaml": "_base_: a.py"},
        {"a.json": '{"_base_": "a.json"}'},
        {"a.json": '{"_base_": "b.yaml"}', "b.yaml": "_base_: [c.json]", "c.json": '{"_base_": "b.yaml"}'},
        {"a.py": READ_BASE.format("a")},
        {"a.py": READ_BASE.format("b"), "b.py": READ_BASE.format("a")},
        {"a.yaml": "_base_: b.py", "b.py": "_base_ = 'a.yaml'"},
    ],
    ids=["itself", "two files", "JSON", "further down", "read_base", "read_base over two", "YAML and Python"],
)
def test_a_config_that_builds_on_itself_is_one_line(files, tmp_path):
    for name, text in files.items():
        (tmp_path / name).write_text(text + "\n")
    started = time.process_time()
    with pytest.raises(UserError, match=r"[ab]\.(py|json|yaml): builds on itself"):
        read_config(tmp_path / min(files))
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize(
    "text",
    [
        "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)),
        "a: &a [1, *a]",
        "a: &a {b: *a}",
    ],
    ids=["aliases of aliases", "a list in itself", "a dict in itself"],
)
def test_aliases_of_yaml_take_no_room_without_end(text, tmp_path):
    (tmp_path / "a.yaml").write_text(text)
    started = time.process_time()
    with pytest.raises(UserError, match="a.yaml: YAMLError: its aliases stand for more than 1,"):
        read_config(tmp_path / "a.yaml")
    assert time.process_time() - started < 1
    (tmp_path / "b.yaml").write_text("a: &a [1, 2]\nb: [*a, *a]")
    assert read_config(tmp_path / "b.yaml").b == [[1, 2], [1, 2]]
