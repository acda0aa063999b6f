"""What is installed, what is tracked, and that the lock, the project file and the installed packages agree on it."""

from __future__ import annotations

import ast
import json
import re
import shutil
import struct
import subprocess
import sys
import tomllib
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from importlib.metadata import distribution, entry_points, packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
OWN_PACKAGES = {"app", "model", "tests", "benchmarks", "docs"}
ALWAYS = {
    *(
        "pyproject.toml",
        "requirements.lock",
        "Makefile",
        ".ci",
        "Dockerfile",
        ".dockerignore",
        ".gitignore",
        ".gitattributes",
        "README.md",
        "LICENSE",
    ),
    *("CONTRIBUTING.md", "CHANGELOG.md", "CITATION.cff", ".zenodo.json", ".pre-commit-config.yaml"),
    *("app", "model", "static", "templates", "checkpoints", "tests", "benchmarks", "docs"),
}
EXTRAS = ("train", "audit", "ray", "test")  # all that is locked
PARTS = {"serve": (), "full": ("torch", "audit", "timm"), "test": EXTRAS}  # what .ci/install is asked for, and the extras that it installs
PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif"}
CHECKPOINT_LIMIT_BYTES = 12_000_000


def project() -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


def declared(*extras: str) -> list[Requirement]:
    """The requirements of serving and of the extras named."""
    table = project()
    lines = table["dependencies"] + [line for extra in extras for line in table["optional-dependencies"][extra]]
    found = [Requirement(line) for line in lines]
    own = [requirement for requirement in found if requirement.name == table["name"]]  # extras that bring others
    others = [requirement for requirement in found if requirement not in own]
    return others + [further for requirement in own for further in declared(*requirement.extras)]


def locked(part: str = "test") -> dict[str, tuple[str, Requirement]]:
    """Name to (its text, its requirement) of the packages that .ci/install takes from the lock for a part, by its own command."""
    script = (ROOT / ".ci" / "install").read_text(encoding="utf-8")
    (command,) = re.findall(rf"^    {part}\) packages=\$\((.+)\) ;;$", script, re.MULTILINE)
    text = subprocess.run(["/bin/bash", "-c", command], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    entries = re.split(r"\n(?=[a-z0-9#])", text)
    found = [(entry, Requirement(entry.partition("\\")[0])) for entry in entries if "==" in entry]
    return {canonicalize_name(requirement.name): (entry, requirement) for entry, requirement in found}


def applies(requirement: Requirement, extras: Iterable[str] = ("",)) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in extras)


def closure(requirements: list[Requirement]) -> set[str]:
    """The names that the requirements lead to on this machine, by the metadata of what is installed."""
    names: set[str] = set()
    seen: set[str] = set()
    waiting = list(requirements)
    while waiting:
        requirement = waiting.pop()
        if str(requirement) in seen:
            continue
        seen.add(str(requirement))
        names.add(canonicalize_name(requirement.name))
        extras = requirement.extras or {""}
        lines = distribution(requirement.name).requires or []
        waiting += [further for further in map(Requirement, lines) if applies(further, extras | {""})]
    return names


def tracked() -> list[Path]:
    """The files in the index that are still there."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in listing.split("\0") if name and (ROOT / name).is_file()]


def told(file: Path) -> bytes:
    """All of a file but the tensors of a checkpoint: over a hundred megabytes in which only chance writes words."""
    with file.open("rb") as opened:
        if file.suffix != ".safetensors":
            return opened.read()
        (length,) = struct.unpack("<Q", opened.read(8))
        return opened.read(length)


def imports(file: Path) -> Iterator[str]:
    """The top-level names of the modules a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]


def test_the_lock_fits_the_project_file() -> None:
    versions = {name: requirement for name, (_, requirement) in locked().items()}
    for requirement in declared(*EXTRAS):
        pin = versions.get(canonicalize_name(requirement.name))
        assert pin is not None, f"{requirement.name} is not locked: run make lock"
        version = str(pin.specifier).removeprefix("==")
        assert requirement.specifier.contains(version, prereleases=True), f"{requirement} is locked at {version}: run make lock"


@pytest.mark.parametrize(("part", "extras"), PARTS.items())
def test_the_lock_holds_what_the_project_leads_to_and_nothing_else(part: str, extras: tuple[str, ...]) -> None:
    here = {name for name, (_, requirement) in locked(part).items() if applies(requirement)}
    assert here == closure(declared(*extras))


def test_what_builds_the_project_is_taken_from_the_lock() -> None:
    """With all that it needs itself: nothing is fetched for a build."""
    (builders,) = re.findall(r"^builders='(.+)'$", (ROOT / ".ci" / "install").read_text(encoding="utf-8"), re.MULTILINE)
    required = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    assert set(builders.split("|")) == closure([Requirement(line) for line in required]) <= set(locked())


def test_what_is_installed_is_what_is_locked() -> None:
    for name, (_, requirement) in locked().items():
        if applies(requirement):
            assert requirement.specifier.contains(distribution(name).version, prereleases=True), f"{name} is not as locked: run make test"


def test_every_locked_package_has_hashes() -> None:
    assert [name for name, (entry, _) in locked().items() if not re.search(r"--hash=sha256:[0-9a-f]{64}", entry)] == []


def test_opencv_comes_once_and_without_windows() -> None:
    assert [name for name in locked() if name.startswith("opencv")] == ["opencv-python-headless"]
    assert set(packages_distributions()["cv2"]) == {"opencv-python-headless"}


@pytest.mark.parametrize(
    ("folder", "extras"),
    [("app", ("torch", "audit", "ray")), ("model", ("train", "audit", "timm")), ("tests", EXTRAS), ("benchmarks", (*EXTRAS, "peers"))],
)
def test_every_import_is_declared(folder: str, extras: tuple[str, ...]) -> None:
    names = {canonicalize_name(requirement.name) for requirement in declared(*extras)}
    providers = packages_distributions()
    undeclared = [
        f"{file.relative_to(ROOT)}: {module}"
        for file in tracked()
        if file.suffix == ".py" and file.is_relative_to(ROOT / folder)
        for module in imports(file)
        if module not in OWN_PACKAGES | set(sys.stdlib_module_names)
        and not names & {canonicalize_name(provider) for provider in providers.get(module, [module])}
    ]
    assert undeclared == []


def test_serving_declares_no_package_that_it_does_not_import() -> None:
    code = [file for file in tracked() if file.suffix == ".py" and file.relative_to(ROOT).parts[0] in {"app", "model"}]
    providers = packages_distributions()
    imported = {canonicalize_name(name) for file in code for module in imports(file) for name in providers.get(module, [])}
    assert sorted({canonicalize_name(requirement.name) for requirement in declared()} - imported) == []


def test_serving_needs_no_package_of_training_or_tests() -> None:
    served = set(locked("serve"))
    absent = {
        module for module, providers in packages_distributions().items() if not served & {canonicalize_name(name) for name in providers}
    }
    absent -= {"unturned", "pip", "_distutils_hack", *OWN_PACKAGES} | {module for module in absent if module.startswith("__editable__")}
    program = (
        f"import sys\nsys.modules.update(dict.fromkeys({sorted(absent)!r}))\nimport app.main, app.cli\nsys.exit(app.cli.main(['--help']))\n"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_the_licences_listed_are_those_of_the_lock() -> None:
    rows = re.findall(r"^\| (\S+) \| (\d\S*) \| (.+) \|$", (ROOT / "docs" / "licences.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert {name: version for name, version, _ in rows} == {
        name: str(requirement.specifier).removeprefix("==") for name, (_, requirement) in locked().items()
    }, "run make licences"
    assert [name for name, _, licence in rows if licence.strip() in {"", "?"}] == []


def test_the_work_of_others_that_is_shipped_is_told_with_the_licences() -> None:
    told = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
    folders = [file.parent.relative_to(ROOT) for file in tracked() if file.name == "LICENSE" and file.parent != ROOT]
    assert {Path("static/vendor/swagger-ui"), Path("app/detection/weights")} <= set(folders)
    assert [str(folder) for folder in folders if f"`{folder}`" not in told] == []


def test_the_command_is_installed() -> None:
    (script,) = entry_points(group="console_scripts", name="unturned")
    assert script.value == project()["scripts"]["unturned"]
    assert callable(script.load())


def test_the_top_level_is_the_fixed_one() -> None:
    assert {file.relative_to(ROOT).parts[0] for file in tracked()} == ALWAYS


def test_the_citation_is_of_this_version_and_licence() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^(version|license): (\S+)$", citation, re.MULTILINE) == [
        *(("version", project()["version"]), ("license", project()["license"].split(" AND ")[0]))  # of the code; a wheel holds others'
    ]
    assert re.findall(r'^title: "(\w+): ', citation, re.MULTILINE) == [project()["name"]]


def test_the_archive_is_told_what_the_citation_says() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    told = json.loads((ROOT / ".zenodo.json").read_text(encoding="utf-8"))
    said = dict(re.findall(r'^(title|version|license): "?([^"\n]+)"?$', citation, re.MULTILINE))
    assert {key: told[key] for key in said} == said
    assert [creator["name"] for creator in told["creators"]] == re.findall(r"^  - name: (.+)$", citation, re.MULTILINE)
    assert [work["identifier"] for work in told["related_identifiers"]] == re.findall(r'value: "(.+)"', citation)
    assert told["description"] == project()["description"]


def test_no_file_names_a_registry_or_a_folder_of_one_machine() -> None:
    forbidden = re.compile(
        rb"pypi\.org|pythonhosted|download\.pytorch|npmjs\.org|docker\.io|index-url|(?<![\w.*])/(work|root|opt/pypi|opt/wheels|tmp/bash_jobs)/"
    )
    others = (file for file in tracked() if file != Path(__file__))
    assert [f"{file.relative_to(ROOT)}: {match.group(0)!r}" for file in others for match in forbidden.finditer(told(file))] == []


def test_no_tracked_picture_has_the_size_of_a_dataset_face() -> None:
    pictures = [file for file in tracked() if file.suffix.lower() in PICTURES]
    assert [str(file) for file in pictures if Image.open(file).size == (48, 48)] == []


@pytest.mark.dataset
def test_no_tracked_file_is_in_the_dataset(ferplus_zip: Path) -> None:
    with zipfile.ZipFile(ferplus_zip) as archive:
        members = {(entry.file_size, entry.CRC) for entry in archive.infolist() if entry.file_size}
    assert len(members) > 20_000  # some faces are in FERPlus twice
    assert [str(file) for file in tracked() if (file.stat().st_size, zlib.crc32(file.read_bytes())) in members] == []


@pytest.mark.parametrize("name", ["datasets/ferplus.zip", "audit/part-000000.parquet", "audit-faces/0.png", "models/mine.safetensors"])
def test_faces_and_models_of_others_are_never_added_by_chance(name: str) -> None:
    """Where .ci/run looks for the data set, and where the documents' own commands write."""
    assert subprocess.run(["git", "check-ignore", "--quiet", "--no-index", name], cwd=ROOT, check=False).returncode == 0


def test_checkpoints_are_small() -> None:
    large = {file.name: file.stat().st_size for file in tracked() if file.stat().st_size > CHECKPOINT_LIMIT_BYTES}
    assert large == {}


def test_every_make_target_the_documents_name_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    documents = [file for file in tracked() if file.suffix == ".md" or file.name == ".pre-commit-config.yaml"]
    commands = re.compile(r"(?:^|`|entry: )make ([a-z]+)\b", re.MULTILINE)
    named = {target for file in documents for target in commands.findall(file.read_text(encoding="utf-8"))}
    assert {"serve", "test", "lint", "check"} <= named
    assert named <= targets


def test_every_program_that_make_runs_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    modules = re.findall(r"\$\(bin\)/python -m ((?:benchmarks|tests)(?:\.\w+)+)", makefile)
    scripts = re.findall(r"\$\(bin\)/python (\S+\.py)", makefile)
    assert {"tests.decoding.fuzz_decoding", "benchmarks.bench_load"} <= set(modules)
    assert [path for path in [*scripts, *(f"{module.replace('.', '/')}.py" for module in modules)] if not (ROOT / path).is_file()] == []
    assert {file.stem for file in (ROOT / "benchmarks").glob("bench_*.py")} == {
        module.partition(".")[2] for module in modules if module.startswith("benchmarks.bench_")
    }


def test_continuous_integration_looks_for_every_program_that_tests_run() -> None:
    """All but Git, without which there is no clone, and Node, which comes with npm."""
    tests = "".join(file.read_text(encoding="utf-8") for file in tracked() if file.suffix == ".py" and file.is_relative_to(ROOT / "tests"))
    named = set(re.findall(r'(?:\b(?:run|Popen)\(|\bcommand = )\["(\w+)", ', tests))
    programs = {name for name in named if shutil.which(name)}
    assert {"make", "ps"} <= programs
    looked_for = set(re.findall(r"command -v (\w+)", (ROOT / ".ci" / "run").read_text(encoding="utf-8")))
    assert programs - looked_for <= {"git", "node"}


@pytest.mark.parametrize(("environment", "status"), [({}, 0), ({"CI": "true"}, 1)])
def test_javascript_is_left_unchecked_only_without_npm_and_never_in_continuous_integration(
    environment: dict[str, str], status: int, tmp_path: Path
) -> None:
    dirname = shutil.which("dirname")
    assert dirname is not None
    (tmp_path / "dirname").symlink_to(dirname)
    ran = subprocess.run(
        ["/bin/bash", ROOT / ".ci/javascript"], env=environment | {"PATH": str(tmp_path)}, check=False, capture_output=True, text=True
    )
    assert ran.returncode == status
    assert ran.stderr.startswith("static/js is not checked: there is no npm here")
    assert len(ran.stderr.splitlines()) == 1


def test_lint_checks_javascript_with_pinned_tools() -> None:
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\nlint:")[2].partition("\n\n")[0]
    assert "\t.ci/javascript" in recipe
    tools = json.loads((ROOT / ".ci/package.json").read_text(encoding="utf-8"))["devDependencies"]
    packages = json.loads((ROOT / ".ci/package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert {name: packages[f"node_modules/{name}"]["version"] for name in tools} == tools
    assert {"eslint", "typescript"} <= set(tools)
    assert [name for name, package in packages.items() if name and "integrity" not in package] == []
