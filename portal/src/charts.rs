//! Charts as SVG, drawn here: no script, no inline style, colours and patterns by class, a title and a description in each.
//!
//! The fills `url(#p-…)` are defined once a page, in `templates/base.html`.

use std::fmt::Write as _;

use crds::Quantity;
use crds::cloud_platform::{Check, CheckState, CheckStatus, Evidence};
use jiff::civil::Date;

use crate::ages::days_until;
use crate::figures::Unit;
use crate::health::Health;
use crate::i18n::Lang;
use crate::ledger::{Certainty, Ledger};
use crate::shown::escaped;

/// What a part of a bar means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// In use.
    Used,
    /// Granted and not in use.
    Granted,
    /// Neither granted, promised nor held.
    Free,
    /// Granted above what there is, or used above what was granted.
    Over,
    /// Nobody can tell.
    Unknown,
}

impl Part {
    const fn code(self) -> &'static str {
        match self {
            Self::Used => "used",
            Self::Granted => "granted",
            Self::Free => "free",
            Self::Over => "over",
            Self::Unknown => "unknown",
        }
    }

    /// Patterns tell the parts apart without colour. A pattern is named in the mark-up: in a style sheet its address
    /// would be looked up there.
    const fn fill(self) -> &'static str {
        match self {
            Self::Used | Self::Free => "",
            Self::Granted => r#" fill="url(#p-granted)""#,
            Self::Over => r#" fill="url(#p-over)""#,
            Self::Unknown => r#" fill="url(#p-unknown)""#,
        }
    }
}

/// The parts of a bar from the left, in thousandths of its length.
#[must_use]
pub fn parts(ledger: &Ledger) -> Vec<(Part, i64)> {
    let granted = match (ledger.certainty, ledger.granted) {
        (Certainty::Unknown, _) | (_, None) => return vec![(Part::Unknown, 1000)],
        (Certainty::Observed | Certainty::Declared, Some(granted)) => granted,
    };
    let scale = ledger
        .total
        .max(granted)
        .max(ledger.used.unwrap_or_default());
    if scale == Quantity::ZERO {
        return vec![(Part::Free, 1000)];
    }
    let at = |amount: Quantity| {
        i64::try_from(amount.nanos().saturating_mul(1000) / scale.nanos()).unwrap_or(1000)
    };
    let within = at(granted.min(ledger.total));
    let parts = match ledger.used {
        // Used above the grant, or granted above the total: the excess is drawn at the end.
        Some(used) => vec![
            (Part::Used, at(used.min(granted).min(ledger.total))),
            (Part::Granted, within),
        ],
        None => vec![(Part::Unknown, within)],
    };
    let mut ends = parts;
    let excess = granted > ledger.total || ledger.used.is_some_and(|used| used > granted);
    ends.push(if excess {
        (Part::Over, 1000)
    } else {
        (Part::Free, 1000)
    });
    let mut from = 0;
    let widths = ends.into_iter().map(|(part, end)| {
        let width = (end - from).max(0);
        from = from.max(end);
        (part, width)
    });
    widths.filter(|(_, width)| *width > 0).collect()
}

/// What a bar says, for those who hear it.
#[must_use]
pub fn describe(lang: Lang, ledger: &Ledger) -> String {
    let unit = ledger.unit();
    let amount = |q: Option<Quantity>| {
        q.map_or_else(
            || lang.t("health.unknown").to_owned(),
            |q| unit.exact(lang, q),
        )
    };
    let believed = ledger.certainty != Certainty::Unknown;
    let figures = [
        ("resource", ledger.resource.word(lang).to_owned()),
        ("total", amount(Some(ledger.total).filter(|_| believed))),
        ("granted", amount(ledger.granted.filter(|_| believed))),
        ("used", amount(ledger.used)),
        ("free", amount(ledger.known_free())),
    ];
    let figures: Vec<_> = figures
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    lang.say("chart.bar", &figures)
}

/// A bar of used, granted, free, over and unknown.
#[must_use]
pub fn bar(lang: Lang, ledger: &Ledger) -> String {
    let title = describe(lang, ledger);
    let mut svg = format!(
        r#"<svg class="bar" width="100%" height="10" role="img"><title>{}</title><desc>{}</desc>"#,
        escaped(&title),
        escaped(lang.t("chart.bar.about"))
    );
    let mut at = 0;
    for (part, width) in parts(ledger) {
        let _infallible = write!(
            svg,
            r#"<rect class="part {}" x="{}%" width="{}%" height="10"{}/>"#,
            part.code(),
            tenths(at),
            tenths(width),
            part.fill()
        );
        at += width;
    }
    svg.push_str("</svg>");
    svg
}

fn tenths(thousandths: i64) -> String {
    format!("{}.{}", thousandths / 10, thousandths % 10)
}

/// How one docking check is shown: an attestation near or past its end is not good.
#[must_use]
pub fn lamp(check: Option<&CheckStatus>, today: Date, expiry_days: u16) -> Health {
    let Some(check) = check else {
        return Health::Unknown;
    };
    match (check.state, check.evidence) {
        (CheckState::Failed, _) => Health::Bad,
        (CheckState::Unknown, _) | (CheckState::Passed, Evidence::None) => Health::Unknown,
        (CheckState::Passed, Evidence::Observation) => Health::Good,
        (CheckState::Passed, Evidence::Attestation) => {
            match check.until.map(|until| days_until(until, today)) {
                Some(days) if days < 0 => Health::Unknown,
                Some(days) if days < i64::from(expiry_days) => Health::Attention,
                Some(_) | None => Health::Good,
            }
        }
    }
}

/// The seven docking lamps: shape and colour.
#[must_use]
pub fn lamps(lang: Lang, lamps: &[(Check, Health)]) -> String {
    let told: Vec<_> = lamps
        .iter()
        .map(|(check, health)| {
            let check = lang
                .find(&format!("check.{}", check.as_str()))
                .unwrap_or("");
            lang.say(
                "chart.lamp",
                &[("check", check), ("state", health.word(lang))],
            )
        })
        .collect();
    let mut svg = format!(
        r#"<svg class="lamps" width="{0}" height="14" viewBox="0 0 {0} 14" role="img"><title>{1}</title><desc>{2}</desc>"#,
        lamps.len() * 15,
        escaped(&lang.say("chart.lamps", &[("list", &lang.join(&told))])),
        escaped(lang.t("chart.lamps.about"))
    );
    for (index, (_, health)) in lamps.iter().enumerate() {
        let _infallible = write!(
            svg,
            r#"<g transform="translate({} 7)">{}</g>"#,
            index * 15 + 7,
            shape(*health)
        );
    }
    svg.push_str("</svg>");
    svg
}

/// The sign of a health, around the origin.
const fn shape(health: Health) -> &'static str {
    match health {
        Health::Good => r#"<circle class="lamp good" r="4.5"/>"#,
        Health::Attention => r#"<path class="lamp attention" d="M0-5 5.2 4.5H-5.2z"/>"#,
        Health::Bad => r#"<path class="lamp bad" d="M-4.5-4.5h9v9h-9z"/>"#,
        Health::Unknown => r#"<path class="lamp unknown" d="M0-5 5 0 0 5-5 0z"/>"#,
        Health::Idle => r#"<circle class="lamp unknown" r="4"/>"#,
        Health::Progress => {
            r#"<circle class="lamp progress" r="4"/><path class="lamp progress-half" d="M0-4a4 4 0 0 1 0 8z"/>"#
        }
    }
}

/// The line that joins a platform to the one above: whole while it answers, broken while it does not, dotted where
/// there is only a word.
#[must_use]
pub fn link(kind: Health, declared: bool) -> String {
    let class = match (kind, declared) {
        (_, true) => "declared",
        (Health::Unknown, false) => "lost",
        (
            Health::Bad | Health::Attention | Health::Progress | Health::Idle | Health::Good,
            false,
        ) => "live",
    };
    format!(
        r#"<svg class="link {class}" width="14" height="22" viewBox="0 0 14 22" aria-hidden="true"><path class="wire" d="M7 0v22"/>{}</svg>"#,
        if class == "lost" {
            r#"<path class="cut" d="M3 8l8 6M11 8l-8 6"/>"#
        } else {
            ""
        }
    )
}

/// A share of a whole as a short bar beside a figure.
#[must_use]
pub fn share(lang: Lang, name: &str, percent: i64) -> String {
    let title = lang.say(
        "chart.share",
        &[("name", name), ("percent", &percent.to_string())],
    );
    let width = percent.clamp(0, 100);
    let class = if percent > 100 { "over" } else { "used" };
    format!(
        r#"<svg class="bar thin" width="100%" height="6" role="img"><title>{}</title><rect class="part free" width="100%" height="6"/><rect class="part {class}" width="{width}%" height="6"/></svg>"#,
        escaped(&title)
    )
}

/// Any amount under its quota name, exactly.
#[must_use]
pub fn exact(lang: Lang, name: &str, amount: Quantity) -> String {
    Unit::of(name, amount).exact(lang, amount)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Resource;

    fn ledger(total: i64, granted: Option<i64>, used: Option<i64>) -> Ledger {
        Ledger {
            resource: Resource::Cpu,
            total: Quantity::units(total),
            granted: granted.map(Quantity::units),
            used: used.map(Quantity::units),
            free: Quantity::units(total - granted.unwrap_or(0)).max(Quantity::ZERO),
            certainty: Certainty::Observed,
        }
    }

    #[test]
    fn parts_fill_the_bar() {
        use Part::{Free, Granted, Over, Unknown, Used};
        for (case, expected) in [
            (
                ledger(100, Some(60), Some(25)),
                vec![(Used, 250), (Granted, 350), (Free, 400)],
            ),
            (
                ledger(100, Some(60), None),
                vec![(Unknown, 600), (Free, 400)],
            ),
            (
                ledger(100, Some(125), Some(50)),
                vec![(Used, 400), (Granted, 400), (Over, 200)],
            ),
            (
                ledger(100, Some(100), Some(125)),
                vec![(Used, 800), (Over, 200)],
            ),
            (ledger(100, None, None), vec![(Unknown, 1000)]),
            (
                Ledger {
                    certainty: Certainty::Unknown,
                    ..ledger(100, Some(60), Some(25))
                },
                vec![(Unknown, 1000)],
            ),
            (ledger(0, Some(0), Some(0)), vec![(Free, 1000)]),
        ] {
            assert_eq!(parts(&case), expected, "{case:?}");
            assert_eq!(
                parts(&case).iter().map(|(_, width)| width).sum::<i64>(),
                1000
            );
        }
    }

    #[test]
    fn an_unknown_bar_says_so_and_shows_no_figures() {
        let lost = Ledger {
            certainty: Certainty::Unknown,
            used: None,
            ..ledger(100, Some(60), None)
        };
        let svg = bar(Lang::En, &lost);
        assert!(
            svg.contains("unknown") && !svg.contains("60") && !svg.contains("class=\"part used\""),
            "{svg}"
        );
    }

    #[test]
    fn an_attested_lamp_goes_out_with_its_word() {
        let until = |day: &str| CheckStatus {
            check: Check::Backup,
            state: CheckState::Passed,
            evidence: Evidence::Attestation,
            reason: String::new(),
            message: String::new(),
            params: std::collections::BTreeMap::new(),
            since: None,
            until: Some(crds::words::Day(day.parse().unwrap())),
        };
        let today = "2026-11-22".parse().unwrap();
        assert_eq!(lamp(Some(&until("2027-02-10")), today, 30), Health::Good);
        assert_eq!(
            lamp(Some(&until("2026-12-01")), today, 30),
            Health::Attention
        );
        assert_eq!(lamp(Some(&until("2026-11-21")), today, 30), Health::Unknown);
        assert_eq!(lamp(None, today, 30), Health::Unknown);
    }

    #[test]
    fn nothing_in_a_chart_needs_an_inline_style() {
        let svg = bar(Lang::Zh, &ledger(100, Some(60), Some(25)))
            + &lamps(Lang::Zh, &[(Check::Backup, Health::Bad)]);
        assert!(!svg.contains("style"));
        assert_eq!(svg.matches("<title>").count(), 2);
    }
}
