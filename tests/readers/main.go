// Reads a URL as Go's net/http does by default, which asks for gzip and unpacks it, and writes the body.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
)

func main() {
	response, err := http.Get(os.Args[1])
	if err == nil && !response.Uncompressed {
		err = fmt.Errorf("the answer was not compressed: %v", response.Header)
	}
	if err == nil {
		_, err = io.Copy(os.Stdout, response.Body)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
