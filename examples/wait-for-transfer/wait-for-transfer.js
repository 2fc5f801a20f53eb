// Sends files with an SFTP connector, and waits for their results.
//
// Usage: node wait-for-transfer.js CONNECTOR_ID PATH...
//
// Prints one line for each file. Exits with 0 if all files are COMPLETED, and with 1 if one has FAILED or none ends in
// time. WAIT_SECONDS sets the time, 3600 by default.
"use strict";

const { setTimeout: sleep } = require("node:timers/promises");
const { TransferClient, StartFileTransferCommand, paginateListFileTransferResults } = require("@aws-sdk/client-transfer");

const UNFINISHED = ["QUEUED", "IN_PROGRESS"];

/** Returns the results of all files, once none is unfinished. */
async function waitForTransfer(client, ConnectorId, TransferId, seconds) {
  const deadline = Date.now() + 1000 * seconds;
  for (let pause = 100; ; pause = Math.min(2 * pause, 30_000)) {
    const results = [];
    for await (const page of paginateListFileTransferResults({ client }, { ConnectorId, TransferId })) {
      results.push(...page.FileTransferResults);
    }
    // The list can be empty right after the start.
    if (results.length > 0 && !results.some((result) => UNFINISHED.includes(result.StatusCode))) {
      return results;
    }
    if (Date.now() >= deadline) {
      throw new Error(`transfer ${TransferId} has unfinished files after ${seconds} s`);
    }
    await sleep(pause);
  }
}

async function main([ConnectorId, ...SendFilePaths]) {
  const client = new TransferClient();
  const { TransferId } = await client.send(new StartFileTransferCommand({ ConnectorId, SendFilePaths }));
  const results = await waitForTransfer(client, ConnectorId, TransferId, Number(process.env.WAIT_SECONDS ?? 3600));
  for (const { FilePath, StatusCode, FailureCode = "-" } of results) {
    console.log(FilePath, StatusCode, FailureCode);
  }
  return results.every((result) => result.StatusCode === "COMPLETED") ? 0 : 1;
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error) => {
    console.error(error.message);
    process.exit(1);
  },
);
