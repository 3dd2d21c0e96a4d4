//! What every handler can reach.

use std::sync::Arc;

use axum::extract::FromRef;
use http::HeaderValue;
use jiff::SignedDuration;
use tokio::sync::watch;

use crate::access::Access;
use crate::cluster::Cluster;
use crate::cluster::way_in::Doorkeeper;
use crate::events::Seats;
use crate::headers;
use crate::identity::Sessions;
use crate::identity::oidc::Oidc;
use crate::identity::sessions::{IDLE, LIFE};
use crate::paper::Fonts;
use crate::records::Records;

/// What every handler can reach. Cloning it is cheap.
#[derive(Clone, FromRef)]
pub struct AppState {
    /// The hub.
    pub cluster: Cluster,
    /// What people may see of it.
    pub access: Arc<Access>,
    /// Who is signed in.
    pub sessions: Arc<Sessions>,
    /// How many pages each person holds open.
    pub seats: Arc<Seats>,
    /// The database and the ledger; absent only in tests of pages that need neither.
    #[from_ref(skip)]
    pub records: Option<Records>,
    /// Where ways in come from; absent where none are handed out.
    #[from_ref(skip)]
    pub doorkeeper: Option<Doorkeeper>,
    /// What forms on paper are set in.
    #[from_ref(skip)]
    pub fonts: Arc<Fonts>,
    /// The identity provider, where there is one.
    #[from_ref(skip)]
    pub oidc: Option<Arc<Oidc>>,
    /// What browsers are told that pages may load and where forms may lead.
    #[from_ref(skip)]
    pub policy: HeaderValue,
    /// Becomes true when the program ends.
    pub ending: watch::Receiver<bool>,
    /// Whether the demo sign-in is offered.
    #[from_ref(skip)]
    pub demo: bool,
    /// Whether browsers come by https.
    #[from_ref(skip)]
    pub secure: bool,
    /// The address under which browsers come, as they send it in `Origin`.
    #[from_ref(skip)]
    pub origin: Option<Arc<str>>,
}

impl AppState {
    /// State for a hub.
    #[must_use]
    pub fn new(
        cluster: Cluster,
        demo: bool,
        public_url: Option<&str>,
        ending: watch::Receiver<bool>,
    ) -> Self {
        Self {
            cluster,
            access: Arc::default(),
            sessions: Arc::default(),
            seats: Arc::default(),
            records: None,
            doorkeeper: None,
            fonts: Arc::default(),
            oidc: None,
            policy: headers::policy(None),
            ending,
            demo,
            secure: public_url.is_some_and(|url| url.starts_with("https://")),
            origin: public_url.map(|url| url.trim_end_matches('/').into()),
        }
    }

    /// The same with a database and a ledger.
    #[must_use]
    pub fn with_records(mut self, records: Records) -> Self {
        self.sessions = Arc::new(Sessions::in_database(records.db.clone(), IDLE, LIFE));
        self.records = Some(records);
        self
    }

    /// The same with an operator that is asked for ways in.
    #[must_use]
    pub fn with_doorkeeper(mut self, doorkeeper: Option<Doorkeeper>) -> Self {
        self.doorkeeper = doorkeeper;
        self
    }

    /// The same with sessions that end after `idle` without use and after `life` in any case.
    #[must_use]
    pub fn with_session_ends(mut self, idle: SignedDuration, life: SignedDuration) -> Self {
        if let Some(records) = &self.records {
            self.sessions = Arc::new(Sessions::in_database(records.db.clone(), idle, life));
        }
        self
    }

    /// The same with fonts of its own for forms on paper.
    #[must_use]
    pub fn with_fonts(mut self, fonts: Fonts) -> Self {
        self.fonts = Arc::new(fonts);
        self
    }

    /// The same with an identity provider.
    #[must_use]
    pub fn with_oidc(mut self, oidc: Oidc) -> Self {
        self.policy = headers::policy(Some(&oidc.origin()));
        self.oidc = Some(Arc::new(oidc));
        self
    }

    /// The session cookie. Over https it is bound to this host by its name.
    #[must_use]
    pub const fn cookie_name(&self) -> &'static str {
        if self.secure {
            "__Host-qipan_session"
        } else {
            "qipan_session"
        }
    }

    /// The cookie of a sign-in that was begun at the identity provider.
    #[must_use]
    pub const fn sign_in_cookie_name(&self) -> &'static str {
        if self.secure {
            "__Host-qipan_sign_in"
        } else {
            "qipan_sign_in"
        }
    }

    /// The cookie that a form carries before there is a session.
    #[must_use]
    pub const fn form_cookie_name(&self) -> &'static str {
        if self.secure {
            "__Host-qipan_form"
        } else {
            "qipan_form"
        }
    }
}
