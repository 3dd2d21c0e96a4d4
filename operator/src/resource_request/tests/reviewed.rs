//! An emergency, and its review afterwards.

use super::*;

#[test]
fn in_an_emergency_it_is_opened_at_once_and_reviewed_afterwards() {
    let mut story = Story::of(&json!({ "environment": "Emergency" }));
    story.settle();
    story.decide("PlatformOwner", "shi-1", "Approve");
    assert_eq!(story.phase(), Phase::Delivered);
    assert_eq!(story.status().stage.unwrap().to_string(), "UnitHead");
    story.decide("UnitHead", "tou", "Approve");
    let reviewed = |story: &Story| {
        let status = story.status();
        let reviewed = status.conditions.get(ConditionType::Reviewed).unwrap();
        (reviewed.status, reviewed.reason.clone())
    };
    assert_eq!(
        reviewed(&story),
        (ConditionStatus::Unknown, "ReviewOpen".into())
    );
    story.decide("Authority", "ke", "Approve");
    assert_eq!(
        reviewed(&story),
        (ConditionStatus::True, "ReviewPassed".into())
    );
    assert_eq!(story.world.grants[0].spec.lease, None, "it goes on");
    assert_eq!(story.phase(), Phase::Delivered);
}

#[test]
fn a_return_in_the_review_waits_for_an_answer_and_ends_nothing() {
    let mut story = Story::of(&json!({ "environment": "Emergency" }));
    story.settle();
    story.decide("PlatformOwner", "shi-1", "Approve");
    story.decide("UnitHead", "tou", "Return");
    let status = story.status();
    assert!(status.awaits_answer());
    assert_eq!(story.phase(), Phase::Delivered, "it goes on meanwhile");
    let said = status.conditions.get(ConditionType::Reviewed).unwrap();
    assert_eq!(
        (
            said.status,
            said.reason.as_str(),
            said.params["by"].as_str()
        ),
        (ConditionStatus::Unknown, "Returned", "tou")
    );
    assert_eq!(last_day(&story), None, "nothing ends");
    story.append("answers", json!({ "by": "shen", "comment": "a" }));
    assert!(!story.status().awaits_answer());
    story.decide("UnitHead", "tou", "Approve");
    story.decide("Authority", "ke", "Approve");
    let status = story.status();
    let said = status.conditions.get(ConditionType::Reviewed).unwrap();
    assert_eq!(said.reason, "ReviewPassed");
}

fn last_day(story: &Story) -> Option<String> {
    let lease = story.world.grants[0].spec.lease.as_ref();
    lease.map(|l| l.until.to_string())
}

#[test]
fn where_the_review_refuses_what_was_made_ends_after_the_notice_unless_it_is_renewed() {
    let mut story = Story::of(&json!({ "environment": "Emergency" }));
    story.settle();
    story.decide("PlatformOwner", "shi-1", "Approve");
    story.decide("UnitHead", "tou", "Reject");
    let status = story.status();
    let said = status.conditions.get(ConditionType::Reviewed).unwrap();
    assert_eq!(said.reason, "ReviewRejected");
    let figures = ["by", "stage", "on", "comment", "until", "made", "raised"];
    assert_eq!(
        figures.map(|name| said.params[name].as_str()),
        [
            "tou",
            "UnitHead",
            "2026-11-02",
            "c",
            "2026-12-02",
            "r1-app",
            "-"
        ]
    );
    assert!(!said.message.contains('?'), "{}", said.message);
    assert_eq!(last_day(&story).as_deref(), Some("2026-12-02"));
    assert!(record::at(&status.timeline, EventKind::Curtailed, None).is_some());
    // Whoever prolongs it by right is not written over.
    let lease = story.world.grants[0].spec.lease.as_mut().unwrap();
    lease.until = days_after(lease.until, 300);
    story.settle();
    assert_eq!(last_day(&story).as_deref(), Some("2027-09-28"));
}

#[test]
fn what_was_there_before_an_emergency_is_not_ended_with_it() {
    let mut raised = change(9);
    raised["environment"] = json!("Emergency");
    let mut story = Story::of(&raised);
    story.world.grants = vec![existing(0)];
    story.pool();
    story.settle();
    story.decide("PlatformOwner", "shi-1", "Approve");
    story.decide("UnitHead", "tou", "Reject");
    assert_eq!(last_day(&story), None);
    let status = story.status();
    let said = status.conditions.get(ConditionType::Reviewed).unwrap();
    assert_eq!(
        (said.params["made"].as_str(), said.params["raised"].as_str()),
        ("-", "gou")
    );
    // What another request has taken over is that one's.
    let mut story = Story::of(&json!({ "environment": "Emergency" }));
    story.settle();
    story.decide("PlatformOwner", "shi-1", "Approve");
    story.world.grants[0].spec.request = Some("xuqi".into());
    story.decide("UnitHead", "tou", "Reject");
    assert_eq!(last_day(&story), None);
}
