//! What an application comes to, with figures.

use serde_json::{Value, json};

use super::super::ResourceRequest;
use super::super::tests::{application, platform, unit};
use super::*;
use crate::cloud_platform::Tier;
use crate::cloud_product::Fulfilment;
use crate::service_offering::ServiceClass;
use crate::tenant::Level;

/// The world of a request: two platforms, a catalog with one priced and one unpriced size and a stock of 5.
struct World {
    tenant: Tenant,
    above: Vec<Tenant>,
    platforms: Vec<CloudPlatform>,
    offerings: Vec<ServiceOffering>,
    products: Vec<CloudProduct>,
    grants: Vec<TenantQuota>,
    systems: Vec<InformationSystem>,
    holds: Vec<HoldStatus>,
    taken: BTreeMap<String, u32>,
    rules: ApprovalRules,
    windows: Vec<ChangeWindow>,
}

fn object<T: serde::de::DeserializeOwned>(
    kind: &str,
    name: &str,
    spec: &Value,
    status: &Value,
) -> T {
    serde_json::from_value(json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": kind, "metadata": { "name": name }, "spec": spec, "status": status,
    }))
    .unwrap()
}

impl World {
    fn new() -> Self {
        let offering = json!({
            "displayName": { "zh": "云主机" }, "class": "Cloud", "category": "Compute", "unit": { "zh": "台" }, "zones": ["Extranet"],
            "parameters": [{ "name": "os", "displayName": { "zh": "系统" }, "kind": "Choice", "required": true, "choices": ["linux"] }],
        });
        let product = json!({
            "displayName": { "zh": "云主机" }, "offering": "vm", "platform": "zj", "zone": "Extranet", "pool": "gui",
            "stock": 5, "fulfilment": "Automatic",
            "sizes": [
                { "name": "2C4G", "resources": { "cpu": "2", "memory": "4Gi" }, "price": { "monthly": "120.50" } },
                { "name": "4C8G", "resources": { "cpu": "4", "memory": "8Gi" } },
            ],
        });
        Self {
            tenant: unit("shuiwu", Level::City, &[]),
            above: Vec::new(),
            platforms: vec![
                platform("zj", Tier::City, "shi"),
                platform("guangdong", Tier::Provincial, "sheng"),
            ],
            offerings: vec![object("ServiceOffering", "vm", &offering, &Value::Null)],
            products: vec![object("CloudProduct", "zj-vm", &product, &Value::Null)],
            grants: Vec::new(),
            systems: Vec::new(),
            holds: Vec::new(),
            taken: BTreeMap::new(),
            rules: ApprovalRules::default(),
            windows: Vec::new(),
        }
    }

    /// A grant `prod` of 3 cores and 6Gi, all of it in namespace `web`, charged in full.
    fn with_grant(mut self) -> Self {
        let hard = json!({ "cpu": "3", "memory": "6Gi" });
        let spec = json!({
            "platform": "zj", "zone": "Extranet", "pool": "gui", "hard": hard,
            "namespaces": [{ "name": "web", "hard": hard }],
        });
        let status = json!({ "admitted": { "requests.cpu": "3", "requests.memory": "6Gi" } });
        self.grants
            .push(object("TenantQuota", "prod", &spec, &status));
        self
    }

    fn preview(&self, application: &Application) -> Preview {
        preview(
            application,
            Around {
                request: "req",
                tenant: &self.tenant,
                above: &self.above,
                platforms: &self.platforms,
                offerings: &self.offerings,
                products: &self.products,
                grants: &self.grants,
                systems: &self.systems,
                holds: &self.holds,
                taken: &self.taken,
                rules: &self.rules,
                windows: &self.windows,
                today: Day("2026-11-22".parse().unwrap()),
            },
        )
    }

    fn refusal(&self, application: &Application) -> Verdict {
        let preview = self.preview(application);
        assert_eq!(preview.problems.len(), 1, "{:?}", preview.problems);
        preview.problems[0].verdict.clone()
    }
}

fn list(cpu: &str, memory: &str) -> ResourceList {
    [
        ("requests.cpu", cpu.parse().unwrap()),
        ("requests.memory", memory.parse().unwrap()),
    ]
    .into()
}

/// So many of a size of the product.
fn sized(size: &str, count: u32) -> Application {
    let mut application = application("zj");
    let item = &mut application.items[0];
    (item.product, item.size, item.count) = (Some("zj-vm".into()), Some(size.into()), Some(count));
    item.resources = ResourceList::default();
    item.parameters = BTreeMap::from([("os".into(), "linux".into())]);
    application
}

#[test]
fn a_new_grant_is_shown_with_what_its_pool_keeps() {
    let preview = World::new().preview(&application("zj"));
    assert_eq!(preview.problems, []);
    let change = &preview.changes[0];
    assert_eq!((change.grant.as_str(), change.exists), ("req-app", false));
    assert_eq!(change.namespaces[0].hard, list("2", "4Gi"));
    let pool = &preview.pools[0];
    assert_eq!(
        (pool.free.clone(), pool.asked.clone()),
        (list("6", "32Gi"), list("2", "4Gi"))
    );
    assert_eq!(pool.left("requests.cpu"), Quantity::units(4));
    assert_eq!(preview.monthly(), None);
    assert_eq!(preview.holds()[0].amount, list("2", "4Gi"));
}

#[test]
fn a_freeze_that_will_hold_it_back_is_shown_before() {
    let freeze = |name: &str, from: &str, scope: &Value| -> ChangeWindow {
        let to = "2027-01-10T00:00:00Z";
        let spec = json!({ "title": { "zh": "封网" }, "type": "Freeze", "from": from, "to": to, "scope": scope, "reason": "r" });
        object("ChangeWindow", name, &spec, &Value::Null)
    };
    let mut world = World::new();
    let everywhere = json!({});
    world.windows = vec![
        freeze("later", "2027-01-02T00:00:00Z", &everywhere),
        freeze(
            "sooner",
            "2026-12-30T00:00:00Z",
            &json!({ "platforms": ["zj"] }),
        ),
        freeze(
            "elsewhere",
            "2026-12-30T00:00:00Z",
            &json!({ "platforms": ["guangdong"] }),
        ),
    ];
    let delays = |application: &Application| {
        let delays = world.preview(application).delays;
        delays
            .into_iter()
            .filter_map(|w| w.metadata.name)
            .collect::<Vec<_>>()
    };
    assert_eq!(delays(&application("zj")), ["sooner", "later"]);
    let preview = world.preview(&application("zj"));
    let at = |text: &str| preview.frozen(text.parse().unwrap()).is_some();
    assert!(
        !at("2026-12-29T23:59:59Z") && at("2026-12-30T00:00:00Z") && !at("2027-01-10T00:00:00Z")
    );
    let mut urgent = application("zj");
    urgent.environment = Environment::Emergency;
    assert_eq!(delays(&urgent), [""; 0], "an emergency passes");
}

#[test]
fn a_price_that_nobody_set_is_unknown_and_so_is_the_sum() {
    let mut both = sized("2C4G", 2);
    assert_eq!(World::new().preview(&both).monthly(), "241".parse().ok());
    let mut second = sized("4C8G", 1).items.remove(0);
    second.name = "more".into();
    second.namespaces.clear();
    both.items.push(second);
    let preview = World::new().preview(&both);
    assert_eq!((preview.monthly(), preview.costs.len()), (None, 2));
    // Two items of one pool are one grant.
    assert_eq!(
        (preview.changes.len(), preview.total.clone()),
        (1, list("8", "16Gi"))
    );
}

#[test]
fn what_is_short_is_named_with_dimension_limit_and_use() {
    let mut large = application("zj");
    large.items[0].resources = list("7", "4Gi");
    let verdict = World::new().refusal(&large);
    assert_eq!(verdict.reason, Reason::PoolExhausted);
    let figure = |name: &str| verdict.params[name].as_str();
    assert_eq!(
        ["resource", "asked", "free", "total", "granted", "missing"].map(figure),
        ["requests.cpu", "7", "6", "10", "4", "1"]
    );
}

#[test]
fn its_own_hold_is_free_for_it_and_a_hold_of_others_is_not() {
    let mut world = World::new();
    let held = list("5", "4Gi");
    let account = &mut world.platforms[0].status.as_mut().unwrap().pools[0].account;
    account.held = held.clone();
    assert_eq!(
        world.refusal(&application("zj")).reason,
        Reason::PoolExhausted
    );
    world.holds = vec![HoldStatus {
        platform: "zj".into(),
        pool: "gui".into(),
        amount: held,
        held: true,
    }];
    assert_eq!(world.preview(&application("zj")).problems, []);
}

#[test]
fn a_change_states_the_new_amount_and_what_is_not_named_stays() {
    let mut change = application("zj");
    change.type_ = ApplicationType::Change;
    change.items[0].grant = Some("prod".into());
    change.items[0].namespaces.clear();
    change.items[0].resources = [("cpu", Quantity::units(5))].into();
    let preview = World::new().with_grant().preview(&change);
    assert_eq!(preview.problems, []);
    assert_eq!(preview.changes[0].after, list("5", "6Gi"));
    assert_eq!(preview.changes[0].namespaces[0].hard, list("5", "6Gi"));
    assert_eq!(
        preview.pools[0].asked,
        [("requests.cpu", Quantity::units(2))].into()
    );
    assert_eq!(World::new().refusal(&change).reason, Reason::UnknownGrant);
}

#[test]
fn a_release_gives_everything_back_and_a_renewal_only_moves_the_end() {
    let mut release = application("zj");
    release.type_ = ApplicationType::Release;
    release.items[0].grant = Some("prod".into());
    release.items[0].resources = ResourceList::default();
    let world = World::new().with_grant();
    let preview = world.preview(&release);
    assert_eq!(
        (preview.problems.len(), preview.changes[0].after.clone()),
        (0, list("0", "0"))
    );
    assert_eq!(preview.pools[0].freed, list("3", "6Gi"));
    assert_eq!(
        (preview.holds(), preview.monthly()),
        (Vec::new(), Some(Money::default()))
    );
    release.type_ = ApplicationType::Renew;
    release.until = Some(Day("2027-11-22".parse().unwrap()));
    let renewal = world.preview(&release);
    assert_eq!(renewal.changes[0].until, release.until);
    assert_eq!(
        (&renewal.changes[0].after, renewal.holds()),
        (&list("3", "6Gi"), Vec::new())
    );
}

#[test]
fn catalogs_say_no_by_name() {
    let refused = |change: &dyn Fn(&mut World, &mut Application)| {
        let (mut world, mut application) = (World::new(), sized("2C4G", 1));
        change(&mut world, &mut application);
        world.refusal(&application).reason
    };
    assert_eq!(
        refused(&|w, _| w.offerings[0].spec.withdrawn = true),
        Reason::OfferingWithdrawn
    );
    assert_eq!(
        refused(&|w, _| w.products[0].spec.withdrawn = true),
        Reason::ProductWithdrawn
    );
    assert_eq!(
        refused(&|_, a| a.items[0].size = Some("9C9G".into())),
        Reason::UnknownSize
    );
    assert_eq!(
        refused(&|_, a| a.items[0].product = Some("x".into())),
        Reason::UnknownProduct
    );
    assert_eq!(
        refused(&|_, a| a.items[0].platform = "guangdong".into()),
        Reason::ProductMismatch
    );
    assert_eq!(
        refused(&|_, a| a.items[0].parameters.clear()),
        Reason::ParameterWrong
    );
    assert_eq!(
        refused(&|w, _| {
            w.taken.insert("zj-vm".into(), 5);
        }),
        Reason::StockExhausted
    );
    assert_eq!(
        refused(&|_, a| a.items[0].zone = Zone::Internet),
        Reason::ProductMismatch
    );
}

#[test]
fn a_frozen_platform_names_its_way_out_and_takes_an_exception() {
    let mut world = World::new();
    world.platforms[0].spec.expansion = Expansion::Frozen;
    let mut application = application("zj");
    let verdict = world.refusal(&application);
    assert_eq!(
        (verdict.reason, verdict.params["wayOut"].as_str()),
        (Reason::PlatformFrozen, "guangdong")
    );
    application.type_ = ApplicationType::Exception;
    assert_eq!(world.preview(&application).problems, []);
}

#[test]
fn what_is_delivered_by_hand_grows_a_frozen_platform_as_well() {
    let refused = |change: &dyn Fn(&mut World)| {
        let mut world = World::new();
        world.platforms[0].spec.expansion = Expansion::Frozen;
        world.products[0].spec.fulfilment = Fulfilment::WorkOrder;
        change(&mut world);
        let mut ordinary = sized("2C4G", 2);
        let problems = world.preview(&ordinary).problems;
        ordinary.type_ = ApplicationType::Exception;
        let exception = world.preview(&ordinary);
        assert_eq!(
            (exception.problems, exception.orders.len()),
            (Vec::new(), 1)
        );
        problems.first().map(|p| {
            let figure = |name: &str| p.verdict.params[name].clone();
            let figures = ["platform", "resource", "asked", "wayOut"].map(figure);
            (p.verdict.reason, figures.join(" "))
        })
    };
    let frozen = |figures: &str| Some((Reason::PlatformFrozen, figures.to_owned()));
    assert_eq!(refused(&|_| {}), frozen("zj requests.cpu 4 guangdong"));
    // A machine is one, also where nobody says what it is made of.
    let silent = |w: &mut World| w.products[0].spec.sizes[0].resources = ResourceList::default();
    assert_eq!(refused(&silent), frozen("zj zj-vm 2 guangdong"));
    let network = |w: &mut World| {
        silent(w);
        w.offerings[0].spec.class = ServiceClass::Network;
    };
    assert_eq!(refused(&network), None, "a domain is no growth");
    assert_eq!(
        refused(&|w| w.platforms[0].spec.expansion = Expansion::Open),
        None
    );
}

#[test]
fn what_is_graded_higher_than_its_platform_or_its_unit_is_refused_with_both_levels() {
    let mut world = World::new();
    let system = json!({
        "displayName": { "zh": "水情" }, "owner": "o", "category": "Own", "hosting": "Local", "mlpsLevel": 3,
    });
    world.systems = vec![object(
        "InformationSystem",
        "shuiqing",
        &system,
        &Value::Null,
    )];
    let compliance = |level: u8| serde_json::from_value(json!({ "mlpsLevel": level })).unwrap();
    let mut asked = application("zj");
    asked.system = Some("shuiqing".into());
    assert_eq!(world.preview(&asked).problems, [], "no level is on record");
    world.platforms[0].spec.compliance = Some(compliance(3));
    assert_eq!(world.preview(&asked).problems, []);
    world.platforms[0].spec.compliance = Some(compliance(2));
    let refused = |world: &World, asked: &Application| {
        let verdict = world.refusal(asked);
        assert!(!verdict.message().contains('?'), "{}", verdict.message());
        let figures = ["what", "level", "platformLevel", "ceiling"];
        let figure = |name: &str| verdict.params.get(name).cloned();
        let figures: Vec<String> = figures.into_iter().filter_map(figure).collect();
        (verdict.reason, figures.join(" "))
    };
    let low = (Reason::MlpsAbovePlatform, "shuiqing 3 2".to_owned());
    assert_eq!(refused(&world, &asked), low);
    asked.type_ = ApplicationType::Exception;
    assert_eq!(refused(&world, &asked), low, "no exception lifts it");
    asked.type_ = ApplicationType::New;
    // A namespace or the project may be graded where the register says nothing.
    asked.system = None;
    asked.items[0].namespaces[0].mlps_level = Some(4);
    assert_eq!(
        refused(&world, &asked),
        (Reason::MlpsAbovePlatform, "web 4 2".into())
    );
    world.tenant.spec.mlps_ceiling = Some(3);
    assert_eq!(
        refused(&world, &asked),
        (Reason::MlpsAboveCeiling, "web 4 3".into())
    );
    asked.items[0].namespaces[0].mlps_level = Some(2);
    assert_eq!(world.preview(&asked).problems, []);
    // What stands already may be given back.
    let mut back = application("zj");
    back.type_ = ApplicationType::Release;
    back.system = Some("shuiqing".into());
    back.items[0].grant = Some("prod".into());
    let mut world = world.with_grant();
    world.tenant.spec.mlps_ceiling = Some(1);
    assert_eq!(world.preview(&back).problems, []);
}

#[test]
fn a_test_tenancy_ends_by_itself() {
    let mut test = application("zj");
    test.environment = Environment::Test;
    let ends = World::new().preview(&test).changes[0].until;
    assert_eq!(ends, Some(Day("2026-12-07".parse().unwrap())));
    test.until = Some(Day("2026-12-08".parse().unwrap()));
    assert_eq!(World::new().refusal(&test).reason, Reason::TestTooLong);
}

#[test]
fn what_was_enacted_is_neither_asked_for_nor_refused_again() {
    let mut world = World::new();
    let application = application("zj");
    let change = world.preview(&application).changes.remove(0);
    let spec = json!({
        "platform": "zj", "zone": "Extranet", "pool": "gui", "hard": change.after, "namespaces": change.namespaces,
        "request": "req",
    });
    world.grants.push(object(
        "TenantQuota",
        "req-app",
        &spec,
        &json!({ "admitted": change.after }),
    ));
    let again = world.preview(&application);
    assert_eq!((again.problems.len(), again.holds()), (0, Vec::new()));
    assert_eq!(
        (&again.changes[0].after, &again.changes[0].namespaces),
        (&change.after, &change.namespaces)
    );
}

#[test]
fn of_two_for_the_last_pieces_the_older_has_them() {
    let request = |name: &str, second: &str| -> ResourceRequest {
        serde_json::from_value(json!({
            "apiVersion": "qipan.dev/v1alpha1", "kind": "ResourceRequest",
            "metadata": { "name": name, "namespace": "qp-a", "creationTimestamp": second },
            "spec": { "classified": false, "application": sized("2C4G", 3) },
        }))
        .unwrap()
    };
    let both = [
        request("late", "2026-11-22T00:00:02Z"),
        request("early", "2026-11-22T00:00:01Z"),
    ];
    assert_eq!(taken(both.iter(), Some(&both[0]))["zj-vm"], 3);
    assert!(taken(both.iter(), Some(&both[1])).is_empty());
    assert_eq!(taken(both.iter(), None)["zj-vm"], 6);
}

#[test]
fn a_grant_whose_lease_has_ended_grows_only_with_a_later_last_day() {
    let mut world = World::new().with_grant();
    world.grants[0].spec.lease = Some(crate::tenant_quota::Lease {
        from: None,
        until: Day("2026-11-01".parse().unwrap()),
    });
    let mut change = application("zj");
    change.type_ = ApplicationType::Change;
    change.environment = Environment::Production;
    change.items[0].grant = Some("prod".into());
    change.items[0].resources = list("5", "6Gi");
    let verdict = world.refusal(&change);
    assert_eq!(verdict.reason, Reason::LeaseOver);
    assert!(
        verdict
            .message()
            .contains("TenantQuota prod ended on 2026-11-01"),
        "{}",
        verdict.message()
    );
    change.until = Some(Day("2027-11-01".parse().unwrap()));
    assert_eq!(world.preview(&change).problems, []);
    change.until = None;
    change.items[0].resources = list("2", "6Gi");
    assert_eq!(
        world.preview(&change).problems,
        [],
        "less is always possible"
    );
}

#[test]
fn a_test_tenancy_that_goes_into_production_loses_its_end_and_other_leases_stay() {
    let lease = |environment: Option<Environment>| {
        let mut world = World::new().with_grant();
        let spec = &mut world.grants[0].spec;
        spec.environment = environment;
        spec.lease = serde_json::from_value(json!({ "until": "2026-12-01" })).unwrap();
        let mut change = application("zj");
        change.type_ = ApplicationType::Change;
        change.items[0].grant = Some("prod".into());
        change.items[0].resources = list("5", "6Gi");
        let preview = world.preview(&change);
        assert_eq!(preview.problems, []);
        preview.changes[0].until.map(|day| day.to_string())
    };
    assert_eq!(lease(Some(Environment::Test)), None);
    for other in [
        Some(Environment::Production),
        Some(Environment::Emergency),
        None,
    ] {
        assert_eq!(lease(other).as_deref(), Some("2026-12-01"), "{other:?}");
    }
}

#[test]
fn an_exception_enlarges_a_grant_that_is_there() {
    let mut world = World::new().with_grant();
    world.platforms[0].spec.expansion = Expansion::Frozen;
    let mut more = application("zj");
    more.type_ = ApplicationType::Change;
    more.items[0].grant = Some("prod".into());
    more.items[0].namespaces.clear();
    more.items[0].resources = [("cpu", Quantity::units(5))].into();
    assert_eq!(world.refusal(&more).reason, Reason::PlatformFrozen);
    more.type_ = ApplicationType::Exception;
    let preview = world.preview(&more);
    assert_eq!(preview.problems, []);
    let change = &preview.changes[0];
    assert_eq!((change.exists, &change.after), (true, &list("5", "6Gi")));
    assert_eq!(change.namespaces[0].hard, list("5", "6Gi"));
    assert_eq!(
        preview.holds()[0].amount,
        [("requests.cpu", Quantity::units(2))].into()
    );
}

#[test]
fn what_was_released_is_free_again() {
    let request =
        |name: &str, created: &str, application: &Value, status: &Value| -> ResourceRequest {
            serde_json::from_value(json!({
            "apiVersion": "qipan.dev/v1alpha1", "kind": "ResourceRequest",
            "metadata": { "name": name, "namespace": "qp-shuiwu", "creationTimestamp": created },
            "spec": { "classified": false, "application": application }, "status": status,
        }))
        .unwrap()
        };
    let new = serde_json::to_value(sized("2C4G", 4)).unwrap();
    let held = json!([{ "kind": "Held", "at": "2026-11-01T00:00:00Z" }]);
    let grants = json!([{ "grant": "r-app", "platform": "zj", "pool": "gui", "hard": {} }]);
    let first = request(
        "r",
        "2026-11-01T00:00:00Z",
        &new,
        &json!({ "timeline": held, "phase": "Accepted", "grants": grants }),
    );
    let mut release = serde_json::to_value(application("zj")).unwrap();
    release["type"] = json!("Release");
    release["items"][0]["grant"] = json!("r-app");
    let back = |phase: &str| {
        request(
            "b",
            "2026-11-10T00:00:00Z",
            &release,
            &json!({ "timeline": held, "phase": phase }),
        )
    };
    let count = |requests: &[ResourceRequest]| {
        taken(requests.iter(), None)
            .get("zj-vm")
            .copied()
            .unwrap_or(0)
    };
    assert_eq!(count(std::slice::from_ref(&first)), 4);
    assert_eq!(
        count(&[first.clone(), back("Approved")]),
        4,
        "not before it is done"
    );
    assert_eq!(count(&[first.clone(), back("Delivered")]), 0);
    // A grant of the same name that was made after the release is another.
    let again = request(
        "s",
        "2026-11-12T00:00:00Z",
        &new,
        &json!({ "timeline": held, "phase": "Accepted", "grants": grants }),
    );
    assert_eq!(count(&[first, back("Accepted"), again]), 4);
}
