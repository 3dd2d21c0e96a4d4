//! Asks past the caches what a plan needs to know as of now.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crds::GROUP;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};

use super::plan::Right;
use super::{Context, Error, Inquiry, accounts, apply};

/// Answers that are kept; they are needed for a moment only.
const KEPT: usize = 10_000;

/// What was answered about people's rights, by the request and decision that it was asked for.
#[derive(Debug, Default)]
pub struct Rights(Mutex<BTreeMap<(String, u32), bool>>);

impl Rights {
    /// What was answered for a decision of a request, by its UID.
    #[must_use]
    pub fn answer(&self, request: &str, decision: u32) -> Option<bool> {
        let answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(&(request.to_owned(), decision)).copied()
    }

    fn note(&self, of: (String, u32), allowed: bool) {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= KEPT {
            answers.clear();
        }
        answers.insert(of, allowed);
    }
}

/// Asks, and notes the answer where the next pass looks.
///
/// # Errors
/// When it was not answered; the pass comes again.
pub async fn ask(cx: &Context, inquiry: &Inquiry) -> Result<(), Error> {
    match inquiry {
        Inquiry::Grants { uid } => accounts::prove(cx, uid).await,
        Inquiry::Leaf { target, namespace } => cx.members.connection(target)?.look(namespace).await,
        Inquiry::Right { of, right } => {
            let allowed = may(cx, right).await?;
            cx.rights.note(of.clone(), allowed);
            Ok(())
        }
    }
}

async fn may(cx: &Context, right: &Right) -> Result<bool, Error> {
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(right.user.clone()),
            resource_attributes: Some(ResourceAttributes {
                group: Some(GROUP.to_owned()),
                resource: Some(right.resource.to_owned()),
                verb: Some(right.verb.to_owned()),
                namespace: Some(right.namespace.clone()),
                name: right.name.clone(),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let answer = apply::ask(&cx.hub.client, "ask who may decide", &review).await?;
    let status = answer.status;
    Ok(status.is_some_and(|s| s.allowed && s.denied != Some(true)))
}
