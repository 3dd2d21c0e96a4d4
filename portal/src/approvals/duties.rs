//! Whether somebody has any part in deciding, or may read the ledger: what their rail shows. A place in the rail gives no
//! right; each page asks for itself.

use std::sync::Arc;

use crds::approval::Stage;
use crds::{CloudPlatform, ResourceRequest, Tenant};

use crate::access;
use crate::cluster::{Kind, Question};
use crate::identity::User;
use crate::requests::standing;

/// Whether somebody is named to decide or to give opinions: for a unit, for a platform, or for one request, also by
/// delegation. The requests, of which a province has thousands, are asked for last.
#[must_use]
pub fn is_named(
    user: &User,
    tenants: &[Arc<Tenant>],
    platforms: &[Arc<CloudPlatform>],
    requests: impl FnOnce() -> Vec<Arc<ResourceRequest>>,
) -> bool {
    let of_tenants = tenants.iter().any(|tenant| {
        let mut groups = tenant.spec.authority_groups.iter();
        let mut stages = tenant.spec.approvers.iter().flat_map(|a| &a.subjects);
        groups.any(|group| user.groups.contains(group))
            || stages.any(|subject| standing::is_named(subject, user))
    });
    let of_platforms = || {
        let mut subjects = platforms.iter().flat_map(|p| &p.spec.approvers);
        subjects.any(|subject| standing::is_named(subject, user))
    };
    let of_requests = || {
        requests().iter().any(|request| {
            let chain = request.status.iter().flat_map(|status| &status.chain);
            chain
                .into_iter()
                .any(|stage| standing::may_be_asked(request, stage, user))
        })
    };
    of_tenants || of_platforms() || of_requests()
}

/// Whether somebody takes a stage's verb everywhere, named or not: one question per stage.
#[must_use]
pub fn everywhere(stage: Stage) -> Question {
    access::everywhere(stage.verb(), Kind::ResourceRequest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::tests::hub;
    use crate::overview::tests::province;

    fn named(name: &str, groups: &[&str]) -> bool {
        let cluster = hub(&province(), |_| true);
        let user = User {
            name: name.to_owned(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            post: None,
        };
        is_named(&user, &cluster.tenants(), &cluster.platforms(), || {
            cluster.requests()
        })
    }

    #[tokio::test]
    async fn who_is_named_for_a_stage_has_a_part_and_who_owns_a_unit_has_none() {
        assert!(
            named("cs-approver", &["zhanjiang-dsj"]),
            "the platform's owner"
        );
        assert!(
            !named("zj-rsj-owner", &["zhanjiang-rsj"]),
            "asks, and decides nothing"
        );
        assert!(!named("stranger", &[]));
    }
}
