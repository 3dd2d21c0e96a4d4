package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

const hub = "hub"

// spec is what `testbed up` was asked for.
type spec struct {
	Dir          string
	Clusters     []string
	Nodes        map[string]int
	Capacity     nodeCapacity
	Durable      bool
	OIDC         oidcIssuer
	DefaultNodes int
}

// nodeCapacity is what each fake node offers.
type nodeCapacity struct {
	CPU, Memory, Pods, EphemeralStorage string
}

// oidcIssuer is the JWT issuer that the hub trusts; empty means none.
type oidcIssuer struct {
	Issuer, CAFile, ClientID string
}

// ports are kept in the cluster's directory: a durable cluster comes back where its kubeconfigs point, if it can.
type ports struct {
	API, Etcd, EtcdPeer, Manager, Scheduler int
}

func (s spec) logs() string { return filepath.Join(s.Dir, "logs") }

func (s spec) clusterDir(cluster string) string { return filepath.Join(s.Dir, "clusters", cluster) }

// adminKubeconfig is where the administrator's way into a cluster is written.
func adminKubeconfig(dir, cluster string) string {
	if cluster == hub {
		return filepath.Join(dir, "hub.kubeconfig")
	}
	return filepath.Join(dir, "members", cluster+".kubeconfig")
}

func bootstrapKubeconfig(dir, cluster string) string {
	return filepath.Join(dir, "pki", cluster+"-bootstrap.kubeconfig")
}

func (s spec) makeDirs() error {
	for _, dir := range []string{s.Dir, filepath.Join(s.Dir, "members"), filepath.Join(s.Dir, "pki")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	for _, dir := range append([]string{""}, s.Clusters...) {
		path := s.logs()
		if dir != "" {
			path = s.clusterDir(dir)
		}
		if err := os.MkdirAll(path, 0o700); err != nil {
			return err
		}
	}
	return nil
}

// choosePorts takes the ports of the last start where they are free and picks new ones where not.
func choosePorts(dir string) (ports, error) {
	path := filepath.Join(dir, "ports.json")
	var chosen ports
	if content, err := os.ReadFile(path); err == nil {
		// A file that does not parse is as good as none: new ports are picked and it is written again.
		_ = json.Unmarshal(content, &chosen)
	}
	for _, port := range []*int{&chosen.API, &chosen.Etcd, &chosen.EtcdPeer, &chosen.Manager, &chosen.Scheduler} {
		if *port != 0 && claimPort(*port) {
			continue
		}
		free, err := freePort()
		if err != nil {
			return ports{}, err
		}
		*port = free
	}
	content, err := json.Marshal(chosen)
	if err != nil {
		return ports{}, err
	}
	return chosen, writeFile(path, content, 0o600)
}

// freePort picks below the kernel's ephemeral range, so that no outgoing connection takes the port between the check
// and the component's own bind.
func freePort() (int, error) {
	for range 1000 {
		if port := 15000 + rand.IntN(15000); claimPort(port) {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no free port between 15000 and 30000 on the loopback")
}

// claimPort takes a port for the life of this process: a component binds it later, and until then nobody else's
// testbed (nor another cluster of this one) is given it. The claim is a socket of the abstract namespace, which the
// kernel drops with the process, however that ends; `claim` of tests/src/programs.rs uses the same names.
func claimPort(port int) bool {
	claim, err := net.Listen("unix", fmt.Sprintf("@qipan-port-%d", port))
	if err != nil {
		return false
	}
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		claim.Close()
		return false
	}
	listener.Close()
	claims = append(claims, claim)
	return true
}

// claims keeps the sockets of claimPort from the garbage collector, which would close them.
var claims []net.Listener

// writeKubeconfig writes a kubeconfig that carries its certificates, readable by its owner alone.
func writeKubeconfig(path, cluster, server, user string, ca []byte, who identity) error {
	config := clientcmdapi.NewConfig()
	config.Clusters[cluster] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: ca}
	config.AuthInfos[user] = &clientcmdapi.AuthInfo{ClientCertificateData: who.cert, ClientKeyData: who.key}
	config.Contexts[cluster] = &clientcmdapi.Context{Cluster: cluster, AuthInfo: user}
	config.CurrentContext = cluster
	content, err := clientcmd.Write(*config)
	if err != nil {
		return err
	}
	return writeFile(path, content, 0o600)
}

// issueKubeconfig signs a client certificate with a cluster's authority; it needs the files, not the supervisor.
func issueKubeconfig(dir, cluster, user string, groups []string, ttl time.Duration, out string) error {
	clusterDir := filepath.Join(dir, "clusters", cluster)
	content, err := os.ReadFile(filepath.Join(clusterDir, "ports.json"))
	if err != nil {
		return fmt.Errorf("no cluster %q in %s: %w", cluster, dir, err)
	}
	var chosen ports
	if err := json.Unmarshal(content, &chosen); err != nil {
		return err
	}
	ca, err := loadAuthority(clusterDir, "ca")
	if err != nil {
		return err
	}
	who, err := ca.issue(user, groups, ttl, false)
	if err != nil {
		return err
	}
	return writeKubeconfig(out, cluster, apiURL(chosen), user, ca.certPEM, who)
}

func apiURL(p ports) string { return fmt.Sprintf("https://127.0.0.1:%d", p.API) }

// validClusterName keeps names usable as file names and host labels.
func validClusterName(name string) error {
	if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return fmt.Errorf("cluster name %q: use small letters, digits and -", name)
	}
	return nil
}
