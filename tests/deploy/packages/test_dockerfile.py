"""Tests of the text of the Dockerfile, for what the image built here does not cover, such as the build stage."""

import json
import re
import tomllib

import pytest
from conftest import HERE, REPOSITORY, run
from container import Image

DOCKERFILE = REPOSITORY / "deploy/docker/Dockerfile"


def instructions(text):
    """Returns (instruction, arguments) of each instruction, without comments."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


def stages(parsed):
    """Returns the instructions by stage; those before the first FROM have the key None."""
    found, name = {None: []}, None
    for instruction, rest in parsed:
        if instruction == "FROM":
            name = re.search(r" AS (\S+)$", rest)[1]
            found[name] = []
        found[name].append((instruction, rest))
    return found


@pytest.fixture(scope="module")
def parsed():
    return instructions(DOCKERFILE.read_text())


@pytest.fixture(scope="module")
def by_stage(parsed):
    return stages(parsed)


def test_rust_version_matches_the_toolchain(by_stage):
    arguments = dict(rest.split("=") for instruction, rest in by_stage[None] if instruction == "ARG")
    toolchain = tomllib.loads((REPOSITORY / "rust-toolchain.toml").read_text())["toolchain"]["channel"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", toolchain)
    assert arguments["RUST_VERSION"] == toolchain
    assert by_stage["build"][0] == ("FROM", "rust:${RUST_VERSION}-alpine AS build")


def test_compiles_by_default(by_stage):
    assert ("ARG", "PROGRAM=build") in by_stage[None]
    assert by_stage["program"] == [("FROM", "${PROGRAM} AS program")]


def test_build_is_locked(by_stage):
    [compiles] = [rest for instruction, rest in by_stage["build"] if instruction == "RUN" and "cargo" in rest and "build --" in rest]
    assert "cargo build --release --locked " in compiles


def test_shipped_binaries_are_linked_as_a_whole(by_stage):
    # The image's size is measured on a binary of tests/deploy/packages/install.
    assert ("ENV", "CARGO_PROFILE_RELEASE_LTO=fat") in by_stage["build"]
    assert "CARGO_PROFILE_RELEASE_LTO=fat" in (HERE / "install").read_text()
    assert "CARGO_PROFILE_RELEASE_LTO: fat" in (REPOSITORY / ".github/workflows/release.yml").read_text()


def test_base_images_are_rust_and_scratch(parsed):
    bases = [rest.split()[0] for instruction, rest in parsed if instruction == "FROM"]
    assert bases == ["rust:${RUST_VERSION}-alpine", "scratch", "${PROGRAM}", "scratch"]


def test_stages_have_no_fixed_platform(parsed):
    # Without --platform, a stage uses the requested platform.
    assert [rest for instruction, rest in parsed if instruction == "FROM" and "--platform" in rest] == []
    assert [rest for instruction, rest in parsed if re.search(r"x86_64|amd64|aarch64|arm64", rest)] == []


def test_caches_are_separate_per_platform(by_stage):
    caches = [mount for _, rest in by_stage["build"] for mount in re.findall(r"--mount=type=cache,\S+", rest)]
    assert caches and all("id=" in mount and "${TARGETARCH}" in mount for mount in caches)
    assert ("ARG", "TARGETARCH") in by_stage["build"]


def test_build_downloads_only_packages_and_crates(parsed):
    assert [rest for instruction, rest in parsed if instruction == "ADD" or re.search(r"\b(curl|wget|git) ", rest)] == []


def test_last_stage_runs_nothing(by_stage):
    assert list(by_stage)[-1] == "runtime"
    runtime = by_stage["runtime"]
    assert {instruction for instruction, _ in runtime}.isdisjoint({"RUN", "VOLUME"})
    # Exec form, since there is no shell.
    [entrypoint] = [rest for instruction, rest in runtime if instruction == "ENTRYPOINT"]
    [healthcheck] = [rest for instruction, rest in runtime if instruction == "HEALTHCHECK"]
    assert json.loads(entrypoint) == ["/usr/bin/aws-transfer-exporter"]
    assert json.loads(healthcheck.partition("CMD ")[2]) == ["/usr/bin/aws-transfer-exporter", "healthcheck"]


def test_build_context_is_minimal(by_stage, tmp_path):
    recipe = tmp_path / "Dockerfile"
    recipe.write_text("FROM scratch\nCOPY . /\n")
    image = Image(tmp_path)
    try:
        image.buildah("build", "--quiet", "--isolation=chroot", f"--ignorefile={REPOSITORY / '.dockerignore'}",
                      "--tag=context", f"--file={recipe}", REPOSITORY)
        context = image.buildah("mount", image.buildah("from", "localhost/context"))
        names = set(run("ls", "-A", context).stdout.split()) - {"dist"}
        assert names == {"Cargo.toml", "Cargo.lock", "LICENSE", "askama.toml", "benches", "build.rs", "crates", "deploy", "src", "xtask"}
        copied = {word for instruction, rest in by_stage["build"] if instruction == "COPY" for word in rest.split()[:-1]}
        assert copied | {"LICENSE", "deploy"} == names
        shipped = run("find", f"{context}/deploy", "-type", "f", "-printf", "%P\\n").stdout.split()
        assert shipped == ["licenses/THIRD-PARTY.txt"]
        sources = tmp_path / "sources"
        sources.mkdir()
        run("cp", "-r", *(f"{context}/{name}" for name in copied), sources)
        # Fails if the file of a target is missing.
        run("cargo", "fetch", "--locked", cwd=sources)
    finally:
        image.remove()
