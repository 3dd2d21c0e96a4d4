package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// supervisor owns the clusters of one directory for as long as it lives; nothing it started outlives it.
type supervisor struct {
	spec     spec
	clusters map[string]*cluster
	ready    atomic.Bool
	quit     chan string
	fatal    chan error
	began    time.Time
}

// clusterReport is what the ready line and `testbed status` say of a cluster.
type clusterReport struct {
	Server        string         `json:"server"`
	Kubeconfig    string         `json:"kubeconfig"`
	AuditLog      string         `json:"auditLog"`
	KubeSystemUID string         `json:"kubeSystemUid,omitempty"`
	Pids          map[string]int `json:"pids"`
}

type report struct {
	Dir      string                   `json:"dir"`
	Pid      int                      `json:"pid"`
	Ready    bool                     `json:"ready"`
	Seconds  float64                  `json:"seconds"`
	Clusters map[string]clusterReport `json:"clusters"`
}

// up runs the clusters until a signal, the end of stdin (if watched), a shutdown command or a failure.
func up(s spec, watchStdin, ephemeral bool) (err error) {
	if ephemeral {
		sweepStale(s.Dir)
	}
	if err := s.makeDirs(); err != nil {
		return err
	}
	lock, err := acquireLock(s.Dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	// Everything below names files absolutely; the working directory is only for the control socket's short name.
	if err := os.Chdir(s.Dir); err != nil {
		return err
	}
	v := &supervisor{
		spec: s, clusters: map[string]*cluster{}, began: time.Now(),
		quit: make(chan string, 4), fatal: make(chan error, 64),
	}
	for _, name := range s.Clusters {
		v.clusters[name] = &cluster{spec: s, name: name, dir: s.clusterDir(name), fatal: v.fatal}
	}
	v.listenForTheEnd(watchStdin)
	ctx, cancel := context.WithCancel(context.Background())
	defer func() {
		cancel()
		v.shutdown()
		if ephemeral && err == nil {
			os.RemoveAll(s.Dir)
		}
	}()
	// One after another: the ports that a cluster takes are then seen as taken by the next.
	for _, name := range s.Clusters {
		if err := v.clusters[name].prepare(); err != nil {
			return fmt.Errorf("failed to prepare %s: %w", name, err)
		}
	}
	if err := v.serveControl(ctx); err != nil {
		return err
	}
	started := make(chan error, 1)
	go func() { started <- v.start(ctx) }()
	return v.wait(ctx, started)
}

func (v *supervisor) listenForTheEnd(watchStdin bool) {
	// A reader of our output that went away is no reason to die half way through a shutdown.
	signal.Ignore(syscall.SIGPIPE, syscall.SIGHUP)
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		for received := range signals {
			v.quit <- received.String()
		}
	}()
	if watchStdin {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			v.quit <- "end of stdin"
		}()
	}
}

func (v *supervisor) start(ctx context.Context) error {
	var group sync.WaitGroup
	failures := make(chan error, len(v.clusters))
	for _, one := range v.clusters {
		group.Go(func() {
			if err := one.start(ctx); err != nil {
				failures <- err
			}
		})
	}
	group.Wait()
	close(failures)
	for err := range failures {
		return err
	}
	return nil
}

func (v *supervisor) wait(ctx context.Context, started <-chan error) error {
	for {
		select {
		case err := <-started:
			if err != nil {
				return err
			}
			v.ready.Store(true)
			line, err := json.Marshal(v.report(ctx))
			if err != nil {
				return err
			}
			fmt.Println(string(line))
			started = nil
		case reason := <-v.quit:
			fmt.Fprintln(os.Stderr, "testbed: stopping:", reason)
			return nil
		case err := <-v.fatal:
			return err
		}
	}
}

func (v *supervisor) shutdown() {
	var group sync.WaitGroup
	for _, one := range v.clusters {
		if one.etcd != nil {
			group.Go(one.shutdown)
		}
	}
	group.Wait()
	os.Remove(filepath.Join(v.spec.Dir, controlSocket))
}

func (v *supervisor) report(ctx context.Context) report {
	out := report{
		Dir: v.spec.Dir, Pid: os.Getpid(), Ready: v.ready.Load(),
		Seconds: time.Since(v.began).Seconds(), Clusters: map[string]clusterReport{},
	}
	for name, one := range v.clusters {
		entry := clusterReport{
			Server:     apiURL(one.ports),
			Kubeconfig: adminKubeconfig(v.spec.Dir, name),
			AuditLog:   filepath.Join(v.spec.logs(), name+"-audit.log"),
			Pids:       one.pids(),
		}
		if out.Ready {
			asked, cancel := context.WithTimeout(ctx, 2*time.Second)
			// A cluster that is stopped or paused has no answer; the field is then left out.
			entry.KubeSystemUID, _ = one.kubeSystemUID(asked)
			cancel()
		}
		out.Clusters[name] = entry
	}
	return out
}

func (c *cluster) pids() map[string]int {
	pids := map[string]int{}
	for _, process := range append([]*process{c.etcd, c.apiserver}, c.clients...) {
		if process != nil && process.running() {
			pids[process.name] = process.command.Process.Pid
		}
	}
	return pids
}

const lockFile = "testbed.lock"

// acquireLock makes this process the only supervisor of the directory; the kernel drops the lock when it dies.
func acquireLock(dir string) (*os.File, error) {
	path := filepath.Join(dir, lockFile)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder, _ := io.ReadAll(file)
		file.Close()
		return nil, fmt.Errorf("%w in %s (pid %s)", errRunning, dir, holder)
	}
	if err := file.Truncate(0); err != nil {
		return nil, err
	}
	if _, err := file.WriteAt(fmt.Appendf(nil, "%d", os.Getpid()), 0); err != nil {
		return nil, err
	}
	return file, nil
}

// sweepStale removes what supervisors that were killed left beside our directory: siblings of the same name pattern
// whose lock nobody holds. A minute's grace keeps clear of one that is just being made.
func sweepStale(dir string) {
	siblings, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), ephemeralPrefix+"*", lockFile))
	for _, path := range siblings {
		info, err := os.Stat(path)
		if err != nil || filepath.Dir(path) == dir || time.Since(info.ModTime()) < time.Minute {
			continue
		}
		file, err := os.Open(path)
		if err != nil {
			continue
		}
		if syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			os.RemoveAll(filepath.Dir(path))
		}
		file.Close()
	}
}

// ephemeralPrefix is how the harness names its temporary directories.
const ephemeralPrefix = "qipan-testbed-"
