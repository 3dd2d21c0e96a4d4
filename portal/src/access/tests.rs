use super::*;
use crate::cluster::tests::hub;
use crate::i18n::Lang;
use crate::overview::tests::province;
use serde_json::Value;

fn user(name: &str) -> User {
    User {
        name: name.to_owned(),
        groups: vec!["oidc:city".into()],
        post: None,
    }
}

fn only_renshe(spec: &Value) -> bool {
    let ask = &spec["resourceAttributes"];
    let own = ask["namespace"] == "qp-renshe" || ask["subresource"] == "name";
    spec["user"] == "oidc:all" || ask["name"] == "zj-node" || own && spec["user"] == "oidc:renshe"
}

#[tokio::test]
async fn a_department_sees_its_own_grants_and_what_they_lead_to() {
    let cluster = hub(&province(), only_renshe);
    let access = Access::default();
    let seen = access
        .visible(&cluster, &user("oidc:renshe"))
        .await
        .unwrap();
    assert_eq!(seen.tenant_names, BTreeSet::from(["renshe".to_owned()]));
    assert_eq!(names(&seen.tenants), ["renshe"], "its own entry");
    assert_eq!(names(&seen.platforms), ["zj-node"]);
    assert!(
        seen.quotas
            .iter()
            .all(|q| q.namespace().as_deref() == Some("qp-renshe"))
    );
    let all = access.visible(&cluster, &user("oidc:all")).await.unwrap();
    assert!(all.quotas.len() > seen.quotas.len() && all.all_platforms && all.all_quotas);
}

fn names<K: kube::Resource>(objects: &[Arc<K>]) -> Vec<String> {
    objects.iter().map(|object| object.name_any()).collect()
}

#[tokio::test]
async fn names_may_be_known_of_what_may_not_be_seen() {
    let cluster = hub(&province(), only_renshe);
    let access = Access::default();
    let bureau = user("oidc:renshe");
    let seen = access.visible(&cluster, &bureau).await.unwrap();
    assert!(seen.platform("gd-prov").is_none() && seen.tenant("gongan").is_none());
    assert_eq!(
        seen.names.tenant(Lang::En, "gongan"),
        "Zhanjiang public security bureau"
    );
    assert_ne!(seen.names.platform(Lang::Zh, "gd-prov"), "gd-prov");
    let stranger = user("oidc:nobody");
    let seen = access.visible(&cluster, &stranger).await.unwrap();
    assert_eq!(seen.names.tenant(Lang::En, "gongan"), "gongan");
}

#[tokio::test]
async fn an_answer_is_kept_and_belongs_to_the_person_who_was_asked_about() {
    let cluster = hub(&province(), only_renshe);
    let access = Access::default();
    access.visible(&cluster, &user("oidc:all")).await.unwrap();
    let seen = access
        .visible(&cluster, &user("oidc:nobody"))
        .await
        .unwrap();
    assert!(seen.tenants.is_empty() && !seen.all_platforms);
    assert!(access.answers.lock().unwrap().len() < 60);
}

#[tokio::test]
async fn an_answer_of_more_than_thirty_seconds_is_no_answer_even_while_the_hub_is_silent() {
    let mut cluster = hub(&province(), |_| true);
    let (access, person) = (Access::default(), user("oidc:renshe"));
    access.visible(&cluster, &person).await.unwrap();
    cluster.silence();
    assert!(
        access.visible(&cluster, &person).await.is_ok(),
        "still fresh"
    );
    access.grow_old(Duration::from_secs(29));
    assert!(
        access.visible(&cluster, &person).await.is_ok(),
        "just fresh"
    );
    access.grow_old(Duration::from_secs(2));
    assert!(access.visible(&cluster, &person).await.is_err());
}

impl Access {
    fn grow_old(&self, by: Duration) {
        for (_, at) in self.answers.lock().unwrap().values_mut() {
            *at = at.checked_sub(by).unwrap();
        }
    }
}

/// A province of a hundred units more, where somebody is named in one and bound by hand in two others.
#[tokio::test]
async fn of_many_units_those_that_name_a_person_come_first_and_no_other_is_forgotten() {
    let mut objects = province();
    for i in 0..100 {
        let owner = if i == 7 { "oidc:ju" } else { "oidc:else" };
        objects.push(serde_json::json!({
            "apiVersion": "qipan.dev/v1alpha1", "kind": "Tenant", "metadata": { "name": format!("ju-{i}") },
            "spec": { "displayName": { "zh": "局" }, "level": "City", "owners": [{ "kind": "User", "name": owner }] },
        }));
    }
    let cluster = hub(&objects, |spec| {
        let namespaces = ["qp-ju-7", "qp-ju-20", "qp-ju-90"].map(Value::from);
        spec["user"] == "oidc:ju" && namespaces.contains(&spec["resourceAttributes"]["namespace"])
    });
    let (access, person) = (Access::default(), user("oidc:ju"));
    let all = async {
        loop {
            let seen = access.visible(&cluster, &person).await.unwrap();
            assert!(seen.tenant("ju-7").is_some(), "from the first page on");
            if seen.unasked == 0 {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let all = tokio::time::timeout(Duration::from_mins(1), all);
    assert_eq!(
        names(&all.await.unwrap().tenants),
        ["ju-20", "ju-7", "ju-90"]
    );
    assert_eq!(
        access.unasked(&user("oidc:else")),
        0,
        "nobody asked for them"
    );
    let page = Access::default().at("/tenants/ju-90/trends");
    let seen = page.visible(&cluster, &person).await.unwrap();
    assert!(
        seen.tenant("ju-90").is_some(),
        "the unit that the page is about"
    );
    assert!(seen.unasked > 0 && seen.tenant("ju-20").is_none());
}
