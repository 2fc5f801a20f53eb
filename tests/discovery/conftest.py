"""moto as SQS and EventBridge, and the exporter as a process that is killed."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import boto3
import pytest

REGION = "eu-central-1"
ACCOUNT = "123456789012"
RULE = {"source": ["aws.transfer"], "detail-type": [{"prefix": "SFTP Connector "}]}


def wait_until(condition, seconds, what):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(f"timed out after {seconds} s: {what}")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def answers(url):
    try:
        urllib.request.urlopen(url, timeout=5).read()
        return True
    except OSError:
        return False


class Aws:
    """A queue with a dead-letter queue, and a rule that sends it every event of a connector."""

    def __init__(self, url):
        self.url = url
        self.sqs, self.events = self.client("sqs"), self.client("events")
        self.dead = self.sqs.create_queue(QueueName="transfer-events-dlq")["QueueUrl"]
        redrive = {"deadLetterTargetArn": self.arn("transfer-events-dlq"), "maxReceiveCount": 200}
        attributes = {"VisibilityTimeout": "2", "RedrivePolicy": json.dumps(redrive)}
        self.queue = self.sqs.create_queue(QueueName="transfer-events", Attributes=attributes)["QueueUrl"]
        self.events.put_rule(Name="transfer-events", EventPattern=json.dumps(RULE))
        target = {"Id": "transfer-events", "Arn": self.arn("transfer-events")}
        self.events.put_targets(Rule="transfer-events", Targets=[target])

    def client(self, service):
        return boto3.client(
            service, region_name=REGION, endpoint_url=self.url, aws_access_key_id="a", aws_secret_access_key="b"
        )

    @staticmethod
    def arn(name):
        return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"

    def put(self, batch):
        """Puts at most ten events: pairs of type and detail."""
        entries = [{"Source": "aws.transfer", "DetailType": of, "Detail": json.dumps(detail)} for of, detail in batch]
        assert self.events.put_events(Entries=entries)["FailedEntryCount"] == 0

    def send(self, batch):
        """Sends the bodies of moto's rule directly: the rule takes a quarter of a second for each event."""
        bodies = [
            {"version": "0", "id": f"{number}", "detail-type": of, "source": "aws.transfer", "account": ACCOUNT,
             "time": "2026-01-01T00:00:00Z", "region": REGION, "resources": [], "detail": detail}
            for number, (of, detail) in enumerate(batch)
        ]
        entries = [{"Id": body["id"], "MessageBody": json.dumps(body)} for body in bodies]
        assert len(self.sqs.send_message_batch(QueueUrl=self.queue, Entries=entries)["Successful"]) == len(batch)

    def depth(self, queue):
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
        return sum(int(attributes[name]) for name in names)


@pytest.fixture
def aws():
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: answers(f"{url}/moto-api/"), 60, "moto responds")
        yield Aws(url)
    finally:
        server.kill()
        server.wait()


class Exporter:
    """The program with its own configuration and storage, restarted after each kill."""

    def __init__(self, folder: pathlib.Path, config: str):
        self.folder = folder
        self.config = folder / "exporter.yml"
        self.config.write_text(config)
        self.process = None
        self.port = None
        self.log = []

    def start(self):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        environment |= {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_EC2_METADATA_DISABLED": "true"}
        self.process = subprocess.Popen(
            [
                os.environ["EXPORTER"],
                f"--config.file={self.config}",
                f"--storage.path={self.folder / 'storage'}",
                "--web.listen-address=127.0.0.1:0",
            ],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for line in self.process.stderr:
            self.log.append(line)
            if "listening" in line and (found := re.search(r"127\.0\.0\.1:(\d+)", line)):
                self.port = int(found[1])
                break
        else:
            raise AssertionError("".join(self.log[-20:]))
        # Otherwise the pipe fills and blocks the program.
        threading.Thread(target=self.log.extend, args=(self.process.stderr,), daemon=True).start()

    def kill(self):
        """Kills the process at once, like the kernel's OOM killer."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def samples(self, family):
        """Returns values by the labels of the series."""
        url = f"http://127.0.0.1:{self.port}/metrics"
        text = urllib.request.urlopen(url, timeout=60).read().decode()
        samples = {}
        for line in text.splitlines():
            if line.startswith(family + "{"):
                labels, value = line[len(family) :].rsplit(" ", 1)
                samples[frozenset(re.findall(r'(\w+)="([^"]*)"', labels))] = float(value)
        return samples


@pytest.fixture
def exporter(tmp_path, aws):
    config = f"""
accounts:
  - name: prod
    region: {REGION}
    endpoint_url: http://127.0.0.1:1
discovery:
  events:
    - account: prod
      queue_url: {aws.queue}
      endpoint_url: {aws.url}
"""
    exporter = Exporter(tmp_path, config)
    yield exporter
    if exporter.process is not None:
        exporter.kill()
