"""The project's commands, one session each.

Every session installs from a lock with hashes and keeps its environment until that lock changes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import nox
from nox.project import dependency_groups

nox.needs_version = ">=2026.4"
nox.options.default_venv_backend = "uv"
nox.options.reuse_existing_virtualenvs = True
# A session that cannot find its Python fails: a skipped one would read as a passed one.
nox.options.error_on_missing_interpreters = True
nox.options.sessions = ["lint", "tests", "docs"]

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT))
from checks.browser import chromium  # noqa: E402
from harness.environments import (  # noqa: E402  (these need the path above, and no package)
    DEFAULT,
    ENVIRONMENTS,
    FOLDER_VARIABLE,
    STAMP,
    Environment,
)
from harness.imports import used_by  # noqa: E402

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

DOCS = Path("docs")
BUILD = DOCS / "_build"
# What every page's output depends on, beside the modules that the site's extensions import: a change of these starts a
# build from nothing.
MACHINERY = (
    "docs/conf.py",
    "docs/_*/**/*",
    "prose/*.py",
    "pyproject.toml",
    "locks/docs.txt",
    "gym-rollouts/*.*",
    "gym-rollouts/src/**/*",
)
#: Addresses that docs/conf.py takes from the environment.
ADDRESSES = ("SITE_URL", "REPOSITORY_URL", "ANALYTICS_URL")
SPHINX_OPTIONS = (
    "-W",  # a warning fails the build
    "-n",  # so does a reference to nothing
    "--keep-going",  # every warning is shown, not only the first
    "-j", "auto",  # as many processes as there are cores
)  # fmt: skip

# NeMo Gym's Python, and the release of it that the pinned NeMo Gym declares as its oldest. It runs on an
# older 3.13 too, so uv is told to resolve for this one whichever 3.13 the machine has.
PYTHON = ENVIRONMENTS[DEFAULT].python
DECLARED_PYTHON = ENVIRONMENTS[DEFAULT].compiled_for
# The environments in which pages run beside that one.
OTHERS = [each for each in ENVIRONMENTS.values() if each.name != DEFAULT]
# Where the command-line tool of the pages runs: beside every framework that trains.
TOOL_PYTHONS = ("3.11", "3.12", "3.13")
TOOL = Path("gym-rollouts")
# Prints which Python runs, which NeMo Gym is installed, and which is pinned.
PROBE = """
import platform
from importlib.metadata import version
from pinned.symbols import pinned_version
print(platform.python_version().rpartition(".")[0], version("nemo-gym"), pinned_version())
"""
# Where a machine forbids bytecode, each process would compile all of NeMo Gym again, which doubles its start.
KEEP_BYTECODE = {"PYTHONDONTWRITEBYTECODE": None}
# The addresses are for the site: what judges a page builds it without them, also in .ci/run, which names some.
JUDGING = KEEP_BYTECODE | dict.fromkeys(ADDRESSES)

# Files of tests, and pages, side by side. For one page it would only cost the start of the processes.
ALL_CORES = ("-n", "auto")
# What judges the pages keeps its version when another NeMo Gym is installed beside it.
JUDGES = ("--constraint", "locks/docs.txt")

# What can be measured: the harness and the live NeMo Gym, and the pages' code on large files.
BENCHES = {name: f"benchmarks.{name}" for name in ("harness", "data", "quality", "site")}

# What writes the files that are generated from the pinned NeMo Gym: the index of its symbols first.
GENERATORS = tuple(
    f"pinned.{name}" for name in ("symbols", "formats", "reference", "tool_reference", "names", "programs")
)
# What asks every resources server that starts here; it takes minutes, so only where it is asked for.
ASKING = "pinned.asking"

# What GitHub reads, with the schema of it that check-jsonschema brings along.
WORKFLOWS = {
    "vendor.github-workflows": [str(path) for path in sorted(ROOT.glob(".github/workflows/*.yml"))],
    "vendor.dependabot": [".github/dependabot.yml"],
}

# Lock: the oldest Python that it is compiled for.
LOCKS = {
    "docs": "3.11",
    **{each.reader: each.reader_compiled_for or each.compiled_for for each in ENVIRONMENTS.values()},
    **{each.name: each.compiled_for for each in ENVIRONMENTS.values()},
    "tool": TOOL_PYTHONS[0],
    "verbatim": PYTHON,
    "lint": "3.11",
    "links": "3.11",
    "browser": "3.11",
    "theme": "3.11",
    "lock": "3.11",
}
# A lock that is held to the versions of another one: the site is judged with the Sphinx that builds it.
CONSTRAINTS = {"tests": "docs", "verbatim": "docs"}
# What a reader installs beside NeMo Gym is of the versions with which all other pages are tested.
CONSTRAINTS |= {each.reader: DEFAULT for each in OTHERS if each.reader != each.name}
# Lock: requirements that are no part of it, nor what only they need. The first are installed after it.
UNLOCKED = {each.name: each.unlocked for each in OTHERS if each.unlocked}
ABSENT = {each.name: (*each.unlocked, *each.left_out) for each in OTHERS if each.unlocked or each.left_out}
# What no check needs, a reader does not install either.
ABSENT |= {each.reader: each.left_out for each in OTHERS if each.reader != each.name and each.left_out}
# Locks that also hold what the tool needs.
WITH_TOOL = ("tests", "tool", "lint", *(each.name for each in OTHERS if each.tool))
COMPILE_OPTIONS = (
    "--universal",  # one lock for every platform and newer Python
    "--generate-hashes",
    "--no-config",  # no index or setting of this machine's
    "--custom-compile-command", "nox -s lock",
)  # fmt: skip
# Indexes and wheels of one machine's own must not reach a lock; None removes the variable.
NOTHING_LOCAL = dict.fromkeys(("UV_FIND_LINKS", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_CONSTRAINT"))
# What a lock must not hold: a local build, a file, an address.
NOT_PORTABLE = re.compile(r"==\S*\+|://|--(find-links|index-url|extra-index-url)|\s@\s")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site into docs/_build/html, and see that its copy buttons are right. Arguments go to sphinx-build."""
    install(session, "docs")
    output = BUILD / "html"
    discard_stale(output)
    built_from(output).unlink(missing_ok=True)
    session.run(
        "sphinx-build",
        "-b", "html",  # the published builder
        *SPHINX_OPTIONS,
        "-d", str(doctrees(output)),
        *session.posargs,
        str(DOCS),
        str(output),
    )  # fmt: skip
    session.run("python", "-m", "checks.site", str(output))
    built_from(output).write_text(sources_digest(), encoding="utf-8")
    session.log(f"The site: {(ROOT / output / 'index.html').as_uri()}")


@nox.session(name="docs-live")
def docs_live(session: nox.Session) -> None:
    """Serve the site and rebuild it on every save. Arguments go to sphinx-autobuild."""
    install(session, "docs")
    output = BUILD / "live"
    discard_stale(output)
    session.run(
        "sphinx-autobuild",
        "--host", "127.0.0.1",
        "--port", "8080",  # the pages themselves use 8000 and 11000
        "--re-ignore", r"/_build/|__pycache__",  # else each build starts the next one
        "-n",  # warnings are shown, and the site is served all the same
        "-d", str(doctrees(output)),
        *session.posargs,
        str(DOCS),
        str(output),
    )  # fmt: skip


@nox.session
def links(session: nox.Session) -> None:
    """Follow the links of the built site and validate its notebooks; `links -- --external` asks other sites."""
    html = require_site(session)
    install(session, "links")
    session.run("python", "-m", "checks.notebooks", str(html))
    session.run("python", "-m", "checks.links", str(html), *session.posargs)


@nox.session
def browser(session: nox.Session) -> None:
    """Open every page and redirect of the built site in Chromium. Arguments go to pytest."""
    html = require_site(session)
    require_browser(session)
    install(session, "browser")
    settings = ["-c", "checks/browser/pytest.ini", "checks/browser"]
    session.run("pytest", *settings, *session.posargs, env={"SITE": str(html.resolve())})


@nox.session(venv_backend="none", default=False)
def assistants(session: nox.Session) -> None:
    """Score the built site for assistants that read it, with afdocs; needs Node.js and a site built for loopback."""
    address = os.environ.get("SITE_URL", "").strip()
    if not address.startswith("http://127.0.0.1:"):
        session.error(
            "the site is scored with an address of this machine: set SITE_URL=http://127.0.0.1:8090/ for docs too"
        )
    html = require_site(session)
    if fault := npm_fault("checks/assistants"):
        session.skip(f"afdocs could not be installed: {fault}")
    session.run(sys.executable, "-m", "checks.assistants", str(html), address, external=True)


@nox.session(python=PYTHON)
def tests(session: nox.Session) -> None:
    """Judge every page and run all tests; `tests -- docs/PATH.md` judges one page. Arguments go to pytest."""
    install_nemo_gym(session)
    os.environ[FOLDER_VARIABLE] = str(Path(session.virtualenv.location).resolve().parent)
    for reason in filter(None, (each.missing() for each in OTHERS)):
        session.warn(f"What needs it is skipped: {reason}")
    session.run("pytest", *(session.posargs or ALL_CORES), env=JUDGING)


@nox.session(venv_backend="none", default=False)
def changed(session: nox.Session) -> None:
    """Judge first what a change touches: the pages and tests that differ from `changed -- main`, and what uses them."""
    commit = session.posargs[0] if session.posargs else os.environ.get("CHANGED_SINCE")
    if not commit:
        session.log("No commit is named, here or in CHANGED_SINCE: everything is judged in its own order.")
        return
    paths = (session.run(sys.executable, "-m", "checks.changed", commit, silent=True, external=True) or "").split()
    if not paths:
        session.log(f"No page and no test differs from {commit}.")
        return
    # In a nox of its own: the environment is that of `tests`, which goes on with the rest.
    tests = (sys.executable, "-m", "nox", "-f", str(ROOT / "noxfile.py"), "-s", "tests", "--", *ALL_CORES, *paths)
    session.run(*tests, external=True)


@nox.session(venv_backend="none", default=False)
def pythons(session: nox.Session) -> None:
    """See that every Python is there that the sessions need; uv fetches what is missing."""
    versions = {*TOOL_PYTHONS, *(each.python for each in ENVIRONMENTS.values())}
    if missing := [version for version in sorted(versions) if not has_python(version)]:
        session.error(
            f"expected Python {', '.join(sorted(versions))}; found no {' and no '.join(missing)} on PATH, with pyenv "
            f"or with uv, and uv could not fetch it. Install it, such as with `pyenv install {missing[0]}` or "
            f"`uv python install {missing[0]}`, and run again"
        )
    session.log(f"Python {', '.join(sorted(versions))}: all there")


@nox.session(venv_backend="none", default=False)
def environments(session: nox.Session) -> None:
    """Install what pages run in beside the tests' environment; `environments -- NAME` installs one."""
    names = session.posargs or [each.name for each in OTHERS]
    if unknown := set(names) - {each.name for each in OTHERS}:
        session.error(f"there is no environment {min(unknown)!r}: {', '.join(each.name for each in OTHERS)}")
    # In a nox of its own, so that they are there before the next session: what is notified would come last.
    session.run(sys.executable, "-m", "nox", "-f", str(ROOT / "noxfile.py"), "-s", *names, external=True)


def environment_session(environment: Environment) -> None:
    """Make the session that installs an environment, under its name."""

    @nox.session(name=environment.name, python=environment.python, default=False)
    def install_environment(session: nox.Session) -> None:
        install(session, environment.name, "--python-version", environment.compiled_for)
        if environment.tool:
            install_tool_sources(session)
        described = ", ".join(f"{name} {version}" for name, version in environment.versions().items())
        session.log(f"{environment.name}: {described}")

    install_environment.__doc__ = f"Install the environment {environment.name}, in which pages run."


for each in OTHERS:
    environment_session(each)


@nox.session(venv_backend="none", default=False)
def prose(session: nox.Session) -> None:
    """Point at wordings that readers stumble over, in all pages or in those named; it warns and never fails."""
    npm = shutil.which("npm")
    if npm is None:
        session.skip("textlint needs Node.js, and there is no npm on PATH")
    pages = [str(Path(page).resolve()) for page in session.posargs or [DOCS / "**" / "*.md"]]
    with session.chdir("checks/prose"):
        if not Path("node_modules").is_dir():
            session.run(npm, "ci", "--silent", "--ignore-scripts", external=True)
        session.run(npm, "exec", "--", "textlint", "--no-color", *pages, external=True, success_codes=[0, 1])


@nox.session(python=TOOL_PYTHONS)
def tool(session: nox.Session) -> None:
    """Test the tool from its wheel on every Python that it is for; `-p 3.13` on one. Arguments go to pytest."""
    install(session, "tool")
    install_tool(session)
    # Options alone leave the tests that they are for.
    chosen = (
        session.posargs
        if any(Path(each).exists() for each in session.posargs)
        else [*session.posargs, str(TOOL / "tests")]
    )
    run = ["pytest", "-c", str(TOOL / "pytest.ini"), *chosen]
    if session.python != PYTHON or session.posargs:
        session.run(*run)
        return
    # All tests, on the Python of the site's own: pages show parts of the tool of which each line has run.
    data = Path(session.create_tmp()).resolve()
    settings = {"COVERAGE_FILE": str(data / "coverage"), "COVERAGE_RCFILE": str((TOOL / "coverage.ini").resolve())}
    session.run("coverage", "run", "-m", *run, env=settings)
    for command in (["combine", "--quiet"], ["json", "--quiet", "-o", str(data / "coverage.json")]):
        session.run("coverage", *command, env=settings)
    session.run("python", "-m", "harness.excerpts", str(data / "coverage.json"))


@nox.session(python=PYTHON)
def jobs(session: nox.Session) -> None:
    """Try the reference solutions of readers' jobs; `jobs -- COMMAND` has an assistant do them with the built site."""
    install_nemo_gym(session)
    session.run("python", "-m", "jobs", *session.posargs, env=KEEP_BYTECODE)


@nox.session(python=PYTHON)
def verbatim(session: nox.Session) -> None:
    """Follow pages as a reader does, installs and servers included: `verbatim -- PAGE...`, or `-- --all`."""
    install(session, "verbatim")
    session.run("python", "docs/_ext/tool_wheel.py", silent=True)  # pages link it
    session.run("python", "-m", "harness.verbatim", *session.posargs, env=JUDGING)


@nox.session(python=PYTHON)
def bench(session: nox.Session) -> None:
    """Measure; `bench -- data --rows 1000000` measures one thing, with its own arguments."""
    install_nemo_gym(session)
    name, *arguments = session.posargs or [None]
    if name not in (None, *BENCHES):
        session.error(f"there is no bench {name!r}: {', '.join(BENCHES)}")
    for each in [name] if name else BENCHES:
        if each in PREPARED:
            PREPARED[each](session)
        session.run("python", "-m", BENCHES[each], *arguments, env=KEEP_BYTECODE)


def prepare_site_bench(session: nox.Session) -> None:
    """See that there is all that Lighthouse needs: two built sites, a browser, Node.js and its package."""
    require_site(session)
    require_browser(session)
    if fault := npm_fault("checks/lighthouse"):
        session.skip(f"Lighthouse could not be installed: {fault}")
    session.run(sys.executable, "-m", "nox", "-f", str(ROOT / "noxfile.py"), "-s", "theme", external=True)


#: What a bench needs before it runs.
PREPARED = {"site": prepare_site_bench}


@nox.session(default=False)
def theme(session: nox.Session) -> None:
    """Build the documentation of this site's theme, beside which `bench -- site` judges this site."""
    install(session, "theme")
    release = re.search(r"(?m)^pydata-sphinx-theme==\S+ (?:\\\n +--hash=\S+ ?)+", lock_path("theme").read_text("utf-8"))
    output = Path("build", "theme")
    done = output / "release.txt"
    if done.is_file() and done.read_text(encoding="utf-8") == release[0]:
        return
    shutil.rmtree(output, ignore_errors=True)
    # Only the source of the theme has its documentation.
    asked = Path(session.create_tmp(), "release.txt")
    asked.write_text(release[0], encoding="utf-8")
    session.run(
        "python", "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--require-hashes",
        "--dest", str(output), "--requirement", str(asked),
    )  # fmt: skip
    (archive,) = output.glob("*.tar.gz")
    shutil.unpack_archive(archive, output, filter="data")
    (docs,) = output.glob("*/docs")
    # One page is a notebook, which needs Pandoc.
    session.run(
        "sphinx-build", "-q", "-b", "html", "-j", "auto", "-D", "exclude_patterns=_build,examples/pydata.ipynb",
        str(docs.resolve()), str((output / "html").resolve()), silent=True,
    )  # fmt: skip
    done.write_text(release[0], encoding="utf-8")


@nox.session(python=PYTHON, default=False)
def recipes(session: nox.Session) -> None:
    """Train and measure a recipe: `recipes -- code --seed 0`; an hour on two cores. It goes on where it was stopped."""
    install_nemo_gym(session)
    if ENVIRONMENTS["trl"].missing():  # in a nox of its own, so that it is there before what follows
        session.run(sys.executable, "-m", "nox", "-f", str(ROOT / "noxfile.py"), "-s", "trl", external=True)
    os.environ[FOLDER_VARIABLE] = str(Path(session.virtualenv.location).resolve().parent)
    session.run("python", "-m", "recipes", *session.posargs, env=KEEP_BYTECODE)


@nox.session(python=PYTHON)
def reference(session: nox.Session) -> None:
    """Write what is generated from the pinned NeMo Gym; `reference -- --check` only compares.

    `reference -- --asked` first asks the resources servers what their rows need: minutes; or some: `--asked mcqa`.
    """
    install_nemo_gym(session)
    flags = [each for each in session.posargs if each.startswith("-") and each != "--asked"]
    if "--asked" in session.posargs:
        names = [each for each in session.posargs if not each.startswith("-")]
        session.run("python", "-m", ASKING, *flags, *names, env=KEEP_BYTECODE)
    for module in GENERATORS:
        session.run("python", "-m", module, *flags, env=KEEP_BYTECODE)


@nox.session(python=PYTHON)
def releases(session: nox.Session) -> None:
    """Write which published release of NeMo Gym has which names, from the wheels on the package index."""
    install_nemo_gym(session)
    session.run("python", "-m", "pinned.releases", "--pip", pip_of(session), env=KEEP_BYTECODE)


def pip_of(session: nox.Session) -> str:
    """A Python with pip, which only lists and downloads releases, and so belongs to no lock."""
    folder = Path(session.create_tmp(), "pip")
    session.run_install("uv", "venv", "--quiet", "--seed", "--allow-existing", str(folder))
    return str(folder / "bin" / "python")


@nox.session(python=PYTHON)
def drift(session: nox.Session) -> None:
    """Run the site against the newest NeMo Gym, or `drift -- 0.4.0`, and report what differs. It changes nothing."""
    if len(session.posargs) > 1:
        session.error("expected nothing, or the version of one published nemo-gym: nox -s drift -- 0.4.0")
    install_nemo_gym(session)
    if session.posargs:
        version = session.posargs[0]
    else:
        ask = ("python", "-m", "pinned.releases", "--newer", "--pip", pip_of(session))
        version = (session.run(*ask, silent=True, env=KEEP_BYTECODE) or "").strip()
        if not version:
            session.log("The pinned NeMo Gym is the newest that the package index has: nothing can differ.")
            return
    folder = Path("build", "drift", version)
    shutil.rmtree(folder, ignore_errors=True)
    session.run("python", "-m", "pinned.drift", "ask", str(folder / "pin"), env=KEEP_BYTECODE)
    # From here on the environment is not what the lock says: the next run installs the lock again.
    Path(session.virtualenv.location, STAMP).unlink()
    session.run(
        "uv", "pip", "install", "--quiet", "--python-version", DECLARED_PYTHON, f"nemo-gym=={version}", *JUDGES
    )  # fmt: skip
    session.run("python", "-m", "pinned.drift", "ask", str(folder / "other"), env=KEEP_BYTECODE)
    session.run(
        "pytest", *ALL_CORES, "--quiet", "--tb=no", "-r", "N", "--no-cache",
        "--build", str(folder / "build"), str(DOCS),
        env=KEEP_BYTECODE | {"GYMDOCS_LEDGER": str(folder / "ledger.json")},
        success_codes=[0, 1],  # pages that fail are what the report is about
    )  # fmt: skip
    session.run(
        "python", "-m", "pinned.drift", "report", str(folder / "pin"), str(folder / "other"),
        "--ledger", str(folder / "ledger.json"),
        "--output", str(folder / "report.md"),
    )  # fmt: skip


@nox.session
def lint(session: nox.Session) -> None:
    """Check code, prose, locks and workflows; `lint -- --fix` mends what can be mended."""
    install(session, "lint")
    if stale := [name for name in LOCKS if not is_current(name)]:
        session.error(f"locks/{stale[0]}.txt was not compiled from pyproject.toml as it is. Run: nox -s lock")
    fix = ["--fix"] if "--fix" in session.posargs else []
    session.run("ruff", "check", *fix)
    session.run("ruff", "format", *([] if fix else ["--check"]))
    session.run("mypy", "--config-file", str(TOOL / "mypy.ini"), str(TOOL / "src"), "recipes")
    session.run("codespell")
    session.run("rumdl", "check", *fix, ".")
    session.run("shellcheck", ".ci/run", ".github/tell")
    for schema, files in WORKFLOWS.items():
        session.run("check-jsonschema", "--builtin-schema", schema, *files)
    session.run("zizmor", "--offline", "--quiet", "--persona", "pedantic", ".github")


@nox.session
def lock(session: nox.Session) -> None:
    """Compile pyproject.toml's groups into locks/; `lock -- --upgrade` takes the newest releases."""
    install(session, "lock")
    for name in LOCKS:
        compile_lock(session, name)


def install(session: nox.Session, name: str, *options: str) -> None:
    """Bring the session's environment to exactly what ``locks/NAME.txt`` says.

    A stamp in the environment holds the digest of the lock it was made from, so that nothing is
    installed, or asked of an index, while the lock stays the same.
    """
    path = lock_path(name)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    stamp = Path(session.virtualenv.location, STAMP)
    if stamp.exists() and stamp.read_text(encoding="utf-8") == digest:
        return
    stamp.unlink(missing_ok=True)
    # sync, not install: what the lock no longer names goes.
    session.run_install("uv", "pip", "sync", "--quiet", "--require-hashes", *options, str(path))
    for requirement in UNLOCKED.get(name, ()):
        # What it needs is in the lock.
        session.run_install("uv", "pip", "install", "--quiet", "--no-deps", *cpu_build(requirement), requirement)
    stamp.write_text(digest, encoding="utf-8")


def cpu_build(requirement: str) -> list[str]:
    """Return the options with which uv finds the build of torch for CPUs.

    That is PyTorch's own index, unless pip is configured on this machine with a folder that has one.
    """
    name, _, version = requirement.partition("==")
    settings = [sys.executable, "-m", "pip", "config", "list"]
    said = subprocess.run(settings, capture_output=True, text=True, check=False).stdout
    folders = [word for found in re.findall(r"find-links='([^']*)'", said) for word in found.split()]
    for folder in folders:
        if any(Path(folder).glob(f"{name}-{version}+cpu-*.whl")):
            return ["--no-index", "--find-links", folder]
    return ["--torch-backend", "cpu"]


def install_tool(session: nox.Session) -> None:
    """Build the tool's wheel and install it, without what it needs: that is in the session's lock."""
    folder = Path("build", "wheel", session.name)
    shutil.rmtree(folder, ignore_errors=True)
    # Everything in the wheel has this time, so that the same sources make the same file.
    build = ["python", "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder.resolve())]
    with session.chdir(TOOL):
        session.run(*build, env={"SOURCE_DATE_EPOCH": "1577836800"}, silent=True)
    (wheel,) = folder.glob("*.whl")
    session.run("uv", "pip", "install", "--quiet", "--no-deps", "--no-index", "--reinstall", str(wheel))


def install_tool_sources(session: nox.Session) -> None:
    """Install the tool as it stands, without what it needs: that is in the session's lock."""
    editable = ["--no-deps", "--no-index", "--no-build-isolation", "--editable", str(TOOL)]
    session.run_install("uv", "pip", "install", "--quiet", *editable)


def install_nemo_gym(session: nox.Session) -> None:
    """Install the tests' lock, and the tool as it stands; fail unless Python 3.13 and the pinned NeMo Gym run."""
    install(session, "tests", "--python-version", DECLARED_PYTHON)
    install_tool_sources(session)
    said = session.run_install("python", "-c", PROBE, silent=True, log=False)
    if said is None:  # `nox -R`: the environment is taken as it is
        return
    python, nemo_gym, pin = str(said).split()
    if (python, nemo_gym) != (PYTHON, pin):
        session.error(
            f"expected Python {PYTHON} with nemo-gym {pin}, as pyproject.toml pins it; found Python {python} "
            f"with nemo-gym {nemo_gym} in {session.virtualenv.location}. Remove it and run again"
        )


def has_python(version: str) -> bool:
    """Say whether a Python of that version runs here, after an attempt to fetch it where there is none."""
    uv = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    attempts = [[f"python{version}", "-c", ""]]
    attempts += [[uv, "python", "find", version], [uv, "python", "install", version]] if uv else []
    for command in attempts:
        try:
            if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                return True
        except OSError:
            continue
    return False


def discard_stale(output: Path) -> None:
    """Remove ``output`` and its parsed pages where an incremental build would leave them wrong.

    That is when a page was added, renamed or removed (a redirect is not written over a page that is
    still there), or when any of MACHINERY changed.
    """
    digest = hashlib.sha256()
    pages = {path for path in DOCS.rglob("*.md") if BUILD not in path.parents}
    deciding = machinery()
    for path in sorted(pages | deciding):
        digest.update(f"{path.as_posix()}\n".encode())
        if path in deciding:
            digest.update(path.read_bytes())
    stamp = output.with_suffix(".sha256")
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != digest.hexdigest():
        shutil.rmtree(output, ignore_errors=True)
        shutil.rmtree(doctrees(output), ignore_errors=True)
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(digest.hexdigest(), encoding="utf-8")


def require_site(session: nox.Session) -> Path:
    """Return the site's folder; fail where `docs` did not build it from what is there now."""
    output = BUILD / "html"
    stamp = built_from(output)
    if not stamp.exists():
        session.error(f"{output.as_posix()} holds no site that was built without a fault. Run: nox -s docs")
    if stamp.read_text(encoding="utf-8") != sources_digest():
        session.error(f"{output.as_posix()} was built from other sources or for another SITE_URL. Run: nox -s docs")
    return output


def require_browser(session: nox.Session) -> None:
    """See that there is a browser; where there is none, install it in CI, and skip what needs it elsewhere.

    `.ci/run` sets `CI_RUN`, which allows to install it. Where that cannot be done, the reason is given.
    """
    if chromium.find() or chromium.kept_by_playwright():
        return
    if not os.environ.get("CI_RUN"):
        session.skip(f"no Chromium or Chrome was found. {chromium.HOW_TO}")
    if reason := chromium.why_not_installed():
        session.skip(f"no Chromium or Chrome was found, and none can be installed: {reason}. {chromium.HOW_TO}")
    session.log(f"There is no Chromium: apt-get installs {' '.join(chromium.PACKAGES)}")
    if fault := chromium.install():
        session.skip(f"no Chromium or Chrome was found, and it could not be installed: {fault}")


def npm_fault(folder: str) -> str:
    """Install what a folder's lock of npm names; what went wrong, or nothing."""
    npm = shutil.which("npm")
    return failure_of([npm, "ci", "--no-audit", "--no-fund"], folder) if npm else "there is no npm on PATH"


def failure_of(command: list[str], folder: str | None = None) -> str:
    """Run a program that fetches something; the end of what it said if it failed, or nothing."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip()[-1500:] if done.returncode else ""


def built_from(output: Path) -> Path:
    """Return where it is noted what the site in ``output`` was built from, once all of it is there."""
    return output.with_name(f"{output.name}-built-from.sha256")


def sources_digest() -> str:
    """Return a digest of what the site is built from, but for the tests' ledger, which moves no link."""
    digest = hashlib.sha256("\n".join(os.environ.get(name, "") for name in ADDRESSES).encode())
    for path in sorted(machinery() | {path for path in DOCS.rglob("*") if is_source(path)}):
        digest.update(f"{path.as_posix()}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def machinery() -> set[Path]:
    """Return the files of MACHINERY, with all that the Python among them imports from the project."""
    files = {path for pattern in MACHINERY for path in Path().glob(pattern) if is_source(path)}
    programs = [path for path in files if path.suffix == ".py" and DOCS in path.parents]
    return files | used_by(programs, Path())


def is_source(path: Path) -> bool:
    """Say whether ``path`` is a file that somebody wrote, not one that a build or Python left there."""
    return path.is_file() and BUILD not in path.parents and path.suffix != ".pyc"


def doctrees(output: Path) -> Path:
    """Return where the parsed pages behind ``output`` are kept: beside it, as they are not published."""
    return output.with_name(f"{output.name}-doctrees")


def lock_path(name: str) -> Path:
    """Return the path of a lock, from the repository's root."""
    return Path("locks", f"{name}.txt")


def compile_lock(session: nox.Session, name: str) -> None:
    """Compile one group into its lock; fail, and leave no lock, where it would not hold elsewhere."""
    path = lock_path(name)
    path.parent.mkdir(exist_ok=True)
    constraint = ["--constraint", str(lock_path(CONSTRAINTS[name]))] if name in CONSTRAINTS else []
    sources = [str(TOOL / "pyproject.toml")] if name in WITH_TOOL else []
    left_out = leave_out(session, ABSENT[name]) if name in ABSENT else []
    session.run(
        "uv", "pip", "compile", "--quiet", *COMPILE_OPTIONS, *sources,
        "--group", name,
        "--python-version", LOCKS[name],
        *constraint,
        *left_out,
        "--output-file", str(path),
        *session.posargs,
        env=NOTHING_LOCAL,
    )  # fmt: skip
    text = path.read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), start=1):
        if NOT_PORTABLE.search(line):
            path.unlink()
            session.error(f"{path}:{number}: expected a release with hashes, found {line.strip()!r}")
    path.write_text(f"{lock_header(name)}\n{text}", encoding="utf-8")


def leave_out(session: nox.Session, requirements: tuple[str, ...]) -> list[str]:
    """Return the options that keep distributions out of a lock, with all that only they need."""
    path = Path(session.create_tmp(), "left-out.txt")
    # Each is overridden by a requirement that holds nowhere.
    path.write_text("".join(f"{each} ; python_version < '3'\n" for each in requirements), encoding="utf-8")
    return ["--overrides", str(path)]


def lock_header(name: str) -> str:
    """Return a lock's first line, which changes with what the lock was compiled from."""
    asked = [sorted(dependency_groups(PYPROJECT, name)), LOCKS[name], CONSTRAINTS.get(name)]
    if name in ABSENT:
        asked.append(ABSENT[name])
    if name in WITH_TOOL:
        asked.append(tomllib.loads((TOOL / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"])
    return f"# compiled from {hashlib.sha256(json.dumps(asked).encode()).hexdigest()}"


def is_current(name: str) -> bool:
    """Say whether a lock was compiled from pyproject.toml as it is."""
    path = lock_path(name)
    return path.exists() and path.read_text(encoding="utf-8").startswith(f"{lock_header(name)}\n")
