//! The frame of every page: navigation, language, theme, person, banners. What `templates/base.html` draws.

use jiff::Timestamp;

use crate::access::Visible;
use crate::ages;
use crate::assets;
use crate::cluster::{Kind, Sync};
use crate::health::Health;
use crate::i18n::Lang;
use crate::identity::Session;
use crate::live::Visit;
use crate::reader::{Reader, Theme};
use crate::refusals::Told;
use crate::router::page_of;
use crate::state::AppState;
use crate::windows;

/// A place in the rail.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its address.
    pub href: &'static str,
    /// Its icon in the sprite.
    pub icon: &'static str,
    /// Its word.
    pub word: &'static str,
    /// Whether the page is there.
    pub here: bool,
}

/// A step of the way to the page.
#[derive(Clone, Debug)]
pub struct Crumb {
    /// Its word.
    pub word: String,
    /// Its address; absent for the page itself.
    pub href: Option<String>,
}

/// Who is signed in.
#[derive(Clone, Debug)]
pub struct Person {
    /// The username.
    pub name: String,
    /// The demo post.
    pub post: Option<String>,
    /// The groups.
    pub groups: Vec<String>,
    /// The level that the identity provider names; may be empty.
    pub level: String,
    /// What forms carry.
    pub form_token: String,
}

/// Something that holds for the whole page.
#[derive(Clone, Debug)]
pub struct Banner {
    /// How bad it is.
    pub health: Health,
    /// What it says.
    pub text: String,
}

/// A choice among several, with the address that makes it.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Its word.
    pub word: &'static str,
    /// The address.
    pub href: String,
    /// Whether it is taken.
    pub taken: bool,
}

/// The frame of a page.
#[derive(Clone, Debug)]
pub struct Page {
    /// The reader's language.
    pub lang: Lang,
    /// The reader's theme.
    pub theme: Theme,
    /// The sentence over the page, which is its title.
    pub title: String,
    /// The name of the portal.
    pub product: String,
    /// The province that this hub serves.
    pub province: Option<String>,
    /// The address of this page.
    pub path: String,
    /// Its query, without language and theme.
    pub query: String,
    /// Whether the demo sign-in is on.
    pub demo: bool,
    /// Who is signed in.
    pub person: Option<Person>,
    /// How much the person has not read; absent for nobody in particular, or where nobody can say.
    pub unread: Option<i64>,
    /// The newest anchored row of the ledger: what a print refers to.
    pub anchored: Option<i64>,
    /// The rail.
    pub rail: Vec<Place>,
    /// The way here.
    pub crumbs: Vec<Crumb>,
    /// What holds for the whole page.
    pub banners: Vec<Banner>,
    /// What was just done, after a form.
    pub done: Option<&'static str>,
    /// Why what was just tried was not done.
    pub alert: Option<Told>,
    /// What stands before the title in the browser's tab, where something is wrong with a form.
    pub title_prefix: Option<&'static str>,
    /// Languages.
    pub languages: Vec<Choice>,
    /// Themes.
    pub themes: Vec<Choice>,
    /// When the page was made.
    pub made: ages::Moment,
}

impl Page {
    /// A page for nobody in particular, titled by a key.
    #[must_use]
    pub fn public(state: &AppState, reader: Reader, title: &str) -> Self {
        let lang = reader.lang;
        let title = lang.t(title).to_owned();
        Self::frame(state, reader, title, crate::background::now())
    }

    /// A page for a person, with what they may see in the rail.
    #[must_use]
    pub fn of(visit: &Visit, visible: &Visible, title: String) -> Self {
        let (state, now) = (&visit.state, visit.now);
        let mut page = Self::frame(state, visit.reader.clone(), title, now);
        page.welcome(&visit.session);
        page.unread = visit.unread;
        page.banners = banners(state, page.lang, now);
        page.banners.extend(unasked(page.lang, visible.unasked));
        let wording = visit.wording(visible);
        let windows = windows::banners(&wording, &state.cluster, visible);
        page.banners.extend(windows);
        let shown = places(visible)
            .into_iter()
            .filter(|(_, _, _, shown)| *shown);
        page.rail = shown
            .map(|(href, icon, key, _)| {
                let here = if href == "/" {
                    page.path == "/"
                } else {
                    page.path.starts_with(href)
                };
                Place {
                    href,
                    icon,
                    word: page.lang.find(key).unwrap_or(key),
                    here,
                }
            })
            .collect();
        page
    }

    fn frame(state: &AppState, mut reader: Reader, title: String, now: Timestamp) -> Self {
        let lang = reader.lang;
        // Its links lead to a page, also where it is what a form is answered with.
        let page = page_of(&reader.path).to_owned();
        reader.path = page;
        let profile = state.cluster.profile();
        let province = profile
            .as_ref()
            .map(|profile| profile.spec.province.in_language(lang.code()).to_owned());
        let own = profile.and_then(|profile| profile.spec.portal_title.clone());
        let product = own.map_or_else(
            || lang.t("product").to_owned(),
            |title| title.in_language(lang.code()).to_owned(),
        );
        let languages = [Lang::Zh, Lang::En].map(|other| Choice {
            word: other.find("language.name").unwrap_or(other.code()),
            href: reader.here_with("lang", other.code()),
            taken: other == lang,
        });
        let themes = Theme::ALL.map(|theme| Choice {
            word: lang
                .find(&format!("theme.{}", theme.code()))
                .unwrap_or(theme.code()),
            href: reader.here_with("theme", theme.code()),
            taken: theme == reader.theme,
        });
        Self {
            lang,
            theme: reader.theme,
            title,
            product,
            province,
            demo: state.demo,
            person: None,
            unread: None,
            anchored: state
                .records
                .as_ref()
                .map(|records| records.anchored.borrow().seq),
            rail: Vec::new(),
            crumbs: Vec::new(),
            banners: Vec::new(),
            done: reader.done(),
            alert: None,
            title_prefix: None,
            path: reader.path,
            query: reader.query,
            languages: languages.into(),
            themes: themes.into(),
            made: ages::moment(lang, now, now),
        }
    }

    /// Says who is signed in.
    pub fn welcome(&mut self, session: &Session) {
        let user = &session.user;
        self.person = Some(Person {
            name: user.name.clone(),
            post: user
                .post
                .map(|key| self.lang.t(&format!("demo.{key}.title")).to_owned()),
            groups: user.groups.clone(),
            level: session.level.clone(),
            form_token: session.form_token.clone(),
        });
    }

    /// Says how one gets here.
    #[must_use]
    pub fn under(mut self, way: &[(&str, &str)], here: &str) -> Self {
        self.crumbs = way
            .iter()
            .map(|(word, href)| Crumb {
                word: (*word).to_owned(),
                href: Some((*href).to_owned()),
            })
            .collect();
        self.crumbs.push(Crumb {
            word: here.to_owned(),
            href: None,
        });
        self
    }

    /// The text under a key.
    #[must_use]
    pub fn t<'a>(&self, key: &'a str) -> &'a str {
        self.lang.t(key)
    }

    /// What the bell says to those who hear it.
    #[must_use]
    pub fn bell(&self, unread: &i64) -> String {
        match unread {
            0 => self.t("nav.notifications").to_owned(),
            n => self.lang.say("notices.title", &[("n", &n.to_string())]),
        }
    }

    /// What stands before the title in the browser's tab.
    #[must_use]
    pub fn prefix(&self) -> &'static str {
        let alert = self.alert.as_ref().map(|_| self.lang.t("error.prefix"));
        self.title_prefix.or(alert).unwrap_or("")
    }

    /// The address of an asset.
    #[must_use]
    pub fn asset(&self, name: &str) -> String {
        assets::url(name)
    }

    /// The address that gives one region of this page.
    #[must_use]
    pub fn part(&self, region: &str) -> String {
        let and = if self.query.is_empty() { "" } else { "&" };
        format!("{}?{}{and}part={region}", self.path, self.query)
    }

    /// The address of this page's changes.
    #[must_use]
    pub fn events(&self) -> String {
        let and = if self.query.is_empty() { "" } else { "&" };
        format!("/events?of={}{and}{}", self.path, self.query)
    }
}

/// The places of the rail: address, icon, word, and whether this person has anything there.
fn places(visible: &Visible) -> [(&'static str, &'static str, &'static str, bool); 10] {
    [
        ("/", "grid-1x2", "nav.overview", true),
        ("/mine", "person-workspace", "nav.mine", true),
        (
            "/catalog",
            "grid",
            "nav.catalog",
            visible.general.contains(&Kind::ServiceOffering),
        ),
        (
            "/requests",
            "file-earmark-text",
            "nav.requests",
            !visible.requests.is_none(),
        ),
        (
            "/approvals",
            "check2-square",
            "nav.approvals",
            visible.duties.decides,
        ),
        ("/work-orders", "tools", "nav.orders", true),
        (
            "/costs",
            "wallet2",
            "nav.costs",
            !visible.requests.is_none(),
        ),
        (
            "/tenants",
            "people",
            "nav.tenants",
            !visible.tenant_names.is_empty(),
        ),
        (
            "/platforms",
            "hdd-stack",
            "nav.platforms",
            visible.all_platforms || !visible.platforms.is_empty(),
        ),
        (
            "/audit",
            "journal-check",
            "nav.audit",
            visible.duties.audits,
        ),
    ]
}

/// That more may be seen than is shown: not every unit has been asked about.
fn unasked(lang: Lang, units: usize) -> Option<Banner> {
    (units > 0).then(|| Banner {
        health: Health::Progress,
        text: lang.say("banner.unasked", &[("n", &units.to_string())]),
    })
}

fn banners(state: &AppState, lang: Lang, now: Timestamp) -> Vec<Banner> {
    let mut banners = Vec::new();
    if let Some(since) = state.cluster.silent_since() {
        let moment = ages::moment(lang, since, now);
        let figures = [
            ("ago", moment.words.as_str()),
            ("time", moment.exact.as_str()),
        ];
        banners.push(Banner {
            health: Health::Unknown,
            text: lang.say("banner.hub-silent", &figures),
        });
    }
    banners.extend(of_the_ledger(state, lang, now));
    for (sync, key, health) in [
        (Sync::Missing, "banner.missing", Health::Bad),
        (Sync::Forbidden, "banner.forbidden", Health::Bad),
        (Sync::Starting, "banner.starting", Health::Progress),
    ] {
        let kinds: Vec<_> = Kind::ALL
            .iter()
            .filter(|kind| state.cluster.sync(**kind) == sync)
            .map(|kind| kind.plural().to_owned())
            .collect();
        if !kinds.is_empty() {
            banners.push(Banner {
                health,
                text: lang.say(key, &[("kinds", &lang.join(&kinds))]),
            });
        }
    }
    banners
}

/// Whether what is done can be recorded, and whether the record is as it was.
fn of_the_ledger(state: &AppState, lang: Lang, now: Timestamp) -> Vec<Banner> {
    let Some(records) = &state.records else {
        return Vec::new();
    };
    let mut banners = Vec::new();
    let ledger = records.ledger.state();
    if let (Some(since), Some(why)) = (ledger.failing_since, &ledger.why) {
        let why = match why.word() {
            word @ ("locked" | "full" | "gone") => word,
            _ => "other",
        };
        let count = ledger.waiting.to_string();
        let figures = [
            ("time", ages::moment(lang, since, now).exact),
            ("why", lang.t(&format!("database.{why}")).to_owned()),
            ("count", count),
        ];
        banners.push(Banner {
            health: Health::Bad,
            text: lang.say(
                "banner.ledger-waits",
                &figures.each_ref().map(|(key, text)| (*key, text.as_str())),
            ),
        });
    }
    if let Some(seq) = records.anchored.borrow().lost {
        banners.push(Banner {
            health: Health::Bad,
            text: lang.say("banner.ledger-tampered", &[("seq", &seq.to_string())]),
        });
    }
    banners
}
