//! Why a write did not happen, in the reader's language: what, which rule, the figures, the way out.
//!
//! The API server knows English only. A sentence that was worded from the reasons' catalogue is recognised and worded anew with
//! the same figures; any other stands as kubectl prints it, after a sentence that says which rule it was.

use crds::Reason;

use crate::cluster::write::{Refusal, WriteError};
use crate::health::Wording;

/// A refusal, ready for a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// What happened.
    pub happened: String,
    /// What to do.
    pub todo: String,
    /// The sentence that kubectl prints, where it could not be told in the reader's language.
    pub original: Option<String>,
    /// The fields that are wrong, as paths in the object.
    pub fields: Vec<String>,
}

impl Wording {
    /// Why a write did not happen.
    #[must_use]
    pub fn refusal(&self, error: &WriteError) -> Told {
        let key = match error {
            WriteError::Stale => "stale",
            WriteError::Exists => "exists",
            WriteError::Gone => "gone",
            WriteError::Forbidden(_) => "forbidden",
            WriteError::NoAnswer(_) => "no-answer",
            WriteError::Refused(refusal) => return self.refused(refusal),
        };
        let say = |half: &str| self.lang.t(&format!("refusal.{key}.{half}")).to_owned();
        Told {
            happened: say("happened"),
            todo: say("todo"),
            ..Told::default()
        }
    }

    fn refused(&self, refusal: &Refusal) -> Told {
        let fields = refusal.fields.clone();
        // Policies begin with their own name: `grant-authority: …`.
        let bare = refusal.sentence.split_once(": ").map(|(_, rest)| rest);
        let candidates = std::iter::once(refusal.sentence.as_str()).chain(bare);
        let mut known = candidates
            .filter_map(|sentence| Reason::recognise("en", sentence.trim_end_matches('.')));
        if let Some((reason, params)) = known.next() {
            let (happened, todo) = self.reason(reason.as_str(), &params, &refusal.sentence);
            return Told {
                happened,
                todo,
                original: None,
                fields,
            };
        }
        let rule = refusal
            .policy
            .as_deref()
            .map(|name| name.trim_start_matches("qipan-"));
        let happened = match rule {
            Some(rule) => self.lang.say("refusal.rule", &[("rule", rule)]),
            None => self.lang.t("refusal.schema").to_owned(),
        };
        let todo = self.lang.t("refusal.todo").to_owned();
        Told {
            happened,
            todo,
            original: Some(refusal.sentence.clone()),
            fields,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::Names;
    use crate::i18n::Lang;
    use std::collections::BTreeMap;

    fn wording(lang: Lang) -> Wording {
        Wording {
            lang,
            now: crate::overview::tests::now(),
            names: Names::default(),
            thresholds: crds::governance_profile::Thresholds::default(),
        }
    }

    #[test]
    fn a_rule_of_the_catalogue_is_told_in_the_readers_language_with_the_same_figures() {
        let params = [
            ("product", "zj-vm"),
            ("asked", "9"),
            ("free", "4"),
            ("stock", "5"),
            ("taken", "1"),
            ("missing", "5"),
        ];
        let params: BTreeMap<_, _> = params.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        for prefix in ["", "request-stock: "] {
            let sentence = format!("{prefix}{}", Reason::StockExhausted.render("en", &params));
            let refusal = Refusal {
                sentence,
                ..Refusal::default()
            };
            let told = wording(Lang::Zh).refusal(&WriteError::Refused(refusal));
            assert!(
                told.happened.contains("申请zj-vm 9个，余4个") && told.todo.contains("可减至4个"),
                "{told:?}"
            );
            assert_eq!(told.original, None);
        }
    }

    #[test]
    fn a_rule_that_is_not_in_the_catalogue_is_named_and_quoted() {
        let refusal = Refusal {
            policy: Some("qipan-request-decisions".into()),
            sentence: "request-decisions: something new".into(),
            fields: Vec::new(),
        };
        let told = wording(Lang::En).refusal(&WriteError::Refused(refusal));
        assert!(told.happened.contains("request-decisions"));
        assert_eq!(
            told.original.as_deref(),
            Some("request-decisions: something new")
        );
    }

    #[test]
    fn every_kind_of_failure_has_its_words() {
        for lang in [Lang::Zh, Lang::En] {
            for error in [
                WriteError::Stale,
                WriteError::Exists,
                WriteError::Gone,
                WriteError::Forbidden(String::new()),
                WriteError::NoAnswer(String::new()),
            ] {
                let told = wording(lang).refusal(&error);
                assert!(
                    !told.happened.starts_with("refusal.") && !told.todo.starts_with("refusal."),
                    "{told:?}"
                );
            }
        }
    }
}
