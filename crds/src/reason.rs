//! The closed catalogue of reasons. Each has its words in `messages/reasons.en.yaml` and `messages/reasons.zh.yaml`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Why something is as it is: the `reason` of conditions and events, and the key of their words.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason { $($(#[doc = $doc])+ $name,)+ }

        impl Reason {
            /// Every reason.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The word that conditions and events carry.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }
        }
    };
}

reasons! {
    /// All of it is done.
    Ready,
    /// The pool and the budgets have room, and the grant is charged.
    Admitted,
    /// All quotas are in force.
    InForce,
    /// Nothing is above its grant.
    WithinGrant,
    /// The cluster answers.
    Connected,
    /// All seven checks passed.
    Docked,
    /// Nothing ends soon.
    Current,
    /// Work is under way.
    Progressing,
    /// The object cannot be read as its kind.
    Malformed,
    /// The API server refused or failed a call.
    ApiError,
    /// The operator's roles lack something.
    Forbidden,
    /// The platform named does not exist.
    UnknownPlatform,
    /// The platform has no such pool.
    UnknownPool,
    /// The pool is in another zone than the grant.
    ZoneMismatch,
    /// The pool offers no such resource.
    NotInPool,
    /// A resource name that no quota enforces.
    NotEnforced,
    /// A resource named twice under two spellings.
    DuplicateResource,
    /// The namespaces' shares add up to more than the grant.
    SharesExceedGrant,
    /// A leaf's name is longer than a namespace may be.
    NameTooLong,
    /// The pool has too little left.
    PoolExhausted,
    /// A budget above has too little left.
    BudgetExhausted,
    /// The platform takes no growth.
    PlatformFrozen,
    /// The platform is only declared: nothing can be provisioned there.
    PlatformDeclared,
    /// The grant waits for the pool's ledger.
    AwaitingPool,
    /// The namespace exists and is not this grant's.
    NamespaceTaken,
    /// The tenant of this namespace does not exist.
    UnknownTenant,
    /// The tenant is not ready to hold grants.
    TenantNotReady,
    /// Quotas are written but not yet in force.
    AwaitingEnforcement,
    /// Lowering waits for what is in use or for the settle time.
    Lowering,
    /// More is in force or in use than granted.
    OverGrant,
    /// More than granted is in use, and the grace period is over: a finding.
    OverGrantOverdue,
    /// The ledger was lost and is being rebuilt from the members.
    Recovering,
    /// The member does not answer: everything about it is unknown.
    MemberUnreachable,
    /// Deletion waits for what is still in use.
    Draining,
    /// Deletion waits for a namespace to go.
    Deleting,
    /// The parent does not exist.
    UnknownParent,
    /// The chain of parents returns to itself.
    ParentCycle,
    /// The level is above its parent's.
    LevelAboveParent,
    /// A tenant with grants cannot go.
    GrantsRemain,
    /// The Secret with the kubeconfig is missing.
    SecretMissing,
    /// The kubeconfig cannot be read.
    KubeconfigMalformed,
    /// The kubeconfig would run a program or read a file.
    KubeconfigNotAllowed,
    /// The kubeconfig would send its credential to whoever answers.
    KubeconfigInsecure,
    /// The credential has ended.
    CredentialExpired,
    /// The credential ends soon.
    CredentialExpiring,
    /// The server refuses the credential.
    Unauthorized,
    /// Nobody answers at the address.
    Unreachable,
    /// The cluster is another than the one known under this name.
    DifferentCluster,
    /// The cluster is the hub itself, which this entry does not say.
    IsTheHub,
    /// Another entry docks this cluster.
    ClusterDockedTwice,
    /// The cluster is of another zone than the hub.
    ZoneForbidden,
    /// The approval for docking other zones has ended.
    ApprovalExpired,
    /// The member lacks Qipan's policies.
    PoliciesMissing,
    /// The member is too old to enforce all of them.
    PartialEnforcement,
    /// No connection is configured: the platform declares itself.
    Declared,
    /// An attestation has passed its end.
    AttestationExpired,
    /// No evidence either way.
    NoEvidence,
    /// The Nodes of every cluster were read.
    NodesRead,
    /// There is no cluster whose Nodes can be read.
    NodesUnread,
    /// A quota that Qipan wrote was seen in force.
    QuotaSeen,
    /// No quota that Qipan wrote was seen in force.
    QuotaUnseen,
    /// Every policy was found in every cluster, as it should be.
    PoliciesVerified,
    /// The policies could not be read.
    PoliciesUnread,
    /// Every cluster serves metrics.
    MetricsAnswer,
    /// Some cluster serves no metrics.
    MetricsSilent,
    /// Qipan has no way to see it.
    Unobserved,
    /// The owner says so, and the word has not ended.
    Attested,
    /// Some docking checks are not passed.
    ChecksOpen,
    /// More is granted than the pool has.
    PoolOvercommitted,
    /// The platform still has grants.
    PlatformInUse,
    /// Nobody is named who decides at a stage.
    NobodyDecides,
    /// The service catalog has no such entry.
    UnknownOffering,
    /// The service is no longer offered.
    OfferingWithdrawn,
    /// The product catalog has no such entry.
    UnknownProduct,
    /// The product is no longer given out.
    ProductWithdrawn,
    /// The product is for another offering, platform, zone or pool.
    ProductMismatch,
    /// The product does not come in that size.
    UnknownSize,
    /// The product has too few left.
    StockExhausted,
    /// A question of the offering is not answered, or not with an answer.
    ParameterWrong,
    /// The unit has no such grant.
    UnknownGrant,
    /// A grant of that name is there already.
    GrantExists,
    /// The grant is in another pool.
    GrantElsewhere,
    /// The last day has passed.
    LeasePast,
    /// A test tenancy longer than the rules allow.
    TestTooLong,
    /// The request is in, and is being judged.
    Submitted,
    /// The pools were asked to hold the capacity.
    AwaitingHold,
    /// The capacity is held.
    Held,
    /// There is nothing to hold, or nothing any more.
    NothingHeld,
    /// A stage decides.
    Reviewing,
    /// It was returned for completion.
    Returned,
    /// It was approved and is to be enacted.
    Approved,
    /// It was rejected.
    Rejected,
    /// It was withdrawn.
    Withdrawn,
    /// What was approved is being brought about.
    Provisioning,
    /// Everything is there and waits for the receipt.
    Delivered,
    /// The receipt was confirmed.
    Accepted,
    /// It counts as accepted, since nobody objected in time.
    AcceptedByRule,
    /// The stage has time left.
    OnTime,
    /// The stage has taken longer than it may.
    Overdue,
    /// The clock is paused.
    ClockPaused,
    /// The calendar does not know the days.
    CalendarUnknown,
    /// It was written as grants and work orders.
    Enacted,
    /// It was not enacted.
    NotEnacted,
    /// Somebody provides it.
    Offered,
    /// Nobody provides it.
    NotOffered,
    /// A work order waits for the operations provider.
    WorkOpen,
    /// A work order is done.
    WorkDone,
    /// A work order cannot be done.
    WorkFailed,
    /// A work order is overdue.
    WorkOverdue,
    /// Somebody may not enter a grant's namespaces.
    WayInNotAllowed,
    /// None of the grant's namespaces stands yet.
    WayInNowhere,
    /// The namespace that was named is none of the grant's.
    WayInUnknownNamespace,
    /// More namespaces than one way in opens.
    WayInTooMany,
    /// The cluster gives no credential now.
    WayInUnavailable,
    /// An entry of a catalog is no longer offered.
    NoLongerOffered,
    /// A lease ends soon.
    LeaseEnding,
    /// A lease has ended: nothing grows.
    LeaseEnded,
    /// A lease has ended: the grant falls to what is in use.
    LeaseShrinking,
    /// A lease has ended: the grant falls to nothing.
    LeaseReleased,
    /// The lease has not begun to end, or there is none.
    LeaseRuns,
    /// A freeze holds back what would grow.
    ChangeFrozen,
    /// What was approved is asked for from a later day on.
    BeginsLater,
    /// A decision was made for somebody who may not decide there any more.
    DelegatorLost,
    /// A grant whose lease has ended does not grow.
    LeaseOver,
    /// An emergency was opened, and its review is to come.
    ReviewOpen,
    /// The review of an emergency agreed to it.
    ReviewPassed,
    /// The review of an emergency refused it.
    ReviewRejected,
    /// The delivery was not accepted, and is mended.
    Objected,
    /// Nothing that was delivered by hand stands under this name.
    NotDelivered,
    /// What was delivered by hand is elsewhere.
    DeliveredElsewhere,
    /// What was delivered by hand is of another product.
    DeliveredOther,
    /// A system is graded higher than the platform.
    MlpsAbovePlatform,
    /// A system is graded higher than the unit may run.
    MlpsAboveCeiling,
    /// A window has not begun.
    WindowPlanned,
    /// A window is in force.
    WindowActive,
    /// A window is over.
    WindowEnded,
    /// A cluster does not answer in an announced maintenance.
    InMaintenance,
    /// Nobody holds two of the three offices of administrators.
    OfficesApart,
    /// Somebody is bound to two of the three offices of administrators: a finding.
    OfficesCombined,
    /// Offices are given to groups, and who is in them is not known here.
    OfficesUnseen,
}

type Catalogue = BTreeMap<String, String>;

fn catalogue(language: &str) -> &'static Catalogue {
    static CATALOGUES: OnceLock<[Catalogue; 2]> = OnceLock::new();
    let [en, zh] = CATALOGUES.get_or_init(|| {
        [
            include_str!("../messages/reasons.en.yaml"),
            include_str!("../messages/reasons.zh.yaml"),
        ]
        // The files are compiled in and parsed by a test: an unreadable one never leaves the workshop.
        .map(|text| serde_yaml::from_str(text).unwrap_or_default())
    });
    if language.starts_with("zh") { zh } else { en }
}

impl Reason {
    /// The reason's sentence in `en` or `zh`, its `{figures}` filled in.
    #[must_use]
    pub fn render(self, language: &str, params: &BTreeMap<String, String>) -> String {
        let template = catalogue(language)
            .get(self.as_str())
            .map_or(self.as_str(), String::as_str);
        let mut sentence = String::with_capacity(template.len());
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            sentence.push_str(before);
            let Some((name, tail)) = after.split_once('}') else {
                rest = after;
                break;
            };
            sentence.push_str(params.get(name).map_or("?", String::as_str));
            rest = tail;
        }
        sentence.push_str(rest);
        sentence
    }
}

/// Literal letters that a template must have for a sentence to be recognised by it.
const TELLING: usize = 12;

impl Reason {
    /// The reason and the figures of a sentence that was worded from the catalogue in `language`: how a refusal of the API
    /// server, which knows English only, is told in the reader's language. Of several the most literal one.
    #[must_use]
    pub fn recognise(language: &str, sentence: &str) -> Option<(Self, BTreeMap<String, String>)> {
        let found = Self::ALL.iter().filter_map(|reason| {
            let template = catalogue(language).get(reason.as_str())?;
            let (letters, params) = read(template, sentence)?;
            (letters >= TELLING).then_some((letters, *reason, params))
        });
        found
            .max_by_key(|(letters, _, _)| *letters)
            .map(|(_, reason, params)| (reason, params))
    }
}

/// The figures of a sentence under a template with `{figures}`, and how many letters of it the template has itself.
#[must_use]
pub fn read(template: &str, sentence: &str) -> Option<(usize, BTreeMap<String, String>)> {
    let (first, rest) = template.split_once('{').unwrap_or((template, ""));
    let mut left = sentence.strip_prefix(first)?;
    let mut letters = first.len();
    let mut params = BTreeMap::new();
    for part in rest.split('{').filter(|part| !part.is_empty()) {
        let (name, literal) = part.split_once('}')?;
        let value = if literal.is_empty() {
            std::mem::take(&mut left)
        } else {
            let (value, after) = left.split_once(literal)?;
            left = after;
            value
        };
        letters += literal.len();
        params.insert(name.to_owned(), value.to_owned());
    }
    left.is_empty().then_some((letters, params))
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Reason {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|r| r.as_str() == text)
            .ok_or_else(|| format!("no reason {text:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn figures(template: &str) -> BTreeSet<&str> {
        template
            .split('{')
            .skip(1)
            .filter_map(|part| part.split_once('}'))
            .map(|(name, _)| name)
            .collect()
    }

    #[test]
    fn every_reason_is_worded_in_both_languages_with_the_same_figures() {
        let names: BTreeSet<_> = Reason::ALL.iter().map(|r| r.as_str().to_owned()).collect();
        for language in ["en", "zh"] {
            assert_eq!(
                catalogue(language).keys().cloned().collect::<BTreeSet<_>>(),
                names,
                "{language}"
            );
        }
        for name in &names {
            assert_eq!(
                figures(&catalogue("en")[name]),
                figures(&catalogue("zh")[name]),
                "{name}"
            );
        }
    }

    #[test]
    fn figures_are_filled_in_and_missing_ones_show() {
        let params = BTreeMap::from([("tenant".to_owned(), "shuiwu".to_owned())]);
        assert!(
            Reason::UnknownTenant
                .render("en", &params)
                .contains("shuiwu")
        );
        assert!(
            Reason::UnknownTenant
                .render("zh", &BTreeMap::new())
                .contains('?')
        );
    }

    #[test]
    fn a_worded_reason_is_recognised_with_its_figures_in_either_language() {
        for language in ["en", "zh"] {
            for reason in Reason::ALL {
                let template = &catalogue(language)[reason.as_str()];
                let params: BTreeMap<String, String> = figures(template)
                    .into_iter()
                    .map(|name| (name.to_owned(), format!("<{name}>")))
                    .collect();
                let sentence = reason.render(language, &params);
                if let Some((found, read)) = Reason::recognise(language, &sentence) {
                    assert_eq!((found, &read), (*reason, &params), "{language} {sentence}");
                }
            }
        }
        let params = BTreeMap::from([("offering".to_owned(), "vm".to_owned())]);
        let sentence = Reason::OfferingWithdrawn.render("en", &params);
        assert_eq!(
            Reason::recognise("en", &sentence),
            Some((Reason::OfferingWithdrawn, params))
        );
        assert_eq!(Reason::recognise("en", "nothing of ours"), None);
    }
}
