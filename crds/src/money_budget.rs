//! Budgets of money: what a unit may commit a year, and how much of it is. Pure; a warning, never a refusal by itself.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::money::Money;
use crate::tenant_quota::FundingSource;

/// A year's money of a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MoneyBudget {
    /// Yuan a year.
    pub annual: Money,
    /// The document that gives it: number and date.
    #[schemars(length(min = 1, max = 256))]
    pub reference: String,
    /// What of it comes from which source of funding, where the document says so: each is watched by itself, by the shares that
    /// projects name (`resourcerequest.spec.application.project.funding`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["source"]))]
    pub sources: Vec<SourceBudget>,
}

/// A year's money from one source of funding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceBudget {
    /// The source.
    pub source: FundingSource,
    /// Yuan a year.
    pub annual: Money,
}

/// From where on a budget of money needs attention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct MoneyRules {
    /// Percentages of a year's budget from which on a request is warned of, rising. Default 80 and 100.
    #[schemars(length(min = 1, max = 8), inner(range(min = 1, max = 1000)))]
    pub thresholds: Vec<u16>,
}

impl Default for MoneyRules {
    fn default() -> Self {
        Self {
            thresholds: vec![80, 100],
        }
    }
}

/// Sums of money a month, with how many parts have no price. What nobody has priced (未定价) is not free of charge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Monthly {
    /// What has a price.
    pub priced: Money,
    /// How many parts have none.
    pub unpriced: usize,
}

impl Monthly {
    /// With one part more.
    #[must_use]
    pub fn and(self, part: Option<Money>) -> Self {
        match part {
            Some(money) => Self {
                priced: self.priced.plus(money),
                ..self
            },
            None => Self {
                unpriced: self.unpriced + 1,
                ..self
            },
        }
    }
}

/// Money a month, in all and by who pays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commitment {
    /// All of it.
    pub all: Monthly,
    /// What each source of funding pays of it.
    pub by: BTreeMap<FundingSource, Monthly>,
}

impl Commitment {
    /// Adds a part that is paid by these sources, in percent.
    pub fn add(&mut self, part: Option<Money>, funding: &[(FundingSource, u8)]) {
        self.all = self.all.and(part);
        for (source, share) in shares(part, funding) {
            let sum = self.by.entry(source).or_default();
            *sum = sum.and(share);
        }
    }
}

/// What each source pays of a sum, in percent to the fen; what rounding leaves is the first one's.
#[must_use]
pub fn shares(
    sum: Option<Money>,
    funding: &[(FundingSource, u8)],
) -> Vec<(FundingSource, Option<Money>)> {
    let part = |percent: u8| {
        let whole = sum.map_or(0, Money::in_fen);
        whole.saturating_mul(i64::from(percent)) / 100
    };
    let others: i64 = funding
        .iter()
        .skip(1)
        .map(|(_, percent)| part(*percent))
        .sum();
    let paid = funding.iter().enumerate().map(|(nth, (source, percent))| {
        let fen = |whole: Money| match nth {
            0 => whole.in_fen() - others,
            _ => part(*percent),
        };
        (*source, sum.map(|whole| Money::fen(fen(whole))))
    });
    paid.collect()
}

/// How a unit's money stands: as a whole first, then from each source that its budget names.
#[must_use]
pub fn standings(
    budget: &MoneyBudget,
    rules: &MoneyRules,
    committed: &Commitment,
    asked: &Commitment,
) -> Vec<(Option<FundingSource>, Standing)> {
    let whole = standing(budget.annual, rules, committed.all, asked.all);
    let of = |sums: &Commitment, source| sums.by.get(&source).copied().unwrap_or_default();
    let sources = budget.sources.iter().map(|part| {
        let (there, more) = (of(committed, part.source), of(asked, part.source));
        (Some(part.source), standing(part.annual, rules, there, more))
    });
    std::iter::once((None, whole)).chain(sources).collect()
}

/// How a year's budget stands with what is asked for. Amounts are yuan a year: twelve months of what is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The budget.
    pub annual: Money,
    /// What is in force.
    pub committed: Money,
    /// What is asked for.
    pub asked: Money,
    /// What remains in fen; below zero where it is over.
    pub remains: i64,
    /// What is committed and asked for, in percent of the budget, rounded up; at most 9999.
    pub percent: u16,
    /// The highest threshold that is reached.
    pub threshold: Option<u16>,
    /// Parts that have no price, in force or asked for: by so many the truth may be above these figures.
    pub unpriced: usize,
}

/// How a year's money stands.
fn standing(annual: Money, rules: &MoneyRules, committed: Monthly, asked: Monthly) -> Standing {
    let (there, more) = (committed.priced.times(12), asked.priced.times(12));
    let (sum, whole) = (there.plus(more).in_fen(), annual.in_fen());
    let percent = match whole {
        0 if sum == 0 => 0,
        0 => 9999,
        // Rounded up: a threshold that is passed by a fen is passed.
        _ => (i128::from(sum) * 100 + i128::from(whole) - 1) / i128::from(whole),
    };
    let percent = u16::try_from(percent).unwrap_or(9999).min(9999);
    // Reached exactly, not only by the rounding.
    let reached = |t: &&u16| i128::from(sum) * 100 >= i128::from(whole) * i128::from(**t);
    let threshold = rules.thresholds.iter().filter(reached).max().copied();
    Standing {
        annual,
        committed: there,
        asked: more,
        remains: whole.saturating_sub(sum),
        percent,
        threshold: threshold.filter(|_| sum > 0),
        unpriced: committed.unpriced + asked.unpriced,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(committed: &str, asked: &str) -> Standing {
        let annual = "12000".parse().unwrap();
        let monthly = |text: &str| Monthly::default().and(text.parse().ok());
        standing(
            annual,
            &MoneyRules::default(),
            monthly(committed),
            monthly(asked),
        )
    }

    #[test]
    fn thresholds_are_reached_exactly_and_what_remains_may_be_below_zero() {
        for (committed, asked, percent, threshold, remains) in [
            ("700", "99.99", 80, None, 240_012),
            ("700", "100", 80, Some(80), 240_000),
            ("700", "299.99", 100, Some(80), 12),
            ("700", "300", 100, Some(100), 0),
            ("700", "800", 150, Some(100), -600_000),
        ] {
            let now = of(committed, asked);
            assert_eq!(
                (now.percent, now.threshold, now.remains),
                (percent, threshold, remains),
                "{committed} + {asked}"
            );
        }
    }

    #[test]
    fn each_source_is_watched_by_its_shares_and_nothing_is_lost_in_rounding() {
        use FundingSource::{OwnBudget, Project};
        let funding = [(OwnBudget, 67), (Project, 33)];
        let paid = shares(Some(Money::fen(101)), &funding);
        assert_eq!(
            paid,
            [
                (OwnBudget, Some(Money::fen(68))),
                (Project, Some(Money::fen(33)))
            ]
        );
        let budget = MoneyBudget {
            annual: "12000".parse().unwrap(),
            reference: "湛财〔2026〕1号".into(),
            sources: vec![SourceBudget {
                source: Project,
                annual: "1200".parse().unwrap(),
            }],
        };
        let (mut committed, mut asked) = (Commitment::default(), Commitment::default());
        committed.add("200".parse().ok(), &[(OwnBudget, 60), (Project, 40)]);
        committed.add("100".parse().ok(), &[]);
        asked.add("20".parse().ok(), &[(Project, 100)]);
        asked.add(None, &[(Project, 100)]);
        let all = standings(&budget, &MoneyRules::default(), &committed, &asked);
        let figures = all
            .iter()
            .map(|(of, s)| (*of, (s.percent, s.threshold, s.unpriced)));
        let figures: Vec<_> = figures.collect();
        assert_eq!(
            figures,
            [(None, (32, None, 1)), (Some(Project), (100, Some(100), 1))]
        );
    }

    #[test]
    fn what_has_no_price_is_said_and_is_in_no_sum() {
        let now = of("not priced", "300");
        assert_eq!((now.unpriced, now.percent), (1, 30));
        assert_eq!(now.committed, Money::default());
    }
}
