//! Pages that are kept up to date: a page is made of regions, and each can be fetched alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::{Html, IntoResponse as _, Response};
use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use kube::ResourceExt as _;

use crate::access::{Access, Visible, everywhere, operate};
use crate::cluster::{Kind, Question};
use crate::error::AppError;
use crate::health::Wording;
use crate::identity::{Session, Signed};
use crate::notify;
use crate::page::Page;
use crate::reader::Reader;
use crate::state::AppState;

/// Questions that are open at once.
const AT_ONCE: usize = 16;

/// One look of one person at one page.
#[derive(Clone)]
pub struct Visit {
    /// The portal.
    pub state: AppState,
    /// The person.
    pub session: Session,
    /// How they read.
    pub reader: Reader,
    /// When.
    pub now: Timestamp,
    /// How many notices the person has not read, where that can be said at once.
    pub unread: Option<i64>,
}

impl FromRequestParts<AppState> for Visit {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, AppError> {
        let Signed(session) = Signed::from_request_parts(parts, state).await?;
        let reader = Reader::of(&parts.uri, &parts.headers);
        let unread = match (&state.records, &reader.part) {
            (Some(records), None) => notify::page::unread(&records.db, &session.user).await,
            _ => None,
        };
        Ok(Self {
            state: state.clone(),
            session,
            reader,
            now: crate::background::now(),
            unread,
        })
    }
}

impl Visit {
    /// What the API server says of people, asked for this page.
    #[must_use]
    pub fn access(&self) -> Access {
        self.state.access.at(&self.reader.path)
    }

    /// What the person may see.
    ///
    /// # Errors
    /// The hub gives no answer.
    pub async fn visible(&self) -> Result<Visible, AppError> {
        let (cluster, user) = (&self.state.cluster, &self.session.user);
        let visible = self.access().visible(cluster, user).await;
        visible.map_err(|error| AppError::hub_silent(cluster, &error))
    }

    /// What the API server says of a right of the person's.
    ///
    /// # Errors
    /// The hub gives no answer.
    pub async fn may(&self, question: Question) -> Result<bool, AppError> {
        let (cluster, user) = (&self.state.cluster, &self.session.user);
        let may = self.state.access.may(cluster, user, question).await;
        may.map_err(|error| AppError::hub_silent(cluster, &error))
    }

    /// The platforms, among those that the person sees, that they run (verb `operate`).
    ///
    /// # Errors
    /// The hub gives no answer.
    pub async fn run_by(&self, visible: &Visible) -> Result<BTreeSet<String>, AppError> {
        let names = visible.platforms.iter().map(|platform| platform.name_any());
        if self.may(everywhere("operate", Kind::CloudPlatform)).await? {
            return Ok(names.collect());
        }
        let run = names.map(|name| async move {
            let runs = self.may(operate(&name)).await?;
            Ok::<_, AppError>(runs.then_some(name))
        });
        let run: Vec<_> = run.collect();
        let run = futures::stream::iter(run).buffered(AT_ONCE);
        run.try_filter_map(|name| async move { Ok(name) })
            .try_collect()
            .await
    }

    /// Those of a kind's objects that the person may list, everywhere or namespace by namespace.
    ///
    /// # Errors
    /// The hub gives no answer.
    pub async fn listed<K: kube::Resource>(
        &self,
        kind: Kind,
        mut all: Vec<Arc<K>>,
    ) -> Result<Vec<Arc<K>>, AppError> {
        let (cluster, user) = (&self.state.cluster, &self.session.user);
        let namespace = |object: &Arc<K>| object.meta().namespace.clone();
        let namespaces: BTreeSet<_> = all.iter().filter_map(namespace).collect();
        let scope = self.access().scope(cluster, user, kind, namespaces).await;
        let scope = scope.map_err(|error| AppError::hub_silent(cluster, &error))?;
        all.retain(|object| namespace(object).is_some_and(|namespace| scope.has(&namespace)));
        Ok(all)
    }

    /// The frame of a page with this title.
    #[must_use]
    pub fn page(&self, visible: &Visible, title: String) -> Page {
        Page::of(self, visible, title)
    }

    /// How this person is told things.
    #[must_use]
    pub fn wording(&self, visible: &Visible) -> Wording {
        Wording {
            lang: self.reader.lang,
            now: self.now,
            names: visible.names.clone(),
            thresholds: visible.thresholds,
        }
    }
}

/// A page made of regions.
pub trait Live: Send {
    /// The names of its regions: their `id`, and the names of their blocks in the template.
    fn regions(&self) -> &'static [&'static str];

    /// One region alone.
    ///
    /// # Errors
    /// The template fails.
    fn region(&self, name: &str) -> Result<Option<String>, askama::Error>;

    /// All of it.
    ///
    /// # Errors
    /// The template fails.
    fn whole(&self) -> Result<String, askama::Error>;
}

/// Says which blocks of a template are regions.
macro_rules! live {
    ($page:ty: $($name:literal => $block:ident),+ $(,)?) => {
        impl $crate::live::Live for $page {
            fn regions(&self) -> &'static [&'static str] {
                &[$($name),+]
            }

            fn region(&self, name: &str) -> Result<Option<String>, askama::Error> {
                match name {
                    $($name => self.$block().render().map(Some),)+
                    _ => Ok(None),
                }
            }

            fn whole(&self) -> Result<String, askama::Error> {
                self.render()
            }
        }
    };
}
pub(crate) use live;

/// The page, or the one region that was asked for.
///
/// # Errors
/// The template fails, or there is no such region.
pub fn answer(reader: &Reader, page: &impl Live) -> Result<Response, AppError> {
    let html = match &reader.part {
        Some(part) => page.region(part)?.ok_or(AppError::NoPage)?,
        None => page.whole()?,
    };
    Ok(Html(html).into_response())
}
