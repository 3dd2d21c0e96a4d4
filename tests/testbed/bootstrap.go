package main

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"
)

//go:embed config/kwok-role.yaml
var kwokRole []byte

func clientFor(kubeconfig string) (*kubernetes.Clientset, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	config.Timeout = 10 * time.Second
	config.QPS, config.Burst = 200, 400
	return kubernetes.NewForConfig(config)
}

func namespaceUID(ctx context.Context, client kubernetes.Interface, name string) (string, error) {
	namespace, err := client.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	return string(namespace.UID), nil
}

// bootstrap gives the identities their roles and makes the nodes; done again on every start, it changes nothing.
func (c *cluster) bootstrap(ctx context.Context) error {
	client, err := clientFor(bootstrapKubeconfig(c.spec.Dir, c.name))
	if err != nil {
		return err
	}
	var role rbacv1.ClusterRole
	if err := yaml.UnmarshalStrict(kwokRole, &role); err != nil {
		return err
	}
	if _, err := client.RbacV1().ClusterRoles().Create(ctx, &role, metav1.CreateOptions{}); ignoreExists(err) != nil {
		return err
	}
	for _, binding := range []struct{ name, role, user string }{
		{"testbed:admin", "cluster-admin", "admin"},
		{"testbed:kwok", role.Name, "kwok-controller"},
		{"testbed:apiserver-kubelet", "system:kubelet-api-admin", "kube-apiserver-kubelet-client"},
	} {
		if err := bind(ctx, client, binding.name, binding.role, binding.user); err != nil {
			return err
		}
	}
	for i := range c.nodes() {
		node, err := c.node(i)
		if err != nil {
			return err
		}
		if _, err := client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{}); ignoreExists(err) != nil {
			return err
		}
	}
	return nil
}

func bind(ctx context.Context, client kubernetes.Interface, name, role, user string) error {
	_, err := client.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}, metav1.CreateOptions{})
	return ignoreExists(err)
}

func ignoreExists(err error) error {
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// node is the i-th fake node; every other one is arm64, as government clouds run both kinds of processors.
func (c *cluster) node(i int) (*corev1.Node, error) {
	arch := "amd64"
	if i%2 == 1 {
		arch = "arm64"
	}
	capacity := corev1.ResourceList{}
	for name, amount := range map[corev1.ResourceName]string{
		corev1.ResourceCPU:              c.spec.Capacity.CPU,
		corev1.ResourceMemory:           c.spec.Capacity.Memory,
		corev1.ResourcePods:             c.spec.Capacity.Pods,
		corev1.ResourceEphemeralStorage: c.spec.Capacity.EphemeralStorage,
	} {
		quantity, err := resource.ParseQuantity(amount)
		if err != nil {
			return nil, fmt.Errorf("node capacity %s=%q: %w", name, amount, err)
		}
		capacity[name] = quantity
	}
	name := fmt.Sprintf("%s-node-%d", c.name, i)
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name:        name,
			Annotations: map[string]string{"kwok.x-k8s.io/node": "fake"},
			Labels: map[string]string{
				corev1.LabelHostname:   name,
				corev1.LabelArchStable: arch,
				corev1.LabelOSStable:   "linux",
				"type":                 "kwok",
			},
		},
		Status: corev1.NodeStatus{
			Capacity:    capacity,
			Allocatable: capacity,
			NodeInfo:    corev1.NodeSystemInfo{Architecture: arch, OperatingSystem: "linux"},
		},
	}, nil
}

// waitNodes waits until every fake node is ready and schedulable.
func (c *cluster) waitNodes(ctx context.Context) error {
	if c.nodes() == 0 {
		return nil
	}
	client, err := clientFor(bootstrapKubeconfig(c.spec.Dir, c.name))
	if err != nil {
		return err
	}
	for {
		last := ""
		nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil {
			last = err.Error()
		} else {
			last = unready(nodes.Items, c.nodes())
		}
		if last == "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the nodes of %s: %s", c.name, last)
		case <-time.After(pollInterval):
		}
	}
}

// unready says what is missing until `want` nodes are ready without a taint; nothing is missing when it is empty.
func unready(nodes []corev1.Node, want int) string {
	ready := 0
	for _, node := range nodes {
		for _, condition := range node.Status.Conditions {
			if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue && len(node.Spec.Taints) == 0 {
				ready++
			}
		}
	}
	if ready >= want {
		return ""
	}
	return fmt.Sprintf("%d of %d ready", ready, want)
}
