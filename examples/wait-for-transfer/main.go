// Command wait-for-transfer sends files with an SFTP connector, and waits for their results.
//
// Usage: wait-for-transfer CONNECTOR_ID PATH...
//
// It prints one line for each file. It exits with 0 if all files are COMPLETED, and with 1 if one has FAILED or none ends
// in time. WAIT_SECONDS sets the time, 3600 by default.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/transfer"
	"github.com/aws/aws-sdk-go-v2/service/transfer/types"
)

func isUnfinished(results []types.ConnectorFileTransferResult) bool {
	for _, result := range results {
		switch result.StatusCode {
		case types.TransferTableStatusQueued, types.TransferTableStatusInProgress:
			return true
		}
	}
	// The list can be empty right after the start.
	return len(results) == 0
}

// list returns the results of all files.
func list(ctx context.Context, client *transfer.Client, input *transfer.ListFileTransferResultsInput) ([]types.ConnectorFileTransferResult, error) {
	var results []types.ConnectorFileTransferResult
	pages := transfer.NewListFileTransferResultsPaginator(client, input)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		results = append(results, page.FileTransferResults...)
	}
	return results, nil
}

// send starts a transfer and returns its results, once no file is unfinished.
func send(ctx context.Context, connectorID string, paths []string) ([]types.ConnectorFileTransferResult, error) {
	settings, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	client := transfer.NewFromConfig(settings)
	started, err := client.StartFileTransfer(ctx, &transfer.StartFileTransferInput{
		ConnectorId:   aws.String(connectorID),
		SendFilePaths: paths,
	})
	if err != nil {
		return nil, err
	}
	input := &transfer.ListFileTransferResultsInput{ConnectorId: aws.String(connectorID), TransferId: started.TransferId}
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 30*time.Second) {
		results, err := list(ctx, client, input)
		if err != nil || !isUnfinished(results) {
			return results, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("transfer %s has unfinished files: %w", *started.TransferId, ctx.Err())
		case <-time.After(pause):
		}
	}
}

func main() {
	seconds, err := strconv.ParseFloat(os.Getenv("WAIT_SECONDS"), 64)
	if err != nil {
		seconds = 3600
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(seconds*float64(time.Second)))
	defer cancel()
	results, err := send(ctx, os.Args[1], os.Args[2:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := 0
	for _, result := range results {
		failure := aws.ToString(result.FailureCode)
		if failure == "" {
			failure = "-"
		}
		fmt.Println(*result.FilePath, result.StatusCode, failure)
		if result.StatusCode != types.TransferTableStatusCompleted {
			code = 1
		}
	}
	os.Exit(code)
}
