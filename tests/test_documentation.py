"""Every command and Python snippet that README, docs, configs and --help show is one that the tools take."""

import ast
import importlib
import importlib.util
import inspect
import re
import shlex
from pathlib import Path
from types import ModuleType

import pytest
from mmengine.config import Config

from distill.commands import tools
from distill.engine.config_root import config_root
from distill.engine.options import parse_options
from distill.engine.recipe import method_names
from distill.engine.validate import validate
from distill.errors import UserError
from transfer.benchmark import benchmarks

ROOT = Path(__file__).parents[1]
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SETTINGS = ROOT / "docs/settings.md"  # its keys are those of benchmarks: tests/test_settings.py
CONFIGS = sorted((ROOT / "configs").rglob("*.py"))
BENCHMARKS = [one.config for one in benchmarks().values()]
THEIRS = "tools/train.py"  # MMDetection's and MMSegmentation's
TOOLS = sorted((ROOT / "tools").glob("*.py"))
MODULES = {"run_transfer.sh": "transfer.run", "distill.demo": "distill.demo.__main__"}
STARTERS = {  # torchrun's and srun's flags
    "--nproc-per-node", "--nnodes", "--rdzv-backend", "--rdzv-endpoint", "--rdzv-id", "--nodes",
    "--ntasks-per-node", "--gpus-per-node", "--cpus-per-task", "--kill-on-bad-exit", "--requeue",
}  # fmt: skip
FLAG = r"(?<!\S)--[a-z][\w-]+"
COMMAND = re.compile(r"tools/([\w.]+\.(?:py|sh))|-m (distill\.demo)")


def module_of(tool: str) -> ModuleType:
    """The program behind ``distill.py``, ``run_transfer.sh`` or ``-m distill.demo``."""
    if tool in MODULES:
        return importlib.import_module(MODULES[tool])
    spec = importlib.util.spec_from_file_location(f"tool_{Path(tool).stem}", ROOT / "tools" / tool)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def blocks(markdown: str) -> list[tuple[str, str]]:
    """(language, text) of fenced blocks and of inline code, in their order."""
    pieces = re.finditer(r"^```(\w*)\n(.*?)^```|`([^`\n]+)`|^ {4}(\S.*)$", markdown, re.DOTALL | re.MULTILINE)
    return [(piece[1] or "", piece[2] or piece[3] or piece[4]) for piece in pieces]


def commands(text: str) -> list[str]:
    """The lines of ``text`` that call a tool, continued lines joined, from the tool's name on.

    ``distill --data DIR`` and ``distill evaluate FILE`` call those that ``distill`` starts.
    """
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    lines = [by_file(line) for line in lines]
    found = [(line, COMMAND.search(line)) for line in lines]
    return [line[match.start() :] for line, match in found if match and is_call(line, match)]


def by_file(line: str) -> str:
    """``distill --data DIR`` as ``python tools/distill.py --data DIR``; other lines as they are."""
    if not (found := re.fullmatch(r"(\$ )?distill (?:([a-z_]+)(?: |$))?(.*)", line)):
        return line
    name = found[2] or "distill"
    assert name in tools(), f"distill has no tool {name}: {line}"
    return f"{found[1] or ''}python tools/{tools()[name].name} {found[3]}"


def is_call(line: str, match: re.Match) -> bool:
    """Whether it is a command to type, and not only the name of a file in a sentence."""
    before, after = line[: match.start()].strip(), line[match.end() :].strip()
    if not re.fullmatch(r"(\$ )?((python|bash|torchrun|srun)\b.*)?", before):
        return False
    return after != "..." if before else after != ""


def example(usage: str) -> list[str]:
    """Words of a command as one would type it: optional parts given, the first of several choices taken."""
    call, *_remark = re.split(r" {3,}", usage.strip())
    words = [word for word in shlex.split(re.sub(r"[][]", " ", call), comments=True) if word != "..."]
    return ["1" if word == "N" else re.sub(r"^(\w+)(\|\w+)+$", r"\1", word) for word in words]


def parse(command: str) -> None:
    """Fails where the tool would refuse the command line, or a file or key in it does not exist."""
    match = COMMAND.match(command)
    tool, arguments = match[1] or match[2], command[match.end() :].strip()
    if arguments.startswith("..."):  # the rest is left to the reader
        assert set(re.findall(FLAG, arguments)) <= options_of(tool), f"{tool} does not take: {command}"
        return
    try:
        given = module_of(tool).parser().parse_args(example(arguments))
    except SystemExit as error:
        raise AssertionError(f"{tool} does not take: {command}") from error
    config, method = getattr(given, "config", None), getattr(given, "method", None)
    if config is not None and config.startswith("configs/"):
        assert (ROOT / config).is_file(), command
    if method is not None and method.islower():
        assert method in method_names(), command
    for option in given.cfg_options if tool in ("distill.py", "view_agreement.py") else []:
        methods = [method] if method in method_names() else method_names()
        assert any(takes(name, option) for name in methods), f"no such key: {option} in {command}"


def is_taken(command: str) -> bool:
    try:
        parse(command)
    except AssertionError:
        return False
    return True


def takes(method: str, option: str) -> bool:
    """Whether a method's settings have the key that ``KEY=VALUE`` changes."""
    config = Config.fromfile(config_root() / "_base_" / f"{method}.py")
    wanted = {"student.arch": "resnet18", "teacher.weights": "FILE", "online_teacher.arch": "resnet50"}
    for key, value in wanted.items():
        part, name = key.split(".")
        if part in config.model:
            config.model[part][name] = value
    config.train_dataloader.dataset.data_root = "DIR"
    try:
        config.merge_from_dict(parse_options([option]))
        validate(config)
    except (UserError, KeyError, TypeError):
        return False
    return True


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_commands_of_the_documentation(path):
    """ "... --flag" continues a command before it; every other flag or key belongs to a tool or a method."""
    flags = {flag for tool in [*(path.name for path in TOOLS), *MODULES] for flag in options_of(tool)}
    before = []
    for _, text in blocks(path.read_text()):
        if re.search(r"[A-Z\d]/tools/", text):
            continue  # a script of another project
        for command in commands(text):
            parse(command)
            before.append(command)
        if text.startswith("... --"):
            assert any(is_taken(f"{command} {text[4:]}") for command in before), text
        key = re.fullmatch(r"((?:model|train_dataloader|optim_wrapper|train_cfg)(?:\.\w+)+)(=.*)?", text)
        if key and path != SETTINGS:
            kinds = ("1", "0.5", "True", "text", "(0.5,0.5)", "{}")  # the last: a part that holds settings
            tried = [text] if key[2] else [f"{key[1]}={value}" for value in kinds]
            assert any(takes(name, option) for option in tried for name in method_names()), text
        for flag in re.findall(FLAG, text):
            assert flag in flags, f"no tool has {flag}"


def options_of(tool: str) -> set[str]:
    """The flags of a tool, and those of the programs that start them."""
    actions = module_of(tool).parser()._actions
    return {flag for action in actions for flag in action.option_strings} | STARTERS


@pytest.mark.parametrize("path", [*CONFIGS, *TOOLS], ids=lambda path: path.stem)
def test_commands_of_docstrings(path):
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    within_sentences = "\n".join(re.findall("``([^`]+)``", text))
    found = [call for call in commands(f"{text}\n{within_sentences}") if not call.startswith(THEIRS)]
    assert found or path not in BENCHMARKS, "it shows no command"
    for command in found:
        parse(command)


@pytest.mark.parametrize("steps", ["WHOLE", "WITHOUT_TRANSFER"])
def test_commands_of_the_demo(steps):
    for command in getattr(module_of("demo.py"), steps).values():
        (call,) = commands(command)
        parse(call)


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_python_of_the_documentation(path):
    """Snippets compile, their imports exist, and their calls give only arguments that the function takes."""
    names = {"distill": importlib.import_module("distill")}
    for language, text in blocks(path.read_text()):
        if language == "python" or text.startswith("distill."):
            try:
                tree = ast.parse(text)
            except SyntaxError:
                assert language != "python", text
                continue  # a name with a wildcard, or a path
            for statement in tree.body:
                if isinstance(statement, ast.Import | ast.ImportFrom):
                    exec(ast.unparse(statement), names)
            for node in ast.walk(tree):
                if isinstance(node, ast.Call):
                    check_call(node, names)


def check_call(call: ast.Call, names: dict) -> None:
    """Fails on a function that does not exist or an argument that it does not take."""
    root = call.func
    while isinstance(root, ast.Attribute):
        root = root.value
    if not isinstance(root, ast.Name) or root.id == "self" or (root is call.func and root.id not in names):
        return  # ``super()``, ``dict`` and what the snippet defines itself
    function = eval(ast.unparse(call.func), names)
    keywords = {keyword.arg: None for keyword in call.keywords}
    if inspect.isbuiltin(function):
        return  # it has no signature
    inspect.signature(function).bind(*[None] * len(call.args), **keywords)


def test_what_is_not_there_is_found():
    """The checks above can fail."""
    with pytest.raises(AssertionError, match="does not take"):
        parse("tools/distill.py CONFIG --no-such-option")
    with pytest.raises(AssertionError, match="does not take"):
        parse("tools/distill.py ... --no-such-option")
    with pytest.raises(AssertionError, match="no such key"):
        parse("tools/distill.py CONFIG --cfg-options model.temprature=1")
    with pytest.raises(TypeError, match="'image'"):
        call = ast.parse("distill.engine.options.parse_options([], image=1)").body[0].value
        check_call(call, {"distill": importlib.import_module("distill")})
    with pytest.raises(AssertionError, match="distill has no tool evalute"):
        commands("$ distill evalute FILE")
    with pytest.raises(AssertionError, match="evaluate.py does not take"):
        (call,) = commands("distill evaluate FILE --no-such-option")
        parse(call)
    assert commands("see tools/report.py") == [] and len(commands("$ python tools/report.py x --out y")) == 1
