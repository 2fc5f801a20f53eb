"""Tests of the workflows and their scripts."""

import os
import re
import shutil
import subprocess
import tarfile

import pytest
import yaml
from aws_helpers import ROOT, exporter, run

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
TARGETS = {
    f"{machine}-{system}"
    for machine in ("x86_64", "aarch64")
    for system in ("unknown-linux-gnu", "unknown-linux-musl", "apple-darwin")
}


PROGRAMS = ("aws-transfer-exporter", "transfer-simulator")


def load(path):
    # YAML 1.1 parses the key `on` as a boolean.
    return yaml.load(path.read_text(), yaml.BaseLoader)


RELEASE = load(ROOT / ".github/workflows/release.yml")
CI = load(ROOT / ".github/workflows/ci.yml")
ADVISORIES = load(ROOT / ".github/workflows/advisories.yml")


def steps(job):
    return RELEASE["jobs"][job]["steps"]


def script(job):
    return "\n".join(step.get("run", "") for step in steps(job))


def test_actionlint_reports_nothing():
    done = run("actionlint", "-shellcheck", "shellcheck", *WORKFLOWS)
    assert done.stdout == "", done.stdout


def test_actionlint_has_shellcheck():
    assert "shellcheck" in run("shellcheck", "--version").stdout.lower()


def test_zizmor_reports_nothing():
    run("zizmor", "--offline", "--no-progress", "--persona=pedantic", "--strict-collection", ROOT / ".github")


@pytest.mark.parametrize("name", [".github/release-notes", ".github/pack", "deploy/release/in-clean-root"])
def test_shellcheck_reports_nothing(name):
    run("shellcheck", ROOT / name)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_commit_with_a_version_comment(path):
    uses = [line.strip().removeprefix("- ") for line in path.read_text().splitlines() if "uses:" in line]
    foreign = [line for line in uses if not line.startswith("uses: ./")]
    assert foreign
    for line in foreign:
        assert re.fullmatch(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_actions_have_a_single_version():
    pins = {}
    for path in WORKFLOWS:
        for name, pin in re.findall(r"uses: ([\w./-]+)@(.*)", path.read_text()):
            pins.setdefault(name, set()).add(pin)
    assert all(len(versions) == 1 for versions in pins.values()), pins


def test_permissions_are_minimal():
    for workflow in (CI, RELEASE):
        assert workflow["permissions"] == {}
        assert all("permissions" in job for job in workflow["jobs"].values())
    read = {"contents": "read"}
    assert all(job["permissions"] == read for job in CI["jobs"].values())
    assert {name: job["permissions"] for name, job in RELEASE["jobs"].items()} == {
        "version": read,
        "test": read,
        "advisories": read,
        "build": read,
        "assemble": read,
        "image": read | {"packages": "write", "id-token": "write", "attestations": "write"},
        "chart": read | {"packages": "write", "id-token": "write"},
        "publish": {"contents": "write", "id-token": "write", "attestations": "write"},
    }


def test_checkouts_do_not_persist_credentials():
    checkouts = [
        step
        for workflow in (CI, RELEASE)
        for job in workflow["jobs"].values()
        for step in job.get("steps", [])
        if step.get("uses", "").startswith("actions/checkout@")
    ]
    assert checkouts and all(step["with"]["persist-credentials"] == "false" for step in checkouts)


def test_only_a_tag_starts_a_release():
    assert RELEASE["on"] == {"push": {"tags": ["v*"]}}


def test_publishing_depends_on_the_tests():
    def before(job):
        needs = RELEASE["jobs"][job].get("needs", [])
        needs = [needs] if isinstance(needs, str) else needs
        return set(needs).union(*(before(need) for need in needs))

    assert RELEASE["jobs"]["test"]["uses"] == "./.github/workflows/ci.yml"
    assert RELEASE["jobs"]["advisories"]["uses"] == "./.github/workflows/advisories.yml"
    assert {"version", "test", "advisories", "build"} <= before("image") & before("chart")
    assert {"version", "test", "build", "assemble", "image", "chart"} <= before("publish")
    assert "workflow_call" in CI["on"] and "workflow_call" in ADVISORIES["on"]
    stages = {step.get("run") for job in CI["jobs"].values() for step in job["steps"]}
    assert {f"tests/run {stage}" for stage in ("lint", "hermetic", "peers", "deploy")} <= stages
    assert os.access(ROOT / "tests/run", os.X_OK)


def test_advisories_are_checked_each_week():
    (schedule,) = ADVISORIES["on"]["schedule"]
    minute, hour, *days, weekday = schedule["cron"].split()
    assert days == ["*", "*"] and minute.isdigit() and hour.isdigit() and weekday.isdigit()
    (job,) = ADVISORIES["jobs"].values()
    assert job["steps"][-1]["run"] == "cargo deny --locked check advisories"


def test_every_target_is_built_on_its_platform():
    matrix = {row["target"]: row["runner"] for row in RELEASE["jobs"]["build"]["strategy"]["matrix"]["include"]}
    assert set(matrix) == TARGETS
    for target, runner in matrix.items():
        machine, system = target.split("-", 1)
        assert runner.startswith("macos" if system == "apple-darwin" else "ubuntu")
        arm = runner.endswith("-arm") or runner == "macos-15"
        assert arm == (machine == "aarch64"), (target, runner)


def test_release_runs_the_steps_of_the_rehearsal():
    assert 'cargo xtask release pack "$TARGET" "target/$TARGET/release" dist' in script("build")
    assert "--package aws-transfer-simulator" in script("build")
    assert "cargo xtask release assemble dist" in script("assemble")
    assert 'cargo xtask publisher --release "$GITHUB_REPOSITORY"' in script("version")
    usage = subprocess.run(["cargo", "xtask"], cwd=ROOT, capture_output=True, text=True, timeout=300).stderr
    for task in ("release pack TARGET BINARIES DIR", "release assemble DIR", "publisher --release OWNER/NAME", "release --dry-run"):
        assert task in usage


def test_nothing_is_compiled_where_something_may_be_written():
    for job in ("image", "chart", "publish"):
        assert "cargo" not in script(job) and not any("checkout" in step.get("uses", "") for step in steps(job))


def test_release_has_signatures_and_provenance():
    assert "cosign sign-blob" in script("publish")
    assert 'cosign sign --yes --recursive "$IMAGE"' in script("image") and 'cosign sign --yes "$CHART"' in script("chart")
    for job in ("image", "publish"):
        assert any(step.get("uses", "").startswith("actions/attest-build-provenance@") for step in steps(job))


def test_names_match_across_jobs():
    """Archives of `.github/pack`, the images and the chart of `xtask release`."""
    assert "name=$program-$2-$3" in (ROOT / ".github/pack").read_text()
    assert tuple(RELEASE["jobs"]["image"]["strategy"]["matrix"]["program"]) == PROGRAMS
    assert "dist/$PROGRAM-$VERSION-image.tar" in script("image")
    assert "dist/aws-transfer-exporter-$VERSION.tgz" in script("chart")


def test_dockerfiles_take_the_arguments_of_the_release():
    source = (ROOT / "xtask/src/release/image.rs").read_text()
    given = set(re.findall(r"--build-arg=(\w+)=", source))
    assert given == {"PROGRAM", "VERSION", "REVISION", "SOURCE"}
    for program, file in zip(PROGRAMS, ("Dockerfile", "Dockerfile.simulator")):
        dockerfile = (ROOT / "deploy/docker" / file).read_text()
        assert given <= set(re.findall(r"^ARG (\w+)", dockerfile, re.MULTILINE))
        assert re.search(r"^FROM \S+ AS prebuilt$", dockerfile, re.MULTILINE)
        assert "COPY dist/${TARGETARCH}/" in dockerfile
        assert f'ENTRYPOINT ["/usr/bin/{program}"]' in dockerfile


def test_dependabot_covers_every_ecosystem():
    updates = load(ROOT / ".github/dependabot.yml")["updates"]
    watched = {(update["package-ecosystem"], update["directory"].lstrip("/")) for update in updates}
    manifests = {"cargo": "Cargo.toml", "docker": "Dockerfile", "gomod": "go.mod", "maven": "pom.xml", "npm": "package.json"}
    assert {ecosystem for ecosystem, _ in watched} == {"github-actions", *manifests}
    for ecosystem, folder in watched - {("github-actions", "")}:
        assert (ROOT / folder / manifests[ecosystem]).exists()
    # Fuzzing and the members of the workspace follow Cargo.toml of the root.
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    for ecosystem in ("gomod", "maven", "npm"):
        found = {os.path.dirname(path) for path in listed if os.path.basename(path) == manifests[ecosystem]}
        assert {(ecosystem, folder) for folder in found} <= watched


def test_releasing_documents_every_job_and_target():
    text = (ROOT / "RELEASING.md").read_text()
    for job in RELEASE["jobs"]:
        assert f"| `{job}` |" in text
    for target in TARGETS:
        assert f"{target}.tar.gz" in text
    assert all(re.search(rf"`ghcr\.io/[^/]+/{program}:", text) for program in PROGRAMS)
    assert "/.github/workflows/release.yml@refs/tags/v" in text


def notes(folder, tag):
    return subprocess.run([folder / ".github/release-notes", tag], capture_output=True, text=True, timeout=30)


@pytest.fixture
def project(tmp_path):
    """Returns a project that is ready to be released as 0.2.0."""
    (tmp_path / ".github").mkdir()
    shutil.copy(ROOT / ".github/release-notes", tmp_path / ".github")
    (tmp_path / "Cargo.toml").write_text('[package]\nname = "aws-transfer-exporter"\nversion = "0.2.0"\n\n[dependencies]\na = { version = "9" }\n')
    (tmp_path / "Cargo.lock").write_text(
        '[[package]]\nname = "a"\nversion = "9.0.0"\n\n[[package]]\nname = "aws-transfer-exporter"\nversion = "0.2.0"\n'
    )
    (tmp_path / "CHANGELOG.md").write_text(
        "# Changelog\n\n## Unreleased\n\n- later\n\n## 0.2.0 / 2026-12-01\n\n- [FEATURE] One.\n- [BUGFIX] Two.\n\n## 0.1.0 / 2026-11-01\n\n- old\n"
    )
    return tmp_path


def test_release_notes_are_those_of_the_version(project):
    done = notes(project, "v0.2.0")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "- [FEATURE] One.\n- [BUGFIX] Two."


@pytest.mark.parametrize(
    ("file", "old", "new", "tag", "message"),
    [
        ("Cargo.toml", 'version = "0.2.0"', 'version = "0.1.9"', "v0.2.0", "Cargo.toml has 0.1.9"),
        ("Cargo.lock", 'version = "0.2.0"', 'version = "0.1.9"', "v0.2.0", "Cargo.lock has 0.1.9"),
        ("CHANGELOG.md", "## 0.2.0 /", "## 0.2.00 /", "v0.2.0", "nothing below `## 0.2.0`"),
        ("CHANGELOG.md", "- [FEATURE] One.\n- [BUGFIX] Two.\n", "", "v0.2.0", "nothing below `## 0.2.0`"),
        ("CHANGELOG.md", "later", "later", "v0.3.0", "Cargo.toml has 0.2.0"),
        ("CHANGELOG.md", "later", "later", "0.2.0", "not a release's tag"),
        ("CHANGELOG.md", "later", "later", "v0.2", "not a release's tag"),
    ],
)
def test_release_requires_consistent_versions(project, file, old, new, tag, message):
    text = (project / file).read_text()
    assert old in text
    (project / file).write_text(text.replace(old, new))
    done = notes(project, tag)
    assert done.returncode == 1 and message in done.stderr, done.stderr


def test_release_script_reads_this_project():
    """A nonexistent tag is rejected with the current version."""
    version = re.search(r'^version = "(.+)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE).group(1)
    done = notes(ROOT, "v999.0.0")
    assert done.returncode == 1 and f"Cargo.toml has {version}," in done.stderr, done.stderr


def test_archive_has_the_program_and_documents(tmp_path):
    subprocess.run([ROOT / ".github/pack", exporter(), "0.2.0", "x86_64-unknown-linux-gnu", tmp_path / "dist"], check=True, timeout=60)
    name = "aws-transfer-exporter-0.2.0-x86_64-unknown-linux-gnu"
    with tarfile.open(tmp_path / "dist" / f"{name}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    files = {path.name for path in (tmp_path / name).iterdir()}
    documents = {"README.md", "CONFIGURATION.md", "METRICS.md", "CHANGELOG.md", "LICENSE", "THIRD-PARTY.txt",
                 "aws-transfer-exporter.1", "example.yml", "completions"}
    assert {path.name for path in (tmp_path / name / "completions").iterdir()} == {
        path.name for path in (ROOT / "deploy/completions").iterdir()
    }
    assert files == {"aws-transfer-exporter"} | documents
    done = subprocess.run([tmp_path / name / "aws-transfer-exporter", "--version"], capture_output=True, text=True, timeout=30)
    assert done.stdout.startswith("aws-transfer-exporter ")


def test_archive_of_the_simulator_has_its_document(tmp_path):
    program = tmp_path / "transfer-simulator"
    program.write_text("program")
    pack = [ROOT / ".github/pack", program, "0.2.0", "x86_64-unknown-linux-gnu", tmp_path / "dist"]
    subprocess.run(pack, check=True, timeout=60)
    name = "transfer-simulator-0.2.0-x86_64-unknown-linux-gnu"
    with tarfile.open(tmp_path / "dist" / f"{name}.tar.gz") as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    files = {path.name for path in (tmp_path / "unpacked" / name).iterdir()}
    documents = {"CHANGELOG.md", "LICENSE", "THIRD-PARTY.txt", "test-your-own-transfer-code.md"}
    assert files == {"transfer-simulator"} | documents
    refused = subprocess.run([ROOT / ".github/pack", "/bin/sh", "1", "a", tmp_path], capture_output=True, timeout=60)
    assert refused.returncode == 2


def step(job, name, tmp, **env):
    """Runs the script of a step as the runner does, and returns its outputs."""
    assert RELEASE["defaults"]["run"]["shell"] == "bash"
    (found,) = (step for step in steps(job) if step.get("name") == name)
    output = tmp / "github-output"
    output.touch()
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", found["run"]],
        cwd=tmp / found.get("working-directory", "."), env=os.environ | {"GITHUB_OUTPUT": str(output)} | env, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return output.read_text()


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(
    ("version", "tags"),
    [("0.2.0", ["0.2.0", "0.2", "latest"]), ("1.10.3", ["1.10.3", "1.10", "latest"]), ("0.2.0-rc.1", ["0.2.0-rc.1"])],
)
def test_pre_release_moves_no_other_tag(tmp_path, version, tags, program):
    owner = "Acme"
    said = step("image", "Names", tmp_path, VERSION=version, GITHUB_REPOSITORY_OWNER=owner, PROGRAM=program)
    assert said.splitlines() == [f"image=ghcr.io/{owner.lower()}/{program}", "tags<<EOF", *tags, "EOF"]


def test_a_file_that_differs_from_its_checksum_is_not_published(tmp_path):
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist/a.tar.gz").write_text("a")
    sums = subprocess.run(["sha256sum", "a.tar.gz"], cwd=tmp_path / "dist", capture_output=True, text=True, check=True).stdout
    (tmp_path / "dist/SHA256SUMS").write_text(sums)
    step("publish", "Checksums", tmp_path)
    assert (tmp_path / "SHA256SUMS").read_text() == sums and not (tmp_path / "dist/SHA256SUMS").exists()
    (tmp_path / "SHA256SUMS").rename(tmp_path / "dist/SHA256SUMS")
    (tmp_path / "dist/a.tar.gz").write_text("b")
    with pytest.raises(AssertionError):
        step("publish", "Checksums", tmp_path)


def test_tools_of_the_release_are_those_of_the_scripts():
    tools = dict(re.findall(r'\("(cargo-[a-z-]+)", "([0-9.]+)"\)', (ROOT / "xtask/src/release/tools.rs").read_text()))
    assert tools["cargo-cyclonedx"] == re.search(r"^version=(\S+)$", (ROOT / "deploy/sbom").read_text(), re.MULTILINE)[1]
    installed = (ROOT / "tests/deploy/packages/install").read_text()
    assert tools["cargo-deb"] == re.search(r"^CARGO_DEB_VERSION=(\S+)$", installed, re.MULTILINE)[1]
    assert "`deploy/sbom`" in (ROOT / "RELEASING.md").read_text()
