//! The freezes that hold back what an application brings about.

use super::{Around, Preview, pool_of};
use crate::change_window::{self, ChangeWindow, Place, WindowType};
use crate::resource_request::application::{Application, ApplicationType};

/// The freezes in whose scope something grows or is worked off. What is lowered or given back is not delayed.
pub(super) fn delays(
    application: &Application,
    around: Around<'_>,
    preview: &Preview,
) -> Vec<ChangeWindow> {
    if change_window::passes(application) || application.type_ == ApplicationType::Release {
        return Vec::new();
    }
    let units = std::iter::once(around.tenant).chain(around.above);
    let units: Vec<String> = units.filter_map(|t| t.metadata.name.clone()).collect();
    let place = |platform, zone, pool: &str| Place {
        platform: Some(platform),
        cluster: pool_of(around, platform, pool).and_then(|(_, spec, _)| spec.cluster.as_deref()),
        zone: Some(zone),
        units: &units,
    };
    let growing = preview.changes.iter().filter(|c| !c.increase().is_zero());
    let places = growing.map(|c| place(&c.platform, c.zone, &c.pool));
    let items = application.items.iter();
    let worked = items.filter(|i| preview.orders.iter().any(|o| o.item == i.name));
    let worked = worked.map(|i| place(&i.platform, i.zone, i.pool.as_deref().unwrap_or("")));
    let places: Vec<Place<'_>> = places.chain(worked).collect();
    let covers = |w: &&ChangeWindow| {
        w.spec.type_ == WindowType::Freeze && places.iter().any(|p| w.spec.scope.covers(p))
    };
    let mut delays: Vec<_> = around.windows.iter().filter(covers).cloned().collect();
    delays.sort_by_key(|w| (w.spec.from, w.metadata.name.clone()));
    delays
}
