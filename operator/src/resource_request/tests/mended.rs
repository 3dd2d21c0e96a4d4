//! What the unit does not accept of a delivery.

use super::*;

#[test]
fn whoever_objects_has_not_let_the_time_pass() {
    let mut story = Story::new();
    story.settle();
    story.approve();
    let objection = |what: &str| json!({ "by": "shen", "accepted": false, "comment": what });
    story.append("acceptance", objection("少一个"));
    story.now += SignedDuration::from_hours(24 * 8);
    story.settle();
    assert_eq!(story.phase(), Phase::Provisioning);
    assert_eq!(story.ready(), (ConditionStatus::False, Reason::Objected));
    // What Qipan itself delivered is the operations provider's to mend.
    let order = story.world.orders[0].clone();
    assert_eq!(order.name_any(), "r1.rework-1.zj");
    assert_eq!(order.spec.purpose, crds::work_order::Purpose::Rework);
    assert_eq!(order.spec.description.as_deref(), Some("少一个"));
    story.work("r1.rework-1.zj", "Accepted");
    assert_eq!(story.phase(), Phase::Provisioning);
    story.work("r1.rework-1.zj", "Done");
    let again = story.status().delivery.unwrap();
    assert_eq!(story.ready(), (ConditionStatus::True, Reason::Delivered));
    assert_eq!(again.accept_by.unwrap().to_string(), "2026-11-17");
    assert_eq!((again.mended, again.entries.len()), (1, 2));
    // The same once more; what cannot be mended is said, and a word of the unit is awaited again.
    story.append("acceptance", objection("仍少"));
    assert_eq!(story.phase(), Phase::Provisioning);
    story.work("r1.rework-2.zj", "Failed");
    assert_eq!(story.ready(), (ConditionStatus::False, Reason::WorkFailed));
    assert_eq!(story.phase(), Phase::Delivered);
    let kinds: Vec<_> = story
        .status()
        .timeline
        .iter()
        .map(|e| (e.kind, e.index))
        .collect();
    let delivered = |index| {
        kinds
            .iter()
            .filter(|k| **k == (EventKind::Delivered, index))
            .count()
    };
    assert_eq!([None, Some(0), Some(1)].map(delivered), [1, 1, 1]);
    story.append("acceptance", json!({ "by": "shen", "accepted": true }));
    assert_eq!(story.phase(), Phase::Accepted);
}

#[test]
fn an_objection_after_a_failed_order_is_mended_in_its_place_and_silence_after_that_accepts() {
    let items = json!([{ "name": "ym", "offering": "yuming", "platform": "zj", "zone": "Extranet",
                         "product": "zj-yuming", "size": "unit", "count": 2 }]);
    let mut story = Story::of(&json!({ "items": items }));
    catalog(&mut story.world, 5);
    story.settle();
    story.approve();
    story.work("r1-ym", "Failed");
    assert_eq!(story.ready(), (ConditionStatus::False, Reason::WorkFailed));
    story.append(
        "acceptance",
        json!({ "by": "shen", "accepted": false, "comment": "没有" }),
    );
    let due = story.world.orders[1].spec.due.unwrap();
    assert_eq!(due.to_string(), "2026-11-04", "as promised for the service");
    story.work("r1.rework-1.zj", "Done");
    assert_eq!(story.ready(), (ConditionStatus::True, Reason::Delivered));
    story.now += SignedDuration::from_hours(24 * 8);
    story.settle();
    assert_eq!(
        story.ready(),
        (ConditionStatus::True, Reason::AcceptedByRule)
    );
}
