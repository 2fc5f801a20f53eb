"""The number of messages in a dead-letter queue of moto, which the exporter finds by the redrive policy."""

from conftest import ACCOUNT, REGION, wait_until

FAMILY = "aws_transfer_exporter_discovery_queue_dead_letter_messages"


def test_messages_in_the_dead_letter_queue_are_counted(aws, exporter):
    aws.sqs.send_message(QueueUrl=aws.dead, MessageBody="{}")
    exporter.start()
    labels = frozenset({("aws_account", "prod"), ("aws_region", REGION), ("target", "transfer-events")})
    wait_until(lambda: exporter.samples(FAMILY) == {labels: 1.0}, 30, f"{FAMILY} is 1 in account {ACCOUNT}")
    assert aws.depth(aws.dead) == 1, "the message stays"


def test_a_queue_without_redrive_policy_has_no_dead_letters(aws, exporter):
    aws.sqs.set_queue_attributes(QueueUrl=aws.queue, Attributes={"RedrivePolicy": ""})
    exporter.start()
    wait_until(lambda: exporter.samples("aws_transfer_exporter_discovery_queue_messages"), 30, "the depth is read")
    assert exporter.samples(FAMILY) == {}
