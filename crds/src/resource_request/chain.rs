//! The chain of a request: who decides in which order. Pure; computed once, at submission.
//!
//! It always ends at the authority that owns the platform (design §5): a county unit's request for the city's node passes
//! the unit head, the county's authority and the city's; one for the provincial platform, and every exception, the province.

use std::collections::BTreeSet;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::application::{Application, ApplicationType};
use crate::approval::{ApprovalRules, Rule, Stage, Step};
use crate::cloud_platform::{CloudPlatform, Tier};
use crate::condition::Verdict;
use crate::reason::Reason;
use crate::tenant::Tenant;
use crate::words::{Subject, SubjectKind};

/// One stage of a request's chain, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StageStatus {
    /// The stage.
    pub stage: Stage,
    /// The platform whose owner decides, where the stage is `PlatformOwner`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// The unit that named the approvers, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Any (或签) or All (会签).
    pub rule: Rule,
    /// Who may decide.
    pub approvers: Vec<Subject>,
    /// Working days that it may take.
    pub working_days: u16,
    /// Whether it reviews after the resources were opened.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub afterwards: bool,
    /// How far it is.
    pub state: StageState,
    /// Since when it is its turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// When it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<Timestamp>,
    /// Who has approved, rejected, returned or advised there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<String>,
}

/// How far a stage is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StageState {
    /// Its turn has not come.
    #[default]
    Waiting,
    /// It is its turn.
    Current,
    /// It was returned for completion and waits for the answer.
    Returned,
    /// It approved.
    Approved,
    /// It rejected.
    Rejected,
    /// An opinion was given.
    Advised,
    /// No opinion was given in time.
    PassedOver,
}

/// What a chain is computed from.
#[derive(Clone, Copy, Debug)]
pub struct Ground<'a> {
    /// The asking unit.
    pub tenant: &'a Tenant,
    /// The units above it, nearest first.
    pub above: &'a [Tenant],
    /// Every platform.
    pub platforms: &'a [CloudPlatform],
    /// How requests are decided.
    pub rules: &'a ApprovalRules,
}

/// The chain of an application, every stage waiting.
///
/// # Errors
/// The verdict where a platform is unknown, or where nobody may decide at a stage that the rules demand.
pub fn chain(application: &Application, ground: Ground<'_>) -> Result<Vec<StageStatus>, Verdict> {
    let level = ground.tenant.spec.level;
    let steps = ground
        .rules
        .steps(application.type_, application.environment, level);
    let is_owner = |s: &&Step| s.stage == Stage::PlatformOwner;
    let owner_step = steps.iter().find(is_owner).copied().unwrap_or(Step {
        stage: Stage::PlatformOwner,
        rule: Rule::Any,
        working_days: 3,
        optional: false,
        afterwards: false,
    });
    let owners = owners(application, ground, owner_step)?;
    let mut stages = Vec::new();
    for step in steps.iter().filter(|s| s.stage != Stage::PlatformOwner) {
        let Some((unit, approvers)) = approvers(step.stage, ground) else {
            if step.optional {
                continue;
            }
            return Err(nobody(step.stage, name(ground.tenant)));
        };
        // Who decides last as the platform's owner need not decide before that as the authority.
        let again = step.stage == Stage::Authority
            && owners.iter().any(|o| set(&o.approvers) == set(&approvers));
        if !again {
            stages.push(waiting(*step, None, Some(unit), approvers));
        }
    }
    let (mut before, after): (Vec<_>, Vec<_>) = stages.into_iter().partition(|s| !s.afterwards);
    before.extend(owners);
    before.extend(after);
    Ok(before)
}

/// The owners of the platforms that are asked, in the order of the items; the province last for an exception.
fn owners(
    application: &Application,
    ground: Ground<'_>,
    step: Step,
) -> Result<Vec<StageStatus>, Verdict> {
    let mut names: Vec<&str> = Vec::new();
    for item in &application.items {
        if !names.contains(&item.platform.as_str()) {
            names.push(&item.platform);
        }
    }
    let provincial = ground
        .platforms
        .iter()
        .find(|p| p.spec.tier == Tier::Provincial)
        .and_then(|p| p.metadata.name.as_deref());
    if let Some(provincial) = provincial
        && application.type_ == ApplicationType::Exception
    {
        names.retain(|n| *n != provincial);
        names.push(provincial);
    }
    let mut stages = Vec::new();
    for of in names {
        let platform = ground
            .platforms
            .iter()
            .find(|p| p.metadata.name.as_deref() == Some(of))
            .ok_or_else(|| Verdict::no(Reason::UnknownPlatform).with("platform", of))?;
        if platform.spec.approvers.is_empty() {
            return Err(nobody(Stage::PlatformOwner, of));
        }
        let approvers = platform.spec.approvers.clone();
        // Before the resources are opened, whatever the data says: the chain ends at the owner.
        let step = Step {
            afterwards: false,
            ..step
        };
        stages.push(waiting(step, Some(of.to_owned()), None, approvers));
    }
    Ok(stages)
}

fn nobody(stage: Stage, of: &str) -> Verdict {
    Verdict::no(Reason::NobodyDecides)
        .with("stage", stage)
        .with("of", of)
}

fn waiting(
    step: Step,
    of: Option<String>,
    unit: Option<String>,
    approvers: Vec<Subject>,
) -> StageStatus {
    StageStatus {
        stage: step.stage,
        of,
        unit,
        rule: step.rule,
        approvers,
        working_days: step.working_days,
        afterwards: step.afterwards,
        state: StageState::Waiting,
        since: None,
        done: None,
        by: Vec::new(),
    }
}

fn set(subjects: &[Subject]) -> BTreeSet<&Subject> {
    subjects.iter().collect()
}

fn name(tenant: &Tenant) -> &str {
    tenant.metadata.name.as_deref().unwrap_or_default()
}

/// Who decides at a stage for a unit, and which unit named them: the unit itself, else the nearest above that names any. A
/// unit's head is its own; its owners where nobody is named.
#[must_use]
pub fn approvers(stage: Stage, ground: Ground<'_>) -> Option<(String, Vec<Subject>)> {
    let named = |tenant: &Tenant| {
        let entry = tenant.spec.approvers.iter().find(|a| a.stage == stage);
        let groups = |groups: &[String]| -> Vec<Subject> {
            let subject = |group: &String| Subject {
                kind: SubjectKind::Group,
                name: group.clone(),
            };
            groups.iter().map(subject).collect()
        };
        let subjects = match (entry, stage) {
            (Some(entry), _) => entry.subjects.clone(),
            (None, Stage::Authority) => groups(&tenant.spec.authority_groups),
            (None, Stage::UnitHead) => tenant.spec.owners.clone(),
            (None, _) => Vec::new(),
        };
        (!subjects.is_empty()).then(|| (name(tenant).to_owned(), subjects))
    };
    if stage == Stage::UnitHead {
        return named(ground.tenant);
    }
    std::iter::once(ground.tenant)
        .chain(ground.above)
        .find_map(named)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{application, platform, unit};
    use super::*;
    use crate::approval::{ChainSpec, StageApprovers};
    use crate::resource_request::Environment;
    use crate::tenant::Level;

    /// County unit, county authority, city, province; the city's node and the provincial platform.
    fn province() -> (Tenant, Vec<Tenant>, Vec<CloudPlatform>) {
        let unit_ = unit("lj-nyj", Level::County, &[]);
        let above = vec![
            unit("lianjiang", Level::County, &["lj-zsj"]),
            unit("zhanjiang", Level::City, &["zj-zsj"]),
            unit("gd", Level::Province, &["gd-zsj"]),
        ];
        let platforms = vec![
            platform("guangdong", Tier::Provincial, "gd-zsj"),
            platform("zhanjiang-node", Tier::City, "zj-zsj"),
        ];
        (unit_, above, platforms)
    }

    fn words(chain: &[StageStatus]) -> Vec<String> {
        let word = |s: &StageStatus| {
            format!(
                "{}{}:{}",
                s.stage,
                s.of.as_ref().map(|o| format!("/{o}")).unwrap_or_default(),
                s.approvers[0].name
            )
        };
        chain.iter().map(word).collect()
    }

    #[test]
    fn a_county_unit_passes_its_county_and_ends_at_the_city_that_owns_the_node() {
        let (tenant, above, platforms) = province();
        let rules = ApprovalRules::default();
        let ground = Ground {
            tenant: &tenant,
            above: &above,
            platforms: &platforms,
            rules: &rules,
        };
        let chain = chain(&application("zhanjiang-node"), ground).unwrap();
        assert_eq!(
            words(&chain),
            [
                "UnitHead:lj-nyj-owner",
                "Authority:lj-zsj",
                "PlatformOwner/zhanjiang-node:zj-zsj"
            ]
        );
    }

    #[test]
    fn a_city_unit_on_the_citys_node_asks_its_authority_once() {
        let (_, above, platforms) = province();
        let tenant = unit("zj-gaj", Level::City, &[]);
        let rules = ApprovalRules::default();
        let ground = Ground {
            tenant: &tenant,
            above: &above[1..],
            platforms: &platforms,
            rules: &rules,
        };
        let chain = chain(&application("zhanjiang-node"), ground).unwrap();
        assert_eq!(
            words(&chain),
            [
                "UnitHead:zj-gaj-owner",
                "PlatformOwner/zhanjiang-node:zj-zsj"
            ]
        );
    }

    #[test]
    fn an_exception_ends_at_the_province_and_two_platforms_have_two_owners() {
        let (tenant, above, platforms) = province();
        let rules = ApprovalRules::default();
        let ground = Ground {
            tenant: &tenant,
            above: &above,
            platforms: &platforms,
            rules: &rules,
        };
        let mut exception = application("zhanjiang-node");
        exception.type_ = ApplicationType::Exception;
        let chain = chain(&exception, ground).unwrap();
        assert_eq!(chain.last().unwrap().of.as_deref(), Some("guangdong"));
        assert_eq!(chain.len(), 4);
    }

    #[test]
    fn data_chooses_the_chain_and_the_owner_still_decides_last() {
        let (mut tenant, above, platforms) = province();
        let security = Subject {
            kind: SubjectKind::User,
            name: "aq".into(),
        };
        tenant.spec.approvers = vec![StageApprovers {
            stage: Stage::Security,
            subjects: vec![security],
        }];
        let step = |stage, afterwards| Step {
            stage,
            rule: Rule::All,
            working_days: 2,
            optional: false,
            afterwards,
        };
        let rules = ApprovalRules {
            chains: vec![ChainSpec {
                name: "test".into(),
                types: Vec::new(),
                environments: vec![Environment::Test],
                levels: vec![Level::County],
                steps: vec![
                    step(Stage::PlatformOwner, true),
                    step(Stage::Security, false),
                    step(Stage::UnitHead, true),
                ],
            }],
            ..ApprovalRules::default()
        };
        let ground = Ground {
            tenant: &tenant,
            above: &above,
            platforms: &platforms,
            rules: &rules,
        };
        let mut test = application("zhanjiang-node");
        test.environment = Environment::Test;
        let chain = chain(&test, ground).unwrap();
        assert_eq!(
            words(&chain),
            [
                "Security:aq",
                "PlatformOwner/zhanjiang-node:zj-zsj",
                "UnitHead:lj-nyj-owner"
            ]
        );
        assert!(!chain[1].afterwards && chain[2].afterwards);
    }

    #[test]
    fn a_stage_without_anybody_and_an_unknown_platform_are_refused_by_name() {
        let (tenant, above, mut platforms) = province();
        let rules = ApprovalRules::default();
        let ground = |platforms: &[CloudPlatform]| {
            chain(
                &application("zhanjiang-node"),
                Ground {
                    tenant: &tenant,
                    above: &above,
                    platforms,
                    rules: &rules,
                },
            )
            .unwrap_err()
        };
        assert_eq!(ground(&[]).reason, Reason::UnknownPlatform);
        platforms[1].spec.approvers.clear();
        let refused = ground(&platforms);
        assert_eq!(
            (refused.reason, refused.params["of"].as_str()),
            (Reason::NobodyDecides, "zhanjiang-node")
        );
    }
}
