//! What a pass has decided: the closed list of things the operator may write, and where.

use std::time::Duration;

use crds::{TenantQuota, WorkOrder};
use k8s_openapi::api::core::v1::{LimitRange, Namespace, ResourceQuota};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// A cluster that children are written to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// The hub.
    Hub,
    /// A cluster of a platform, by both names.
    Member {
        /// The `CloudPlatform`.
        platform: String,
        /// The name in its `spec.clusters`.
        cluster: String,
    },
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Hub => f.write_str("hub"),
            Self::Member { platform, cluster } => write!(f, "{platform}/{cluster}"),
        }
    }
}

/// The kinds of child, in the order in which they are written (and pruned in reverse).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChildKind {
    /// A namespace, which the others live in.
    Namespace,
    /// The quota that enforces a grant.
    ResourceQuota,
    /// Defaults for containers that state nothing.
    LimitRange,
    /// Who may talk to whom.
    NetworkPolicy,
    /// What may be done with one platform's requests. On the hub only.
    Role,
    /// Who may work there.
    RoleBinding,
}

impl ChildKind {
    /// Every kind of child.
    pub const ALL: [Self; 6] = [
        Self::Namespace,
        Self::ResourceQuota,
        Self::LimitRange,
        Self::NetworkPolicy,
        Self::Role,
        Self::RoleBinding,
    ];
    /// Those on the hub: the tenants' namespaces and who may enter them.
    pub const HUB: [Self; 3] = [Self::Namespace, Self::Role, Self::RoleBinding];
    /// Those in members.
    pub const MEMBER: [Self; 5] = [
        Self::Namespace,
        Self::ResourceQuota,
        Self::LimitRange,
        Self::NetworkPolicy,
        Self::RoleBinding,
    ];

    /// API group and plural, for roles.
    #[must_use]
    pub const fn resource(self) -> (&'static str, &'static str) {
        match self {
            Self::Namespace => ("", "namespaces"),
            Self::ResourceQuota => ("", "resourcequotas"),
            Self::LimitRange => ("", "limitranges"),
            Self::NetworkPolicy => ("networking.k8s.io", "networkpolicies"),
            Self::Role => ("rbac.authorization.k8s.io", "roles"),
            Self::RoleBinding => ("rbac.authorization.k8s.io", "rolebindings"),
        }
    }
}

/// Everything that the operator may write beside `qipan.dev` objects (their status, and [`Deed`]), events and its Lease.
#[derive(Clone, Debug, PartialEq)]
pub enum Child {
    /// See [`ChildKind::Namespace`].
    Namespace(Namespace),
    /// See [`ChildKind::ResourceQuota`].
    ResourceQuota(ResourceQuota),
    /// See [`ChildKind::LimitRange`].
    LimitRange(LimitRange),
    /// See [`ChildKind::NetworkPolicy`].
    NetworkPolicy(NetworkPolicy),
    /// See [`ChildKind::Role`].
    Role(Role),
    /// See [`ChildKind::RoleBinding`].
    RoleBinding(RoleBinding),
}

impl Child {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> ChildKind {
        match self {
            Self::Namespace(_) => ChildKind::Namespace,
            Self::ResourceQuota(_) => ChildKind::ResourceQuota,
            Self::LimitRange(_) => ChildKind::LimitRange,
            Self::NetworkPolicy(_) => ChildKind::NetworkPolicy,
            Self::Role(_) => ChildKind::Role,
            Self::RoleBinding(_) => ChildKind::RoleBinding,
        }
    }

    /// Its metadata.
    #[must_use]
    pub const fn meta(&self) -> &ObjectMeta {
        match self {
            Self::Namespace(o) => &o.metadata,
            Self::ResourceQuota(o) => &o.metadata,
            Self::LimitRange(o) => &o.metadata,
            Self::NetworkPolicy(o) => &o.metadata,
            Self::Role(o) => &o.metadata,
            Self::RoleBinding(o) => &o.metadata,
        }
    }

    /// Kind, namespace (empty for a Namespace) and name.
    #[must_use]
    pub fn key(&self) -> ChildKey {
        ChildKey {
            kind: self.kind(),
            namespace: self.meta().namespace.clone().unwrap_or_default(),
            name: self.meta().name.clone().unwrap_or_default(),
        }
    }
}

/// What a child is called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChildKey {
    /// Its kind.
    pub kind: ChildKind,
    /// Its namespace; empty for a Namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl std::fmt::Display for ChildKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = self.kind.resource().1;
        if self.namespace.is_empty() {
            write!(f, "{kind}/{}", self.name)
        } else {
            write!(f, "{kind}/{}/{}", self.namespace, self.name)
        }
    }
}

/// A child and the cluster that it belongs in.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    /// Where.
    pub target: Target,
    /// What.
    pub child: Child,
}

/// The children that should be there.
#[derive(Clone, Debug, PartialEq)]
pub enum Children {
    /// Write nothing and prune nothing: the spec is refused or something needed is unknown.
    Keep,
    /// Exactly these, of those that carry the owner's label. Namespaces are never pruned by this.
    Exactly(Vec<Placed>),
}

/// What carries out a decision of people: an object of Qipan's own that the operator writes for them.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    /// A grant that is not there.
    Grant(Box<TenantQuota>),
    /// A grant as it is to be, over the version that was decided on.
    Regrant(Box<TenantQuota>),
    /// Work for the operations provider.
    Order(Box<WorkOrder>),
}

/// What somebody may do, as the API server is asked. Of the person no more than the name is known: what is given to their
/// groups is not seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    /// The user name.
    pub user: String,
    /// The verb.
    pub verb: &'static str,
    /// The resource, of Qipan's group.
    pub resource: &'static str,
    /// Within which namespace.
    pub namespace: String,
    /// The object; absent: any.
    pub name: Option<String>,
}

/// A question that a cache cannot answer, since an answer from before some moment would be worth nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inquiry {
    /// Is every grant known as it stands now? Asked before the account of the object of this UID is counted.
    Grants {
        /// The object.
        uid: String,
    },
    /// May this person do that at this moment?
    Right {
        /// What it is asked for: the UID of a request and the index of a decision.
        of: (String, u32),
        /// What is asked.
        right: Right,
    },
    /// What is in force and charged in this namespace now? Asked before a ceiling follows its target down.
    Leaf {
        /// Its cluster.
        target: Target,
        /// Its name.
        namespace: String,
    },
}

/// What a pass has decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan<S> {
    /// The children that should be there.
    pub children: Children,
    /// Owners that are gone and whose namespaces this object takes over.
    pub heir_of: Vec<String>,
    /// What is written on the hub to carry out what was decided, once the ledger is stored.
    pub deeds: Vec<Deed>,
    /// Namespaces that are to be deleted, with the UID that they must have.
    pub remove: Vec<(Target, String, String)>,
    /// The status that should be there. Where its ledger differs from the stored one it is written before the children.
    pub status: S,
    /// Whether the ledger in `status` differs from the stored one.
    pub ledger_first: bool,
    /// Whether the finalizer should be there.
    pub finalizer: bool,
    /// What is to be asked, past every cache, after all of this: the next pass comes at once and sees the answers.
    pub inquiries: Vec<Inquiry>,
    /// When to look again although nothing has changed.
    pub requeue: Option<Duration>,
}

impl<S> Plan<S> {
    /// A plan that writes a status and nothing else.
    pub const fn say(status: S) -> Self {
        Self {
            children: Children::Keep,
            heir_of: Vec::new(),
            deeds: Vec::new(),
            remove: Vec::new(),
            status,
            ledger_first: false,
            finalizer: false,
            inquiries: Vec::new(),
            requeue: None,
        }
    }
}
