package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
)

func testbedCommand() *cobra.Command {
	forgetForeignFlags()
	root := &cobra.Command{
		Use:           "testbed",
		Short:         "Runs Kubernetes control planes on the loopback; also etcd, kube-*, kubectl and kwok by name.",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(upCommand(), kubeconfigCommand(), statusCommand(), downCommand(), guardCommand(), spawnCommand(), keepCommand())
	for _, verb := range []struct{ name, help string }{
		{"stop", "Take a cluster's API server away, as a crash would; its data stays."},
		{"start", "Bring a stopped cluster back at the same address."},
		{"pause", "Freeze a cluster's API server (SIGSTOP): connections open, nothing answers."},
		{"resume", "Let a paused API server go on."},
		{"wipe", "Empty a cluster: same address and authorities, another kube-system UID."},
	} {
		root.AddCommand(clusterCommand(verb.name, verb.help))
	}
	return root
}

func upCommand() *cobra.Command {
	var (
		s                             spec
		nodes                         []string
		watchStdin, ephemeral, detach bool
	)
	command := &cobra.Command{
		Use:   "up",
		Short: "Run the clusters; one JSON line on stdout says that all of them are ready.",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) (err error) {
			if s.Nodes, err = parseNodes(nodes); err != nil {
				return err
			}
			for _, name := range s.Clusters {
				if err := validClusterName(name); err != nil {
					return err
				}
			}
			if s.Dir, err = filepath.Abs(s.Dir); err != nil {
				return err
			}
			if detach {
				return upDetached(s)
			}
			return up(s, watchStdin, ephemeral)
		},
	}
	flags := command.Flags()
	flags.StringVar(&s.Dir, "dir", ".qipan", "where everything of this testbed lies")
	flags.StringArrayVar(&s.Clusters, "cluster", []string{hub}, "a cluster to run, once for each")
	flags.StringArrayVar(&nodes, "nodes", nil, "fake nodes of a cluster, as name=6 (default: none in the hub)")
	flags.IntVar(&s.DefaultNodes, "default-nodes", 6, "fake nodes of a member that --nodes does not name")
	flags.StringVar(&s.Capacity.CPU, "node-cpu", "64", "cpu of a fake node")
	flags.StringVar(&s.Capacity.Memory, "node-memory", "256Gi", "memory of a fake node")
	flags.StringVar(&s.Capacity.Pods, "node-pods", "500", "pods of a fake node")
	flags.StringVar(&s.Capacity.EphemeralStorage, "node-ephemeral-storage", "1Ti", "ephemeral storage of a fake node")
	flags.BoolVar(&s.Durable, "durable", false, "etcd syncs to disk; the directory can be started again")
	flags.BoolVar(&watchStdin, "watch-stdin", false, "stop when stdin ends, so that nothing outlives the caller")
	flags.BoolVar(&ephemeral, "ephemeral", false, "remove the directory at an orderly end, and stale ones beside it")
	flags.BoolVar(&detach, "detach", false, "run in a session of its own and return when it is ready")
	flags.StringVar(&s.OIDC.Issuer, "oidc-issuer", "", "https URL of a token issuer that the hub trusts")
	flags.StringVar(&s.OIDC.CAFile, "oidc-ca", "", "PEM file of the issuer's authority")
	flags.StringVar(&s.OIDC.ClientID, "oidc-client-id", "qipan", "audience that the tokens must carry")
	return command
}

// upDetached starts `testbed up` in a session of its own. One that runs already is waited for instead.
func upDetached(s spec) error {
	if err := s.makeDirs(); err != nil {
		return err
	}
	lock, err := acquireLock(s.Dir)
	if err == nil {
		lock.Close()
		args := []string{"testbed"}
		for _, arg := range os.Args[1:] {
			if arg != "--detach" {
				args = append(args, arg)
			}
		}
		self, err := os.Executable()
		if err != nil {
			return err
		}
		if _, err := spawnDetached(self, args, filepath.Join(s.logs(), "testbed.log")); err != nil {
			return err
		}
	} else if !errors.Is(err, errRunning) {
		return err
	}
	return waitUntilReady(s, startDeadline+time.Minute)
}

func waitUntilReady(s spec, timeout time.Duration) error {
	var last error
	silent := 0
	for end := time.Now().Add(timeout); time.Now().Before(end); time.Sleep(pollInterval) {
		body, err := ask(s.Dir, "GET", "/status", 30*time.Second)
		if err != nil {
			last = err
			// Its socket comes within moments of its lock. One that has given up says why in its log.
			if lock, err := acquireLock(s.Dir); err == nil {
				lock.Close()
				if silent++; silent > 20 {
					return fmt.Errorf("the testbed ended; the end of its log:\n%s", tail(filepath.Join(s.logs(), "testbed.log")))
				}
			}
			continue
		}
		var status report
		if err := json.Unmarshal(body, &status); err != nil {
			return err
		}
		for _, name := range s.Clusters {
			if _, found := status.Clusters[name]; !found {
				return fmt.Errorf("the testbed that runs in %s has no cluster %q: stop it first", s.Dir, name)
			}
		}
		if status.Ready {
			fmt.Print(string(body))
			return nil
		}
		last = errors.New("still starting")
	}
	return fmt.Errorf("the testbed is not ready after %s: %w", timeout, last)
}

func kubeconfigCommand() *cobra.Command {
	var dir, cluster, user, out string
	var groups []string
	var ttl time.Duration
	command := &cobra.Command{
		Use:   "kubeconfig",
		Short: "Write a kubeconfig with a client certificate for a user.",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return issueKubeconfig(dir, cluster, user, groups, ttl, out)
		},
	}
	flags := command.Flags()
	flags.StringVar(&dir, "dir", ".qipan", "the testbed's directory")
	flags.StringVar(&cluster, "cluster", hub, "the cluster")
	flags.StringVar(&user, "user", "", "the user's name")
	flags.StringArrayVar(&groups, "group", nil, "a group of the user's, once for each")
	flags.DurationVar(&ttl, "ttl", time.Hour, "how long it is valid; a negative one has expired already")
	flags.StringVarP(&out, "out", "o", "", "the file to write")
	for _, name := range []string{"user", "out"} {
		if err := command.MarkFlagRequired(name); err != nil {
			panic(err) // The flag is declared above.
		}
	}
	return command
}

func statusCommand() *cobra.Command {
	var dir string
	command := &cobra.Command{
		Use:   "status",
		Short: "Print the state of a running testbed as JSON.",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			body, err := ask(dir, "GET", "/status", 30*time.Second)
			fmt.Print(string(body))
			return err
		},
	}
	command.Flags().StringVar(&dir, "dir", ".qipan", "the testbed's directory")
	return command
}

func downCommand() *cobra.Command {
	var dir string
	command := &cobra.Command{
		Use:   "down",
		Short: "Stop a testbed and wait until it is gone.",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if _, err := ask(dir, "POST", "/shutdown", 30*time.Second); err != nil {
				return err
			}
			for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(pollInterval) {
				lock, err := acquireLock(".") // ask has changed into dir.
				if err == nil {
					return lock.Close()
				}
			}
			return errors.New("the testbed did not stop within a minute")
		},
	}
	command.Flags().StringVar(&dir, "dir", ".qipan", "the testbed's directory")
	return command
}

func clusterCommand(verb, help string) *cobra.Command {
	var dir, cluster string
	command := &cobra.Command{
		Use:   verb + "-cluster",
		Short: help,
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := ask(dir, "POST", "/clusters/"+cluster+"/"+verb, startDeadline+time.Minute)
			return err
		},
	}
	command.Flags().StringVar(&dir, "dir", ".qipan", "the testbed's directory")
	command.Flags().StringVar(&cluster, "cluster", "", "the cluster")
	if err := command.MarkFlagRequired("cluster"); err != nil {
		panic(err) // The flag is declared above.
	}
	return command
}
