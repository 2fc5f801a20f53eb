// Tests the simulator with the AWS SDK for JavaScript: operations, paginators, errors by their classes, retries.
"use strict";

const assert = require("node:assert/strict");
const { randomBytes, randomUUID } = require("node:crypto");
const { test, afterEach } = require("node:test");

const transferModule = require("@aws-sdk/client-transfer");
const cloudtrailModule = require("@aws-sdk/client-cloudtrail");
const sqsModule = require("@aws-sdk/client-sqs");

const endpoint = process.env.SIMULATOR_ENDPOINT;
assert.ok(endpoint, "SIMULATOR_ENDPOINT is not set; start `aws-transfer-exporter simulate` and name its address");
const UNKNOWN = "c-" + "f".repeat(17);

const settings = (attempts) => ({
  endpoint,
  region: "eu-central-1",
  credentials: { accessKeyId: "AKIASIMULATOR0000000", secretAccessKey: "simulator-secret-for-the-loopback-only" },
  maxAttempts: attempts,
});

/** Returns a client that takes the members of an input by the name of its command. */
function client(module, kind, attempts = 1) {
  const made = new module[`${kind}Client`](settings(attempts));
  const call = (name, input = {}) => made.send(new module[`${name}Command`](input));
  call.client = made;
  return call;
}

const transfers = (attempts) => client(transferModule, "Transfer", attempts);

/** Sends a control request that must succeed. */
async function control(method, path, value) {
  const body = value === undefined ? undefined : JSON.stringify(value);
  const answer = await fetch(`${endpoint}/_simulator/${path}`, { method, body });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
  return text;
}

const faults = (values) => control("PUT", "faults", values);

async function newConnector(spec = {}) {
  const connector = "c-" + randomBytes(9).toString("hex").slice(0, 17);
  await control("PUT", `connectors/${connector}`, spec);
  return connector;
}

async function newTransfer(connector, files) {
  const transfer = randomUUID();
  await control("PUT", `transfers/${connector}/${transfer}`, files);
  return transfer;
}

/** Returns the error of a call. */
async function refused(call) {
  return call.then(
    () => assert.fail("the call succeeded"),
    (error) => error,
  );
}

afterEach(() => faults({}));

test("operations have their members", async () => {
  const call = transfers();
  const ConnectorId = await newConnector({ host: "sftp.acme.example" });
  const { Connector } = await call("DescribeConnector", { ConnectorId });
  assert.equal(Connector.Url, "sftp://sftp.acme.example");
  assert.equal(Connector.Status, "ACTIVE");
  assert.equal(Connector.SftpConfig.MaxConcurrentConnections, 1);
  assert.equal((await call("TestConnection", { ConnectorId })).Status, "OK");
  const { TransferId } = await call("StartFileTransfer", { ConnectorId, SendFilePaths: ["/bucket/a", "/bucket/b"] });
  const { FileTransferResults } = await call("ListFileTransferResults", { ConnectorId, TransferId });
  assert.deepEqual(FileTransferResults.map((row) => row.FilePath), ["/bucket/a", "/bucket/b"]);
});

test("a connector is created, updated and deleted", async () => {
  const call = transfers();
  const AccessRole = "arn:aws:iam::123456789012:role/connector";
  const { ConnectorId } = await call("CreateConnector", { Url: "sftp://sftp.acme.example", AccessRole, SftpConfig: {} });
  const { Status, SftpConnectionDetails } = await call("TestConnection", { ConnectorId });
  assert.equal(Status, "ERROR");
  const SftpConfig = { TrustedHostKeys: [SftpConnectionDetails.HostKey] };
  assert.equal((await call("UpdateConnector", { ConnectorId, SftpConfig })).ConnectorId, ConnectorId);
  assert.equal((await call("TestConnection", { ConnectorId })).Status, "OK");
  await call("DeleteConnector", { ConnectorId });
  const gone = await refused(call("DeleteConnector", { ConnectorId }));
  assert.ok(gone instanceof transferModule.ResourceNotFoundException);
});

test("files have status, code and message", async () => {
  const ConnectorId = await newConnector();
  const failed = { code: "RETRIEVE_FILE_NOT_FOUND", message: "/d is not there" };
  const TransferId = await newTransfer(ConnectorId, [
    { path: "/a" },
    { path: "/b", queued_for: "forever" },
    { path: "/c", end: "never" },
    { path: "/d", end: { failed } },
  ]);
  const { FileTransferResults } = await transfers()("ListFileTransferResults", { ConnectorId, TransferId });
  assert.deepEqual(FileTransferResults, [
    { FilePath: "/a", StatusCode: "COMPLETED" },
    { FilePath: "/b", StatusCode: "QUEUED" },
    { FilePath: "/c", StatusCode: "IN_PROGRESS" },
    { FilePath: "/d", StatusCode: "FAILED", FailureCode: failed.code, FailureMessage: failed.message },
  ]);
});

test("paginators read every page", async () => {
  const ConnectorId = await newConnector();
  const paths = Array.from({ length: 23 }, (_, n) => `/in/${n}.csv`);
  const TransferId = await newTransfer(ConnectorId, paths.map((path) => ({ path })));
  const pages = [];
  const call = transfers();
  const input = { ConnectorId, TransferId };
  for await (const page of transferModule.paginateListFileTransferResults({ client: call.client }, input)) {
    pages.push(page.FileTransferResults.map((row) => row.FilePath));
  }
  assert.deepEqual(pages.map((page) => page.length), [10, 10, 3]);
  assert.deepEqual(pages.flat(), paths);

  const mine = new Set(await Promise.all(Array.from({ length: 7 }, () => newConnector())));
  const listing = { client: call.client, pageSize: 3 };
  for await (const page of transferModule.paginateListConnectors(listing, {})) {
    assert.ok(page.Connectors.length <= 3);
    page.Connectors.forEach((listed) => mine.delete(listed.ConnectorId));
  }
  assert.equal(mine.size, 0);
});

test("errors have their classes and members", async () => {
  const call = transfers();
  const missing = await refused(call("DescribeConnector", { ConnectorId: UNKNOWN }));
  assert.ok(missing instanceof transferModule.ResourceNotFoundException);
  assert.deepEqual([missing.Resource, missing.ResourceType], [UNKNOWN, "Connector"]);
  assert.equal(missing.$fault, "client");
  assert.equal(missing.$metadata.httpStatusCode, 400);
  const invalid = await refused(call("DescribeConnector", { ConnectorId: "c-1" }));
  assert.ok(invalid instanceof transferModule.InvalidRequestException);
  assert.match(invalid.message, /'connectorId'/);
  const token = await refused(call("ListConnectors", { NextToken: "garbage" }));
  assert.ok(token instanceof transferModule.InvalidNextTokenException);
  assert.equal((await refused(call("ListServers"))).name, "UnknownOperationException");
  await faults({ access_denied: true });
  const denied = await refused(call("ListConnectors"));
  assert.equal(denied.name, "AccessDeniedException");
  assert.match(denied.message, /transfer:ListConnectors/);
  await faults({ expired_token: true });
  assert.equal((await refused(call("ListConnectors"))).name, "ExpiredTokenException");
});

for (const [fault, name, status] of [
  ["throttle_rate", "ThrottlingException", 400],
  ["server_error_rate", "InternalServiceError", 500],
  ["unavailable_rate", "ServiceUnavailableException", 503],
]) {
  test(`${fault} is retried`, async () => {
    await faults({ [fault]: 1 });
    await control("DELETE", "calls");
    const error = await refused(transfers(3)("ListConnectors"));
    assert.equal(error.name, name);
    assert.equal(error.$metadata.httpStatusCode, status);
    assert.equal(error.$metadata.attempts, 3);
    assert.equal(JSON.parse(await control("GET", "calls")).operations.ListConnectors, 3);
  });
}

test("a retry succeeds", async () => {
  await faults({ seed: 3, server_error_rate: 0.5 });
  assert.ok((await transfers(20)("ListConnectors")).Connectors);
});

for (const fault of ["html_rate", "truncated_rate", "reset_rate"]) {
  test(`${fault} is an error`, async () => {
    const ConnectorId = await newConnector();
    await faults({ [fault]: 1 });
    await refused(transfers()("DescribeConnector", { ConnectorId }));
  });
}

// This SDK checks no types: other clients fail.
test("mistyped answers arrive as they were sent", async () => {
  const ConnectorId = await newConnector();
  const TransferId = await newTransfer(ConnectorId, [{ path: "/a" }]);
  await faults({ mistyped_rate: 1 });
  const call = transfers();
  assert.equal((await call("DescribeConnector", { ConnectorId })).Connector, "none");
  assert.equal((await call("ListConnectors")).Connectors, 7);
  assert.equal((await call("ListFileTransferResults", { ConnectorId, TransferId })).FileTransferResults, 7);
});

test("an answer that stalls is an error after the time-out of the client", async () => {
  const ConnectorId = await newConnector();
  await faults({ stall_rate: 1 });
  const abortSignal = AbortSignal.timeout(500);
  const call = new transferModule.DescribeConnectorCommand({ ConnectorId });
  const error = await refused(transfers().client.send(call, { abortSignal }));
  assert.equal(error.name, "AbortError");
});

test("the history has started transfers", async () => {
  const ConnectorId = await newConnector();
  const started = new Set();
  for (let n = 0; n < 60; n++) {
    const { TransferId } = await transfers()("StartFileTransfer", { ConnectorId, SendFilePaths: ["/a"] });
    started.add(TransferId);
  }
  const trail = client(cloudtrailModule, "CloudTrail");
  const input = { LookupAttributes: [{ AttributeKey: "EventName", AttributeValue: "StartFileTransfer" }] };
  for await (const page of cloudtrailModule.paginateLookupEvents({ client: trail.client }, input)) {
    page.Events.forEach((event) => {
      assert.ok(event.EventTime instanceof Date);
      started.delete(JSON.parse(event.CloudTrailEvent).responseElements.transferId);
    });
  }
  assert.equal(started.size, 0);
  const invalid = await refused(trail("LookupEvents", { MaxResults: 51 }));
  assert.ok(invalid instanceof cloudtrailModule.InvalidMaxResultsException);
});

test("messages are received and deleted", async () => {
  const connector = await newConnector();
  const QueueUrl = (await control("GET", "queue")).trim();
  await control("DELETE", "queue");
  const call = client(sqsModule, "SQS");
  await newTransfer(connector, [{ path: "/a" }, { path: "/b" }]);
  let found = 0;
  const deadline = Date.now() + 10_000;
  // The SDK verifies the digest of each body.
  while (found < 2 && Date.now() < deadline) {
    const { Messages = [] } = await call("ReceiveMessage", {
      QueueUrl,
      MaxNumberOfMessages: 10,
      WaitTimeSeconds: 1,
      MessageSystemAttributeNames: ["SentTimestamp"],
    });
    Messages.forEach((message) => {
      assert.ok(Number(message.Attributes.SentTimestamp) > 0);
      found += message.Body.includes(connector) && message.Body.includes("Completed");
    });
    const Entries = Messages.map(({ MessageId, ReceiptHandle }) => ({ Id: MessageId, ReceiptHandle }));
    if (Entries.length > 0) {
      const { Successful } = await call("DeleteMessageBatch", { QueueUrl, Entries });
      assert.equal(Successful.length, Entries.length);
    }
  }
  assert.equal(found, 2);
  const { Attributes } = await call("GetQueueAttributes", { QueueUrl, AttributeNames: ["All"] });
  assert.equal(Attributes.ApproximateNumberOfMessagesNotVisible, "0");
  const missing = await refused(call("ReceiveMessage", { QueueUrl: QueueUrl + "-none" }));
  assert.ok(missing instanceof sqsModule.QueueDoesNotExist);
});
