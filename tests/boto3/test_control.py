"""Tests the control API of the simulator against its OpenAPI description, with an independent validator."""

import json

import pytest
from botocore.exceptions import ClientError
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate
from referencing import Registry
from referencing.jsonschema import DRAFT202012

import judge

CONNECTOR = "c-0123456789abcdef0"


@pytest.fixture(scope="module")
def description():
    return json.loads(judge.control("GET", "openapi.json")[1])


@pytest.fixture(autouse=True)
def initial():
    """Starts each test with one connector and nothing else."""
    judge.put("scenario", {"description": "One connector.", "connectors": {CONNECTOR: {}}})


@pytest.fixture
def errors_of(description):
    """Returns a function that lists the violations of a named schema."""
    registry = Registry().with_resource("urn:api", DRAFT202012.create_resource(description))

    def errors_of(schema, value):
        validator = OAS31Validator({"$ref": f"urn:api#{schema}"}, registry=registry)
        return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]

    return errors_of


def fill():
    """Makes every kind of object that an answer can have."""
    assert judge.control("PUT", "scenario?name=nightly-batch")[0] == 204
    judge.put(f"connectors/{CONNECTOR}", {"connection_error": "Authentication failed"})
    files = [{"path": "/a"}, {"path": "/b", "end": {"failed": {"code": "TIMEOUT_ERROR", "message": "late"}}}]
    judge.put(f"transfers/{CONNECTOR}/t-1", files)
    judge.put("rules", [{"path": "*.csv", "direction": "send", "times": 2, "queued_for": "forever", "end": {"status": "X"}}])
    judge.put("faults", {"latency": "1ms", "requests_per_second": 100, "expiry": "empty_list"})
    judge.client().list_file_transfer_results(ConnectorId=CONNECTOR, TransferId="t-1")


def test_the_description_is_valid_openapi(description):
    validate(description)
    assert description["openapi"].startswith("3.1.")


def test_answers_have_the_described_form(description, errors_of):
    fill()
    checked = 0
    for path, methods in description["paths"].items():
        content = methods.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
        if "application/json" in content:
            status, text = judge.control("GET", path.removeprefix("/_simulator/"))
            place = path.replace("~", "~0").replace("/", "~1")
            schema = f"/paths/{place}/get/responses/200/content/application~1json/schema"
            assert status == 200 and errors_of(schema, json.loads(text)) == [], path
            checked += 1
    assert checked == 7


def test_examples_have_the_described_form_and_are_accepted(description, errors_of):
    checked = 0
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if content is None:
                continue
            place = path.replace("~", "~0").replace("/", "~1").replace("{", "%7B").replace("}", "%7D")
            schema = f"/paths/{place}/{method}/requestBody/content/application~1json/schema"
            assert errors_of(schema, content["example"]) == [], path
            route = path.removeprefix("/_simulator/").format(connector=CONNECTOR, transfer="t/2")
            assert judge.control(method.upper(), route, content["example"])[0] == 204, path
            checked += 1
    assert checked == 6


@pytest.mark.parametrize(
    ("route", "schema", "value"),
    [
        ("time", "TimeChange", {"speed": -1}),
        ("time", "TimeChange", {"by": "1h"}),
        ("faults", "Faults", {"throttle_rate": 2}),
        (f"connectors/{CONNECTOR}", "Connector", {"protocol": "ftp"}),
        (f"connectors/{CONNECTOR}", "Connector", {"hosts": []}),
        ("rules", "Rule", [{"direction": "up"}]),
        ("rules", "Rule", [{"connector": "c-1"}]),
        (f"transfers/{CONNECTOR}/t", "File", [{"queued_for": 1}]),
        (f"transfers/{CONNECTOR}/t", "File", [{"path": "/a", "end": {"failed": {}, "status": "X"}}]),
    ],
)
def test_what_the_description_excludes_is_refused(errors_of, route, schema, value):
    one = value[0] if isinstance(value, list) else value
    assert errors_of(f"/components/schemas/{schema}", one) != []
    assert judge.control("PUT", route, value)[0] == 400


def test_a_jump_of_time_takes_files_to_their_end():
    judge.put("rules", [{"queued_for": "1h", "in_progress_for": "1h"}])
    client = judge.client()
    transfer_id = client.start_file_transfer(ConnectorId=CONNECTOR, SendFilePaths=["/bucket/a"])["TransferId"]
    seen = []
    for _ in range(3):
        answer = client.list_file_transfer_results(ConnectorId=CONNECTOR, TransferId=transfer_id)
        seen.append(answer["FileTransferResults"][0]["StatusCode"])
        judge.put("time", {"advance": "1h"})
    assert seen == ["QUEUED", "IN_PROGRESS", "COMPLETED"]


def test_a_waiting_receive_ends_with_a_jump_of_time():
    judge.put("rules", [{"in_progress_for": "1h"}])
    client = judge.client()
    transfer_id = client.start_file_transfer(ConnectorId=CONNECTOR, SendFilePaths=["/bucket/a"])["TransferId"]
    url = judge.control("GET", "queue")[1].strip()
    sqs = judge.client(service="sqs")
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    judge.put("time", {"advance": "1h"})
    [message] = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]
    detail = json.loads(message["Body"])["detail"]
    assert (detail["transfer-id"], detail["status-code"]) == (transfer_id, "COMPLETED")
    assert detail["start-timestamp"] < detail["end-timestamp"]


def test_a_waiting_receive_ends_at_the_speed_of_the_time():
    judge.put("time", {"speed": 600})
    judge.put("rules", [{"in_progress_for": "10m"}])
    client = judge.client()
    transfer_id = client.start_file_transfer(ConnectorId=CONNECTOR, SendFilePaths=["/bucket/a"])["TransferId"]
    url = judge.control("GET", "queue")[1].strip()
    [message] = judge.client(service="sqs").receive_message(QueueUrl=url, WaitTimeSeconds=8)["Messages"]
    assert json.loads(message["Body"])["detail"]["transfer-id"] == transfer_id


def test_flags_set_the_access_key_and_the_answer_for_an_unknown_transfer():
    answer = judge.client().list_file_transfer_results(ConnectorId=CONNECTOR, TransferId="unknown")
    assert answer["FileTransferResults"] == []
    with pytest.raises(ClientError) as error:
        judge.client(access_key_id="AKIAOTHER00000000000").list_connectors()
    assert error.value.response["Error"]["Code"] == "UnrecognizedClientException"


def test_a_reset_repeats_ids():
    def start():
        client = judge.client()
        return client.start_file_transfer(ConnectorId=CONNECTOR, SendFilePaths=["/bucket/a"])["TransferId"]

    first = start()
    assert judge.control("POST", "reset")[0] == 204
    assert start() == first
