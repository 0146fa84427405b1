"""The documentation names what exists: modules, files, links and settings. The code names nothing outside the repository."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tuner.space.load import load_space

ROOT = Path(__file__).parents[1]
MAP = ROOT / "docs" / "ARCHITECTURE.md"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
FOLDERS = ("tuner", "tests", "scripts", "docs", "search_spaces")

# Paths that the changelog names because they are gone.
FORMER = {"docs/remedies.jsonl", "scripts/remedies", "scripts/record_curves"}


def prose_of(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def words_of_blocks(text: str) -> list[str]:
    return [
        word for block in re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL) for word in block.split()
    ]


def packages(folder: Path) -> set[str]:
    return {init.parent.relative_to(ROOT).as_posix() for init in folder.rglob("__init__.py")}


def is_there(path: str) -> bool:
    """Whether a path exists in the repository or in `tuner/`."""
    return any((root / path).exists() for root in (ROOT, ROOT / "tuner"))


def defines(file: Path, name: str) -> bool:
    return re.search(rf"^(?:(?:def|class) {name}\b|{name}\b.*=)", file.read_text(), re.MULTILINE) is not None


def file_of(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def test_every_path_on_the_map_exists() -> None:
    text = MAP.read_text()
    spans = re.findall(r"`([^`\n]+)`", prose_of(text)) + words_of_blocks(text)
    named = [span for span in spans if re.fullmatch(r"(?!tuner\.)[\w./]+(?:\.py|/|\.\w{2,4})|\w+/[\w./]+", span)]
    assert len(named) > 50
    assert [path for path in named if not is_there(path)] == []


def test_every_name_on_the_map_is_defined_where_the_map_says() -> None:
    text = prose_of(MAP.read_text())
    named = [(ROOT / "tuner" / path, name) for path, name in re.findall(r"`(\w[\w./]+\.py):(\w+)`", text)]
    named += [(file_of(module), name) for module, name in re.findall(r"\b(tuner(?:\.\w+)+):(\w+)", text)]
    assert len(named) > 20
    assert [f"{path}:{name}" for path, name in named if not (path.is_file() and defines(path, name))] == []


def test_every_dotted_name_on_the_map_exists() -> None:
    named = re.findall(r"\b(tuner(?:\.\w+)+)", prose_of(MAP.read_text()))
    parents = [name.rpartition(".") for name in named if not file_of(name).is_file()]
    assert [
        f"{parent}.{name}"
        for parent, _, name in parents
        if not file_of(parent).is_file() or not defines(file_of(parent), name)
    ] == []


def test_every_package_and_every_module_beside_them_is_on_the_map() -> None:
    text = MAP.read_text()
    parts = {f"{package.removeprefix('tuner/')}/" for package in packages(ROOT / "tuner") - {"tuner"}}
    parts |= {path.name for path in (ROOT / "tuner").glob("*.py")} - {"__init__.py"}
    assert [part for part in sorted(parts) if part not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_and_every_path_of_a_page_exists(page: Path) -> None:
    text = page.read_text()
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text)
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []
    named = re.findall(rf"(?<![\w/~.])((?:{'|'.join(FOLDERS)})/[\w./-]*\w)", text)
    missing = [path for path in named if not (ROOT / path).exists() and not (ROOT / f"{path}.py").exists()]
    assert [path for path in missing if path not in FORMER] == []


def test_the_readme_links_every_page() -> None:
    linked = set(re.findall(r"\]\(docs/([^)]+\.md)\)", (ROOT / "README.md").read_text()))
    assert linked == {page.name for page in (ROOT / "docs").glob("*.md")}


def test_the_space_in_the_documentation_can_be_used(tmp_path: Path) -> None:
    (space,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "space-file.md").read_text(), re.DOTALL)
    path = tmp_path / "space.yaml"
    path.write_text(space)
    assert load_space(str(path)).task == "multilabel"


@pytest.mark.parametrize("folder", FOLDERS)
def test_nothing_refers_to_a_document_outside_the_repository(folder: Path) -> None:
    """Data in ../shared may be used where it is there; documents there are not part of the repository."""
    pattern = re.compile(r"shared/[\w./-]*\.md|\b(?:DESIGN|STYLE|REVIEW|PLAN|NOTES)\.md\b|\bissue #?\d+")
    texts = {path: path.read_text() for path in (ROOT / folder).rglob("*") if path.suffix in {".py", ".md", ".yaml"}}
    references = {
        path.relative_to(ROOT).as_posix(): pattern.findall(text)
        for path, text in texts.items()
        if path != Path(__file__) and pattern.search(text)
    }
    assert references == {}
