//! The words of the pages, in Chinese and English: `messages/{zh,en}.yaml`, one key, one text, `{figures}` filled in.
//!
//! The format is the one of the reasons' catalogue in `crds/messages`, so that there is one way to word things; where a
//! count of one reads differently in English, a key ending in `.one` says how. Fluent would bring a second format.

use std::collections::BTreeMap;
use std::sync::OnceLock;

type Catalogue = BTreeMap<String, String>;

/// The reader's language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Lang {
    /// Chinese, the official one.
    #[default]
    Zh,
    /// English.
    En,
}

fn catalogue(lang: Lang) -> &'static Catalogue {
    static CATALOGUES: OnceLock<[Catalogue; 2]> = OnceLock::new();
    let [zh, en] = CATALOGUES.get_or_init(|| {
        [
            include_str!("../messages/zh.yaml"),
            include_str!("../messages/en.yaml"),
        ]
        // Compiled in and parsed by a test: an unreadable one never leaves the workshop.
        .map(|text| serde_yaml::from_str(text).unwrap_or_default())
    });
    match lang {
        Lang::Zh => zh,
        Lang::En => en,
    }
}

impl Lang {
    /// The language of a code such as `zh`, `zh-CN` or `en`.
    #[must_use]
    pub fn of(code: &str) -> Option<Self> {
        match code.split('-').next() {
            Some("zh") => Some(Self::Zh),
            Some("en") => Some(Self::En),
            _ => None,
        }
    }

    /// The short code, as in cookies and addresses.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Zh => "zh",
            Self::En => "en",
        }
    }

    /// The code that browsers and screen readers know.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Zh => "zh-CN",
            Self::En => "en",
        }
    }

    /// The other language.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Zh => Self::En,
            Self::En => Self::Zh,
        }
    }

    /// The text under a key; the key itself where there is none (a test sees to it that there is).
    #[must_use]
    pub fn t(self, key: &str) -> &str {
        catalogue(self).get(key).map_or(key, String::as_str)
    }

    /// The text under a key, if there is one.
    #[must_use]
    pub fn find(self, key: &str) -> Option<&'static str> {
        catalogue(self).get(key).map(String::as_str)
    }

    /// The text under a key with its figures filled in.
    #[must_use]
    pub fn say(self, key: &str, figures: &[(&str, &str)]) -> String {
        let single = figures
            .iter()
            .any(|(name, value)| *name == "n" && *value == "1");
        let one = if single {
            self.find(&format!("{key}.one"))
        } else {
            None
        };
        let mut text = one
            .unwrap_or_else(|| self.find(key).unwrap_or(""))
            .to_owned();
        if text.is_empty() {
            key.clone_into(&mut text);
        }
        for (name, value) in figures {
            text = text.replace(&format!("{{{name}}}"), value);
        }
        text
    }

    /// A count with its noun.
    #[must_use]
    pub fn count(self, key: &str, n: usize) -> String {
        self.say(key, &[("n", &n.to_string())])
    }

    /// A list as a sentence has it: with the language's comma.
    #[must_use]
    pub fn join(self, parts: &[String]) -> String {
        parts.join(self.t("sentence.comma"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::fs;

    const ROOT: &str = env!("CARGO_MANIFEST_DIR");

    fn files(folder: &str, ending: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for entry in fs::read_dir(format!("{ROOT}/{folder}")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(ROOT).unwrap().display().to_string();
            if path.is_dir() {
                found.extend(files(&name, ending));
            } else if name.ends_with(ending) {
                found.push((name, fs::read_to_string(path).unwrap()));
            }
        }
        found
    }

    fn is_cjk(c: char) -> bool {
        matches!(c, '\u{2e80}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ffef}')
    }

    /// Whether a key words a count of one.
    fn is_single(key: &str) -> bool {
        key.rsplit('.').next() == Some("one")
    }

    fn figures(text: &str) -> BTreeSet<&str> {
        text.split('{')
            .skip(1)
            .filter_map(|part| part.split_once('}'))
            .map(|(name, _)| name)
            .collect()
    }

    #[test]
    fn both_languages_have_the_same_keys_with_the_same_figures() {
        let plain = |lang| {
            catalogue(lang)
                .keys()
                .filter(|k| !is_single(k))
                .cloned()
                .collect::<BTreeSet<_>>()
        };
        assert!(plain(Lang::Zh).len() > 50, "the file cannot be read");
        assert_eq!(plain(Lang::Zh), plain(Lang::En));
        for key in plain(Lang::Zh) {
            assert_eq!(
                figures(Lang::Zh.t(&key)),
                figures(Lang::En.t(&key)),
                "{key}"
            );
        }
    }

    #[test]
    fn every_key_that_is_used_exists_and_every_key_that_exists_is_used() {
        let sources: Vec<_> = files("src", ".rs")
            .into_iter()
            .chain(files("templates", ".html"))
            .collect();
        let everything: String = sources.iter().map(|(_, text)| text.as_str()).collect();
        for (file, text) in &sources {
            for call in [".t(\"", "say(\"", "count(\"", "find(\""] {
                for part in text.split(call).skip(1) {
                    let key = part.split('"').next().unwrap();
                    let known = catalogue(Lang::Zh).contains_key(key);
                    assert!(
                        known || !key.contains('.') || file.ends_with("i18n.rs"),
                        "{file}: {key}"
                    );
                }
            }
        }
        for key in catalogue(Lang::Zh).keys() {
            // Families of keys are looked up by a word of the API: `zone.` + "Extranet".
            let family = key.split_once('.').map_or("", |(family, _)| family);
            let named = everything.contains(&format!("\"{key}\""))
                || everything.contains(&format!("\"{family}.{{"));
            let named = named || is_single(key);
            assert!(named, "{key} is not used");
        }
    }

    #[test]
    fn no_page_text_stands_in_code() {
        for (file, text) in files("src", ".rs")
            .into_iter()
            .filter(|(file, _)| !file.ends_with("/tests.rs"))
        {
            let production = text.split("#[cfg(test)]").next().unwrap();
            for (number, line) in production.lines().enumerate() {
                let code = line.split("//").next().unwrap();
                assert!(!code.chars().any(is_cjk), "{file}:{}: {line}", number + 1);
            }
        }
    }

    #[test]
    fn no_page_text_stands_in_templates() {
        for (file, text) in files("templates", ".html") {
            assert!(!text.chars().any(is_cjk), "{file}");
            let mut bare = String::new();
            let mut rest = text.as_str();
            // Cut out what askama and HTML say; what remains is text.
            while let Some(start) = rest.find(['<', '{']) {
                bare.push_str(&rest[..start]);
                let after = &rest[start..];
                // Commands are the same in every language.
                let end = [
                    ("{{", "}}"),
                    ("{%", "%}"),
                    ("{#", "#}"),
                    ("<pre", "</pre>"),
                    ("<code", "</code>"),
                    ("<", ">"),
                ]
                .iter()
                .find(|(open, _)| after.starts_with(open))
                .map_or(1, |(_, close)| after.find(close).unwrap_or(0) + close.len());
                rest = &after[end..];
            }
            bare.push_str(rest);
            let words: Vec<_> = bare
                .split_whitespace()
                .filter(|w| w.chars().filter(char::is_ascii_alphabetic).count() > 1)
                .collect();
            assert!(
                words.iter().all(|w| w.starts_with('&')),
                "{file}: {words:?}"
            );
            for attribute in ["aria-label=\"", "title=\"", "alt=\"", "placeholder=\""] {
                for part in text.split(attribute).skip(1) {
                    assert!(
                        part.starts_with("{{") || part.starts_with('"'),
                        "{file}: {attribute}{}",
                        part.split('"').next().unwrap()
                    );
                }
            }
        }
    }

    #[test]
    fn one_reads_as_one() {
        assert_eq!(Lang::En.count("count.platforms", 1), "1 platform");
        assert_eq!(Lang::En.count("count.platforms", 2), "2 platforms");
    }
}
