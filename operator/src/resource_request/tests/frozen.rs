//! A request in a freeze.

use super::*;

fn freeze(scope: &Value) -> ChangeWindow {
    serde_json::from_value(json!({
        "apiVersion": "qipan.dev/v1alpha1", "kind": "ChangeWindow", "metadata": { "name": "dong" },
        "spec": {
            "title": { "zh": "封网" }, "type": "Freeze", "reason": "r", "scope": scope,
            "from": "2026-11-01T00:00:00Z", "to": "2026-11-10T00:00:00Z",
        },
    }))
    .unwrap()
}

#[test]
fn it_is_decided_and_enacted_only_after_the_end() {
    let mut story = Story::new();
    story.world.windows = vec![freeze(&json!({ "platforms": ["zj"] }))];
    story.settle();
    assert_eq!(story.phase(), Phase::Reviewing, "it is taken in");
    story.approve();
    assert_eq!(story.phase(), Phase::Approved);
    assert_eq!(
        story.ready(),
        (ConditionStatus::Unknown, Reason::ChangeFrozen)
    );
    assert_eq!(story.account().held, cpu(6), "its capacity is kept");
    assert_eq!(story.world.grants.len(), 0);
    story.now = "2026-11-10T00:00:00Z".parse().unwrap();
    story.settle();
    assert_eq!(story.world.grants.len(), 1);
    assert_ne!(story.ready().1, Reason::ChangeFrozen);
}

#[test]
fn an_emergency_another_place_and_what_gives_back_do_not_wait() {
    let everywhere = freeze(&json!({}));
    let mut emergency = Story::of(&json!({ "environment": "Emergency" }));
    emergency.world.windows = vec![everywhere.clone()];
    emergency.settle();
    emergency.approve();
    assert_eq!(emergency.world.grants.len(), 1);
    let mut elsewhere = Story::new();
    elsewhere.world.windows = vec![
        freeze(&json!({ "platforms": ["zj"], "zones": ["Internet"] })),
        freeze(&json!({ "tenants": ["others"] })),
    ];
    elsewhere.settle();
    elsewhere.approve();
    assert_eq!(elsewhere.world.grants.len(), 1);
    let mut smaller = Story::of(&change(2));
    smaller.world.grants = vec![existing(1)];
    smaller.world.windows = vec![everywhere];
    smaller.settle();
    smaller.approve();
    assert_eq!(
        smaller.world.grants[0].spec.hard.of("requests.cpu"),
        Quantity::units(2),
        "a decrease goes on"
    );
}
