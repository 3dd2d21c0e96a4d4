//! The three offices of administrators (三类管理员, design §5), each known by a verb on `governanceprofiles`. Whoever holds two
//! of them does the acts of neither: the policy `three-administrators` says so in admission, the portal before it shows the
//! ledger, the operator as a finding on the `GovernanceProfile`.

use std::fmt;

/// One of the three offices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Office {
    /// System administrator (系统管理员): platforms, sites, the province's rules.
    System,
    /// Security administrator (安全管理员): gives people their roles.
    Security,
    /// Audit administrator (审计管理员): looks at who did what.
    Audit,
}

impl Office {
    /// Every office.
    pub const ALL: [Self; 3] = [Self::System, Self::Security, Self::Audit];

    /// The verb on `governanceprofiles` that gives it.
    #[must_use]
    pub const fn verb(self) -> &'static str {
        match self {
            Self::System => "administer-system",
            Self::Security => "administer-security",
            Self::Audit => "audit",
        }
    }

    /// Why somebody who holds this office and another may not do `what`: the sentence of the policy, word for word.
    #[must_use]
    pub fn refusal(self, other: Self, user: &str, what: &str) -> String {
        let (verb, second) = (self.verb(), other.verb());
        format!(
            "three-administrators: {user} is {self} and {other} administrator in one (verbs {verb}, {second}) and may not {what}: \
             who holds two of the three offices does the acts of neither. Have one of the two roles taken away"
        )
    }
}

impl fmt::Display for Office {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "system",
            Self::Security => "security",
            Self::Audit => "audit",
        })
    }
}
