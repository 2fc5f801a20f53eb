"""Tests a program that sends files, without changing it."""

import pathlib
import sys

import pytest

from conftest import CONNECTOR

sys.path.append(str(pathlib.Path(__file__).parent.parent / "wait-for-transfer"))

from wait_for_transfer import send  # noqa: E402


def test_a_file_is_sent(simulator):
    [result] = send(CONNECTOR, ["/bucket/a.csv"])
    assert result == {"FilePath": "/bucket/a.csv", "StatusCode": "COMPLETED"}


def test_a_failure_has_its_code(simulator):
    simulator.next_transfer(end={"failed": {"code": "TIMEOUT_ERROR", "message": "Transfer request timeout."}})
    [result] = send(CONNECTOR, ["/bucket/a.csv"])
    assert (result["StatusCode"], result["FailureCode"]) == ("FAILED", "TIMEOUT_ERROR")
    [result] = send(CONNECTOR, ["/bucket/a.csv"])
    assert result["StatusCode"] == "COMPLETED"


def test_a_partner_that_refuses_the_password(simulator):
    simulator.scenario("wrong-password")
    [result] = send(CONNECTOR, ["/bucket/a.csv"], seconds=30)
    assert "refused the password" in result["FailureMessage"]
    simulator.advance("1d")
    [result] = send(CONNECTOR, ["/bucket/a.csv"], seconds=30)
    assert result["StatusCode"] == "COMPLETED"


def test_a_transfer_that_does_not_end(simulator):
    simulator.scenario("stuck-queue")
    with pytest.raises(TimeoutError):
        send(CONNECTOR, ["/bucket/a.csv"], seconds=0.2)
