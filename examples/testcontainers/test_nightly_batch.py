"""Tests how a program sees a nightly batch whose last file is late."""

import json

import boto3


def test_the_last_file_of_a_batch_is_late(simulator):
    simulator.control("PUT", "time", {"advance": "20m"})
    [batch] = json.loads(simulator.control("GET", "state"))["transfers"]
    answer = boto3.client("transfer").list_file_transfer_results(ConnectorId=batch["connector"], TransferId=batch["id"])
    failed = [file["FilePath"] for file in answer["FileTransferResults"] if file["StatusCode"] == "FAILED"]
    assert len(failed) == 1 and failed[0].endswith("/returns.csv")
    simulator.control("PUT", "time", {"advance": "51m"})
    [late, _] = json.loads(simulator.control("GET", "state"))["transfers"]
    assert [(file["path"], file["status"]) for file in late["files"]] == [(failed[0], "COMPLETED")]
