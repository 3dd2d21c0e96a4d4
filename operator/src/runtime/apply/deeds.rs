//! Carries out what was decided: grants made and changed, work given out.

use crds::keys;
use kube::api::PostParams;
use kube::{Api, Client, ResourceExt as _};

use super::deadline;
use crate::runtime::Error;
use crate::runtime::metrics::WRITES;
use crate::runtime::plan::Deed;

/// Writes it. A grant is changed only over the version that was decided on; what is there already is a conflict, and the
/// next pass sees it.
pub(super) async fn carry_out(client: &Client, deed: &Deed) -> Result<(), Error> {
    let params = PostParams {
        field_manager: Some(keys::QIPAN.into()),
        ..PostParams::default()
    };
    let place = |namespace: Option<String>| namespace.unwrap_or_default();
    match deed {
        Deed::Grant(grant) => {
            let api: Api<crds::TenantQuota> =
                Api::namespaced(client.clone(), &place(grant.namespace()));
            WRITES.with_label_values(&["tenantquotas", "create"]).inc();
            let action = format!("create tenantquotas/{}", grant.name_any());
            #[expect(clippy::disallowed_methods, reason = "the one room that writes")]
            deadline(&action, api.create(&params, grant))
                .await
                .map(drop)
        }
        Deed::Regrant(grant) => {
            let api: Api<crds::TenantQuota> =
                Api::namespaced(client.clone(), &place(grant.namespace()));
            WRITES.with_label_values(&["tenantquotas", "update"]).inc();
            let action = format!("change tenantquotas/{}", grant.name_any());
            #[expect(clippy::disallowed_methods, reason = "the one room that writes")]
            deadline(&action, api.replace(&grant.name_any(), &params, grant))
                .await
                .map(drop)
        }
        Deed::Order(order) => {
            let api: Api<crds::WorkOrder> =
                Api::namespaced(client.clone(), &place(order.namespace()));
            WRITES.with_label_values(&["workorders", "create"]).inc();
            let action = format!("create workorders/{}", order.name_any());
            #[expect(clippy::disallowed_methods, reason = "the one room that writes")]
            deadline(&action, api.create(&params, order))
                .await
                .map(drop)
        }
    }
}
