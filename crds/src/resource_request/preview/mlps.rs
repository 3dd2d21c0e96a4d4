//! The grade of what is to run (GB/T 22239) against what the unit may run and what the platform is assessed for.

use super::super::application::{Application, ApplicationType, Item};
use super::{Around, Preview};
use crate::condition::Verdict;
use crate::information_system::InformationSystem;
use crate::reason::Reason;

/// Something that is graded: what it is called, and its level.
type Graded<'a> = (&'a str, u8);

/// Refuses what is graded higher than the unit's ceiling, or than its platform. A system is never run on a platform of a
/// lower level. What nobody has graded, and a platform without a level on record, are not judged: they are shown as not
/// recorded, which is not passed. What is prolonged or given back stands already.
pub(super) fn judge(application: &Application, around: Around<'_>, preview: &mut Preview) {
    if matches!(
        application.type_,
        ApplicationType::Renew | ApplicationType::Release
    ) {
        return;
    }
    for item in &application.items {
        let Some(highest) = highest(application, item, around.systems) else {
            continue;
        };
        if let Err(verdict) = may_run(highest, item, around) {
            preview.problem(Some(&item.name), verdict);
        }
    }
}

/// The highest grade of what an item is for: the project's, its systems', its namespaces'.
fn highest<'a>(
    application: &'a Application,
    item: &'a Item,
    systems: &'a [InformationSystem],
) -> Option<Graded<'a>> {
    let registered = |name: &'a String| {
        let mut systems = systems.iter();
        let found = systems.find(|s| s.metadata.name.as_ref() == Some(name))?;
        Some((name.as_str(), found.spec.mlps_level?))
    };
    let project = application.project.as_ref();
    let project = project.and_then(|p| Some((p.name.as_str(), p.mlps_level?)));
    let system = application.system.as_ref().and_then(registered);
    let leaves = item.namespaces.iter().flat_map(|leaf| {
        let stated = leaf.mlps_level.map(|level| (leaf.name.as_str(), level));
        [stated, leaf.system.as_ref().and_then(registered)]
    });
    let all = system.into_iter().chain(project).chain(leaves.flatten());
    // Of several the first: it is named in the sentence.
    all.reduce(|high, next| if next.1 > high.1 { next } else { high })
}

fn may_run((what, level): Graded<'_>, item: &Item, around: Around<'_>) -> Result<(), Verdict> {
    let on = |reason| Verdict::no(reason).with("what", what).with("level", level);
    let tenant = around.tenant.metadata.name.as_deref().unwrap_or_default();
    if let Some(ceiling) = around.tenant.spec.mlps_ceiling.filter(|c| level > *c) {
        return Err(on(Reason::MlpsAboveCeiling)
            .with("tenant", tenant)
            .with("ceiling", ceiling));
    }
    let mut platforms = around.platforms.iter();
    let platform = platforms.find(|p| p.metadata.name.as_deref() == Some(&item.platform));
    let assessed = platform.and_then(|p| p.spec.compliance.as_ref()?.mlps_level);
    match assessed.filter(|assessed| level > *assessed) {
        Some(assessed) => Err(on(Reason::MlpsAbovePlatform)
            .with("platform", &item.platform)
            .with("platformLevel", assessed)),
        None => Ok(()),
    }
}
