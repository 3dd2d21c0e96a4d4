//! What an application comes to, with figures.

use serde_json::{Value, json};

use super::super::ResourceRequest;
use super::super::tests::{application, platform, unit};
use super::*;
use crate::cloud_platform::Tier;
use crate::cloud_product::Fulfilment;
use crate::tenant::Level;

mod rules;
mod stock;

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
    standing: Standing,
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
            standing: Standing::new(),
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
                standing: &self.standing,
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
fn a_change_costs_what_its_pieces_cost_where_the_catalog_says_one_price() {
    let priced = |cpu: i64, memory: &str| {
        let mut change = application("zj");
        change.type_ = ApplicationType::Change;
        change.items[0].grant = Some("prod".into());
        change.items[0].namespaces.clear();
        change.items[0].resources = list(&cpu.to_string(), memory);
        World::new().with_grant().preview(&change).monthly()
    };
    assert_eq!(priced(6, "12Gi"), "361.50".parse().ok(), "three of 2C4G");
    assert_eq!(priced(5, "12Gi"), None, "no whole number of anything");
    assert_eq!(
        priced(4, "8Gi"),
        None,
        "two of 2C4G, or one of what has no price"
    );
    let mut renewal = application("zj");
    renewal.type_ = ApplicationType::Renew;
    renewal.items[0].grant = Some("prod".into());
    let mut world = World::new().with_grant();
    assert_eq!(world.preview(&renewal).monthly(), None);
    world.grants[0].spec.hard = list("2", "4Gi");
    assert_eq!(world.preview(&renewal).monthly(), "120.50".parse().ok());
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
