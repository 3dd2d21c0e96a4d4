//! Who is told of a change window, and which window counts what it holds back.

use crds::{ChangeWindow, ResourceRequest, TenantQuota};
use kube::Resource as _;
use kube::runtime::reflector::ObjectRef;

use super::{Links, name, waits};
use crate::runtime::hub::Guarded;

/// A window begins, ends or is another: what it held back or excused is looked at again.
pub(in super::super) fn window(
    old: Option<&Guarded<ChangeWindow>>,
    new: &Guarded<ChangeWindow>,
    links: &Links,
) {
    links.queues.windows.push(&name(new));
    let moment = |w: &Guarded<ChangeWindow>| {
        let status = w.0.as_ref().ok().and_then(|w| w.status.as_ref());
        (w.meta().generation, status.map(|s| s.phase))
    };
    let gone = links.windows.get(&ObjectRef::from_obj(new)).is_none();
    if !gone && old.map(moment) == Some(moment(new)) {
        return;
    }
    let versions = || [old, Some(new)].into_iter().flatten();
    let concerned = |platform: &str| {
        versions().any(|w| {
            let platforms = w.0.as_ref().map(|w| &w.spec.scope.platforms);
            platforms.is_ok_and(|p| p.is_empty() || p.iter().any(|name| name == platform))
        })
    };
    for platform in links.platforms.state() {
        if concerned(&name(platform.as_ref())) {
            links.queues.platforms.push(&name(platform.as_ref()));
        }
    }
    // Whose growth waits, or was let through because nothing was said yet.
    links.grants_where(|q| waits(q) && concerned(&q.spec.platform));
    links.open_requests_where(|r| {
        let mut items = r.spec.application.items.iter();
        items.any(|i| concerned(&i.platform))
    });
}

/// The window that a judgement names as what holds it back.
fn held_by(conditions: Option<&crds::Conditions>, type_: crds::ConditionType) -> Option<String> {
    let condition = conditions?.get(type_)?;
    let frozen = condition.reason == crds::Reason::ChangeFrozen.as_str();
    frozen.then(|| condition.params.get("window").cloned())?
}

/// Windows that count what they hold back.
pub(super) fn count_held(links: &Links, before: Option<String>, after: Option<String>) {
    if before != after {
        for window in [before, after].into_iter().flatten() {
            links.queues.windows.push(&window);
        }
    }
}

pub(super) fn grant_held_by(quota: &Guarded<TenantQuota>) -> Option<String> {
    let status = quota.0.as_ref().ok()?.status.as_ref()?;
    held_by(Some(&status.conditions), crds::ConditionType::Admitted)
}

pub(super) fn request_held_by(request: &Guarded<ResourceRequest>) -> Option<String> {
    let status = request.0.as_ref().ok()?.status.as_ref()?;
    held_by(Some(&status.conditions), crds::ConditionType::Ready)
}
