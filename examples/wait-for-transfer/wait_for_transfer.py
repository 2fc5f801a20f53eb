"""Sends files with an SFTP connector, and waits for their results.

Usage: wait_for_transfer.py CONNECTOR_ID PATH...

Prints one line for each file. Exits with 0 if all files are COMPLETED, and with 1 if one has FAILED or none ends in time.
WAIT_SECONDS sets the time, 3600 by default.
"""

import os
import sys
import time

import boto3

UNFINISHED = {"QUEUED", "IN_PROGRESS"}


def wait_for_transfer(transfer, connector_id, transfer_id, seconds):
    """Returns the results of all files, once none is unfinished."""
    pages = transfer.get_paginator("list_file_transfer_results")
    deadline = time.monotonic() + seconds
    pause = 0.1
    while True:
        answer = pages.paginate(ConnectorId=connector_id, TransferId=transfer_id)
        results = [result for page in answer for result in page["FileTransferResults"]]
        # The list can be empty right after the start.
        if results and not any(result["StatusCode"] in UNFINISHED for result in results):
            return results
        if time.monotonic() >= deadline:
            raise TimeoutError(f"transfer {transfer_id} has unfinished files after {seconds} s")
        time.sleep(pause)
        pause = min(2 * pause, 30)


def send(connector_id, paths, seconds=3600):
    """Starts a transfer and returns its results."""
    transfer = boto3.client("transfer")
    started = transfer.start_file_transfer(ConnectorId=connector_id, SendFilePaths=paths)
    return wait_for_transfer(transfer, connector_id, started["TransferId"], seconds)


def main():
    connector_id, *paths = sys.argv[1:]
    try:
        results = send(connector_id, paths, float(os.environ.get("WAIT_SECONDS", "3600")))
    except TimeoutError as error:
        sys.exit(str(error))
    for result in results:
        print(result["FilePath"], result["StatusCode"], result.get("FailureCode", "-"))
    sys.exit(any(result["StatusCode"] != "COMPLETED" for result in results))


if __name__ == "__main__":
    main()
