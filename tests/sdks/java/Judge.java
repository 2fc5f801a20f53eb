// Tests the simulator with the AWS SDK for Java: operations, paginators, errors by their classes, retries.

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.UUID;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.awscore.client.builder.AwsClientBuilder;
import software.amazon.awssdk.awscore.exception.AwsServiceException;
import software.amazon.awssdk.core.exception.ApiCallTimeoutException;
import software.amazon.awssdk.core.exception.SdkException;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.retries.StandardRetryStrategy;
import software.amazon.awssdk.retries.api.BackoffStrategy;
import software.amazon.awssdk.services.cloudtrail.CloudTrailClient;
import software.amazon.awssdk.services.cloudtrail.model.InvalidMaxResultsException;
import software.amazon.awssdk.services.cloudtrail.model.LookupAttribute;
import software.amazon.awssdk.services.sqs.SqsClient;
import software.amazon.awssdk.services.sqs.model.DeleteMessageBatchRequestEntry;
import software.amazon.awssdk.services.sqs.model.MessageSystemAttributeName;
import software.amazon.awssdk.services.sqs.model.QueueAttributeName;
import software.amazon.awssdk.services.sqs.model.QueueDoesNotExistException;
import software.amazon.awssdk.services.transfer.TransferClient;
import software.amazon.awssdk.services.transfer.model.ConnectorStatus;
import software.amazon.awssdk.services.transfer.model.ConnectorFileTransferResult;
import software.amazon.awssdk.services.transfer.model.InvalidNextTokenException;
import software.amazon.awssdk.services.transfer.model.InvalidRequestException;
import software.amazon.awssdk.services.transfer.model.ListedConnector;
import software.amazon.awssdk.services.transfer.model.ResourceNotFoundException;
import software.amazon.awssdk.services.transfer.model.TransferTableStatus;

final class Judge {
    static final String UNKNOWN = "c-fffffffffffffffff";
    static final URI ENDPOINT = URI.create(Objects.requireNonNull(System.getenv("SIMULATOR_ENDPOINT"),
            "SIMULATOR_ENDPOINT is not set; start `aws-transfer-exporter simulate` and name its address"));
    static final HttpClient HTTP = HttpClient.newHttpClient();

    interface Check {
        void run() throws Exception;
    }

    static int passed = 0;

    public static void main(String[] arguments) throws Exception {
        check("operations have their members", Judge::operations);
        check("files have status, code and message", Judge::files);
        check("paginators read every page", Judge::pages);
        check("a connector is created, updated and deleted", Judge::connectors);
        check("errors have their classes and members", Judge::errors);
        check("faults are retried", Judge::retries);
        check("broken answers are errors", Judge::brokenAnswers);
        check("the history has started transfers", Judge::history);
        check("messages are received and deleted", Judge::messages);
        System.out.println(passed + " checks passed");
    }

    static void check(String name, Check check) throws Exception {
        try {
            check.run();
        } finally {
            faults("{}");
        }
        passed++;
        System.out.println("ok " + name);
    }

    // Control

    /** Sends a control request that must succeed. */
    static String control(String method, String path, String body) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(ENDPOINT.resolve("/_simulator/" + path))
                .method(method, HttpRequest.BodyPublishers.ofString(body))
                .build();
        HttpResponse<String> answer = HTTP.send(request, HttpResponse.BodyHandlers.ofString());
        require(answer.statusCode() < 300, method + " " + path + ": " + answer.statusCode() + " " + answer.body());
        return answer.body();
    }

    static void faults(String json) throws Exception {
        control("PUT", "faults", json);
    }

    static String newConnector(String spec) throws Exception {
        String connector = "c-" + UUID.randomUUID().toString().replace("-", "").substring(0, 17);
        control("PUT", "connectors/" + connector, spec);
        return connector;
    }

    static String newTransfer(String connector, String files) throws Exception {
        String transfer = UUID.randomUUID().toString();
        control("PUT", "transfers/" + connector + "/" + transfer, files);
        return transfer;
    }

    // Assertions

    static void require(boolean holds, String text) {
        if (!holds) {
            throw new AssertionError(text);
        }
    }

    static void equal(Object found, Object expected) {
        require(Objects.equals(found, expected), "found " + found + ", expected " + expected);
    }

    static <E extends Exception> E refused(Class<E> kind, Check call) throws Exception {
        try {
            call.run();
        } catch (Exception error) {
            if (kind.isInstance(error)) {
                return kind.cast(error);
            }
            throw error;
        }
        throw new AssertionError("the call succeeded");
    }

    static String code(Check call) throws Exception {
        return refused(AwsServiceException.class, call).awsErrorDetails().errorCode();
    }

    // Clients

    static <B extends AwsClientBuilder<B, C>, C> C client(B builder, int attempts) {
        StandardRetryStrategy retries = StandardRetryStrategy.builder()
                .retryOnException(error -> error instanceof AwsServiceException service
                        && (service.isThrottlingException() || service.statusCode() >= 500))
                .maxAttempts(attempts)
                .circuitBreakerEnabled(false)
                .backoffStrategy(BackoffStrategy.fixedDelay(Duration.ofMillis(20)))
                .throttlingBackoffStrategy(BackoffStrategy.fixedDelay(Duration.ofMillis(20)))
                .build();
        return builder.endpointOverride(ENDPOINT)
                .region(Region.EU_CENTRAL_1)
                .credentialsProvider(StaticCredentialsProvider.create(AwsBasicCredentials.create(
                        "AKIASIMULATOR0000000", "simulator-secret-for-the-loopback-only")))
                .overrideConfiguration(config -> config.retryStrategy(retries).apiCallTimeout(Duration.ofSeconds(10)))
                .build();
    }

    static TransferClient transfers(int attempts) {
        return client(TransferClient.builder().httpClient(UrlConnectionHttpClient.create()), attempts);
    }

    // Checks

    static void operations() throws Exception {
        TransferClient client = transfers(1);
        String connector = newConnector("{\"host\": \"sftp.acme.example\"}");
        var described = client.describeConnector(r -> r.connectorId(connector)).connector();
        equal(described.url(), "sftp://sftp.acme.example");
        equal(described.status(), ConnectorStatus.ACTIVE);
        equal(described.sftpConfig().maxConcurrentConnections(), 1);
        equal(client.testConnection(r -> r.connectorId(connector)).status(), "OK");
        var started = client.startFileTransfer(r -> r.connectorId(connector).sendFilePaths("/bucket/a", "/bucket/b"));
        var rows = client.listFileTransferResults(r -> r.connectorId(connector).transferId(started.transferId()));
        equal(paths(rows.fileTransferResults()), List.of("/bucket/a", "/bucket/b"));
    }

    static void connectors() throws Exception {
        TransferClient client = transfers(1);
        String connector = client.createConnector(r -> r.url("sftp://sftp.acme.example")
                        .accessRole("arn:aws:iam::123456789012:role/connector")
                        .sftpConfig(config -> config.userSecretId("acme")))
                .connectorId();
        var tested = client.testConnection(r -> r.connectorId(connector));
        equal(tested.status(), "ERROR");
        String key = tested.sftpConnectionDetails().hostKey();
        client.updateConnector(r -> r.connectorId(connector).sftpConfig(config -> config.trustedHostKeys(key)));
        equal(client.testConnection(r -> r.connectorId(connector)).status(), "OK");
        client.deleteConnector(r -> r.connectorId(connector));
        refused(ResourceNotFoundException.class, () -> client.deleteConnector(r -> r.connectorId(connector)));
    }

    static List<String> paths(List<ConnectorFileTransferResult> rows) {
        return rows.stream().map(ConnectorFileTransferResult::filePath).collect(Collectors.toList());
    }

    static void files() throws Exception {
        String connector = newConnector("{}");
        String transfer = newTransfer(connector, "[{\"path\": \"/a\"}, {\"path\": \"/b\", \"queued_for\": \"forever\"},"
                + "{\"path\": \"/c\", \"end\": \"never\"}, {\"path\": \"/d\", \"end\": {\"failed\":"
                + "{\"code\": \"RETRIEVE_FILE_NOT_FOUND\", \"message\": \"/d is not there\"}}}]");
        var rows = transfers(1).listFileTransferResults(r -> r.connectorId(connector).transferId(transfer))
                .fileTransferResults();
        equal(rows.stream().map(ConnectorFileTransferResult::statusCode).collect(Collectors.toList()), List.of(
                TransferTableStatus.COMPLETED, TransferTableStatus.QUEUED, TransferTableStatus.IN_PROGRESS,
                TransferTableStatus.FAILED));
        equal(rows.get(3).failureCode(), "RETRIEVE_FILE_NOT_FOUND");
        equal(rows.get(3).failureMessage(), "/d is not there");
    }

    static void pages() throws Exception {
        TransferClient client = transfers(1);
        String connector = newConnector("{}");
        List<String> expected = IntStream.range(0, 23).mapToObj(n -> "/in/" + n + ".csv").collect(Collectors.toList());
        String transfer = newTransfer(connector, expected.stream()
                .map(path -> "{\"path\": \"" + path + "\"}").collect(Collectors.joining(",", "[", "]")));
        List<Integer> sizes = new ArrayList<>();
        List<String> found = new ArrayList<>();
        client.listFileTransferResultsPaginator(r -> r.connectorId(connector).transferId(transfer)).forEach(page -> {
            sizes.add(page.fileTransferResults().size());
            found.addAll(paths(page.fileTransferResults()));
        });
        equal(sizes, List.of(10, 10, 3));
        equal(found, expected);

        Set<String> mine = new HashSet<>();
        for (int n = 0; n < 7; n++) {
            mine.add(newConnector("{}"));
        }
        mine.removeAll(client.listConnectorsPaginator(r -> r.maxResults(3)).connectors().stream()
                .map(ListedConnector::connectorId).collect(Collectors.toSet()));
        equal(mine, Set.of());
    }

    static void errors() throws Exception {
        TransferClient client = transfers(1);
        var missing = refused(ResourceNotFoundException.class, () -> client.describeConnector(r -> r.connectorId(UNKNOWN)));
        equal(missing.resource(), UNKNOWN);
        equal(missing.resourceType(), "Connector");
        equal(missing.statusCode(), 400);
        var invalid = refused(InvalidRequestException.class, () -> client.describeConnector(r -> r.connectorId("c-1")));
        require(invalid.getMessage().contains("'connectorId'"), invalid.getMessage());
        refused(InvalidNextTokenException.class, () -> client.listConnectors(r -> r.nextToken("garbage")));
        equal(code(() -> client.listServers(r -> { })), "UnknownOperationException");
        faults("{\"access_denied\": true}");
        equal(code(() -> client.listConnectors(r -> { })), "AccessDeniedException");
        faults("{\"expired_token\": true}");
        equal(code(() -> client.listConnectors(r -> { })), "ExpiredTokenException");
    }

    static void retries() throws Exception {
        String[][] rows = {
            {"throttle_rate", "ThrottlingException", "400"},
            {"server_error_rate", "InternalServiceError", "500"},
            {"unavailable_rate", "ServiceUnavailableException", "503"},
        };
        for (String[] row : rows) {
            faults("{\"" + row[0] + "\": 1}");
            control("DELETE", "calls", "");
            var error = refused(AwsServiceException.class, () -> transfers(3).listConnectors(r -> { }));
            equal(error.awsErrorDetails().errorCode(), row[1]);
            equal(error.statusCode(), Integer.valueOf(row[2]));
            String calls = control("GET", "calls", "");
            require(Pattern.compile("\"ListConnectors\"\\s*:\\s*3\\b").matcher(calls).find(), calls);
        }
        faults("{\"seed\": 3, \"server_error_rate\": 0.5}");
        require(transfers(20).listConnectors(r -> { }).hasConnectors(), "no connectors");
    }

    static void brokenAnswers() throws Exception {
        String connector = newConnector("{}");
        for (String fault : List.of("html_rate", "truncated_rate", "reset_rate")) {
            faults("{\"" + fault + "\": 1}");
            refused(SdkException.class, () -> transfers(1).describeConnector(r -> r.connectorId(connector)));
        }
        String transfer = newTransfer(connector, "[{\"path\": \"/a\"}]");
        faults("{\"mistyped_rate\": 1}");
        refused(RuntimeException.class, () -> transfers(1).describeConnector(r -> r.connectorId(connector)));
        refused(RuntimeException.class, () -> transfers(1).listConnectors(r -> { }));
        refused(RuntimeException.class,
                () -> transfers(1).listFileTransferResults(r -> r.connectorId(connector).transferId(transfer)));
        faults("{\"stall_rate\": 1}");
        refused(ApiCallTimeoutException.class, () -> transfers(1).describeConnector(r -> r.connectorId(connector)
                .overrideConfiguration(config -> config.apiCallTimeout(Duration.ofMillis(500)))));
    }

    static void history() throws Exception {
        TransferClient client = transfers(1);
        String connector = newConnector("{}");
        Set<String> started = new HashSet<>();
        for (int n = 0; n < 60; n++) {
            started.add(client.startFileTransfer(r -> r.connectorId(connector).sendFilePaths("/a")).transferId());
        }
        CloudTrailClient trail = client(CloudTrailClient.builder().httpClient(UrlConnectionHttpClient.create()), 1);
        var name = LookupAttribute.builder().attributeKey("EventName").attributeValue("StartFileTransfer").build();
        trail.lookupEventsPaginator(r -> r.lookupAttributes(name)).events()
                .forEach(event -> started.removeIf(event.cloudTrailEvent()::contains));
        equal(started, Set.of());
        refused(InvalidMaxResultsException.class, () -> trail.lookupEvents(r -> r.maxResults(51)));
    }

    static void messages() throws Exception {
        String connector = newConnector("{}");
        String url = control("GET", "queue", "").trim();
        control("DELETE", "queue", "");
        SqsClient queue = client(SqsClient.builder().httpClient(UrlConnectionHttpClient.create()), 1);
        newTransfer(connector, "[{\"path\": \"/a\"}, {\"path\": \"/b\"}]");
        int found = 0;
        // The SDK verifies the digest of each body.
        for (long end = System.nanoTime() + 10_000_000_000L; found < 2 && System.nanoTime() < end; ) {
            var messages = queue.receiveMessage(r -> r.queueUrl(url).maxNumberOfMessages(10).waitTimeSeconds(1)
                    .messageSystemAttributeNames(MessageSystemAttributeName.SENT_TIMESTAMP)).messages();
            List<DeleteMessageBatchRequestEntry> entries = new ArrayList<>();
            for (var message : messages) {
                require(message.attributes().containsKey(MessageSystemAttributeName.SENT_TIMESTAMP), "no SentTimestamp");
                found += message.body().contains(connector) && message.body().contains("Completed") ? 1 : 0;
                entries.add(DeleteMessageBatchRequestEntry.builder()
                        .id(message.messageId()).receiptHandle(message.receiptHandle()).build());
            }
            if (!entries.isEmpty()) {
                equal(queue.deleteMessageBatch(r -> r.queueUrl(url).entries(entries)).successful().size(), entries.size());
            }
        }
        equal(found, 2);
        var attributes = queue.getQueueAttributes(r -> r.queueUrl(url).attributeNames(QueueAttributeName.ALL)).attributes();
        equal(attributes.get(QueueAttributeName.APPROXIMATE_NUMBER_OF_MESSAGES_NOT_VISIBLE), "0");
        refused(QueueDoesNotExistException.class, () -> queue.receiveMessage(r -> r.queueUrl(url + "-none")));
    }
}
