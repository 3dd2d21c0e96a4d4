package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// forks runs every fork on one thread that never ends: the kernel sends Pdeathsig when the *thread* that forked is gone,
// and Go moves goroutines between threads.
var forks = make(chan func())

func init() {
	go func() {
		runtime.LockOSThread()
		for fork := range forks {
			fork()
		}
	}()
}

// process is a component that is kept running: when it dies by itself it is started again, and when it dies too often
// the whole testbed gives up with a message, because a control plane that flaps makes every test lie.
type process struct {
	name    string // also its argv[0]
	label   string // <cluster>-<component>, for logs and messages
	args    []string
	logPath string
	home    string

	mutex   sync.Mutex
	command *exec.Cmd
	wanted  bool
	done    chan struct{} // closed when the run that `command` stands for has ended
	deaths  []time.Time
	fatal   chan<- error
}

const (
	tooManyDeaths = 5
	deathWindow   = time.Minute
)

func (p *process) start() error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.wanted {
		return nil
	}
	p.wanted = true
	p.deaths = nil
	return p.spawn()
}

// spawn needs the mutex.
func (p *process) spawn() error {
	log, err := os.OpenFile(p.logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	command := &exec.Cmd{
		Path:   self,
		Args:   append([]string{p.name}, p.args...),
		Stdout: log,
		Stderr: log,
		Dir:    p.home,
		// A home of its own keeps the user's kubectl and kwok settings out.
		Env:         append(os.Environ(), "HOME="+p.home, "KUBECONFIG="),
		SysProcAttr: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true},
	}
	result := make(chan error, 1)
	forks <- func() { result <- command.Start() }
	if err := <-result; err != nil {
		return fmt.Errorf("failed to start %s: %w", p.label, err)
	}
	done := make(chan struct{})
	p.command, p.done = command, done
	go p.watch(command, done)
	return nil
}

func (p *process) watch(command *exec.Cmd, done chan struct{}) {
	err := command.Wait()
	close(done)
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if !p.wanted || p.command != command {
		return
	}
	now := time.Now()
	recent := []time.Time{now}
	for _, at := range p.deaths {
		if now.Sub(at) < deathWindow {
			recent = append(recent, at)
		}
	}
	p.deaths = recent
	fmt.Fprintf(os.Stderr, "testbed: %s died (%v), starting it again\n", p.label, err)
	if len(recent) >= tooManyDeaths {
		p.fatal <- fmt.Errorf("%s died %d times within a minute; the end of %s:\n%s",
			p.label, len(recent), p.logPath, tail(p.logPath))
		return
	}
	go p.revive(command, time.Duration(len(recent))*200*time.Millisecond)
}

func (p *process) revive(old *exec.Cmd, after time.Duration) {
	time.Sleep(after)
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if !p.wanted || p.command != old {
		return
	}
	if err := p.spawn(); err != nil {
		p.fatal <- err
	}
}

// stop ends the process and waits for it: politely for as long as grace, then by SIGKILL.
func (p *process) stop(grace time.Duration) {
	p.mutex.Lock()
	p.wanted = false
	command, done := p.command, p.done
	p.mutex.Unlock()
	if command == nil {
		return
	}
	pid := command.Process.Pid
	if grace > 0 {
		// Through os.Process, which knows when the pid is no longer ours.
		_ = command.Process.Signal(syscall.SIGCONT)
		_ = command.Process.Signal(syscall.SIGTERM)
		select {
		case <-done:
			return
		case <-time.After(grace):
			fmt.Fprintf(os.Stderr, "testbed: %s (pid %d) did not stop within %s, killing it\n", p.label, pid, grace)
		}
	}
	_ = command.Process.Kill()
	<-done
}

func (p *process) signal(signal syscall.Signal) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.command == nil || !p.wanted {
		return fmt.Errorf("%s is not running", p.label)
	}
	return p.command.Process.Signal(signal)
}

func (p *process) running() bool {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.command == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// tail gives the last lines of a log, for messages.
func tail(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := bytes.Split(bytes.TrimSpace(content), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-15):], []byte("\n")))
}
