"""The project's own promises: the README's commands exist, CI runs them, and the locks hold everywhere."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NoReturn

import nox
import pytest
from packaging.requirements import Requirement

from harness.environments import ENVIRONMENTS
from pinned.symbols import ROOT, pinned_version

README = (ROOT / "README.md").read_text(encoding="utf-8")

# The shipped servers that the pages start; the group `servers` of pyproject.toml holds what they need.
SERVERS = (
    "example_single_tool_call",
    "math_with_judge",
    "mcqa",
    "structured_outputs",
    "workplace_assistant",
)


@pytest.fixture(scope="module")
def noxfile() -> ModuleType:
    spec = importlib.util.spec_from_file_location("noxfile", ROOT / "noxfile.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def project(tmp_path: Path, noxfile: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the files that the locks come from; the working directory."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "locks", tmp_path / "locks")
    (tmp_path / "gym-rollouts").mkdir()
    shutil.copy(ROOT / "gym-rollouts" / "pyproject.toml", tmp_path / "gym-rollouts")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lock_names() -> list[str]:
    return sorted(path.stem for path in (ROOT / "locks").glob("*.txt"))


def lock_text(name: str) -> str:
    return (ROOT / "locks" / f"{name}.txt").read_text(encoding="utf-8")


def lock_entries(name: str) -> dict[str, str]:
    """The requirements of a lock, such as ``sphinx==9.2.0``, each with its whole entry."""
    entries = re.split(r"\n(?=[a-z0-9])", re.sub(r"(?m)^ *#.*\n", "", lock_text(name)))
    return {entry.split()[0]: entry for entry in entries if entry.strip()}


# -- The README ------------------------------------------------------------------------------------


def test_readme_table_is_the_list_of_sessions(noxfile: ModuleType) -> None:
    table = re.findall(r"^\| `nox -s ([a-z-]+)(?: -- (?:VERSION|main))?` \|", README, re.MULTILINE)
    # The sessions of the environments are behind `environments`, so that a new one needs no row.
    assert sorted(table) == sorted(set(nox.registry.get()) - {each.name for each in noxfile.OTHERS})


WORKFLOWS = [f".github/workflows/{name}.yml" for name in ("site", "external-links")]


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", *WORKFLOWS])
def test_every_command_named_is_a_session(document: str, noxfile: ModuleType) -> None:
    named = set(re.findall(r"nox -s ([a-z-]+)", (ROOT / document).read_text(encoding="utf-8")))
    assert named
    assert named <= set(nox.registry.get())


def test_readme_names_folders_that_exist() -> None:
    folders = re.findall(r"^\| `([\w/]+)/` \|", README, re.MULTILINE)
    assert folders
    assert [name for name in folders if not (ROOT / name).is_dir()] == []


def test_each_way_installs_nox_with_uv() -> None:
    for way in ("uvx --from 'nox[uv]' nox", "pipx run --spec 'nox[uv]' nox", "pip install 'nox[uv]'"):
        assert way in README


# -- CI --------------------------------------------------------------------------------------------


def run_ci(folder: Path, readme: str) -> subprocess.CompletedProcess[str]:
    """Run ``.ci/run`` where ``python3`` makes an environment whose nox only talks."""
    (folder / ".ci").mkdir(parents=True)
    shutil.copy(ROOT / ".ci" / "run", folder / ".ci" / "run")
    (folder / "README.md").write_text(readme, encoding="utf-8")
    (folder / "bin").mkdir()
    fakes = {
        "bin/python3": "#!/bin/sh\nmkdir -p .venv/bin; cp bin/pip bin/nox .venv/bin\n",
        "bin/pip": '#!/bin/sh\necho "pip $*"\n',
        "bin/nox": '#!/bin/sh\necho "nox $*"; echo "all environments: $HARNESS_ALL_ENVIRONMENTS"; echo "== 1 failed, 7 passed in 3.21s =="; echo docs; exit 3\n',
    }
    for name, text in fakes.items():
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(["bash", ".ci/run"], cwd=folder, env=environment, text=True, capture_output=True)


def test_ci_runs_the_readme(tmp_path: Path) -> None:
    result = run_ci(tmp_path, README)
    assert "pip install nox[uv]\n" in result.stdout
    assert (
        "nox -s pythons lint tool environments changed tests verbatim docs links browser assistants\n" in result.stdout
    )
    assert "all environments: 1\n" in result.stdout, "a missing one must fail"


def test_ci_fails_with_nox_and_ends_with_the_tests_summary(tmp_path: Path) -> None:
    result = run_ci(tmp_path, README)
    assert result.returncode == 3
    assert result.stdout.endswith("docs\n== 1 failed, 7 passed in 3.21s ==\n")


def test_ci_refuses_a_readme_without_the_commands(tmp_path: Path) -> None:
    result = run_ci(tmp_path, README.replace(".ci/run", "CI"))
    assert result.returncode == 1
    assert "README.md: expected a console block" in result.stderr


def test_the_pythons_of_all_sessions_are_named_wherever_they_are_fetched(noxfile: ModuleType) -> None:
    needed = {*noxfile.TOOL_PYTHONS, *(each.python for each in ENVIRONMENTS.values())}
    needed |= {each for session in nox.registry.get().values() for each in listed(session.python)}
    assert set((ROOT / ".python-version").read_text(encoding="utf-8").split()) == needed
    workflow = (ROOT / ".github/workflows/site.yml").read_text(encoding="utf-8")
    assert set(re.search(r"python-version: \|\n((?: +[\d.]+\n)+)", workflow)[1].split()) == needed
    assert f"Python {', '.join(sorted(needed)[:-1])} and {max(needed)}" in README


def listed(python: Any) -> list[str]:
    """The Pythons of a session, of which it may have none, one or some."""
    return [] if not python else [python] if isinstance(python, str) else list(python)


def test_what_is_missing_is_named(noxfile: ModuleType, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noxfile, "has_python", lambda version: version == "3.13")
    with pytest.raises(RuntimeError, match=r"found no 3\.11 and no 3\.12 on PATH"):
        noxfile.pythons.func(FakeSession(project))


def test_a_python_that_only_has_a_name_is_none(noxfile: ModuleType, tmp_path: Path, monkeypatch) -> None:
    """pyenv has a program for each version that it knows, also where the version is not in use."""
    shim = tmp_path / "python3.99"
    shim.write_text("#!/bin/sh\nexit 127\n", encoding="utf-8")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(noxfile.sys, "executable", str(tmp_path / "python"))
    assert not noxfile.has_python("3.99")
    shim.write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    assert noxfile.has_python("3.99")


def test_a_browser_is_installed_where_ci_may_and_is_else_a_skip(
    noxfile: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """apt-get is a program of the test's own, which leaves a browser."""
    apt = tmp_path / "apt-get"
    apt.write_text(
        f"#!/bin/sh\n: > {tmp_path}/chromium-headless-shell\n/bin/chmod +x {tmp_path}/chromium-headless-shell\n",
        encoding="utf-8",
    )
    for name, value in {"PATH": tmp_path, "PLAYWRIGHT_BROWSERS_PATH": tmp_path / "none", "CI_RUN": ""}.items():
        monkeypatch.setenv(name, str(value))
    session = FakeSession(tmp_path)
    with pytest.raises(InterruptedError, match=r"no Chromium or Chrome was found\. Install one: apt-get"):
        noxfile.require_browser(session)
    monkeypatch.setenv("CI_RUN", "1")
    with pytest.raises(InterruptedError, match="none can be installed: this machine has no apt-get"):
        noxfile.require_browser(session)
    apt.chmod(0o755)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(InterruptedError, match="apt-get needs root"):
        noxfile.require_browser(session)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    noxfile.require_browser(session)
    packages = "chromium-headless-shell fonts-liberation fonts-dejavu-core"
    assert session.commands == [(f"There is no Chromium: apt-get installs {packages}",)]
    noxfile.require_browser(session)
    assert len(session.commands) == 1, "it is there now"


def test_an_install_that_fails_is_a_skip_with_its_reason(
    noxfile: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apt = tmp_path / "apt-get"
    apt.write_text("#!/bin/sh\necho no space left >&2; exit 100\n", encoding="utf-8")
    apt.chmod(0o755)
    for name, value in {"PATH": tmp_path, "PLAYWRIGHT_BROWSERS_PATH": tmp_path / "none", "CI_RUN": "1"}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with pytest.raises(InterruptedError, match=r"(?s)`apt-get update --quiet` failed:.*no space left"):
        noxfile.require_browser(FakeSession(tmp_path))


def test_ci_is_executable() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


# -- The locks -------------------------------------------------------------------------------------


def test_there_is_a_lock_for_each_that_is_compiled(noxfile: ModuleType) -> None:
    assert lock_names() == sorted(noxfile.LOCKS)


@pytest.mark.parametrize("name", lock_names())
def test_every_requirement_is_exact_and_hashed(name: str) -> None:
    entries = lock_entries(name)
    assert entries
    assert [entry for entry in entries if "==" not in entry] == []
    assert [name for name, entry in entries.items() if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("name", lock_names())
def test_a_lock_names_no_machine(name: str, noxfile: ModuleType) -> None:
    assert noxfile.NOT_PORTABLE.findall(lock_text(name)) == []


@pytest.mark.parametrize(
    "line",
    [
        "torch==2.13.0+cpu \\",
        "--find-links wheels",
        "--index-url https://packages.example",
        "six @ file:///wheels/six-1.17.0-py3-none-any.whl",
    ],
)
def test_what_is_not_portable_is_seen(line: str, noxfile: ModuleType) -> None:
    assert noxfile.NOT_PORTABLE.search(line)


def test_a_lock_is_current_until_its_group_changes(
    project: Path, noxfile: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [name for name in noxfile.LOCKS if not noxfile.is_current(name)] == []
    groups = noxfile.PYPROJECT["dependency-groups"]
    monkeypatch.setitem(groups, "docs", [*groups["docs"], "alabaster"])
    readers = [
        each.reader for each in noxfile.OTHERS if each.reader != each.name
    ]  # they include the group of the tests
    changed = {name for name in noxfile.LOCKS if not noxfile.is_current(name)}
    assert changed == {"docs", "tests", "verbatim", *readers}


def test_a_build_for_cpus_stays_out_of_the_lock_and_what_it_needs_is_in(noxfile: ModuleType) -> None:
    for name in noxfile.UNLOCKED:
        names = {entry.partition("==")[0] for entry in lock_entries(name)}
        assert not [each for each in names if each.startswith(("torch", "nvidia-", "triton"))], name
        assert {"filelock", "fsspec", "jinja2", "networkx", "setuptools", "sympy"} <= names


@pytest.mark.parametrize("there", [True, False], ids=["a folder of pip's", "none"])
def test_a_build_for_cpus_is_found(noxfile: ModuleType, tmp_path: Path, monkeypatch, there: bool) -> None:
    said = f"global.find-links='{tmp_path}'\n:env:.timeout='9'\n"
    monkeypatch.setattr(noxfile.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout=said))
    if there:
        (tmp_path / "torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl").touch()
    folder = ["--no-index", "--find-links", str(tmp_path)]
    assert noxfile.cpu_build("torch==2.13.0") == (folder if there else ["--torch-backend", "cpu"])
    assert noxfile.cpu_build("torch==2.12.0") == ["--torch-backend", "cpu"]


def test_a_missing_lock_is_not_current(project: Path, noxfile: ModuleType) -> None:
    (project / "locks" / "lint.txt").unlink()
    assert not noxfile.is_current("lint")


def test_building_the_site_needs_no_nemo_gym() -> None:
    assert [entry for entry in lock_entries("docs") if entry.startswith(("nemo-gym", "ray=", "torch="))] == []


def test_the_pin_is_what_is_locked_and_installed() -> None:
    assert f"nemo-gym=={pinned_version()}" in lock_entries("tests")
    assert version("nemo-gym") == pinned_version()
    assert sys.version_info[:2] == (3, 13)


def test_the_site_is_judged_with_the_sphinx_that_builds_it() -> None:
    built_with, judged_with = set(lock_entries("docs")), set(lock_entries("tests"))
    names = {entry.partition("==")[0] for entry in built_with}
    other = {entry for entry in judged_with if entry.partition("==")[0] in names} - built_with
    assert other == set()


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_finds_what_its_requirements_ask_for(server: str) -> None:
    shipped = Path(str(distribution("nemo-gym").locate_file(f"resources_servers/{server}/requirements.txt")))
    asked = [line.strip() for line in shipped.read_text(encoding="utf-8").splitlines() if line.strip()]
    missing = [line for line in asked if not line.startswith("-e nemo-gym") and not installed(line)]
    assert missing == [], f"{server}: add these to the group `servers` of pyproject.toml and run nox -s lock"


def installed(line: str) -> bool:
    requirement = Requirement(line)
    try:
        return version(requirement.name) in requirement.specifier
    except PackageNotFoundError:
        return False


# -- What is installed -----------------------------------------------------------------------------


class FakeSession:
    """A nox session that notes its commands; they print ``answer`` and compile ``lock``."""

    def __init__(self, folder: Path, answer: str = "", lock: str = "") -> None:
        self.virtualenv = SimpleNamespace(location=str(folder))
        self.posargs: list[str] = []
        self.answer, self.lock = answer, lock
        self.commands: list[tuple[str, ...]] = []

    def run_install(self, *command: str, **options: object) -> str:
        return self.run(*command, **options)

    def run(self, *command: str, **options: object) -> str:
        self.commands.append(command)
        if self.lock:
            Path(command[command.index("--output-file") + 1]).write_text(self.lock, encoding="utf-8")
        return self.answer

    def error(self, message: str) -> NoReturn:
        raise RuntimeError(message)

    def skip(self, message: str) -> NoReturn:
        raise InterruptedError(message)

    def log(self, message: str) -> None:
        self.commands.append((message,))


def test_nothing_is_installed_twice_from_one_lock(project: Path, noxfile: ModuleType) -> None:
    session = FakeSession(project)
    noxfile.install(session, "lint")
    noxfile.install(session, "lint")
    assert len(session.commands) == 1
    assert "--require-hashes" in session.commands[0]
    with (project / "locks" / "lint.txt").open("a", encoding="utf-8") as lock:
        lock.write("# changed\n")
    noxfile.install(session, "lint")
    assert len(session.commands) == 2


@pytest.mark.parametrize("found", ["3.12 {pin} {pin}", "3.13 0.0.1 {pin}"])
def test_another_nemo_gym_or_python_is_refused(found: str, project: Path, noxfile: ModuleType) -> None:
    session = FakeSession(project, answer=found.format(pin=pinned_version()))
    with pytest.raises(RuntimeError, match=f"expected Python 3.13 with nemo-gym {re.escape(pinned_version())}"):
        noxfile.install_nemo_gym(session)


def test_a_lock_that_holds_a_local_build_is_refused(project: Path, noxfile: ModuleType) -> None:
    session = FakeSession(project, lock="six==1.17.0 \\\n    --hash=sha256:0\ntorch==2.13.0+cpu\n")
    with pytest.raises(RuntimeError, match=r"locks.lint\.txt:3: .* found 'torch==2\.13\.0\+cpu'"):
        noxfile.compile_lock(session, "lint")
    assert not (project / "locks" / "lint.txt").exists()


# -- The build folder ------------------------------------------------------------------------------


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site with one page that has been built; the working directory."""
    for name in ("docs/conf.py", "docs/page.md", "docs/_ext/role.py", "docs/_build/html/page.html"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rebuilt(noxfile: ModuleType) -> bool:
    """Whether the output is discarded; afterwards there is output again."""
    noxfile.discard_stale(Path("docs/_build/html"))
    page = Path("docs/_build/html/page.html")
    discarded = not page.exists()
    page.parent.mkdir(exist_ok=True)
    page.touch()
    return discarded


def test_a_changed_page_keeps_the_output(site: Path, noxfile: ModuleType) -> None:
    assert rebuilt(noxfile)
    assert not rebuilt(noxfile)
    (site / "docs/page.md").write_text("changed", encoding="utf-8")
    assert not rebuilt(noxfile)


@pytest.mark.parametrize(
    "change",
    [
        lambda docs: (docs / "page.md").rename(docs / "renamed.md"),
        lambda docs: (docs / "new.md").touch(),
        lambda docs: (docs / "_ext/role.py").write_text("changed", encoding="utf-8"),
        lambda docs: (docs / "conf.py").write_text("changed", encoding="utf-8"),
    ],
    ids=["renamed page", "new page", "extension", "conf.py"],
)
def test_a_change_beyond_a_page_discards_the_output(change, site: Path, noxfile: ModuleType) -> None:
    assert rebuilt(noxfile)
    change(site / "docs")
    assert rebuilt(noxfile)


# -- The site that is judged -----------------------------------------------------------------------


def test_a_site_is_judged_only_as_it_was_built(
    site: Path, noxfile: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SITE_URL", raising=False)
    session = FakeSession(site)
    with pytest.raises(RuntimeError, match=r"no site that was built without a fault\. Run: nox -s docs"):
        noxfile.require_site(session)
    stamp = noxfile.built_from(Path("docs/_build/html"))
    stamp.write_text(noxfile.sources_digest(), encoding="utf-8")
    assert noxfile.require_site(session) == Path("docs/_build/html")
    (site / "docs/_build/html/other.html").touch()
    assert noxfile.require_site(session)
    monkeypatch.setenv("SITE_URL", "https://example.org")
    with pytest.raises(RuntimeError, match="built from other sources or for another SITE_URL"):
        noxfile.require_site(session)
    monkeypatch.delenv("SITE_URL")
    (site / "docs/page.md").write_text("changed", encoding="utf-8")
    with pytest.raises(RuntimeError, match="built from other sources"):
        noxfile.require_site(session)
