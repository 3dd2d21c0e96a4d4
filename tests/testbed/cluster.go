package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	_ "embed"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"text/template"
	"time"
)

//go:embed config/audit-policy.yaml
var auditPolicy []byte

//go:embed config/authentication.yaml.tmpl
var authenticationTemplate string

// startDeadline is generous: several control planes start at once on two cores that may also be compiling.
const startDeadline = 3 * time.Minute

// cluster is one control plane: its files, its processes, and whether it is meant to run.
type cluster struct {
	spec      spec
	name      string
	dir       string
	ports     ports
	ca        *authority
	mutex     sync.Mutex // one command at a time
	etcd      *process
	apiserver *process
	clients   []*process // what talks to the API server, in start order
	fatal     chan<- error
}

func (c *cluster) nodes() int {
	if count, ok := c.spec.Nodes[c.name]; ok {
		return count
	}
	if c.name == hub {
		return 0
	}
	return c.spec.DefaultNodes
}

// prepare writes every file a start needs: ports, certificates, kubeconfigs, policies.
func (c *cluster) prepare() error {
	var err error
	if c.ports, err = choosePorts(c.dir); err != nil {
		return err
	}
	if c.ca, err = loadAuthority(c.dir, "ca"); err != nil {
		return err
	}
	etcdCA, err := loadAuthority(c.dir, "etcd-ca")
	if err != nil {
		return err
	}
	proxyCA, err := loadAuthority(c.dir, "front-proxy-ca")
	if err != nil {
		return err
	}
	if err := ensureKey(filepath.Join(c.dir, "service-account.key")); err != nil {
		return err
	}
	if err := c.writeCertificates(etcdCA, proxyCA); err != nil {
		return err
	}
	if err := c.writeKubeconfigs(); err != nil {
		return err
	}
	if err := c.writeAuthentication(); err != nil {
		return err
	}
	if err := writeFile(c.path("audit-policy.yaml"), auditPolicy, 0o600); err != nil {
		return err
	}
	if err := writeFile(c.path("kwok.yaml"), kwokStages(), 0o600); err != nil {
		return err
	}
	c.assemble()
	return nil
}

func (c *cluster) path(name string) string { return filepath.Join(c.dir, name) }

const componentTTL = 10 * 365 * 24 * time.Hour

func (c *cluster) writeCertificates(etcdCA, proxyCA *authority) error {
	for _, leaf := range []struct {
		ca         *authority
		file, user string
		server     bool
	}{
		{etcdCA, "etcd", "etcd", true},
		{etcdCA, "apiserver-etcd", "kube-apiserver", false},
		{proxyCA, "front-proxy", "front-proxy-client", false},
		{c.ca, "serving", "kube-apiserver", true},
		{c.ca, "apiserver-kubelet", "kube-apiserver-kubelet-client", false},
	} {
		who, err := leaf.ca.issue(leaf.user, nil, componentTTL, leaf.server)
		if err != nil {
			return err
		}
		if err := who.write(c.dir, leaf.file); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) writeKubeconfigs() error {
	for path, who := range map[string]struct {
		user   string
		groups []string
	}{
		c.path("manager.kubeconfig"):        {"system:kube-controller-manager", nil},
		c.path("scheduler.kubeconfig"):      {"system:kube-scheduler", nil},
		c.path("kwok.kubeconfig"):           {"kwok-controller", nil},
		adminKubeconfig(c.spec.Dir, c.name): {"admin", nil},
		// The only identity that passes RBAC by itself; it binds the others and is for nothing else.
		bootstrapKubeconfig(c.spec.Dir, c.name): {"bootstrap", []string{"system:masters"}},
	} {
		signed, err := c.ca.issue(who.user, who.groups, componentTTL, false)
		if err != nil {
			return err
		}
		if err := writeKubeconfig(path, c.name, apiURL(c.ports), who.user, c.ca.certPEM, signed); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) writeAuthentication() error {
	values := struct{ Issuer, ClientID, CA string }{}
	if c.name == hub && c.spec.OIDC.Issuer != "" {
		ca, err := os.ReadFile(c.spec.OIDC.CAFile)
		if err != nil {
			return fmt.Errorf("--oidc-ca: %w", err)
		}
		values.Issuer, values.ClientID = c.spec.OIDC.Issuer, c.spec.OIDC.ClientID
		values.CA = strings.ReplaceAll(strings.TrimSpace(string(ca)), "\n", "\n        ")
	}
	parsed, err := template.New("authentication").Parse(authenticationTemplate)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, values); err != nil {
		return err
	}
	return writeFile(c.path("authentication.yaml"), out.Bytes(), 0o600)
}

// start brings the cluster up and returns when its API server is ready and everything else answers.
func (c *cluster) start(ctx context.Context) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	ctx, cancel := context.WithTimeout(ctx, startDeadline)
	defer cancel()
	if err := c.etcd.start(); err != nil {
		return err
	}
	if err := c.apiserver.start(); err != nil {
		return err
	}
	if err := c.waitReady(ctx); err != nil {
		return err
	}
	if err := c.bootstrap(ctx); err != nil {
		return fmt.Errorf("failed to set up %s: %w", c.name, err)
	}
	for _, client := range c.clients {
		if err := client.start(); err != nil {
			return err
		}
	}
	return c.waitClients(ctx)
}

// stop takes the API server away as a crash would, and with it what cannot work without it; etcd keeps the data.
func (c *cluster) stop() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.stopServing(0)
}

func (c *cluster) stopServing(grace time.Duration) {
	for i := len(c.clients) - 1; i >= 0; i-- {
		c.clients[i].stop(0) // They keep nothing: all they know is in the API server.
	}
	c.apiserver.stop(grace)
}

// shutdown ends everything; the data of a durable cluster is left to etcd's orderly stop.
func (c *cluster) shutdown() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	grace := time.Duration(0)
	if c.spec.Durable {
		grace = 3 * time.Second
	}
	c.stopServing(grace)
	c.etcd.stop(grace)
}

// wipe empties the cluster: at the same address, with the same authorities, another cluster (its kube-system has
// another UID), as after a reinstallation.
func (c *cluster) wipe(ctx context.Context) error {
	c.mutex.Lock()
	c.stopServing(0)
	c.etcd.stop(0)
	err := os.RemoveAll(c.path("etcd"))
	c.mutex.Unlock()
	if err != nil {
		return err
	}
	return c.start(ctx)
}

func (c *cluster) pause() error  { return c.apiserver.signal(syscall.SIGSTOP) }
func (c *cluster) resume() error { return c.apiserver.signal(syscall.SIGCONT) }

func (c *cluster) waitReady(ctx context.Context) error {
	return c.waitURL(ctx, apiURL(c.ports)+"/readyz", c.apiserver)
}

func (c *cluster) waitClients(ctx context.Context) error {
	for _, client := range c.clients {
		port := map[string]int{
			"kube-controller-manager": c.ports.Manager,
			"kube-scheduler":          c.ports.Scheduler,
		}[client.name]
		if port == 0 {
			continue // KWOK serves nothing here; its nodes becoming ready is its sign of life.
		}
		if err := c.waitURL(ctx, fmt.Sprintf("https://127.0.0.1:%d/healthz", port), client); err != nil {
			return err
		}
	}
	return c.waitNodes(ctx)
}

func (c *cluster) waitURL(ctx context.Context, url string, process *process) error {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(c.ca.certPEM)
	client := &http.Client{
		Timeout:   2 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true},
	}
	last := "not asked yet"
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
			last = response.Status
		} else {
			last = err.Error()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready (%s); the end of %s:\n%s", process.label, last, process.logPath, tail(process.logPath))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// kubeSystemUID is how Qipan tells one cluster from another at the same address.
func (c *cluster) kubeSystemUID(ctx context.Context) (string, error) {
	client, err := clientFor(bootstrapKubeconfig(c.spec.Dir, c.name))
	if err != nil {
		return "", err
	}
	return namespaceUID(ctx, client, "kube-system")
}
