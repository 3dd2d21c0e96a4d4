//! Who may decide or advise on which request: the names in its chain, and what the API server says of the stage's verb.

use std::sync::Arc;

use crds::ResourceRequest;
use crds::approval::Stage;
use crds::resource_request::{Phase, StageStatus};
use futures::{StreamExt as _, TryStreamExt as _};

use super::duties;
use crate::access::{Visible, with_one, within};
use crate::cluster::{Kind, Question};
use crate::error::AppError;
use crate::live::Visit;
use crate::requests::{self, standing};

/// What somebody may do about a request now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// Whether it is their turn to decide.
    pub decides: bool,
    /// The stages at which they may give an opinion.
    pub advises: Vec<Stage>,
}

impl Roles {
    /// Whether there is anything.
    #[must_use]
    pub fn any(&self) -> bool {
        self.decides || !self.advises.is_empty()
    }
}

/// What the API server is asked about a stage.
fn question(request: &ResourceRequest, stage: &StageStatus) -> Question {
    let namespace = request.metadata.namespace.clone().unwrap_or_default();
    match (stage.stage, &stage.of) {
        (Stage::PlatformOwner, Some(platform)) => Question {
            // The owner is bound in the unit's namespace, for this platform by name.
            namespace: Some(namespace),
            ..with_one(stage.stage.verb(), Kind::CloudPlatform, platform)
        },
        (stage, _) => within(stage.verb(), Kind::ResourceRequest, &namespace),
    }
}

/// What a person may do about one request.
///
/// # Errors
/// The hub gives no answer.
pub async fn roles(visit: &Visit, request: &ResourceRequest) -> Result<Roles, AppError> {
    let user = &visit.session.user;
    let open = matches!(
        requests::phase(request),
        Phase::Reviewing | Phase::Approved | Phase::Provisioning | Phase::Delivered
    );
    if standing::is_own(request, user) || !open {
        return Ok(Roles::default());
    }
    let mut roles = Roles::default();
    let namespace = request.metadata.namespace.clone().unwrap_or_default();
    if let Some(stage) = standing::current(request).filter(|stage| stage.stage.decides()) {
        // Who has decided here already waits for the others.
        let mine = stage.by.contains(&user.name);
        let handed = standing::handed_by(request, stage, user).is_some();
        // Whoever runs platforms, or holds every verb by a wildcard, decides nothing.
        let executes = visit.may(within(
            "advise-technical",
            Kind::ResourceRequest,
            &namespace,
        ));
        roles.decides =
            !mine && (handed || visit.may(question(request, stage)).await?) && !executes.await?;
    }
    if requests::phase(request) == Phase::Reviewing {
        for stage in standing::ADVISORS {
            let given = request
                .spec
                .opinions
                .iter()
                .any(|o| o.stage == stage && o.by == user.name);
            if !given
                && visit
                    .may(within(stage.verb(), Kind::ResourceRequest, &namespace))
                    .await?
            {
                roles.advises.push(stage);
            }
        }
    }
    Ok(roles)
}

/// The requests that wait for a person, among those that they may see. Asked about are those that name the person, and all of
/// them only for whoever holds a verb everywhere.
pub(crate) async fn waiting(
    visit: &Visit,
    visible: &Visible,
) -> Result<Vec<(Arc<ResourceRequest>, Roles)>, AppError> {
    let user = &visit.session.user;
    let mut everywhere = Vec::new();
    for stage in Stage::ALL {
        if visit.may(duties::everywhere(stage)).await? {
            everywhere.push(stage);
        }
    }
    let general_adviser = everywhere.iter().any(|stage| !stage.decides());
    let candidates = requests::visible(visit, visible)
        .into_iter()
        .filter(|request| {
            let Some(stage) = standing::current(request) else {
                return false;
            };
            let named =
                standing::may_be_asked(request, stage, user) || everywhere.contains(&stage.stage);
            let advised = request.status.as_ref().is_some_and(|status| {
                let opinion = |s: &&StageStatus| !s.stage.decides();
                status
                    .chain
                    .iter()
                    .filter(opinion)
                    .any(|s| standing::may_be_asked(request, s, user))
            });
            named || advised || general_adviser
        });
    let asked = candidates.map(|request| async move {
        let roles = roles(visit, &request).await?;
        Ok::<_, AppError>(roles.any().then_some((request, roles)))
    });
    let found = futures::stream::iter(asked).buffer_unordered(16);
    found
        .try_filter_map(|found| async move { Ok(found) })
        .try_collect()
        .await
}
