//! Rules of the province: frozen platforms, grades, leases.

use super::*;
use crate::service_offering::ServiceClass;

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
