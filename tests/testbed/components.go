package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// assemble describes the cluster's processes; their order of start and stop is cluster.go's.
func (c *cluster) assemble() {
	c.etcd = c.process("etcd", c.etcdFlags())
	c.apiserver = c.process("kube-apiserver", c.apiserverFlags())
	c.clients = []*process{c.process("kube-controller-manager", c.managerFlags())}
	if c.nodes() > 0 {
		c.clients = append(c.clients,
			c.process("kube-scheduler", c.schedulerFlags()),
			c.process("kwok", []string{
				"--config=" + c.path("kwok.yaml"),
				"--kubeconfig=" + c.path("kwok.kubeconfig"),
				"--manage-all-nodes=true",
				"--node-lease-duration-seconds=40",
				"--node-ip=127.0.0.1",
				"--cidr=10.244.0.0/16",
				"--enable-crds=",
			}))
	}
}

func (c *cluster) process(name string, args []string) *process {
	label := c.name + "-" + name
	return &process{
		name: name, label: label, args: args, home: c.dir, fatal: c.fatal,
		logPath: filepath.Join(c.spec.logs(), label+".log"),
	}
}

func loopback(port int) string { return fmt.Sprintf("https://127.0.0.1:%d", port) }

func (c *cluster) etcdFlags() []string {
	flags := []string{
		"--name=" + c.name,
		"--data-dir=" + c.path("etcd"),
		"--listen-client-urls=" + loopback(c.ports.Etcd),
		"--advertise-client-urls=" + loopback(c.ports.Etcd),
		"--listen-peer-urls=" + loopback(c.ports.EtcdPeer),
		"--initial-advertise-peer-urls=" + loopback(c.ports.EtcdPeer),
		"--initial-cluster=" + c.name + "=" + loopback(c.ports.EtcdPeer),
		"--cert-file=" + c.path("etcd.crt"),
		"--key-file=" + c.path("etcd.key"),
		"--trusted-ca-file=" + c.path("etcd-ca.crt"),
		"--client-cert-auth=true",
		"--peer-cert-file=" + c.path("etcd.crt"),
		"--peer-key-file=" + c.path("etcd.key"),
		"--peer-trusted-ca-file=" + c.path("etcd-ca.crt"),
		"--peer-client-cert-auth=true",
		"--quota-backend-bytes=8589934592",
		"--log-level=warn",
	}
	if !c.spec.Durable {
		flags = append(flags, "--unsafe-no-fsync")
	}
	return flags
}

func (c *cluster) apiserverFlags() []string {
	return []string{
		"--bind-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", c.ports.API),
		"--advertise-address=127.0.0.1",
		// An Endpoints object may not hold a loopback address; nothing here resolves the service.
		"--endpoint-reconciler-type=none",
		// Both families: address plans and IPv6 readiness are tested on services.
		"--service-cluster-ip-range=10.96.0.0/16,fd00:10:96::/112",
		"--etcd-servers=" + loopback(c.ports.Etcd),
		"--etcd-cafile=" + c.path("etcd-ca.crt"),
		"--etcd-certfile=" + c.path("apiserver-etcd.crt"),
		"--etcd-keyfile=" + c.path("apiserver-etcd.key"),
		"--client-ca-file=" + c.path("ca.crt"),
		"--requestheader-client-ca-file=" + c.path("front-proxy-ca.crt"),
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + c.path("front-proxy.crt"),
		"--proxy-client-key-file=" + c.path("front-proxy.key"),
		"--tls-cert-file=" + c.path("serving.crt"),
		"--tls-private-key-file=" + c.path("serving.key"),
		"--kubelet-client-certificate=" + c.path("apiserver-kubelet.crt"),
		"--kubelet-client-key=" + c.path("apiserver-kubelet.key"),
		"--service-account-key-file=" + c.path("service-account.key"),
		"--service-account-signing-key-file=" + c.path("service-account.key"),
		// Not the address: tokens stay valid when a durable cluster comes back on another port.
		"--service-account-issuer=https://" + c.name + ".qipan.test",
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--authentication-config=" + c.path("authentication.yaml"),
		"--audit-policy-file=" + c.path("audit-policy.yaml"),
		"--audit-log-path=" + filepath.Join(c.spec.logs(), c.name+"-audit.log"),
		"--audit-log-format=json",
		// Never rotated within a test: a reader counts from the start of one file.
		"--audit-log-maxsize=8192",
		"--allow-privileged=true",
		"--profiling=false",
	}
}

func (c *cluster) managerFlags() []string {
	return append(c.clientFlags("manager.kubeconfig", c.ports.Manager),
		"--use-service-account-credentials=true",
		"--service-account-private-key-file="+c.path("service-account.key"),
		"--root-ca-file="+c.path("ca.crt"),
		"--cluster-signing-cert-file="+c.path("ca.crt"),
		"--cluster-signing-key-file="+c.path("ca.key"),
		// At its default of 20 requests a second the quota controller takes 18 s for 400 quotas.
		"--kube-api-qps=500",
		"--kube-api-burst=1000",
		"--concurrent-resource-quota-syncs=20",
	)
}

func (c *cluster) schedulerFlags() []string {
	return c.clientFlags("scheduler.kubeconfig", c.ports.Scheduler)
}

// clientFlags are what the controller manager and the scheduler have in common.
func (c *cluster) clientFlags(kubeconfig string, port int) []string {
	file := c.path(kubeconfig)
	return []string{
		"--kubeconfig=" + file,
		"--authentication-kubeconfig=" + file,
		"--authorization-kubeconfig=" + file,
		"--bind-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", port),
		"--tls-cert-file=" + c.path("serving.crt"),
		"--tls-private-key-file=" + c.path("serving.key"),
		// One of each: an election would only write leases.
		"--leader-elect=false",
		"--profiling=false",
	}
}

// parseNodes reads `name=N`.
func parseNodes(flags []string) (map[string]int, error) {
	nodes := map[string]int{}
	for _, flag := range flags {
		name, count, found := strings.Cut(flag, "=")
		var number int
		if _, err := fmt.Sscanf(count, "%d", &number); !found || err != nil || number < 0 {
			return nil, fmt.Errorf("--nodes %q: write it as cluster=6", flag)
		}
		nodes[name] = number
	}
	return nodes, nil
}

const pollInterval = 100 * time.Millisecond
