"""Tests the simulator with boto3: operations, errors by their boto3 classes, credentials, faults."""

import datetime
import re
import time

import botocore.auth
import botocore.exceptions
import pytest
from botocore import UNSIGNED
from botocore.exceptions import ClientError

import judge

UNKNOWN_CONNECTOR = "c-" + "f" * 17
RESULTS = "list_file_transfer_results"


@pytest.fixture(autouse=True)
def healthy():
    """Starts each test without faults and with reset counts."""
    judge.set_faults()
    judge.control("DELETE", "calls")
    yield
    judge.set_faults()


@pytest.fixture
def transfer():
    return judge.client()


@pytest.fixture
def connector():
    return judge.new_connector(host="sftp.acme.example")


def code(error):
    return error.value.response["Error"]["Code"]


def message(error):
    return error.value.response["Error"]["Message"]


def completed(count):
    return [{"path": f"/in/{n}.csv"} for n in range(count)]


# Operations


def test_every_answer_has_a_request_id(transfer):
    answer = transfer.list_connectors()
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", answer["ResponseMetadata"]["RequestId"])
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_a_file_has_a_status_a_code_and_a_message(transfer, connector):
    failed = {"failed": {"code": "RETRIEVE_FILE_NOT_FOUND", "message": "/d is not there"}}
    files = [
        {"path": "/a"},
        {"path": "/b", "queued_for": "forever"},
        {"path": "/c", "end": "never"},
        {"path": "/d", "end": failed},
        {"path": "/e", "end": {"failed": {}}},
        {"path": "/f", "end": {"status": "PAUSED"}},
    ]
    transfer_id = judge.new_transfer(connector, files)
    answer = transfer.list_file_transfer_results(ConnectorId=connector, TransferId=transfer_id)
    assert answer["FileTransferResults"] == [
        {"FilePath": "/a", "StatusCode": "COMPLETED"},
        {"FilePath": "/b", "StatusCode": "QUEUED"},
        {"FilePath": "/c", "StatusCode": "IN_PROGRESS"},
        {
            "FilePath": "/d",
            "StatusCode": "FAILED",
            "FailureCode": "RETRIEVE_FILE_NOT_FOUND",
            "FailureMessage": "/d is not there",
        },
        {"FilePath": "/e", "StatusCode": "FAILED"},
        {"FilePath": "/f", "StatusCode": "PAUSED"},
    ]
    assert "NextToken" not in answer


def test_a_file_moves_through_its_life(transfer, connector):
    transfer_id = judge.new_transfer(connector, [{"path": "/a", "queued_for": "300ms", "in_progress_for": 0.3}])
    seen = []
    deadline = time.monotonic() + 10
    while not seen or (seen[-1] != "COMPLETED" and time.monotonic() < deadline):
        answer = transfer.list_file_transfer_results(ConnectorId=connector, TransferId=transfer_id)
        status = answer["FileTransferResults"][0]["StatusCode"]
        if not seen or seen[-1] != status:
            seen.append(status)
        time.sleep(0.02)
    assert seen == ["QUEUED", "IN_PROGRESS", "COMPLETED"]


@pytest.mark.parametrize("paths", ["SendFilePaths", "RetrieveFilePaths"])
def test_a_started_transfer_is_found_by_its_id(transfer, connector, paths):
    started = transfer.start_file_transfer(ConnectorId=connector, **{paths: ["/bucket/a", "/bucket/b"]})
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", started["TransferId"])
    answer = transfer.list_file_transfer_results(ConnectorId=connector, TransferId=started["TransferId"])
    assert [row["FilePath"] for row in answer["FileTransferResults"]] == ["/bucket/a", "/bucket/b"]
    assert {row["StatusCode"] for row in answer["FileTransferResults"]} <= {"QUEUED", "IN_PROGRESS"}


def test_an_sftp_connector_is_described_with_all_required_members(transfer, connector):
    described = transfer.describe_connector(ConnectorId=connector)["Connector"]
    assert described["Arn"] == f"arn:aws:transfer:{judge.REGION}:123456789012:connector/{connector}"
    assert (described["Status"], described["EgressType"]) == ("ACTIVE", "SERVICE_MANAGED")
    assert described["Url"] == "sftp://sftp.acme.example"
    assert described["SftpConfig"]["MaxConcurrentConnections"] == 1
    assert "As2Config" not in described


def test_as2_and_vpc_lattice_connectors_are_described(transfer):
    as2 = transfer.describe_connector(ConnectorId=judge.new_connector(protocol="as2"))["Connector"]
    assert "As2Config" in as2 and "SftpConfig" not in as2
    lattice = transfer.describe_connector(ConnectorId=judge.new_connector(egress="vpc_lattice"))["Connector"]
    assert lattice["EgressType"] == "VPC_LATTICE" and "Url" not in lattice
    assert lattice["EgressConfig"]["VpcLattice"]["PortNumber"] == 22


def test_a_connection_test_returns_ok_or_the_error(transfer, connector):
    good = transfer.test_connection(ConnectorId=connector)
    assert (good["ConnectorId"], good["Status"]) == (connector, "OK")
    assert good["SftpConnectionDetails"]["HostKey"]
    bad = transfer.test_connection(ConnectorId=judge.new_connector(connection_error="Authentication failed"))
    assert (bad["Status"], bad["StatusMessage"]) == ("ERROR", "Authentication failed")


def test_a_connector_is_created_updated_and_deleted(transfer):
    created = transfer.create_connector(
        Url="sftp://sftp.acme.example",
        AccessRole="arn:aws:iam::123456789012:role/connector",
        SftpConfig={"UserSecretId": "acme", "MaxConcurrentConnections": 2},
        Tags=[{"Key": "Name", "Value": "acme"}],
    )
    id = created["ConnectorId"]
    described = transfer.describe_connector(ConnectorId=id)["Connector"]
    assert described["Tags"] == [{"Key": "Name", "Value": "acme"}]
    assert described["SftpConfig"] == {"UserSecretId": "acme", "MaxConcurrentConnections": 2}
    # A connector without trusted keys returns the key of the partner, to be trusted.
    tested = transfer.test_connection(ConnectorId=id)
    assert tested["Status"] == "ERROR"
    key = tested["SftpConnectionDetails"]["HostKey"]
    assert transfer.update_connector(ConnectorId=id, SftpConfig={"TrustedHostKeys": [key]})["ConnectorId"] == id
    assert transfer.test_connection(ConnectorId=id)["Status"] == "OK"
    assert transfer.describe_connector(ConnectorId=id)["Connector"]["SftpConfig"]["TrustedHostKeys"] == [key]
    transfer.delete_connector(ConnectorId=id)
    with pytest.raises(transfer.exceptions.ResourceNotFoundException):
        transfer.describe_connector(ConnectorId=id)


# Pages


@pytest.mark.parametrize("size", [None, 10, 1000])
def test_the_paginator_reads_23_files_in_three_pages(transfer, connector, size):
    transfer_id = judge.new_transfer(connector, completed(23))
    pages = transfer.get_paginator(RESULTS).paginate(
        ConnectorId=connector, TransferId=transfer_id, PaginationConfig={"PageSize": size}
    )
    pages = [page["FileTransferResults"] for page in pages]
    assert [len(page) for page in pages] == [10, 10, 3]
    assert [row["FilePath"] for page in pages for row in page] == [f"/in/{n}.csv" for n in range(23)]
    assert judge.calls()["pages"][connector][transfer_id] == 3


def test_a_smaller_page_is_honoured(transfer, connector):
    transfer_id = judge.new_transfer(connector, completed(10))
    pages = transfer.get_paginator(RESULTS).paginate(
        ConnectorId=connector, TransferId=transfer_id, PaginationConfig={"PageSize": 4}
    )
    assert [len(page["FileTransferResults"]) for page in pages] == [4, 4, 2]


def test_the_paginator_lists_every_connector_once(transfer):
    mine = {judge.new_connector() for _ in range(7)}
    pages = transfer.get_paginator("list_connectors").paginate(PaginationConfig={"PageSize": 3})
    listed = [connector["ConnectorId"] for page in pages for connector in page["Connectors"]]
    assert len(listed) == len(set(listed)) and mine <= set(listed)


def test_there_is_no_waiter_for_transfers(transfer):
    assert transfer.waiter_names == ["server_offline", "server_online"]


def test_a_token_of_another_transfer_is_an_invalid_request(transfer, connector):
    first, second = (judge.new_transfer(connector, completed(11)) for _ in range(2))
    token = transfer.list_file_transfer_results(ConnectorId=connector, TransferId=first)["NextToken"]
    for wrong in [token, "garbage"]:
        with pytest.raises(transfer.exceptions.InvalidRequestException):
            transfer.list_file_transfer_results(ConnectorId=connector, TransferId=second, NextToken=wrong)


def test_a_wrong_token_of_list_connectors_has_an_error_of_its_own(transfer):
    with pytest.raises(transfer.exceptions.InvalidNextTokenException):
        transfer.list_connectors(NextToken="garbage")


# Unknown and expired


@pytest.mark.parametrize(
    ("operation", "more"),
    [
        ("describe_connector", {}),
        ("delete_connector", {}),
        ("update_connector", {}),
        ("test_connection", {}),
        ("start_file_transfer", {"SendFilePaths": ["/a"]}),
        (RESULTS, {"TransferId": "t-1"}),
    ],
)
def test_an_unknown_connector_is_not_found(transfer, operation, more):
    with pytest.raises(transfer.exceptions.ResourceNotFoundException) as error:
        getattr(transfer, operation)(ConnectorId=UNKNOWN_CONNECTOR, **more)
    assert error.value.response["Resource"] == UNKNOWN_CONNECTOR
    assert error.value.response["ResourceType"] == "Connector"
    assert error.value.response["Message"]
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.parametrize("age", [None, "8d"])
def test_an_unknown_or_expired_transfer_is_not_found(transfer, connector, age):
    transfer_id = judge.new_transfer(connector, completed(1), age) if age else "never-started"
    judge.set_faults(expiry="not_found")
    with pytest.raises(transfer.exceptions.ResourceNotFoundException) as error:
        transfer.list_file_transfer_results(ConnectorId=connector, TransferId=transfer_id)
    assert error.value.response["Resource"] == transfer_id


@pytest.mark.parametrize("age", [None, "8d"])
def test_an_unknown_or_expired_transfer_can_be_an_empty_list(transfer, connector, age):
    transfer_id = judge.new_transfer(connector, completed(1), age) if age else "never-started"
    judge.set_faults(expiry="empty_list")
    answer = transfer.list_file_transfer_results(ConnectorId=connector, TransferId=transfer_id)
    assert answer["FileTransferResults"] == []


def test_results_are_kept_for_six_days(transfer, connector):
    transfer_id = judge.new_transfer(connector, completed(1), "6d")
    answer = transfer.list_file_transfer_results(ConnectorId=connector, TransferId=transfer_id)
    assert len(answer["FileTransferResults"]) == 1


# Validation


GOOD = {"ConnectorId": UNKNOWN_CONNECTOR, "TransferId": "t-1"}


@pytest.mark.parametrize(
    ("operation", "members", "text"),
    [
        (RESULTS, {"TransferId": "t-1"}, "Value null at 'connectorId' failed"),
        (RESULTS, {"ConnectorId": UNKNOWN_CONNECTOR}, "Value null at 'transferId' failed"),
        (RESULTS, GOOD | {"ConnectorId": "c-1"}, "greater than or equal to 19"),
        (RESULTS, GOOD | {"ConnectorId": "c-" + "F" * 17}, "regular expression pattern: ^c-([0-9a-f]{17})$"),
        (RESULTS, GOOD | {"TransferId": ""}, "greater than or equal to 1"),
        (RESULTS, GOOD | {"TransferId": "a" * 513}, "less than or equal to 512"),
        (RESULTS, GOOD | {"TransferId": "a b"}, "regular expression pattern: ^[0-9a-zA-Z./-]+$"),
        (RESULTS, GOOD | {"MaxResults": 0}, "'maxResults' failed to satisfy constraint: Member must have value greater"),
        (RESULTS, GOOD | {"MaxResults": 1001}, "less than or equal to 1000"),
        (RESULTS, GOOD | {"NextToken": ""}, "'nextToken'"),
        (RESULTS, GOOD | {"NextToken": "a" * 6145}, "less than or equal to 6144"),
        ("list_connectors", {"MaxResults": 1001}, "less than or equal to 1000"),
        ("list_connectors", {"NextToken": ""}, "'nextToken'"),
        ("describe_connector", {}, "Value null at 'connectorId' failed"),
        ("test_connection", {"ConnectorId": "x"}, "'connectorId'"),
        ("create_connector", {"Url": "sftp://a"}, "Value null at 'accessRole' failed"),
        ("create_connector", {"AccessRole": "role"}, "regular expression pattern: ^arn:.*role"),
        ("update_connector", {"SftpConfig": {"TrustedHostKeys": ["a"] * 11}}, "'sftpConfig.trustedHostKeys'"),
        ("delete_connector", {}, "Value null at 'connectorId' failed"),
        ("start_file_transfer", {"ConnectorId": UNKNOWN_CONNECTOR}, "Exactly one of"),
        ("start_file_transfer", {"ConnectorId": UNKNOWN_CONNECTOR, "SendFilePaths": []}, "'sendFilePaths'"),
        ("start_file_transfer", {"ConnectorId": UNKNOWN_CONNECTOR, "SendFilePaths": ["/a"] * 11}, "equal to 10"),
        ("start_file_transfer", {"ConnectorId": UNKNOWN_CONNECTOR, "SendFilePaths": [""]}, "sendFilePaths.1.member"),
        ("start_file_transfer", {"ConnectorId": UNKNOWN_CONNECTOR, "SendFilePaths": ["a" * 1025]}, "equal to 1024"),
        (
            "start_file_transfer",
            {"ConnectorId": UNKNOWN_CONNECTOR, "SendFilePaths": ["/a"], "RetrieveFilePaths": ["/b"]},
            "Exactly one of",
        ),
    ],
)
def test_a_violation_of_the_model_is_an_invalid_request(transfer, operation, members, text):
    with pytest.raises(transfer.exceptions.InvalidRequestException) as error:
        getattr(transfer, operation)(**members)
    assert text in message(error)


def test_all_violations_are_reported_together(transfer):
    with pytest.raises(transfer.exceptions.InvalidRequestException) as error:
        transfer.list_file_transfer_results(ConnectorId="x", TransferId="")
    assert re.match(r"[2-9] validation errors detected: ", message(error))


@pytest.mark.parametrize("body", [b"{", b"[]", b"7", b'{"TransferId": 7}', b'{"ConnectorId": []}'])
def test_a_body_of_the_wrong_types_is_a_serialization_error(transfer, body):
    def replace(request, **_):
        request.data = body

    transfer.meta.events.register_first("before-sign.transfer", replace)
    with pytest.raises(ClientError) as error:
        transfer.list_file_transfer_results(ConnectorId=UNKNOWN_CONNECTOR, TransferId="t-1")
    assert code(error) == "SerializationException"


def test_an_operation_that_is_not_simulated_is_unknown(transfer):
    with pytest.raises(ClientError) as error:
        transfer.list_servers()
    assert code(error) == "UnknownOperationException"


# Credentials. The signature itself is not verified.


def test_an_unknown_access_key_is_rejected():
    with pytest.raises(ClientError) as error:
        judge.client(access_key_id="AKIASOMEBODYELSE0000").list_connectors()
    assert code(error) == "UnrecognizedClientException"
    assert message(error) == "The security token included in the request is invalid."


def test_a_temporary_token_is_accepted():
    assert "Connectors" in judge.client(token="a-token").list_connectors()


def test_an_unsigned_call_is_rejected():
    with pytest.raises(ClientError) as error:
        judge.client(signature_version=UNSIGNED).list_connectors()
    assert code(error) == "MissingAuthenticationTokenException"


@pytest.mark.parametrize(
    ("header", "value", "expected"),
    [
        ("Authorization", "Basic abc", "IncompleteSignatureException"),
        ("Authorization", "AWS4-HMAC-SHA256 Credential=a", "IncompleteSignatureException"),
        ("X-Amz-Date", "yesterday", "IncompleteSignatureException"),
        ("X-Amz-Date", "20150830T123600Z", "InvalidSignatureException"),
    ],
)
def test_a_malformed_authorization_is_rejected(transfer, header, value, expected):
    def spoil(request, **_):
        del request.headers[header]
        request.headers[header] = value

    transfer.meta.events.register("before-send.transfer", spoil)
    with pytest.raises(ClientError) as error:
        transfer.list_connectors()
    assert code(error) == expected


def test_a_signature_for_another_service_is_rejected(transfer):
    transfer.meta.events.register("choose-signer.transfer", lambda **_: "v4")
    transfer.meta.events.register(
        "before-sign.transfer", lambda request, **_: request.context.update(signing={"signing_name": "iam"})
    )
    with pytest.raises(ClientError) as error:
        transfer.list_connectors()
    assert code(error) == "InvalidSignatureException" and "correct service: 'transfer'" in message(error)


@pytest.mark.parametrize(
    ("minutes", "text"), [(-10, "Signature expired"), (10, "Signature not yet current"), (-4, None), (4, None)]
)
def test_a_clock_may_be_five_minutes_off(transfer, monkeypatch, minutes, text):
    real = botocore.auth.get_current_datetime
    skew = datetime.timedelta(minutes=minutes)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *args, **kwargs: real(*args, **kwargs) + skew)
    if text is None:
        assert "Connectors" in transfer.list_connectors()
        return
    with pytest.raises(ClientError) as error:
        transfer.list_connectors()
    assert code(error) == "InvalidSignatureException" and text in message(error)


def test_an_expired_token_is_an_error(transfer):
    judge.set_faults(expired_token=True)
    with pytest.raises(ClientError) as error:
        transfer.list_connectors()
    assert code(error) == "ExpiredTokenException"


def test_a_denied_call_names_its_operation(transfer, connector):
    judge.set_faults(access_denied=True)
    with pytest.raises(transfer.exceptions.AccessDeniedException) as error:
        transfer.describe_connector(ConnectorId=connector)
    assert "not authorized to perform: transfer:DescribeConnector on resource: arn:aws:transfer" in message(error)
    assert connector in message(error)


def test_a_single_operation_can_be_denied(transfer, connector):
    judge.set_faults(access_denied_operations=["ListFileTransferResults"])
    assert transfer.describe_connector(ConnectorId=connector)
    with pytest.raises(transfer.exceptions.AccessDeniedException):
        transfer.list_file_transfer_results(ConnectorId=connector, TransferId="t-1")


# Faults


@pytest.mark.parametrize(
    "name", ["ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded"]
)
def test_throttling_is_seen_and_retried_under_each_name(name):
    judge.set_faults(throttle_rate=1, throttle_error=name)
    with pytest.raises(ClientError) as error:
        judge.client(attempts=3).list_connectors()
    assert code(error) == name
    assert error.value.response["ResponseMetadata"]["RetryAttempts"] == 2
    assert judge.calls()["operations"] == {"ListConnectors": 3}


def test_the_modelled_throttling_has_retry_after_seconds(transfer, connector):
    judge.set_faults(throttle_rate=1)
    with pytest.raises(transfer.exceptions.ThrottlingException) as error:
        transfer.start_file_transfer(ConnectorId=connector, SendFilePaths=["/a"])
    assert error.value.response["RetryAfterSeconds"] == "1"


def test_a_ceiling_lets_the_burst_pass_and_refills():
    judge.set_faults(requests_per_second=4, burst=2)
    transfer = judge.client(attempts=5)
    attempts = [transfer.list_connectors()["ResponseMetadata"]["RetryAttempts"] for _ in range(6)]
    assert attempts[:2] == [0, 0] and sum(attempts) > 0
    assert judge.calls()["outcomes"]["ok"] == 6
    assert judge.calls()["outcomes"]["ThrottlingException"] == sum(attempts)


@pytest.mark.parametrize(
    ("fault", "expected", "status"),
    [("server_error_rate", "InternalServiceError", 500), ("unavailable_rate", "ServiceUnavailableException", 503)],
)
def test_a_fault_of_the_service_is_retried(fault, expected, status):
    judge.set_faults(**{fault: 1})
    transfer = judge.client(attempts=3)
    with pytest.raises(getattr(transfer.exceptions, expected)) as error:
        transfer.list_connectors()
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert error.value.response["ResponseMetadata"]["RetryAttempts"] == 2


def test_retries_survive_half_of_the_calls_failing_and_a_seed_repeats_it():
    def attempts():
        judge.set_faults(seed=3, server_error_rate=0.5)
        transfer = judge.client(attempts=10)
        return [transfer.list_connectors()["ResponseMetadata"]["RetryAttempts"] for _ in range(6)]

    first = attempts()
    assert sum(first) > 0 and attempts() == first


def test_an_html_error_is_classified_by_its_status(transfer):
    judge.set_faults(html_rate=1)
    with pytest.raises(ClientError) as error:
        transfer.list_connectors()
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] in (500, 502)


def test_a_stalled_call_times_out():
    judge.set_faults(stall_rate=1)
    with pytest.raises(botocore.exceptions.ReadTimeoutError):
        judge.client(read_timeout=0.5).list_connectors()
    assert judge.calls()["outcomes"] == {"stall": 1}


def test_a_reset_connection_is_a_connection_error(transfer):
    judge.set_faults(reset_rate=1)
    with pytest.raises((botocore.exceptions.ConnectionClosedError, botocore.exceptions.EndpointConnectionError)):
        transfer.list_connectors()


def test_a_truncated_body_is_shorter_than_announced(transfer, connector):
    """botocore disables the length check of urllib3, so it returns an answer without the member."""
    raw = []
    transfer.meta.events.register("before-parse.transfer", lambda response_dict, **_: raw.append(response_dict))
    judge.set_faults(truncated_rate=1)
    answer = transfer.describe_connector(ConnectorId=connector)
    assert "Connector" not in answer
    assert 0 < len(raw[0]["body"]) < int(raw[0]["headers"]["content-length"])


def test_a_body_of_the_wrong_types_cannot_be_read(transfer, connector):
    transfer_id = judge.new_transfer(connector, completed(1))
    judge.set_faults(mistyped_rate=1)
    # botocore trusts the types: its parser iterates over the number.
    with pytest.raises(TypeError):
        transfer.list_file_transfer_results(ConnectorId=connector, TransferId=transfer_id)


def test_latency_delays_every_answer(transfer):
    judge.set_faults(latency="300ms")
    begin = time.monotonic()
    transfer.list_connectors()
    assert 0.3 <= time.monotonic() - begin < 5


def test_the_simulator_answers_as_before_once_faults_are_gone(transfer):
    for fault in ["reset_rate", "truncated_rate", "html_rate", "stall_rate"]:
        judge.set_faults(**{fault: 1})
        try:
            assert "Connectors" not in judge.client(read_timeout=0.3).list_connectors()
        except (ClientError, botocore.exceptions.BotoCoreError):
            pass
        judge.set_faults()
        assert "Connectors" in transfer.list_connectors()


# Control


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("faults", {"latancy": 1}),
        ("faults", {"stall_rate": 2}),
        ("transfers/c-1/t", []),
        (f"transfers/{UNKNOWN_CONNECTOR}/t", [{"path": "/a", "colour": "red"}]),
        ("connectors/c-1", {}),
    ],
)
def test_control_rejects_unknown_members(path, value):
    status, text = judge.control("PUT", path, value)
    assert status == 400 and text


def test_calls_are_counted_and_reset(transfer, connector):
    transfer_id = judge.new_transfer(connector, completed(3))
    for _ in range(2):
        transfer.list_file_transfer_results(ConnectorId=connector, TransferId=transfer_id)
    calls = judge.calls()
    assert calls["operations"] == {"ListFileTransferResults": 2}
    assert calls["pages"] == {connector: {transfer_id: 2}}
    assert (calls["in_flight"], calls["peak_in_flight"]) == (0, 1)
    assert judge.control("DELETE", "calls")[0] == 204
    assert judge.calls()["operations"] == {}


def test_help_names_the_routes():
    status, text = judge.control("GET", "")
    assert status == 200 and "/_simulator/faults" in text
