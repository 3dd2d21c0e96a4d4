//! What needs attention, worded from the reasons' catalogue in the reader's language.

use std::collections::BTreeMap;
use std::sync::Arc;

use crds::governance_profile::Thresholds;
use crds::words::Zone;
use crds::{CloudPlatform, ConditionType, Conditions, Reason, Tenant};
use jiff::Timestamp;

use super::{Health, is_lost, judge, nearly_full};
use crate::ages::{self, Moment};
use crate::figures::{Resource, resource_word};
use crate::i18n::Lang;
use crate::ledger::Ledger;

/// Something that needs attention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// How bad it is.
    pub health: Health,
    /// What it is about.
    pub subject: String,
    /// The page that shows it.
    pub link: String,
    /// What is so.
    pub happened: String,
    /// Which rule, and the way out.
    pub todo: String,
    /// Since when; absent where that is not recorded.
    pub since: Option<Moment>,
    order: i64,
}

/// What people call platforms and tenants, as far as the reader may know. Nothing but names leaves it.
#[derive(Clone, Debug, Default)]
pub struct Names {
    platforms: Vec<Arc<CloudPlatform>>,
    tenants: Vec<Arc<Tenant>>,
}

impl Names {
    /// The names of these.
    #[must_use]
    pub fn of(mut platforms: Vec<Arc<CloudPlatform>>, mut tenants: Vec<Arc<Tenant>>) -> Self {
        platforms.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        tenants.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        Self { platforms, tenants }
    }

    /// A platform's name; its identifier where the reader may not know it.
    #[must_use]
    pub fn platform<'a>(&'a self, lang: Lang, id: &'a str) -> &'a str {
        let found = self
            .platforms
            .binary_search_by_key(&Some(id), |p| p.metadata.name.as_deref());
        found.map_or(id, |at| {
            let called = &self.platforms[at].spec.display_name;
            called.in_language(lang.code())
        })
    }

    /// A tenant's name; its identifier where the reader may not know it.
    #[must_use]
    pub fn tenant<'a>(&'a self, lang: Lang, id: &'a str) -> &'a str {
        let found = self
            .tenants
            .binary_search_by_key(&Some(id), |t| t.metadata.name.as_deref());
        found.map_or(id, |at| {
            let called = &self.tenants[at].spec.display_name;
            called.in_language(lang.code())
        })
    }
}

/// Words notices: the language, the moment, and the names that people know things by.
#[derive(Clone, Debug)]
pub struct Wording {
    /// The reader's language.
    pub lang: Lang,
    /// The moment of the page.
    pub now: Timestamp,
    /// What people call things.
    pub names: Names,
    /// From which figures on things need attention.
    pub thresholds: Thresholds,
}

impl Wording {
    /// What the reader calls a platform.
    #[must_use]
    pub fn platform<'a>(&'a self, id: &'a str) -> &'a str {
        self.names.platform(self.lang, id)
    }

    /// What the reader calls a tenant.
    #[must_use]
    pub fn tenant<'a>(&'a self, id: &'a str) -> &'a str {
        self.names.tenant(self.lang, id)
    }

    /// A condition's reason in the reader's language, in two halves: what is so, and what to do.
    #[must_use]
    pub fn reason(
        &self,
        reason: &str,
        params: &BTreeMap<String, String>,
        message: &str,
    ) -> (String, String) {
        let Ok(known) = reason.parse::<Reason>() else {
            // Written by a newer operator than this portal knows: its own words are better than none.
            return (message.to_owned(), String::new());
        };
        let params = params
            .iter()
            .map(|(key, value)| (key.clone(), self.figure(key, value)))
            .collect();
        let text = known.render(self.lang.code(), &params);
        let stop = self.lang.t("sentence.stop");
        let (happened, rest) = text.split_once(stop).unwrap_or((text.as_str(), ""));
        let own = self.lang.find(&format!("todo.{reason}")).unwrap_or("");
        let todo = if rest.is_empty() { own } else { rest };
        (capital(happened.trim()), capital(todo.trim()))
    }

    /// A reason as one sentence, or two where something is to be done.
    #[must_use]
    pub fn sentence(
        &self,
        reason: &str,
        params: &BTreeMap<String, String>,
        message: &str,
    ) -> String {
        let (happened, todo) = self.reason(reason, params, message);
        if todo.is_empty() {
            return happened;
        }
        [happened, todo].join(self.lang.t("sentence.stop"))
    }

    /// A figure as the reader knows it: zones, resources, times and names in words.
    fn figure(&self, key: &str, value: &str) -> String {
        if let Some(word) = self
            .lang
            .find(&format!("zone.{value}"))
            .filter(|_| key.to_lowercase().ends_with("zone"))
        {
            return word.to_owned();
        }
        if let Some(word) = self
            .lang
            .find(&format!("level.{value}"))
            .filter(|_| key.to_lowercase().ends_with("level"))
        {
            return word.to_owned();
        }
        if key == "resource" {
            return resource_word(self.lang, value);
        }
        if ["open", "what", "check"].contains(&key) {
            let words = value.split(", ").map(|w| {
                self.lang
                    .find(&format!("check.{w}"))
                    .unwrap_or(w)
                    .to_owned()
            });
            return self.lang.join(&words.collect::<Vec<_>>());
        }
        if value.contains("requests.") {
            let worded = |text: String, resource: Resource| {
                text.replace(resource.name(), resource.word(self.lang))
            };
            return Resource::ALL.into_iter().fold(value.to_owned(), worded);
        }
        if let Ok(time) = value.parse::<Timestamp>() {
            return ages::in_a_sentence(time);
        }
        match key {
            "stage" => {
                let word = self.lang.find(&format!("stage.{value}"));
                word.unwrap_or(value).to_owned()
            }
            // What people wrote stands within a sentence, which has its own end.
            "comment" => value.trim().trim_end_matches(['\u{3002}', '.']).to_owned(),
            "platform" | "wayOut" => self.platform(value).to_owned(),
            "tenant" | "parent" => self.tenant(value).to_owned(),
            // The unit or the platform of a stage.
            "of" => match self.tenant(value) {
                id if id == value => self.platform(value).to_owned(),
                name => name.to_owned(),
            },
            _ => value.to_owned(),
        }
    }

    /// What needs attention about one object, worst first, each reason once.
    #[must_use]
    pub fn notices(&self, subject: &str, link: &str, conditions: &Conditions) -> Vec<Notice> {
        let lost = conditions.0.iter().any(|c| is_lost(&c.reason));
        let mut told: Vec<&str> = Vec::new();
        let mut notices = Vec::new();
        // Reachable first: of two conditions that tell the same loss, it carries the way out.
        let mut ordered: Vec<_> = conditions.0.iter().collect();
        ordered.sort_by_key(|c| c.type_ != ConditionType::Reachable);
        for condition in ordered {
            let Some(health) = judge(condition) else {
                continue;
            };
            let same_loss =
                lost && health == Health::Unknown && told.iter().any(|reason| is_lost(reason));
            if told.contains(&condition.reason.as_str()) || same_loss {
                continue;
            }
            told.push(&condition.reason);
            let (happened, todo) =
                self.reason(&condition.reason, &condition.params, &condition.message);
            notices.push(Notice {
                health,
                subject: subject.to_owned(),
                link: link.to_owned(),
                happened,
                todo,
                since: Some(ages::moment(
                    self.lang,
                    condition.last_transition_time,
                    self.now,
                )),
                order: condition.last_transition_time.as_second(),
            });
        }
        notices
    }

    /// That a zone of a platform is nearly granted out.
    #[must_use]
    pub fn nearly_full(
        &self,
        subject: &str,
        link: &str,
        zone: Zone,
        ledger: &Ledger,
    ) -> Option<Notice> {
        let thresholds = self.thresholds;
        let over = ledger.over() > crds::Quantity::ZERO;
        let percent = ledger
            .granted_percent()
            .filter(|_| nearly_full(ledger, thresholds) && !over)?;
        let free = ledger.unit().short(self.lang, ledger.free);
        let zone = self
            .lang
            .find(&format!("zone.{}", zone.as_str()))
            .unwrap_or("");
        let resource = ledger.resource.word(self.lang);
        let percent = percent.to_string();
        let figures = [
            ("zone", zone),
            ("resource", resource),
            ("free", &free),
            ("percent", &percent),
        ];
        Some(Notice {
            health: Health::Attention,
            subject: subject.to_owned(),
            link: link.to_owned(),
            happened: self.lang.say("attention.nearly-full", &figures),
            todo: self.lang.t("attention.nearly-full.todo").to_owned(),
            since: None,
            order: 0,
        })
    }
}

/// A sentence begins with a capital, unless it begins with a name of ours such as `mm-extranet`.
fn capital(sentence: &str) -> String {
    let first = sentence.split(' ').next().unwrap_or("");
    if !first.chars().all(|c| c.is_ascii_lowercase()) {
        return sentence.to_owned();
    }
    let mut letters = sentence.chars();
    letters
        .next()
        .map(|c| c.to_ascii_uppercase())
        .into_iter()
        .chain(letters)
        .collect()
}

/// Worst first; among equals, what came last first.
pub fn order(notices: &mut [Notice]) {
    notices.sort_by(|a, b| {
        (a.health, std::cmp::Reverse(a.order)).cmp(&(b.health, std::cmp::Reverse(b.order)))
    });
}
