//! The words of requests: phases, stages, types, sums of money, amounts of several resources.

use crds::approval::Stage;
use crds::money::Money;
use crds::money_budget::{MoneyBudget, Standing};
use crds::resource_request::record::View;
use crds::resource_request::{ApplicationType, DecisionOutcome, Environment, Phase};
use crds::tenant_quota::FundingSource;
use crds::words::{Subject, SubjectKind, Zone};
use crds::{ResourceList, resource_name};

use crate::figures::{Unit, resource_word};
use crate::health::{Health, Wording};
use crate::i18n::Lang;

/// A word under a family of keys; the API's own word where a newer hub knows more than this portal.
fn word(lang: Lang, family: &str, name: &'static str) -> &'static str {
    lang.find(&format!("{family}.{name}")).unwrap_or(name)
}

/// A phase.
#[must_use]
pub fn phase(lang: Lang, phase: Phase) -> &'static str {
    lang.find(&format!("phase.{}", phase.as_str()))
        .unwrap_or(phase.as_str())
}

/// How a phase is shown: its sign and colour.
#[must_use]
pub const fn phase_health(phase: Phase) -> Health {
    match phase {
        Phase::Draft
        | Phase::Submitted
        | Phase::Reviewing
        | Phase::Approved
        | Phase::Provisioning => Health::Progress,
        Phase::Returned | Phase::Delivered => Health::Attention,
        Phase::Accepted => Health::Good,
        Phase::Rejected => Health::Bad,
        Phase::Withdrawn => Health::Idle,
    }
}

/// What is asked for: new, change, renewal, release, exception.
#[must_use]
pub fn type_(lang: Lang, type_: ApplicationType) -> &'static str {
    lang.find(&format!("request-type.{type_:?}")).unwrap_or("")
}

/// Production, test, emergency.
#[must_use]
pub fn environment(lang: Lang, environment: Environment) -> &'static str {
    lang.find(&format!("environment.{environment:?}"))
        .unwrap_or("")
}

/// A decision.
#[must_use]
pub fn outcome(lang: Lang, outcome: DecisionOutcome) -> &'static str {
    lang.find(&format!("outcome.{outcome:?}")).unwrap_or("")
}

/// An opinion's gist.
#[must_use]
pub fn view(lang: Lang, view: View) -> &'static str {
    lang.find(&format!("view.{view:?}")).unwrap_or("")
}

/// A zone.
#[must_use]
pub fn zone(lang: Lang, zone: Zone) -> &'static str {
    word(lang, "zone", zone.as_str())
}

/// A stage, with whose it is.
#[must_use]
pub fn stage(wording: &Wording, stage: Stage, of: Option<&str>) -> String {
    let name = word(wording.lang, "stage", stage.as_str());
    match of {
        Some(of) => wording
            .lang
            .say("stage.of", &[("stage", name), ("of", wording.platform(of))]),
        None => name.to_owned(),
    }
}

/// A user or a group.
#[must_use]
pub fn subject(lang: Lang, subject: &Subject) -> String {
    match subject.kind {
        SubjectKind::User => subject.name.clone(),
        SubjectKind::Group => lang.say("subject.group", &[("name", &subject.name)]),
    }
}

/// Yuan a month, or that nobody has set a price, which is not free of charge.
#[must_use]
pub fn monthly(lang: Lang, money: Option<Money>) -> String {
    money.map_or_else(
        || lang.t("cost.unpriced").to_owned(),
        |money| lang.say("cost.monthly", &[("sum", &yuan(money))]),
    )
}

/// A sum with thousands set apart.
#[must_use]
pub fn yuan(money: Money) -> String {
    let text = money.to_string();
    let (whole, fen) = text.split_once('.').unwrap_or((&text, "00"));
    let whole = whole
        .parse()
        .map_or_else(|_| whole.to_owned(), crate::figures::number);
    format!("{whole}.{fen}")
}

/// An amount of one resource, exactly.
#[must_use]
pub fn amount(lang: Lang, name: &str, quantity: crds::Quantity) -> String {
    Unit::of(name, quantity).exact(lang, quantity)
}

/// Amounts of several resources, in one line.
#[must_use]
pub fn amounts(lang: Lang, list: &ResourceList) -> String {
    let list = resource_name::canonical_list("", list).unwrap_or_else(|_| list.clone());
    let told = list.iter().map(|(name, quantity)| {
        format!(
            "{} {}",
            resource_word(lang, name),
            amount(lang, name, quantity)
        )
    });
    told.collect::<Vec<_>>().join(lang.t("sentence.dot"))
}

/// What is committed and asked for, in percent of the budget to one place; thresholds are reckoned exactly, elsewhere.
fn percent(standing: &Standing) -> String {
    let (whole, spent) = (
        i128::from(standing.annual.in_fen()),
        i128::from(standing.committed.plus(standing.asked).in_fen()),
    );
    if whole == 0 {
        return standing.percent.to_string();
    }
    let tenths = (spent * 1000 + whole / 2) / whole;
    match tenths % 10 {
        0 => (tenths / 10).to_string(),
        tenth => format!("{}.{tenth}", tenths / 10),
    }
}

/// A budget of money, what is committed and asked for a year, what remains; and what no price is known of.
#[must_use]
pub fn money_line(
    lang: Lang,
    budget: &MoneyBudget,
    (source, standing): &(Option<FundingSource>, Standing),
) -> String {
    let remains = Money::fen(standing.remains.saturating_abs());
    let reference = source.map_or_else(
        || budget.reference.clone(),
        |source| lang.t(&format!("funding.{source:?}")).to_owned(),
    );
    let figures = [
        ("annual", yuan(standing.annual)),
        ("reference", reference),
        ("committed", yuan(standing.committed)),
        ("asked", yuan(standing.asked)),
        ("percent", percent(standing)),
        ("remains", yuan(remains)),
        ("unpriced", standing.unpriced.to_string()),
    ];
    let figures = figures.each_ref().map(|(key, text)| (*key, text.as_str()));
    let asks = standing.asked > Money::default();
    let mut line = match (asks, standing.remains < 0) {
        (true, false) => lang.say("money.within", &figures),
        (true, true) => lang.say("money.over", &figures),
        (false, false) => lang.say("money.now.within", &figures),
        (false, true) => lang.say("money.now.over", &figures),
    };
    if standing.unpriced > 0 {
        line.push_str(&lang.say("money.unpriced", &figures));
    }
    line
}
