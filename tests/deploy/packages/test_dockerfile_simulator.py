"""Tests of the text of the simulator's Dockerfile, against that of the exporter."""

import json
import re

import pytest
from conftest import REPOSITORY
from test_dockerfile import DOCKERFILE, instructions, stages

SIMULATOR = REPOSITORY / "deploy/docker/Dockerfile.simulator"
PROGRAM = "/usr/bin/transfer-simulator"


@pytest.fixture(scope="module")
def by_stage():
    return stages(instructions(SIMULATOR.read_text()))


@pytest.fixture(scope="module")
def of_exporter():
    return stages(instructions(DOCKERFILE.read_text()))


def test_both_have_the_same_stages_bases_and_toolchain(by_stage, of_exporter):
    assert by_stage[None] == of_exporter[None]
    assert {name: stage[:1] for name, stage in by_stage.items()} == {name: stage[:1] for name, stage in of_exporter.items()}


def test_both_copy_the_same_sources(by_stage, of_exporter):
    def copied(stage):
        return [rest for instruction, rest in stage if instruction == "COPY"]

    assert copied(by_stage["build"]) == copied(of_exporter["build"])


def test_build_is_locked_and_of_one_package(by_stage):
    [compiles] = [rest for instruction, rest in by_stage["build"] if instruction == "RUN"]
    assert "cargo build --release --locked --package aws-transfer-simulator " in compiles
    caches = re.findall(r"--mount=type=cache,\S+", compiles)
    assert len(caches) == 2 and all("${TARGETARCH}" in cache for cache in caches)


def test_image_runs_the_program_without_root_and_shell(by_stage):
    runtime = by_stage["runtime"]
    assert list(by_stage)[-1] == "runtime" and runtime[0] == ("FROM", "scratch AS runtime")
    assert {instruction for instruction, _ in runtime}.isdisjoint({"RUN", "VOLUME"})
    values = {instruction: rest for instruction, rest in runtime}
    assert json.loads(values["ENTRYPOINT"]) == [PROGRAM]
    assert json.loads(values["HEALTHCHECK"].partition("CMD ")[2]) == [PROGRAM, "healthcheck"]
    assert (values["USER"], values["EXPOSE"], values["STOPSIGNAL"]) == ("65532:65532", "4777", "SIGTERM")
    assert values["ENV"] == "TRANSFER_SIMULATOR_LISTEN_ADDRESS=0.0.0.0:4777"
