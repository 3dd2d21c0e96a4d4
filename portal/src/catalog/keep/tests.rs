//! What the forms of the catalogs say: what stands there comes back as it is, and what is wrong is named.

use std::path::Path;
use std::sync::Arc;

use crds::{CloudProduct, ServiceOffering};
use serde::Deserialize as _;

use super::*;
use crate::fields::Wrong;

/// The two catalogs of the sample province.
fn catalogs() -> Catalogs {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/sample/60-catalog.yaml");
    let text = std::fs::read_to_string(file).unwrap();
    let (mut offerings, mut products) = (Vec::new(), Vec::new());
    for document in serde_yaml::Deserializer::from_str(&text) {
        let value = serde_yaml::Value::deserialize(document).unwrap();
        match value["kind"].as_str() {
            Some("ServiceOffering") => {
                offerings.push(Arc::new(
                    serde_yaml::from_value::<ServiceOffering>(value).unwrap(),
                ));
            }
            Some("CloudProduct") => {
                products.push(Arc::new(
                    serde_yaml::from_value::<CloudProduct>(value).unwrap(),
                ));
            }
            other => panic!("{other:?}"),
        }
    }
    let places = products.iter().map(|product| {
        let filled = product.filled();
        (filled.get("shelf").to_owned(), String::new())
    });
    Catalogs {
        places: places.collect(),
        offerings,
        products,
        requests: Vec::new(),
    }
}

fn comes_back<K: Entry>(catalogs: &Catalogs)
where
    K::Spec: PartialEq + std::fmt::Debug,
{
    assert!(K::all(catalogs).len() > 5, "the sample has catalogs");
    for one in K::all(catalogs) {
        let read = K::read(Lang::Zh, &one.filled(), catalogs);
        assert_eq!(read.as_ref(), Ok(one.spec()), "{}", one.name_any());
        assert!(lines(Lang::En, Some(one.as_ref()), &one.filled(), catalogs).is_empty());
        // Everything that is filled has a field that shows it.
        let shown: Vec<_> = K::groups(Lang::Zh, &one.filled(), catalogs);
        let shown: Vec<_> = shown.into_iter().flat_map(|g| g.fields).collect();
        for (id, value) in one.filled().0.iter().filter(|(id, _)| id != "offering") {
            let field = shown.iter().find(|field| field.id == *id);
            let field = field.unwrap_or_else(|| panic!("{id} of {} has no field", one.name_any()));
            assert!(field.value == *value || field.has(value), "{id}: {value}");
        }
    }
}

#[test]
fn what_stands_in_the_catalogs_comes_back_as_it_is() {
    let catalogs = catalogs();
    comes_back::<ServiceOffering>(&catalogs);
    comes_back::<CloudProduct>(&catalogs);
}

/// The fields of an entry of the sample, with others in their place.
fn with(mut fields: Fields, others: &[(&str, &str)]) -> Fields {
    for (id, value) in others {
        fields.0.retain(|(key, _)| key != id);
        fields.0.push(((*id).to_owned(), (*value).to_owned()));
    }
    fields
}

fn wrong<K: Entry>(name: &str, others: &[(&str, &str)]) -> Vec<String> {
    let catalogs = catalogs();
    let one = K::all(&catalogs).iter().find(|one| one.name_any() == name);
    let fields = with(one.unwrap().filled(), others);
    let read = K::read(Lang::En, &fields, &catalogs);
    let wrongs: Vec<Wrong> = read.err().unwrap_or_default();
    wrongs.into_iter().map(|wrong| wrong.field).collect()
}

#[test]
fn what_is_wrong_with_a_service_is_said_at_its_field() {
    for (id, value) in [
        ("name-zh", ""),
        ("name-en", &"x".repeat(129)),
        ("class", "Space"),
        ("category", ""),
        ("zone", "Moon"),
        ("size-0", "2C 4G"),
        ("size-0", "4C16G"),
        ("about-zh", &"x".repeat(2049)),
        ("sla-percent", "100.1"),
        ("sla-percent", "lots"),
        ("sla-days", "366"),
        ("unit-zh", ""),
    ] {
        let expected = match (id, value) {
            // The second of two of one name is the one that is wrong.
            ("size-0", "4C16G") => "size-1",
            _ => id,
        };
        assert_eq!(
            wrong::<ServiceOffering>("cloud-host", &[(id, value)]),
            [expected],
            "{value}"
        );
    }
    let choice = [
        ("asked-7", "color"),
        ("asked-7-zh", "颜色"),
        ("asked-7-kind", "Choice"),
    ];
    assert_eq!(
        wrong::<ServiceOffering>("cloud-host", &choice),
        ["asked-7-choices"]
    );
    assert_eq!(
        wrong::<ServiceOffering>("cloud-host", &[("asked-7", "1st"), ("asked-7-zh", "一")]),
        ["asked-7"]
    );
}

#[test]
fn what_is_wrong_with_a_product_is_said_at_its_field() {
    for (id, value) in [
        ("shelf", "moon/Extranet/"),
        ("fulfilment", "Magic"),
        ("stock", "1000001"),
        ("stock", "-1"),
        ("requests.cpu-2C4G", "two"),
        ("requests.memory-2C4G", "-4G"),
        ("other-2C4G", "gpu 1"),
        ("price-2C4G", "1,280.50"),
        ("price-2C4G", "1280.505"),
        ("since-2C4G", "tomorrow"),
        ("basis-8C32G", "contract"),
    ] {
        let expected = if id == "basis-8C32G" {
            "price-8C32G"
        } else {
            id
        };
        assert_eq!(
            wrong::<CloudProduct>("zhanjiang-cloud-host", &[(id, value)]),
            [expected],
            "{value}"
        );
    }
    let none = ["2C4G", "4C16G", "8C32G"].map(|size| format!("given-{size}"));
    let none = none.each_ref().map(|id| (id.as_str(), ""));
    assert_eq!(
        wrong::<CloudProduct>("zhanjiang-cloud-host", &none),
        ["given-2C4G"]
    );
}

#[test]
fn a_change_is_told_with_what_was_there_and_what_it_does() {
    let catalogs = catalogs();
    let find = |name: &str| {
        let found = catalogs.products.iter().find(|p| p.name_any() == name);
        found.unwrap().as_ref()
    };
    let mut one = find("zhanjiang-exchange-channel").clone();
    one.status = Some(serde_json::from_value(serde_json::json!({ "taken": 12 })).unwrap());
    let fields = with(
        one.filled(),
        &[("stock", "10"), ("price-unit", "50"), ("withdrawn", "yes")],
    );
    let told = lines(Lang::En, Some(&one), &fields, &catalogs);
    let told: Vec<_> = told
        .iter()
        .map(|line| (line.before.as_deref(), line.after.as_str()))
        .collect();
    let nothing = Some("not filled in");
    assert_eq!(told[0], (Some("40"), "10"));
    assert_eq!(told[1], (nothing, "50CNY a month"));
    assert_eq!((told[2].0, told.len()), (nothing, 3));
    let new = CloudProduct::made(
        &one.name_any(),
        CloudProduct::read(Lang::En, &fields, &catalogs).unwrap(),
    );
    let effects = new.effects(Lang::En, Some(&one), &catalogs);
    assert!(
        effects
            .iter()
            .any(|e| e.contains("Taken: 12, which is more than the stock of 10")),
        "{effects:?}"
    );
    assert!(
        effects.iter().any(|e| e.starts_with("Once withdrawn")),
        "{effects:?}"
    );
}

#[test]
fn names_of_entries_are_those_of_objects() {
    for good in ["a", "cloud-host-2", &"x".repeat(63)] {
        assert_eq!(rights::name(Lang::Zh, good), Ok(()), "{good}");
    }
    for bad in ["", "-a", "a-", "A", "a.b", "云", &"x".repeat(64)] {
        assert!(rights::name(Lang::Zh, bad).is_err(), "{bad}");
    }
}

#[test]
fn a_new_price_without_a_first_day_says_what_it_is_for() {
    let catalogs = catalogs();
    let one = catalogs
        .products
        .iter()
        .find(|p| p.name_any() == "zhanjiang-cloud-host")
        .unwrap();
    let told = |others: &[(&str, &str)]| {
        let fields = with(one.filled(), others);
        let spec = CloudProduct::read(Lang::En, &fields, &catalogs).unwrap();
        let new = CloudProduct::made(&one.name_any(), spec);
        let effects = new.effects(Lang::En, Some(one), &catalogs);
        effects
            .iter()
            .any(|effect| effect.starts_with("Without a first day"))
    };
    assert!(told(&[("price-2C4G", "130")]));
    assert!(!told(&[
        ("price-2C4G", "130"),
        ("since-2C4G", "2027-01-01")
    ]));
    assert!(!told(&[("price-8C32G", "130")]), "there was none before");
    assert!(!told(&[]));
}
