//! Decisions that were handed on count by what the person they are made for may do at the moment in which they are seen
//! first: who lost the right has nothing to hand on. What was found then stays.
//!
//! Of the person the operator knows the name only. Where groups decide at a stage, whether the person is in one of them is
//! the identity provider's to know: what admission found when the stage was handed on then holds.

use crds::approval::Stage;
use crds::resource_request::chain::{self, Ground};
use crds::resource_request::course::{Uncounted, Why};
use crds::resource_request::{Decision, EventKind, record};
use crds::words::SubjectKind;
use kube::ResourceExt as _;

use super::Pass;
use crate::runtime::{Inquiry, Right};

impl Pass<'_> {
    /// Finds the decisions that do not count for this, before the course is followed; asks where nobody knows yet.
    pub(super) fn delegates(&mut self) {
        let stored = self.request.status.clone().unwrap_or_default();
        let mut void = Vec::new();
        for (index, decision) in (0_u32..).zip(&self.request.spec.decisions) {
            let Some(delegator) = &decision.on_behalf else {
                continue;
            };
            let seen = record::at(&stored.timeline, EventKind::Decision, Some(index)).is_some();
            let found = stored.uncounted.iter().find(|u| u.index == index);
            let why = match (seen, found.map(|u| u.why)) {
                (true, Some(Why::DelegatorLost)) => Why::DelegatorLost,
                (true, found) if found != Some(Why::DelegatorUnknown) => continue,
                _ => match self.world.rights.get(&index) {
                    Some(true) => continue,
                    Some(false) if self.by_group(decision) => continue,
                    Some(false) => Why::DelegatorLost,
                    None => {
                        let inquiry = self.inquiry(index, decision, delegator);
                        self.inquiries.push(inquiry);
                        Why::DelegatorUnknown
                    }
                },
            };
            void.push(Uncounted { index, why });
        }
        self.status.uncounted = void;
    }

    fn inquiry(&self, index: u32, decision: &Decision, delegator: &str) -> Inquiry {
        let owner = decision.stage == Stage::PlatformOwner;
        Inquiry::Right {
            of: (self.request.uid().unwrap_or_default(), index),
            right: Right {
                user: delegator.to_owned(),
                verb: decision.stage.verb(),
                resource: if owner {
                    "cloudplatforms"
                } else {
                    "resourcerequests"
                },
                namespace: self.request.namespace().unwrap_or_default(),
                name: decision.of.clone().filter(|_| owner),
            },
        }
    }

    /// Whether a group decides at the stage of a decision, as people are named now.
    fn by_group(&self, decision: &Decision) -> bool {
        let Some(tenant) = &self.world.tenant else {
            return false;
        };
        let ground = Ground {
            tenant,
            above: &self.world.above,
            platforms: &self.world.platforms,
            rules: &self.world.rules,
        };
        let now = chain::chain(&self.request.spec.application, ground).unwrap_or_default();
        let mut stages = now.iter();
        let stage = stages.find(|s| (s.stage, &s.of) == (decision.stage, &decision.of));
        let mut approvers = stage.iter().flat_map(|s| &s.approvers);
        approvers.any(|a| a.kind == SubjectKind::Group)
    }
}
