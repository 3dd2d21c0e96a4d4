//! Why a write did not happen, in the reader's language: what, which rule, the figures, the way out.
//!
//! The API server knows English only. A sentence that was worded from the reasons' catalogue is recognised and worded anew with
//! the same figures; any other stands as kubectl prints it, after a sentence that says which rule it was.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crds::Reason;
use serde::Deserialize;

use crate::cluster::write::{Refusal, WriteError};
use crate::health::Wording;
use crate::i18n::Lang;

/// A sentence of an admission policy, and the same in Chinese.
#[derive(Debug, Deserialize)]
struct Rule {
    en: String,
    zh: String,
}

fn rules() -> &'static [Rule] {
    static RULES: OnceLock<Vec<Rule>> = OnceLock::new();
    // Compiled in and parsed by a test: an unreadable one never leaves the workshop.
    RULES.get_or_init(|| {
        serde_yaml::from_str(include_str!("../messages/rules.yaml")).unwrap_or_default()
    })
}

/// The rule that a sentence is of, with its figures: of several the most literal one.
fn recognised(sentence: &str) -> Option<(&'static Rule, BTreeMap<String, String>)> {
    let found = rules().iter().filter_map(|rule| {
        let (letters, figures) = crds::reason::read(&rule.en, sentence)?;
        Some((letters, rule, figures))
    });
    let found = found.max_by_key(|(letters, _, _)| *letters);
    found.map(|(_, rule, figures)| (rule, figures))
}

/// A sentence of a policy that the portal itself goes by, in the reader's language: what it happened and what to do.
#[must_use]
pub fn by_policy(lang: Lang, sentence: &str) -> Told {
    let wording = Wording {
        lang,
        now: jiff::Timestamp::UNIX_EPOCH,
        names: crate::health::Names::default(),
        thresholds: crds::governance_profile::Thresholds::default(),
    };
    let refusal = Refusal {
        sentence: sentence.to_owned(),
        ..Refusal::default()
    };
    wording.refused(&refusal)
}

/// The reason of the catalogue that a refusal gives, with its figures.
#[must_use]
pub fn known(refusal: &Refusal) -> Option<(Reason, BTreeMap<String, String>)> {
    // Policies begin with their own name: `grant-authority: …`.
    let bare = refusal.sentence.split_once(": ").map(|(_, rest)| rest);
    let mut candidates = std::iter::once(refusal.sentence.as_str()).chain(bare);
    candidates.find_map(|sentence| Reason::recognise("en", sentence.trim_end_matches('.')))
}

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

    /// A policy's sentence in the reader's language, in two halves.
    fn by_rule(&self, rule: &Rule, figures: &BTreeMap<String, String>, sentence: &str) -> Told {
        let said = if self.lang == Lang::Zh {
            let fill = |text: String, (name, value): (&String, &String)| {
                text.replace(&format!("{{{name}}}"), &self.part(name, value))
            };
            figures.iter().fold(rule.zh.clone(), fill)
        } else {
            let bare = sentence.split_once(": ").map_or(sentence, |(_, rest)| rest);
            bare.to_owned()
        };
        let stop = self.lang.t("sentence.stop");
        let (happened, todo) = said.split_once(stop).unwrap_or((&said, ""));
        Told {
            happened: happened.to_owned(),
            todo: todo.to_owned(),
            ..Told::default()
        }
    }

    /// A figure of a policy: stages and phases by their words.
    fn part(&self, name: &str, value: &str) -> String {
        let (first, of) = value.split_once(" of ").unwrap_or((value, ""));
        let word = |family: &str, name: &str| self.lang.find(&format!("{family}.{name}"));
        let stage = word("stage", first).map(str::to_owned);
        let phase = word("phase", value).map(str::to_owned);
        match name {
            "turn" | "where" | "stage" if !of.is_empty() => stage.map(|stage| {
                let figures = [("stage", stage.as_str()), ("of", self.platform(of))];
                self.lang.say("stage.of", &figures)
            }),
            "turn" | "where" | "stage" => stage,
            "phase" => phase,
            "what" => value.split_once(' ').and_then(|(kind, name)| {
                let words = word("refusal.kind", kind)?;
                Some(words.replace("{name}", name))
            }),
            "deed" => word("audit.verb", value).map(str::to_owned),
            "first" | "second" => {
                let office = self.lang.find(&format!("office.{value}"));
                office.map(str::to_owned)
            }
            "outcome" => word("outcome", value).map(str::to_owned),
            _ => None,
        }
        .unwrap_or_else(|| value.to_owned())
    }

    fn refused(&self, refusal: &Refusal) -> Told {
        let fields = refusal.fields.clone();
        if let Some((rule, figures)) = recognised(&refusal.sentence) {
            return self.by_rule(rule, &figures, &refusal.sentence);
        }
        if let Some((reason, params)) = known(refusal) {
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
    fn a_policys_sentence_is_told_in_chinese_with_the_same_figures() {
        let sentence = "request-decisions: ResourceRequest qp-renshe/r-1 is Reviewing and it is the turn of PlatformOwner of zj-node, not of \
            UnitHead. Decide when it is that stage's turn (status.stage, status.stageOf)";
        let refusal = Refusal {
            policy: Some("qipan-request-decisions".into()),
            sentence: sentence.into(),
            fields: Vec::new(),
        };
        let told = wording(Lang::Zh).refusal(&WriteError::Refused(refusal.clone()));
        assert_eq!(
            told.happened,
            "申请qp-renshe/r-1目前为审批中，轮到平台主管部门（zj-node），不是单位负责人"
        );
        assert!(told.todo.contains("轮到该环节") && told.original.is_none());
        let told = wording(Lang::En).refusal(&WriteError::Refused(refusal));
        assert!(
            told.happened.starts_with("ResourceRequest qp-renshe/r-1"),
            "{told:?}"
        );
    }

    /// Literal pieces of every sentence stand in the policy that it begins with.
    #[test]
    fn the_sentences_are_the_policies_own() {
        assert!(rules().len() > 10, "the file cannot be read");
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../policies");
        for rule in rules() {
            let (policy, rest) = rule.en.split_once(": ").unwrap();
            let text = std::fs::read_to_string(format!("{root}/{policy}/policy.yaml")).unwrap();
            let words: Vec<_> = text.split_whitespace().collect();
            let text = words.join(" ").replace("\" + \"", "");
            for piece in rest.split(['{', '}']).step_by(2).map(str::trim) {
                // The policy puts a sentence together from several strings.
                let mut parts = piece.split([':', '.', ',']);
                let stands = parts.all(|part| text.contains(part.trim()));
                assert!(stands, "{policy}: {piece:?}");
            }
            let figures = |text: &str| -> std::collections::BTreeSet<String> {
                let parts = text
                    .split('{')
                    .skip(1)
                    .filter_map(|part| part.split_once('}'));
                parts.map(|(name, _)| name.to_owned()).collect()
            };
            assert_eq!(figures(&rule.en), figures(&rule.zh), "{}", rule.en);
        }
    }

    /// The texts in an expression of a policy, one after the other: what stands between them are figures.
    fn literals(expression: &str) -> String {
        let (mut texts, mut quote) = (String::new(), None);
        for letter in expression.chars() {
            match quote {
                Some(open) if letter == open => quote = None,
                Some(_) => texts.push(letter),
                None if letter == '"' || letter == '\'' => quote = Some(letter),
                None => {}
            }
        }
        texts
    }

    /// Whether a sentence of the catalogue is what an expression says: its pieces in their order, and most of the letters.
    fn words(rule: &Rule, texts: &str) -> bool {
        let (mut rest, mut letters) = (texts, 0);
        let pieces = rule.en.split(['{', '}']).step_by(2);
        // Between two sentences another way to say the first may stand.
        for piece in pieces.flat_map(|piece| piece.split(". ")) {
            let Some((_, after)) = rest.split_once(piece) else {
                return false;
            };
            (rest, letters) = (after, letters + piece.len());
        }
        letters * 10 >= texts.len() * 4
    }

    #[test]
    fn every_message_of_every_policy_has_its_words_in_both_languages() {
        use serde::Deserialize as _;
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../policies");
        let (mut seen, mut missing) = (0, Vec::new());
        for policy in std::fs::read_dir(root).unwrap().flatten() {
            let Ok(text) = std::fs::read_to_string(policy.path().join("policy.yaml")) else {
                continue;
            };
            for document in serde_yaml::Deserializer::from_str(&text) {
                let document = serde_json::Value::deserialize(document).unwrap();
                let validations = document["spec"]["validations"].as_array();
                for validation in validations.into_iter().flatten() {
                    assert!(validation["message"].is_null(), "say it with its figures");
                    let texts = literals(validation["messageExpression"].as_str().unwrap());
                    seen += 1;
                    if !rules().iter().any(|rule| words(rule, &texts)) {
                        missing.push(texts);
                    }
                }
            }
        }
        assert!(seen > 50, "{seen}: the policies were not found");
        assert!(
            missing.is_empty(),
            "without words in portal/messages/rules.yaml:\n{}",
            missing.join("\n")
        );
    }

    #[test]
    fn a_step_on_an_order_and_an_entry_of_a_catalog_are_refused_in_chinese() {
        for (sentence, happened, todo) in [
            (
                "work-order-steps: WorkOrder qp-renshe/w-1 is done and takes no more steps. Report a Fault for what is still wrong",
                "工单qp-renshe/w-1已办结，不再接受处理记录",
                "如仍有问题，请报修",
            ),
            (
                "catalog-keepers: yun-ops may not create ServiceOffering vm: what is offered is the authority's to say (verb offer on \
                 serviceofferings). Ask it, or describe what you provide as a CloudProduct",
                "yun-ops不能新建服务vm：服务目录由主管部门维护（须有offer权限）",
                "请联系主管部门，或将所提供的登记为云产品",
            ),
        ] {
            let told = by_policy(Lang::Zh, sentence);
            assert_eq!(
                (told.happened.as_str(), told.todo.as_str()),
                (happened, todo)
            );
            let told = by_policy(Lang::En, sentence);
            assert!(sentence.ends_with(&told.todo) && told.original.is_none());
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
