//! Approval chains as data: who decides in which order, under which rule, in how many working days.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::resource_request::{ApplicationType, Environment};
use crate::tenant::Level;
use crate::words::Subject;

/// A stage of a chain. The first six decide; Technical and Expert give opinions and never approve (004 §27, §29).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Stage {
    /// 单位负责人.
    UnitHead,
    /// 主管单位.
    Supervisor,
    /// 本级主管部门.
    Authority,
    /// 平台主管部门: the authority that owns the platform. Every chain ends here.
    PlatformOwner,
    /// 网络安全.
    Security,
    /// 财政.
    Finance,
    /// 技术意见: the operations provider's opinion.
    Technical,
    /// 专家意见.
    Expert,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Self; 8] = [
        Self::UnitHead,
        Self::Supervisor,
        Self::Authority,
        Self::PlatformOwner,
        Self::Security,
        Self::Finance,
        Self::Technical,
        Self::Expert,
    ];

    /// The word used in specs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnitHead => "UnitHead",
            Self::Supervisor => "Supervisor",
            Self::Authority => "Authority",
            Self::PlatformOwner => "PlatformOwner",
            Self::Security => "Security",
            Self::Finance => "Finance",
            Self::Technical => "Technical",
            Self::Expert => "Expert",
        }
    }

    /// Whether it decides. An opinion never does.
    #[must_use]
    pub const fn decides(self) -> bool {
        !matches!(self, Self::Technical | Self::Expert)
    }

    /// The RBAC verb that it takes: on `cloudplatforms` by name for the platform's owner, else on `resourcerequests`.
    #[must_use]
    pub const fn verb(self) -> &'static str {
        match self {
            Self::UnitHead => "approve-unithead",
            Self::Supervisor => "approve-supervisor",
            Self::Authority => "approve-authority",
            Self::PlatformOwner => "approve-platformowner",
            Self::Security => "approve-security",
            Self::Finance => "approve-finance",
            Self::Technical => "advise-technical",
            Self::Expert => "advise-expert",
        }
    }
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How the approvers of one stage decide together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Rule {
    /// 或签: one of them is enough.
    #[default]
    Any,
    /// 会签: each of the named users and groups approves.
    All,
}

/// Who decides at one stage, as a tenant names them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StageApprovers {
    /// The stage.
    pub stage: Stage,
    /// Users and groups who decide there. The operator binds them to the stage's role in the unit's namespace.
    #[schemars(length(min = 1, max = 16))]
    pub subjects: Vec<Subject>,
}

/// How requests are decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ApprovalRules {
    /// The chains. The first one that matches a request is its chain; where none does, the built-in one: unit head,
    /// supervisor (where the unit has one), authority of the tier, owner of the platform.
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub chains: Vec<ChainSpec>,
    /// Small steps that are approved by rule.
    pub automatic: AutomaticRule,
    /// Days that a test tenancy lasts. Default 15 (Huangshan's rule for test resources).
    #[schemars(range(min = 1, max = 365))]
    pub test_days: u16,
    /// Working days after delivery, after which it counts as accepted by rule. Default 5.
    #[schemars(range(min = 1, max = 60))]
    pub acceptance_days: u16,
    /// Days before its end from which on a lease is announced, and those that an emergency whose review was refused still
    /// has. Default 30.
    #[schemars(range(min = 1, max = 365))]
    pub lease_notice_days: u16,
    /// Days between the steps after a lease's end: the grant takes no growth from the end on, falls to what is in use after
    /// so many days, and to nothing after as many again. Default 7.
    #[schemars(range(min = 1, max = 365))]
    pub lease_step_days: u16,
}

impl Default for ApprovalRules {
    fn default() -> Self {
        Self {
            chains: Vec::new(),
            automatic: AutomaticRule::default(),
            test_days: 15,
            acceptance_days: 5,
            lease_notice_days: 30,
            lease_step_days: 7,
        }
    }
}

impl ApprovalRules {
    /// The steps of a request: the first chain that matches, else the built-in one.
    #[must_use]
    pub fn steps(
        &self,
        type_: ApplicationType,
        environment: Environment,
        level: Level,
    ) -> Vec<Step> {
        let fits = |chain: &&ChainSpec| {
            (chain.types.is_empty() || chain.types.contains(&type_))
                && (chain.environments.is_empty() || chain.environments.contains(&environment))
                && (chain.levels.is_empty() || chain.levels.contains(&level))
        };
        let chain = self.chains.iter().find(fits);
        chain.map_or_else(|| built_in(environment), |chain| chain.steps.clone())
    }
}

fn built_in(environment: Environment) -> Vec<Step> {
    let step = |stage, optional, afterwards| Step {
        stage,
        rule: Rule::Any,
        working_days: 3,
        optional,
        afterwards,
    };
    let later = environment == Environment::Emergency;
    let mut steps = vec![
        step(Stage::UnitHead, false, later),
        step(Stage::Supervisor, true, later),
        step(Stage::Authority, false, later),
        step(Stage::PlatformOwner, false, false),
    ];
    // 应急开通: the owner of the platform decides at once, the others review afterwards.
    steps.sort_by_key(|s| s.afterwards);
    steps
}

/// One chain: for which requests it is, and its stages in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChainSpec {
    /// Name, unique in the profile.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// Types of application that it is for; all where none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub types: Vec<ApplicationType>,
    /// Environments that it is for; all where none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    pub environments: Vec<Environment>,
    /// Levels of the asking unit that it is for; all where none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    pub levels: Vec<Level>,
    /// The stages in order. The platforms' owners decide last, whether they are named here or not.
    #[schemars(length(min = 1, max = 12))]
    pub steps: Vec<Step>,
}

/// One stage of a chain, as data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// The stage.
    pub stage: Stage,
    /// Any (或签) or All (会签).
    #[serde(default)]
    pub rule: Rule,
    /// Working days that it may take. An opinion that is not given in that time is gone on without.
    #[schemars(range(min = 1, max = 60))]
    pub working_days: u16,
    /// Whether it is left out where nobody is named for it. Otherwise a request without anybody to decide says so.
    #[serde(default)]
    pub optional: bool,
    /// Whether it reviews after the resources were opened (应急开通). Where it refuses then, the request says so (condition
    /// Reviewed), and the grants that were made for it get the end of a lease: `leaseNoticeDays` after the refusal, unless
    /// they end sooner. From there the steps of every lease follow, and a renewal that is approved properly ends them. What
    /// the request raised of an older grant is lowered by a Change.
    #[serde(default)]
    pub afterwards: bool,
}

/// Small steps that are approved by rule (000 §9.1, after Adjutant): a decrease, or a step up with measured use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AutomaticRule {
    /// Whether anything is approved by rule. Default false.
    pub enabled: bool,
    /// Highest step up, in percent of the grant. Default 25.
    #[schemars(range(min = 1, max = 100))]
    pub step_percent: u8,
    /// Peak use of the last 7 days, in percent of the grant, that a step up takes. Default 80.
    #[schemars(range(min = 1, max = 100))]
    pub peak_percent: u8,
    /// Days in which the grant must not have changed. Default 30.
    #[schemars(range(min = 1, max = 365))]
    pub unchanged_days: u16,
}

impl Default for AutomaticRule {
    fn default() -> Self {
        Self {
            enabled: false,
            step_percent: 25,
            peak_percent: 80,
            unchanged_days: 30,
        }
    }
}
