//! The kinds that the portal keeps a cache of, each named once.

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $kind:ident => $plural:literal,)+) => {
        /// The kinds that the portal keeps.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind { $($(#[doc = $doc])+ $kind,)+ }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind,)+];

            /// Its plural in the API.
            #[must_use]
            pub const fn plural(self) -> &'static str {
                match self { $(Self::$kind => $plural,)+ }
            }

            /// Its name in the API.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => stringify!($kind),)+ }
            }
        }
    };
}

kinds! {
    /// Maintenance and freeze.
    ChangeWindow => "changewindows",
    /// Platforms.
    CloudPlatform => "cloudplatforms",
    /// The product catalog.
    CloudProduct => "cloudproducts",
    /// The province's rules.
    GovernanceProfile => "governanceprofiles",
    /// Information systems.
    InformationSystem => "informationsystems",
    /// Applications.
    ResourceRequest => "resourcerequests",
    /// The service catalog.
    ServiceOffering => "serviceofferings",
    /// Data centers.
    Site => "sites",
    /// Units.
    Tenant => "tenants",
    /// Grants.
    TenantQuota => "tenantquotas",
    /// Work of the operations provider.
    WorkOrder => "workorders",
}

#[cfg(test)]
mod tests {
    use super::Kind;

    #[test]
    fn every_kind_of_the_language_is_kept() {
        let ours: Vec<_> = Kind::ALL
            .iter()
            .map(|kind| (kind.name(), kind.plural()))
            .collect();
        for definition in crds::all() {
            let names = definition.spec.names;
            assert!(
                ours.contains(&(names.kind.as_str(), names.plural.as_str())),
                "{}",
                names.kind
            );
        }
    }
}
