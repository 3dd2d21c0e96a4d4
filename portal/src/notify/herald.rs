//! Puts what there is to tell into the database: a notice in the portal for everybody it is for, and what goes further
//! into the outbox, in one transaction.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crds::calendar::day_of;
use crds::keys::tenant_of_namespace;
use crds::money_budget::{Commitment, standings};
use crds::words::{Day, Subject, SubjectKind};
use crds::{ResourceRequest, Tenant};
use kube::ResourceExt as _;
use serde_json::{Map, Value};

use super::Config;
use super::config::{ContactOf, Robot};
use super::told::{self, People, Reach, Told};
use crate::background;
use crate::cluster::{Cluster, Kind, Sync};
use crate::costs::reckon;
use crate::db::notices::{self, Contact};
use crate::db::outbox::{self, Channel};
use crate::db::{Db, DbError, micros};
use crate::health::Names;
use crate::i18n::Lang;

/// What happened longer ago is not told any more: somebody who installs Qipan today hears of today.
const REACHES_BACK: Duration = Duration::from_hours(24 * 14);
/// Changes that come this close together are looked at together.
const DEBOUNCE: Duration = Duration::from_millis(300);
/// Days pass without any change.
const LOOK_AGAIN: Duration = Duration::from_mins(1);

/// Puts what there is to tell into the database.
#[derive(Clone)]
pub struct Herald {
    /// The database.
    pub db: Db,
    /// The hub.
    pub cluster: Cluster,
    /// The ways out.
    pub config: Arc<Config>,
    /// The address under which browsers come.
    pub base: Option<Arc<str>>,
}

/// A subject as the database has it.
#[must_use]
pub fn recipient(kind: SubjectKind, name: &str) -> String {
    match kind {
        SubjectKind::User => format!("User/{name}"),
        SubjectKind::Group => format!("Group/{name}"),
    }
}

/// What a notice says, in a reader's language.
#[must_use]
pub fn sentence(lang: Lang, names: &Names, topic: &str, figures: &Map<String, Value>) -> String {
    let figures: Vec<_> = figures
        .iter()
        .map(|(key, value)| {
            let value = value.as_str().unwrap_or_default();
            let text = match key.as_str() {
                "tenant" => names.tenant(lang, value).to_owned(),
                "platform" => names.platform(lang, value).to_owned(),
                "stage" => lang.t(&format!("stage.{value}")).to_owned(),
                "resource" => lang.t(&format!("resource.{value}")).to_owned(),
                "source" => lang.t(&format!("funding.{value}")).to_owned(),
                _ => value.to_owned(),
            };
            (key.as_str(), text)
        })
        .collect();
    let figures: Vec<_> = figures
        .iter()
        .map(|(key, text)| (*key, text.as_str()))
        .collect();
    lang.say(&format!("notice.{topic}"), &figures)
}

impl Herald {
    /// Tells until the program ends. It does not end.
    pub async fn run(&self) {
        let mut news = self.cluster.changes();
        let mut said = HashSet::new();
        loop {
            if let Err(error) = self.tell(&mut said).await {
                tracing::warn!(%error, "people are told later");
            }
            tokio::select! {
                heard = news.changed() => if heard.is_err() { return },
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
            tokio::time::sleep(DEBOUNCE).await;
            news.mark_unchanged();
        }
    }

    async fn tell(&self, said: &mut HashSet<String>) -> Result<(), DbError> {
        if self.cluster.sync(Kind::ResourceRequest) != Sync::Synced {
            return Ok(());
        }
        let (now, all) = (background::now(), self.all());
        let oldest = now - REACHES_BACK;
        let known: HashSet<_> = all.iter().map(|told| told.cause.clone()).collect();
        said.retain(|cause| known.contains(cause));
        let names = Names::of(self.cluster.platforms(), self.cluster.tenants());
        for told in all {
            let recent = told.at.is_none_or(|at| at >= oldest);
            if recent && !told.to.is_empty() && !said.contains(&told.cause) {
                self.put(&told, &names, micros(now)).await?;
                said.insert(told.cause);
            }
        }
        Ok(())
    }

    fn all(&self) -> Vec<Told> {
        let tenants = self.cluster.tenants();
        let unit = |namespace: Option<String>| {
            let namespace = namespace.unwrap_or_default();
            let name = tenant_of_namespace(&namespace)?;
            tenants.iter().find(|tenant| tenant.name_any() == name)
        };
        let mut all = Vec::new();
        let requests = self.cluster.requests();
        for request in &requests {
            let mut operations: Vec<_> = request
                .spec
                .application
                .items
                .iter()
                .flat_map(|item| self.config.operations(&item.platform))
                .cloned()
                .collect();
            operations.sort();
            operations.dedup();
            let people = People {
                tenant: unit(request.namespace()).map(AsRef::as_ref),
                operations: &operations,
            };
            all.extend(told::of_request(request, people));
        }
        let today = day_of(background::now());
        for grant in self.cluster.quotas() {
            let people = People {
                tenant: unit(grant.namespace()).map(AsRef::as_ref),
                operations: &[],
            };
            all.extend(told::of_grant(&grant, people));
        }
        all.extend(self.of_budgets(&tenants, &requests, today));
        for order in self.cluster.orders() {
            let people = People {
                tenant: unit(order.namespace()).map(AsRef::as_ref),
                operations: self.config.operations(&order.spec.platform),
            };
            all.extend(told::of_order(&order, people, today));
        }
        all
    }

    fn of_budgets(
        &self,
        tenants: &[Arc<Tenant>],
        requests: &[Arc<ResourceRequest>],
        today: Day,
    ) -> Vec<Told> {
        let products = self.cluster.products();
        let products = products.iter().map(|one| (one.name_any(), one.as_ref()));
        let lines = reckon::lines(requests.iter().map(AsRef::as_ref), &products.collect());
        let committed = reckon::in_force(&lines, today.0);
        let profile = self.cluster.profile().map(|profile| profile.spec.clone());
        let (rules, thresholds) = profile
            .map(|spec| (spec.money, spec.thresholds))
            .unwrap_or_default();
        let told = tenants.iter().flat_map(|tenant| {
            let none = Commitment::default();
            let committed = committed.get(&tenant.name_any()).unwrap_or(&none);
            let money = tenant.spec.money_budget.as_ref();
            let money = money.map(|budget| standings(budget, &rules, committed, &none));
            let money = money.unwrap_or_default();
            told::of_budgets(tenant, &money, (thresholds.granted_percent, today))
        });
        told.collect()
    }

    async fn put(&self, told: &Told, names: &Names, now: i64) -> Result<(), DbError> {
        let figures: Map<_, _> = told
            .figures
            .iter()
            .map(|(key, text)| ((*key).to_owned(), Value::from(text.as_str())))
            .collect();
        let topic = told.topic.word();
        let words = self.words(&sentence(self.lang(), names, topic, &figures), &told.href);
        let figures = Value::Object(figures).to_string();
        let mut transaction = self.db.begin().await?;
        let mut new = false;
        for subject in &told.to {
            let to = recipient(subject.kind, &subject.name);
            let cause = format!("{}/{to}", told.cause);
            let content = (topic, figures.as_str(), told.href.as_str());
            let put = notices::put(&mut transaction, (&cause, &to), content, now).await?;
            if put && told.reach == Reach::Everywhere {
                self.address(&mut transaction, (subject, &cause), &words, now)
                    .await?;
            }
            new |= put;
        }
        if new && told.reach == Reach::Everywhere {
            for robot in self.robots(&told.to) {
                let cause = format!("{}/robot/{}", told.cause, robot.name);
                let message = (cause.as_str(), robot.channel(), robot.name.as_str());
                outbox::put(&mut transaction, message, (&words.0, &words.1), now).await?;
            }
        }
        Ok(transaction.commit().await?)
    }

    /// What goes to one recipient's own addresses. Who has none is told in the portal alone, and the portal says so.
    async fn address(
        &self,
        connection: &mut sqlx::AnyConnection,
        (subject, cause): (&Subject, &str),
        words: &(String, String),
        now: i64,
    ) -> Result<(), DbError> {
        let own = match subject.kind {
            SubjectKind::User => notices::contact(connection, &subject.name).await?,
            SubjectKind::Group => None,
        };
        let addresses = addresses(own, self.config.contact(subject));
        let ways = [
            (Channel::Email, self.config.email.is_some(), addresses.email),
            (Channel::Sms, self.config.sms.is_some(), addresses.phone),
        ];
        for (channel, _, address) in ways.into_iter().filter(|(_, there, _)| *there) {
            let message = (cause, channel, address.as_str());
            outbox::put(connection, message, (&words.0, &words.1), now).await?;
        }
        Ok(())
    }

    fn robots<'a>(&'a self, to: &'a [Subject]) -> impl Iterator<Item = &'a Robot> {
        let named = |robot: &&Robot| {
            robot.for_.is_empty() || robot.for_.iter().any(|subject| to.contains(subject))
        };
        self.config.robots.iter().filter(named)
    }

    fn lang(&self) -> Lang {
        Lang::of(&self.config.language).unwrap_or_default()
    }

    /// Subject and text of what leaves the portal: what happened and where to look, and no more of it.
    fn words(&self, sentence: &str, href: &str) -> (String, String) {
        let lang = self.lang();
        let product = match self
            .cluster
            .profile()
            .and_then(|p| p.spec.portal_title.clone())
        {
            Some(title) => title.in_language(lang.code()).to_owned(),
            None => lang.t("product").to_owned(),
        };
        let subject = lang.say(
            "notice.mail.subject",
            &[("product", &product), ("sentence", sentence)],
        );
        let link = self
            .base
            .as_ref()
            .map_or_else(String::new, |base| format!("{base}{href}"));
        let figures = [
            ("sentence", sentence),
            ("link", &link),
            ("product", &product),
        ];
        (subject, lang.say("notice.mail.body", &figures))
    }
}

/// What somebody says of themselves comes first.
fn addresses(own: Option<Contact>, given: Option<&ContactOf>) -> Contact {
    let own = own.unwrap_or_default();
    let or = |own: String, given: Option<&String>| {
        if own.is_empty() {
            given.cloned().unwrap_or_default()
        } else {
            own
        }
    };
    Contact {
        email: or(own.email, given.map(|given| &given.email)),
        phone: or(own.phone, given.map(|given| &given.phone)),
    }
}
