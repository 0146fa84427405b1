"""Imports run downwards only, one package imports Ray, and slow imports come late."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from builders.bundle import write_bundle
from builders.fixtures import Configure, MakeDataset
from builders.runs import write_run
from tuner.ledger.run_directory import Ledger

PACKAGE = Path(__file__).parents[1] / "tuner"

ORDER = (
    "tuner.__main__",
    "tuner.cli",
    "tuner.distil",
    "tuner.search",
    "tuner.ray_backend",
    "tuner.jobs",
    "tuner.report",
    "tuner.comparison",
    "tuner.diagnosis",
    "tuner.analysis",
    "tuner.ledger",
    "tuner.samplers",
    "tuner.trial",
    "tuner.bundle",
    "tuner.baselines",
    "tuner.data",
    "tuner.training",
    "tuner.imbalance",
    "tuner.model",
    "tuner.pruners",
    "tuner.scoring",
    "tuner.space",
    "tuner.storage",
    "tuner.show_value",
    "tuner.errors",
    "tuner.machine",
    "tuner.signals",
)
"""The layers from top to bottom, as drawn in docs/ARCHITECTURE.md. A part may import itself and those below it."""

MAY_IMPORT_TORCH = (
    "tuner.model",
    "tuner.training",
    "tuner.imbalance",
    "tuner.bundle.member_files",
    "tuner.bundle.model_bundle",
    "tuner.trial.trial",
)
HEAVY = ("torch", "ray", "numpy", "pyarrow", "sklearn", "scipy", "imblearn", "optuna", "pydantic", "tokenizers")


@dataclass(frozen=True)
class Import:
    """One import statement; `is_late` where it stands inside a function or is for type checkers only."""

    importer: str
    imported: str
    line: int
    is_late: bool

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


def modules() -> dict[str, Path]:
    """Every module of the package by its name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports_in(tree: ast.AST, importer: str, *, is_late: bool = False) -> Iterator[Import]:
    """Every import below a node of a syntax tree."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(importer, alias.name, node.lineno, is_late)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{importer}:{node.lineno} is a relative import, which this test does not follow"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield Import(importer, whole if whole in MODULES else str(node.module), node.lineno, is_late)
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        is_for_types = isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        yield from imports_in(node, importer, is_late=is_late or is_function or is_for_types)


MODULES = modules()
IMPORTS = [each for name, path in MODULES.items() for each in imports_in(ast.parse(path.read_text()), name)]
WITHIN = [each for each in IMPORTS if each.imported.split(".")[0] == "tuner"]


def part_of(module: str) -> str:
    return ".".join(module.split(".")[:2])


def is_of(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def test_every_part_of_the_package_has_its_place_in_the_order() -> None:
    assert {part_of(name) for name in MODULES} - {"tuner"} == set(ORDER)


def test_imports_run_downwards_only() -> None:
    upward = [
        str(each)
        for each in WITHIN
        if "tuner" not in (each.importer, each.imported)
        and ORDER.index(part_of(each.imported)) < ORDER.index(part_of(each.importer))
    ]
    assert upward == []


def test_diagnosis_reads_then_explains_then_holds_facts() -> None:
    """Within the diagnosis imports run from readers to causes to facts, never back."""
    order = [f"tuner.diagnosis.{part}" for part in ("readers", "causes", "facts")]
    upward = [
        str(each)
        for place, part in enumerate(order)
        for each in WITHIN
        if is_of(each.importer, (part,)) and is_of(each.imported, tuple(order[:place]))
    ]
    assert upward == []


def test_the_package_itself_is_imported_for_its_version_only() -> None:
    """`tuner/__init__.py` stands above and below all: it may reach down late, and gives its version to those below."""
    for name, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "tuner":
                names = {alias.name for alias in node.names if f"tuner.{alias.name}" not in MODULES}
                assert names <= {"__version__"}, name
    assert all(each.is_late for each in WITHIN if each.importer == "tuner")


def test_no_module_imports_itself_through_others() -> None:
    below: dict[str, set[str]] = {name: set() for name in MODULES}
    for each in WITHIN:
        if each.importer != "tuner" and each.imported in MODULES and each.imported not in ("tuner", each.importer):
            below[each.importer].add(each.imported)
    while free := [name for name, needs in below.items() if not needs]:
        for name in free:
            del below[name]
        for needs in below.values():
            needs.difference_update(free)
    assert below == {}


def test_only_the_ray_backend_imports_ray() -> None:
    knowing = {each.importer for each in IMPORTS if is_of(each.imported, ("ray",))}
    assert {part_of(name) for name in knowing} == {"tuner.ray_backend"}


def test_torch_is_imported_where_models_are_and_nowhere_else() -> None:
    assert [
        str(each)
        for each in IMPORTS
        if is_of(each.imported, ("torch", "safetensors.torch")) and not is_of(each.importer, MAY_IMPORT_TORCH)
    ] == []


def test_pandas_is_imported_nowhere() -> None:
    assert [str(each) for each in IMPORTS if is_of(each.imported, ("pandas",))] == []


def test_what_the_command_line_imports_at_its_top_is_light() -> None:
    """Of its own parts only those that are light too: what `cli/__init__` reaches without calling a function."""
    reached, waiting = set(), ["tuner.cli", "tuner.__main__"]
    heavy = []
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        reached.add(name)
        for each in IMPORTS:
            if each.importer == name and not each.is_late:
                if is_of(each.imported, HEAVY):
                    heavy.append(str(each))
                if each.imported in MODULES:
                    waiting.append(each.imported)
    assert heavy == []


@pytest.mark.parametrize(
    "part", ["tuner.space.load", "tuner.data.load", "tuner.scoring.measures", "tuner.ledger.run_directory"]
)
def test_space_data_scoring_and_ledger_do_without_torch_and_ray(part: str) -> None:
    code = f"import sys, {part}; print(sorted({{'torch', 'ray'}} & set(sys.modules)))"
    assert run(["-c", code]).stdout.strip() == "[]"


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"], ["predict", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    done = run(["-X", "importtime", "-m", "tuner", *arguments])
    imported = {line.rsplit("|", 1)[1].strip() for line in re.findall(r"import time:.*", done.stderr)}
    assert done.returncode == 0, done.stderr[-2000:]
    assert "click" in imported
    assert sorted({name.split(".")[0] for name in imported} & set(HEAVY)) == []


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, configure: Configure, make_dataset: MakeDataset) -> Path:
    """Return a folder with the run "made-up", which has a bundle, and with labelled rows."""
    folder = tmp_path_factory.mktemp("verbs")
    location = write_run(folder, trials=12, task="multiclass")
    dataset = make_dataset("multiclass")
    write_bundle(location / "champion", configure(), dataset)
    description = location / "champion.json"
    of_bundle = {"trial": 0, "committee": None}  # a single model
    description.write_text(json.dumps(json.loads(description.read_text()) | of_bundle))
    Ledger(str(location)).finish(json.loads((location / "manifest.json").read_text()))  # lists the bundle as well
    lines = [f"alpha {number} {label},{label}" for number in range(30) for label in dataset.labels]
    (folder / "rows.csv").write_text("\n".join(["text,label", *lines]))
    return folder


NOT_NEEDED: dict[str, tuple[str, ...]] = {
    "ls": ("torch", "ray", "sklearn", "imblearn", "optuna", "tokenizers", "scipy", "pydantic", "ruamel", "pandas"),
    "show made-up": ("torch", "ray", "sklearn", "imblearn", "optuna", "tokenizers", "scipy", "pandas", "plotly"),
    "verify made-up": ("torch", "ray", "sklearn", "scipy", "optuna", "pydantic", "ruamel", "pandas", "plotly"),
    "predict made-up rows.csv": ("torch._dynamo", "sympy", "ray", "sklearn", "scipy", "optuna", "pydantic", "plotly"),
    "evaluate made-up rows.csv": ("torch._dynamo", "sympy", "ray", "sklearn", "scipy", "optuna", "pydantic", "plotly"),
}


@pytest.mark.parametrize("verb", NOT_NEEDED)
def test_a_verb_imports_no_slow_package_that_it_does_not_need(folder: Path, verb: str) -> None:
    code = """
import sys
from tuner.__main__ import main
sys.argv = ["tuner", *sys.argv[1:], "--runs", "."]
try:
    main()
except SystemExit as end:
    assert not end.code
print(*sys.modules, file=sys.stderr)
"""
    done = run(["-c", code, *verb.split()], cwd=folder)
    imported = set(done.stderr.splitlines()[-1].split())
    assert done.returncode == 0, done.stderr[-2000:]
    assert "tuner.ledger.run_directory" in imported
    assert sorted(imported & set(NOT_NEEDED[verb])) == []


def test_loading_a_model_imports_little_but_torch(folder: Path) -> None:
    done = run(["-c", "import sys, tuner; tuner.load('made-up'); print(*sys.modules)"], cwd=folder)
    slow = {"torch._dynamo", "sympy", "scipy", "sklearn", "pandas", "pydantic", "ruamel", "pyarrow.compute", "ray"}
    assert done.returncode == 0, done.stderr[-2000:]
    assert sorted(set(done.stdout.split()) & slow) == []


def run(arguments: list[str], cwd: Path = PACKAGE.parent) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
