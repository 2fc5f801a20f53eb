// Tests the simulator with the AWS SDK for Go: operations, paginators, errors by their types, retries.
package judge

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	trailtypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/aws-sdk-go-v2/service/transfer"
	"github.com/aws/aws-sdk-go-v2/service/transfer/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

const unknownConnector = "c-fffffffffffffffff"

func endpoint(t *testing.T) string {
	t.Helper()
	address := os.Getenv("SIMULATOR_ENDPOINT")
	if address == "" {
		t.Fatal("SIMULATOR_ENDPOINT is not set; start `aws-transfer-exporter simulate` and name its address")
	}
	return address
}

// control sends a control request that must succeed.
func control(t *testing.T, method, path string, value any) []byte {
	t.Helper()
	body, err := json.Marshal(value)
	check(t, err)
	request, err := http.NewRequest(method, endpoint(t)+"/_simulator/"+path, bytes.NewReader(body))
	check(t, err)
	answer, err := http.DefaultClient.Do(request)
	check(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	check(t, err)
	if answer.StatusCode >= 300 {
		t.Fatalf("%s %s: %s %s", method, path, answer.Status, text)
	}
	return text
}

// faults replaces the faults for one test.
func faults(t *testing.T, values map[string]any) {
	t.Helper()
	control(t, "PUT", "faults", values)
	t.Cleanup(func() { control(t, "PUT", "faults", map[string]any{}) })
}

func newConnector(t *testing.T, spec map[string]any) string {
	t.Helper()
	random := make([]byte, 9)
	_, err := rand.Read(random)
	check(t, err)
	connector := "c-" + hex.EncodeToString(random)[:17]
	control(t, "PUT", "connectors/"+connector, spec)
	return connector
}

func newTransfer(t *testing.T, connector string, files []map[string]any) string {
	t.Helper()
	id := fmt.Sprintf("go-%d", time.Now().UnixNano())
	control(t, "PUT", "transfers/"+connector+"/"+id, files)
	return id
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t *testing.T, found, expected T) {
	t.Helper()
	if found != expected {
		t.Fatalf("found %v, expected %v", found, expected)
	}
}

var provider = credentials.NewStaticCredentialsProvider(
	"AKIASIMULATOR0000000", "simulator-secret-for-the-loopback-only", "")

func client(t *testing.T, attempts int) *transfer.Client {
	return transfer.New(transfer.Options{
		BaseEndpoint: aws.String(endpoint(t)),
		Region:       "eu-central-1",
		Credentials:  provider,
		Retryer: retry.NewStandard(func(options *retry.StandardOptions) {
			options.MaxAttempts = attempts
			options.MaxBackoff = 50 * time.Millisecond
		}),
	})
}

func code(t *testing.T, err error) string {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) {
		t.Fatalf("not an error of the API: %v", err)
	}
	return api.ErrorCode()
}

func TestOperationsHaveTheirMembers(t *testing.T) {
	ctx, transfers := context.Background(), client(t, 1)
	connector := newConnector(t, map[string]any{"host": "sftp.acme.example"})
	described, err := transfers.DescribeConnector(ctx, &transfer.DescribeConnectorInput{ConnectorId: &connector})
	check(t, err)
	equal(t, *described.Connector.Url, "sftp://sftp.acme.example")
	equal(t, described.Connector.Status, types.ConnectorStatusActive)
	equal(t, described.Connector.EgressType, types.ConnectorEgressTypeServiceManaged)
	equal(t, *described.Connector.SftpConfig.MaxConcurrentConnections, 1)
	tested, err := transfers.TestConnection(ctx, &transfer.TestConnectionInput{ConnectorId: &connector})
	check(t, err)
	equal(t, *tested.Status, "OK")
	started, err := transfers.StartFileTransfer(ctx, &transfer.StartFileTransferInput{
		ConnectorId: &connector, SendFilePaths: []string{"/bucket/a", "/bucket/b"},
	})
	check(t, err)
	results, err := transfers.ListFileTransferResults(ctx, &transfer.ListFileTransferResultsInput{
		ConnectorId: &connector, TransferId: started.TransferId,
	})
	check(t, err)
	equal(t, len(results.FileTransferResults), 2)
	equal(t, *results.FileTransferResults[1].FilePath, "/bucket/b")
}

func TestAConnectorIsCreatedUpdatedAndDeleted(t *testing.T) {
	ctx, transfers := context.Background(), client(t, 1)
	created, err := transfers.CreateConnector(ctx, &transfer.CreateConnectorInput{
		Url:        aws.String("sftp://sftp.acme.example"),
		AccessRole: aws.String("arn:aws:iam::123456789012:role/connector"),
		SftpConfig: &types.SftpConnectorConfig{UserSecretId: aws.String("acme")},
	})
	check(t, err)
	test := &transfer.TestConnectionInput{ConnectorId: created.ConnectorId}
	tested, err := transfers.TestConnection(ctx, test)
	check(t, err)
	equal(t, *tested.Status, "ERROR")
	_, err = transfers.UpdateConnector(ctx, &transfer.UpdateConnectorInput{
		ConnectorId: created.ConnectorId,
		SftpConfig:  &types.SftpConnectorConfig{TrustedHostKeys: []string{*tested.SftpConnectionDetails.HostKey}},
	})
	check(t, err)
	tested, err = transfers.TestConnection(ctx, test)
	check(t, err)
	equal(t, *tested.Status, "OK")
	remove := &transfer.DeleteConnectorInput{ConnectorId: created.ConnectorId}
	_, err = transfers.DeleteConnector(ctx, remove)
	check(t, err)
	_, err = transfers.DeleteConnector(ctx, remove)
	var gone *types.ResourceNotFoundException
	equal(t, errors.As(err, &gone), true)
}

func TestFilesHaveStatusCodeAndMessage(t *testing.T) {
	transfers, connector := client(t, 1), newConnector(t, map[string]any{})
	failed := map[string]any{"failed": map[string]any{"code": "RETRIEVE_FILE_NOT_FOUND", "message": "/d is not there"}}
	id := newTransfer(t, connector, []map[string]any{
		{"path": "/a"}, {"path": "/b", "queued_for": "forever"}, {"path": "/c", "end": "never"}, {"path": "/d", "end": failed},
	})
	results, err := transfers.ListFileTransferResults(context.Background(),
		&transfer.ListFileTransferResultsInput{ConnectorId: &connector, TransferId: &id})
	check(t, err)
	expected := []types.TransferTableStatus{
		types.TransferTableStatusCompleted, types.TransferTableStatusQueued,
		types.TransferTableStatusInProgress, types.TransferTableStatusFailed,
	}
	for n, row := range results.FileTransferResults {
		equal(t, row.StatusCode, expected[n])
	}
	last := results.FileTransferResults[3]
	equal(t, *last.FailureCode, "RETRIEVE_FILE_NOT_FOUND")
	equal(t, *last.FailureMessage, "/d is not there")
}

func TestPaginatorsReadEveryPage(t *testing.T) {
	ctx, transfers := context.Background(), client(t, 1)
	connector := newConnector(t, map[string]any{})
	var files []map[string]any
	for n := range 23 {
		files = append(files, map[string]any{"path": fmt.Sprintf("/in/%d.csv", n)})
	}
	id := newTransfer(t, connector, files)
	pages := transfer.NewListFileTransferResultsPaginator(transfers,
		&transfer.ListFileTransferResultsInput{ConnectorId: &connector, TransferId: &id})
	var sizes []int
	rows := 0
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		check(t, err)
		sizes = append(sizes, len(page.FileTransferResults))
		for _, row := range page.FileTransferResults {
			equal(t, *row.FilePath, fmt.Sprintf("/in/%d.csv", rows))
			rows++
		}
	}
	equal(t, fmt.Sprint(sizes), "[10 10 3]")

	mine := map[string]bool{}
	for range 7 {
		mine[newConnector(t, map[string]any{})] = true
	}
	connectors := transfer.NewListConnectorsPaginator(transfers, &transfer.ListConnectorsInput{MaxResults: aws.Int32(3)})
	for connectors.HasMorePages() {
		page, err := connectors.NextPage(ctx)
		check(t, err)
		for _, listed := range page.Connectors {
			delete(mine, *listed.ConnectorId)
		}
	}
	equal(t, len(mine), 0)
}

func TestErrorsHaveTheirTypesAndMembers(t *testing.T) {
	ctx, transfers := context.Background(), client(t, 1)
	_, err := transfers.DescribeConnector(ctx, &transfer.DescribeConnectorInput{ConnectorId: aws.String(unknownConnector)})
	var missing *types.ResourceNotFoundException
	if !errors.As(err, &missing) {
		t.Fatal(err)
	}
	equal(t, *missing.Resource, unknownConnector)
	equal(t, *missing.ResourceType, "Connector")
	_, err = transfers.DescribeConnector(ctx, &transfer.DescribeConnectorInput{ConnectorId: aws.String("c-1")})
	var invalid *types.InvalidRequestException
	if !errors.As(err, &invalid) || !strings.Contains(invalid.ErrorMessage(), "'connectorId'") {
		t.Fatal(err)
	}
	_, err = transfers.ListConnectors(ctx, &transfer.ListConnectorsInput{NextToken: aws.String("garbage")})
	var token *types.InvalidNextTokenException
	if !errors.As(err, &token) {
		t.Fatal(err)
	}
	_, err = transfers.ListServers(ctx, &transfer.ListServersInput{})
	equal(t, code(t, err), "UnknownOperationException")

	faults(t, map[string]any{"access_denied": true})
	_, err = transfers.ListConnectors(ctx, &transfer.ListConnectorsInput{})
	// The model of this operation does not list it.
	equal(t, code(t, err), "AccessDeniedException")
	if !strings.Contains(err.Error(), "transfer:ListConnectors") {
		t.Fatal(err)
	}
	faults(t, map[string]any{"expired_token": true})
	_, err = transfers.ListConnectors(ctx, &transfer.ListConnectorsInput{})
	equal(t, code(t, err), "ExpiredTokenException")
}

func TestFaultsAreRetried(t *testing.T) {
	for _, row := range []struct {
		faults   map[string]any
		expected string
		status   int
	}{
		{map[string]any{"throttle_rate": 1}, "ThrottlingException", 400},
		{map[string]any{"server_error_rate": 1}, "InternalServiceError", 500},
		{map[string]any{"unavailable_rate": 1}, "ServiceUnavailableException", 503},
	} {
		faults(t, row.faults)
		control(t, "DELETE", "calls", nil)
		_, err := client(t, 3).ListConnectors(context.Background(), &transfer.ListConnectorsInput{})
		equal(t, code(t, err), row.expected)
		var response *smithyhttp.ResponseError
		if !errors.As(err, &response) {
			t.Fatal(err)
		}
		equal(t, response.HTTPStatusCode(), row.status)
		var calls struct{ Operations map[string]int }
		check(t, json.Unmarshal(control(t, "GET", "calls", nil), &calls))
		equal(t, calls.Operations["ListConnectors"], 3)
		var throttled *types.ThrottlingException
		if errors.As(err, &throttled) {
			equal(t, *throttled.RetryAfterSeconds, "1")
		}
	}
	faults(t, map[string]any{"seed": 3, "server_error_rate": 0.5})
	_, err := client(t, 20).ListConnectors(context.Background(), &transfer.ListConnectorsInput{})
	check(t, err)
}

func TestBrokenAnswersAreErrors(t *testing.T) {
	connector := newConnector(t, map[string]any{})
	id := newTransfer(t, connector, []map[string]any{{"path": "/a"}})
	for _, fault := range []string{"html_rate", "truncated_rate", "mistyped_rate", "reset_rate", "stall_rate"} {
		faults(t, map[string]any{fault: 1})
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_, err := client(t, 1).ListFileTransferResults(ctx,
			&transfer.ListFileTransferResultsInput{ConnectorId: &connector, TransferId: &id})
		cancel()
		if err == nil {
			t.Fatalf("%s is not seen", fault)
		}
	}
}

func TestTheHistoryHasStartedTransfers(t *testing.T) {
	ctx, connector := context.Background(), newConnector(t, map[string]any{})
	started := map[string]bool{}
	for range 60 {
		answer, err := client(t, 1).StartFileTransfer(ctx,
			&transfer.StartFileTransferInput{ConnectorId: &connector, SendFilePaths: []string{"/a"}})
		check(t, err)
		started[*answer.TransferId] = true
	}
	trail := cloudtrail.New(cloudtrail.Options{
		BaseEndpoint: aws.String(endpoint(t)), Region: "eu-central-1", Credentials: provider,
	})
	pages := cloudtrail.NewLookupEventsPaginator(trail, &cloudtrail.LookupEventsInput{
		LookupAttributes: []trailtypes.LookupAttribute{
			{AttributeKey: trailtypes.LookupAttributeKeyEventName, AttributeValue: aws.String("StartFileTransfer")},
		},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		check(t, err)
		for _, event := range page.Events {
			var record struct {
				ResponseElements struct{ TransferId string }
			}
			check(t, json.Unmarshal([]byte(*event.CloudTrailEvent), &record))
			delete(started, record.ResponseElements.TransferId)
		}
	}
	equal(t, len(started), 0)
	_, err := trail.LookupEvents(ctx, &cloudtrail.LookupEventsInput{MaxResults: aws.Int32(51)})
	var invalid *trailtypes.InvalidMaxResultsException
	if !errors.As(err, &invalid) {
		t.Fatal(err)
	}
}

func TestMessagesAreReceivedAndDeleted(t *testing.T) {
	ctx, connector := context.Background(), newConnector(t, map[string]any{})
	url := strings.TrimSpace(string(control(t, "GET", "queue", nil)))
	control(t, "DELETE", "queue", nil)
	queue := sqs.New(sqs.Options{BaseEndpoint: aws.String(endpoint(t)), Region: "eu-central-1", Credentials: provider})
	newTransfer(t, connector, []map[string]any{{"path": "/a"}, {"path": "/b"}})
	left := 0
	// The SDK verifies the digest of each body.
	for deadline := time.Now().Add(10 * time.Second); left < 2 && time.Now().Before(deadline); {
		received, err := queue.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: &url, MaxNumberOfMessages: 10, WaitTimeSeconds: 1,
			MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{sqstypes.MessageSystemAttributeNameSentTimestamp},
		})
		check(t, err)
		var entries []sqstypes.DeleteMessageBatchRequestEntry
		for _, message := range received.Messages {
			if message.Attributes["SentTimestamp"] == "" {
				t.Fatal("no SentTimestamp")
			}
			if strings.Contains(*message.Body, connector) && strings.Contains(*message.Body, "Completed") {
				left++
			}
			entries = append(entries, sqstypes.DeleteMessageBatchRequestEntry{Id: message.MessageId, ReceiptHandle: message.ReceiptHandle})
		}
		if len(entries) > 0 {
			deleted, err := queue.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: entries})
			check(t, err)
			equal(t, len(deleted.Successful), len(entries))
		}
	}
	equal(t, left, 2)
	attributes, err := queue.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll},
	})
	check(t, err)
	equal(t, attributes.Attributes["ApproximateNumberOfMessagesNotVisible"], "0")
	_, err = queue.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: aws.String(url + "-none")})
	var missing *sqstypes.QueueDoesNotExist
	if !errors.As(err, &missing) {
		t.Fatal(err)
	}
}
