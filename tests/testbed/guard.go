package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// guardCommand runs a program for a test: it dies when the test's end of stdin closes, however the test ended. (A Rust
// test cannot set Pdeathsig without unsafe code, and its threads come and go.)
func guardCommand() *cobra.Command {
	var log string
	command := &cobra.Command{
		Use:   "guard --log FILE -- PROGRAM ARGS...",
		Short: "Run a program until stdin ends; its pid is the first line on stdout.",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			child := &exec.Cmd{
				Path:        args[0],
				Args:        args,
				SysProcAttr: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true},
			}
			file, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
			if err != nil {
				return err
			}
			child.Stdout, child.Stderr = file, file
			return guard(child)
		},
	}
	command.Flags().StringVar(&log, "log", os.DevNull, "where the program's output goes")
	return command
}

func guard(child *exec.Cmd) error {
	signal.Ignore(syscall.SIGPIPE)
	result := make(chan error, 1)
	forks <- func() { result <- child.Start() }
	if err := <-result; err != nil {
		return err
	}
	fmt.Println(child.Process.Pid)
	// What the program itself had started is in its group and goes with it.
	defer func() { _ = syscall.Kill(-child.Process.Pid, syscall.SIGKILL) }()
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	stop := make(chan os.Signal, 2)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop <- syscall.SIGTERM
	}()
	select {
	case err := <-ended:
		return err
	case <-stop:
	}
	_ = child.Process.Signal(syscall.SIGCONT)
	endGently(child, ended, 3*time.Second)
	return nil
}

// endGently asks a program to end, and ends it when it does not.
func endGently(child *exec.Cmd, ended <-chan error, grace time.Duration) {
	_ = child.Process.Signal(syscall.SIGTERM)
	select {
	case <-ended:
	case <-time.After(grace):
		_ = child.Process.Kill()
		<-ended
	}
}

// pidFile says which process was started, so that a later stop never meets a stranger with the same pid.
type pidFile struct {
	Pid       int    `json:"pid"`
	StartTime string `json:"startTime"` // Field 22 of /proc/PID/stat, in clock ticks since boot.
}

func spawnCommand() *cobra.Command {
	var log, pidPath string
	command := &cobra.Command{
		Use:   "spawn --pid-file FILE --log FILE -- PROGRAM ARGS...",
		Short: "Start a program in a session of its own, and again whenever it ends by itself, and return.",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			self, err := os.Executable()
			if err != nil {
				return err
			}
			pid, err := spawnDetached(self, append([]string{"testbed", "keep", "--"}, args...), log)
			if err != nil {
				return err
			}
			started, err := startTime(pid)
			if err != nil {
				return err
			}
			content, err := json.Marshal(pidFile{pid, started})
			if err != nil {
				return err
			}
			return writeFile(pidPath, content, 0o600)
		},
	}
	command.Flags().StringVar(&log, "log", os.DevNull, "where the program's output goes")
	command.Flags().StringVar(&pidPath, "pid-file", "", "where its pid and start time are written")
	if err := command.MarkFlagRequired("pid-file"); err != nil {
		panic(err) // The flag is declared above.
	}
	return command
}

const (
	shortLife = 5 * time.Second
	tooShort  = 3 // lives in a row
)

// keepCommand does for a program what a Deployment does: an operator whose machine slept has lost its lease, and ends so
// that the next one begins.
func keepCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "keep -- PROGRAM ARGS...",
		Short: "Run a program, and again whenever it ends by itself; one that cannot even begin is given up.",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			stop := make(chan os.Signal, 2)
			signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
			for short := 0; short < tooShort; {
				began := time.Now()
				asked, err := runOnce(args, stop)
				if asked {
					return nil
				}
				fmt.Fprintf(os.Stderr, "testbed: %s ended (%v)\n", filepath.Base(args[0]), err)
				if short++; time.Since(began) > shortLife {
					short = 0
				}
				select {
				case <-stop:
					return nil
				case <-time.After(time.Second):
				}
			}
			return fmt.Errorf("%s ends as soon as it begins", args[0])
		},
	}
}

// runOnce runs a program until it ends, or until it is asked to; it says whether it was.
func runOnce(args []string, stop <-chan os.Signal) (bool, error) {
	child := &exec.Cmd{
		Path: args[0], Args: args, Stdout: os.Stdout, Stderr: os.Stderr,
		SysProcAttr: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
	}
	result := make(chan error, 1)
	forks <- func() { result <- child.Start() }
	if err := <-result; err != nil {
		return false, err
	}
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	select {
	case err := <-ended:
		return false, err
	case <-stop:
	}
	endGently(child, ended, 8*time.Second)
	return true, nil
}

func spawnDetached(program string, args []string, log string) (int, error) {
	if err := os.MkdirAll(filepath.Dir(log), 0o700); err != nil {
		return 0, err
	}
	file, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	child := &exec.Cmd{
		Path: program, Args: args, Stdout: file, Stderr: file,
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if err := child.Start(); err != nil {
		return 0, err
	}
	return child.Process.Pid, nil
}

func startTime(pid int) (string, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	// The second field is the program's name in brackets and may hold anything, spaces and brackets too.
	_, rest, found := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')'):]), " ")
	fields := strings.Fields(rest)
	if !found || len(fields) < 20 {
		return "", errors.New("unexpected content of /proc/PID/stat")
	}
	return fields[19], nil
}
