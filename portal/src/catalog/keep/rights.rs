//! Who keeps which catalog, as the API server says of the verbs that the policy `catalog-keepers` asks for.

use std::collections::BTreeSet;

use crate::access::{Visible, everywhere};
use crate::cluster::Kind;
use crate::error::AppError;
use crate::fields::Wrong;
use crate::i18n::Lang;
use crate::live::Visit;

/// Characters of a name of an object (CRD rule of both kinds).
pub const NAME: usize = 63;

/// What somebody keeps of the catalogs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keeper {
    /// Whether they say what is offered.
    pub offers: bool,
    /// The platforms of which they say what is provided.
    pub platforms: BTreeSet<String>,
}

/// What a person keeps. Who could say both keeps neither, but who brings in a first stock.
///
/// # Errors
/// The hub gives no answer.
pub async fn keeper(visit: &Visit, visible: &Visible) -> Result<Keeper, AppError> {
    let offers = visit
        .may(everywhere("offer", Kind::ServiceOffering))
        .await?
        && visit
            .may(everywhere("update", Kind::ServiceOffering))
            .await?;
    let provides = visit.may(everywhere("update", Kind::CloudProduct)).await?;
    let platforms = if provides {
        visit.run_by(visible).await?
    } else {
        BTreeSet::new()
    };
    let both = offers
        && visit
            .may(everywhere("operate", Kind::CloudPlatform))
            .await?;
    if both
        && !visit
            .may(everywhere("manage-anywhere", Kind::TenantQuota))
            .await?
    {
        return Ok(Keeper::default());
    }
    Ok(Keeper { offers, platforms })
}

/// Whether a name may be one of an object.
///
/// # Errors
/// It may not: what is wrong, and what it must be.
pub fn name(lang: Lang, text: &str) -> Result<(), Wrong> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let good = text.len() <= NAME
        && text.chars().all(inner)
        && edge(text.chars().next())
        && edge(text.chars().last());
    good.then_some(())
        .ok_or_else(|| Wrong::new("id", lang.say("wrong.entry-id", &[("value", text)])))
}
