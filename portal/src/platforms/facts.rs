//! What a platform's owner has registered of it, as words and values. Pure.

use crds::CloudPlatform;
use crds::cloud_platform::{CenterRole, Certificate, Compliance};

use crate::access::Visible;
use crate::i18n::Lang;
use crate::overview::board;

/// A fact with its word.
#[derive(Clone, Debug)]
pub struct Fact {
    /// Its word.
    pub word: &'static str,
    /// What is so.
    pub value: String,
}

pub(super) fn facts(lang: Lang, visible: &Visible, platform: &CloudPlatform) -> Vec<Fact> {
    let spec = &platform.spec;
    let named = |name: &String| visible.names.platform(lang, name).to_owned();
    let mut facts = vec![
        ("fact.tier", board::tier_word(lang, spec.tier).to_owned()),
        (
            "fact.provision",
            board::provision_word(lang, spec.provision).to_owned(),
        ),
        ("fact.owner", spec.owner.clone()),
    ];
    if let Some(provider) = &spec.operations_provider {
        facts.push(("fact.provider", provider.name.clone()));
    }
    facts.extend(
        spec.docks_to
            .as_ref()
            .map(|name| ("fact.docks-to", named(name))),
    );
    facts.extend(spec.centers.iter().map(|center| {
        let site = visible
            .site(&center.site)
            .map(|site| &site.spec.display_name);
        let name = site.map_or(center.site.as_str(), |site| site.in_language(lang.code()));
        (center_key(center.role), name.to_owned())
    }));
    facts.extend(
        spec.compliance
            .iter()
            .flat_map(|compliance| compliance_facts(lang, compliance)),
    );
    if let Some(approval) = &spec.cross_zone_approval {
        let until = approval.until.to_string();
        let figures = [("what", approval.number.as_str()), ("until", &until)];
        facts.push(("fact.cross-zone", lang.say("fact.until", &figures)));
    }
    let fact = |(key, value)| Fact {
        word: lang.find(key).unwrap_or(key),
        value,
    };
    facts.into_iter().map(fact).collect()
}

const fn center_key(role: CenterRole) -> &'static str {
    match role {
        CenterRole::Production => "center.Production",
        CenterRole::SameCity => "center.SameCity",
        CenterRole::Remote => "center.Remote",
    }
}

fn compliance_facts(lang: Lang, compliance: &Compliance) -> Vec<(&'static str, String)> {
    let level = compliance.mlps_level.map(|level| level.to_string());
    let level = level.map(|n| ("fact.mlps-level", lang.say("figure.level", &[("n", &n)])));
    let certificates = [
        ("fact.mlps", &compliance.mlps),
        ("fact.cloud-review", &compliance.cloud_security_review),
        ("fact.crypto", &compliance.crypto_assessment),
    ];
    let known = certificates
        .into_iter()
        .filter_map(|(key, found)| Some((key, found.as_ref()?)));
    level
        .into_iter()
        .chain(known.map(|(key, found)| (key, certificate(lang, found))))
        .collect()
}

fn certificate(lang: Lang, certificate: &Certificate) -> String {
    let until = certificate.next_due.map(|day| day.to_string());
    until.map_or_else(
        || certificate.number.clone(),
        |until| {
            lang.say(
                "fact.due",
                &[("what", &certificate.number), ("until", &until)],
            )
        },
    )
}
