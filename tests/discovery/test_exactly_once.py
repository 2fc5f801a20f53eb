"""Counters are exact with duplicate events in any order and repeated kills of the exporter."""

import collections
import os
import random
import threading
import time

from conftest import wait_until

# Takes a loaded machine about a minute; the environment can ask for more.
EVENTS = int(os.environ.get("EVENTS", "600"))
KILLS = int(os.environ.get("KILLS", "12"))
# Most messages in the queue: moto scans all of them for each receive.
AT_ONCE = 300
# Events sent through EventBridge's rule, where moto takes a quarter of a second each; others go
# directly into the queue.
BY_RULE = 50
# Time-out of each wait, in seconds.
PATIENCE = int(os.environ.get("PATIENCE", "200"))

CONNECTORS = [f"c-{number:017x}" for number in range(3)]
CODES = ["", "CONNECTION_ERROR", "SEND_FILE_NOT_FOUND", "TIMEOUT_ERROR"]


def file_event(dice, transfer, file):
    way, failed = dice.choice(["Send", "Retrieve"]), dice.random() < 0.3
    status = "FAILED" if failed else "COMPLETED"
    detail = {
        "operation": "SEND" if way == "Send" else "RETRIEVE",
        "connector-id": CONNECTORS[transfer % len(CONNECTORS)],
        "transfer-id": f"transfer-{transfer}",
        "file-transfer-id": f"transfer-{transfer}/file-{file}",
        "file-path": f"/bucket/file-{file}",
        "status-code": status,
        "bytes": 0 if failed else dice.randrange(1 << 30),
    }
    if failed:
        detail |= {"failure-code": dice.choice(CODES), "failure-message": "why"}
    return f"SFTP Connector File {way} {'Failed' if failed else 'Completed'}", detail


def shuffled_with_duplicates(dice, unique):
    events = unique + dice.choices(unique, k=max(0, EVENTS - len(unique)))
    dice.shuffle(events)
    return events


def test_counters_are_exact_after_duplicates_and_kills(aws, exporter):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    unique = [file_event(dice, transfer, file) for transfer in range(800) for file in range(dice.randrange(5, 16))]
    unique = unique[: EVENTS * 4 // 5]
    events = shuffled_with_duplicates(dice, unique)
    assert len(events) == EVENTS

    start = time.monotonic()

    def feed():
        for at in range(0, EVENTS, 10):
            while at % 100 == 0 and aws.depth(aws.queue) > AT_ONCE:
                time.sleep(0.05)
            (aws.put if at < BY_RULE else aws.send)(events[at : at + 10])

    sender = threading.Thread(target=feed, daemon=True)
    sender.start()
    kills_while_messages_wait = 0
    for _ in range(KILLS):
        exporter.start()
        time.sleep(dice.uniform(0.02, 1.2))
        kills_while_messages_wait += aws.depth(aws.queue) > 0
        exporter.kill()
    exporter.start()
    sender.join(PATIENCE)
    assert not sender.is_alive()
    wait_until(lambda: aws.depth(aws.queue) == 0, PATIENCE, "the queue is empty")
    assert aws.depth(aws.dead) == 0, "no message went to the dead-letter queue"
    print(f"{time.monotonic() - start:.0f} s, {kills_while_messages_wait} kills while messages waited")
    assert kills_while_messages_wait >= KILLS // 2, "too few kills while messages waited"

    expected = collections.Counter()
    for _, detail in unique:
        labels = {
            ("aws_account", "prod"),
            ("aws_region", "eu-central-1"),
            ("connector_id", detail["connector-id"]),
            ("status", detail["status-code"]),
            ("failure_code", detail.get("failure-code", "")),
        }
        expected[frozenset(labels)] += 1
    counted = exporter.samples("aws_transfer_connector_files_finished_total")
    assert {labels: count for labels, count in counted.items() if count} == dict(expected)

    # Neither duplicates nor a restart change the counters.
    again = dice.sample(events, 200)
    for at in range(0, 200, 10):
        aws.send(again[at : at + 10])
    wait_until(lambda: aws.depth(aws.queue) == 0, PATIENCE, "the queue is empty again")
    exporter.kill()
    exporter.start()
    counted = exporter.samples("aws_transfer_connector_files_finished_total")
    assert {labels: count for labels, count in counted.items() if count} == dict(expected)
