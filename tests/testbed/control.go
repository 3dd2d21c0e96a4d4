package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// controlSocket lies in the testbed's directory. Both ends change into it first, because a socket's whole path may
// not be longer than 107 bytes and temporary directories are.
const controlSocket = "control.sock"

var errRunning = errors.New("another testbed runs")

func (v *supervisor) serveControl(ctx context.Context) error {
	// We hold the directory's lock: a socket that is there belongs to a supervisor that was killed.
	if err := os.RemoveAll(controlSocket); err != nil {
		return err
	}
	listener, err := net.Listen("unix", controlSocket)
	if err != nil {
		return err
	}
	if err := os.Chmod(controlSocket, 0o600); err != nil {
		return err
	}
	routes := http.NewServeMux()
	routes.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v.report(r.Context()))
	})
	routes.HandleFunc("POST /shutdown", func(http.ResponseWriter, *http.Request) { v.quit <- "asked to" })
	routes.HandleFunc("POST /clusters/{name}/{verb}", func(w http.ResponseWriter, r *http.Request) {
		// Not the request's context: a caller that goes away must not leave a cluster half started.
		if err := v.command(ctx, r.PathValue("name"), r.PathValue("verb")); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
		}
	})
	server := &http.Server{Handler: routes, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }()
	return nil
}

func (v *supervisor) command(ctx context.Context, name, verb string) error {
	one, found := v.clusters[name]
	if !found {
		return fmt.Errorf("no cluster %q here", name)
	}
	switch verb {
	case "stop":
		one.stop()
		return nil
	case "start":
		return one.start(ctx)
	case "pause":
		return one.pause()
	case "resume":
		return one.resume()
	case "wipe":
		return one.wipe(ctx)
	}
	return fmt.Errorf("unknown command %q: use stop, start, pause, resume or wipe", verb)
}

// ask sends one request to the supervisor of dir and returns the body of its answer.
func ask(dir, method, path string, timeout time.Duration) ([]byte, error) {
	if err := os.Chdir(dir); err != nil {
		return nil, err
	}
	client := &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", controlSocket)
		}},
	}
	request, err := http.NewRequest(method, "http://testbed"+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("no testbed answers in %s: %w", filepath.Clean(dir), err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s", body)
	}
	return body, nil
}
