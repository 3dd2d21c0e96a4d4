//! The state machine, entry by entry.

use serde_json::{Value, json};

use super::super::tests::{application, calendar_2026};
use super::super::{Delivery, EventKind};
use super::*;
use crate::approval::Stage;

/// A request of `shui` that passes `UnitHead`, Technical (an opinion), Authority (all of two) and the owner of `zj`.
struct Story {
    spec: ResourceRequestSpec,
    status: ResourceRequestStatus,
    now: Timestamp,
}

fn stage(stage: Stage, approvers: &[(&str, &str)], rule: Rule) -> StageStatus {
    let subjects: Vec<_> = approvers
        .iter()
        .map(|(kind, name)| json!({ "kind": kind, "name": name }))
        .collect();
    serde_json::from_value(json!({
        "stage": stage, "rule": rule, "approvers": subjects, "workingDays": 3, "state": "Waiting",
        "of": (stage == Stage::PlatformOwner).then_some("zj"),
    }))
    .unwrap()
}

impl Story {
    fn new() -> Self {
        let spec = serde_json::from_value(json!({
            "classified": false, "applicant": "shui", "application": application("zj"),
        }));
        let mut story = Self {
            spec: spec.unwrap(),
            status: ResourceRequestStatus {
                chain: vec![
                    stage(Stage::UnitHead, &[("User", "tou")], Rule::Any),
                    stage(Stage::Technical, &[("Group", "yunying")], Rule::Any),
                    stage(
                        Stage::Authority,
                        &[("User", "zhu"), ("Group", "shuju")],
                        Rule::All,
                    ),
                    stage(Stage::PlatformOwner, &[("Group", "shi")], Rule::Any),
                ],
                ..ResourceRequestStatus::default()
            },
            now: "2026-11-02T02:00:00Z".parse().unwrap(),
        };
        story.status.timeline = record::timeline(&story.spec, &[], story.now, story.now);
        story.status.timeline.push(record::Event {
            kind: EventKind::Held,
            index: None,
            by: None,
            at: story.now,
        });
        story
    }

    /// Appends an entry and sees it a working day later.
    fn append(&mut self, list: &str, entry: Value) -> Course {
        self.now += jiff::SignedDuration::from_hours(24);
        let mut spec = serde_json::to_value(&self.spec).unwrap();
        let mut entries = spec[list].as_array().cloned().unwrap_or_default();
        entries.push(entry);
        spec[list] = json!(entries);
        self.spec = serde_json::from_value(spec).unwrap();
        self.status.timeline =
            record::timeline(&self.spec, &self.status.timeline, self.now, self.now);
        self.course()
    }

    fn decide(&mut self, stage: Stage, by: &str, outcome: &str) -> Course {
        let of = (stage == Stage::PlatformOwner).then_some("zj");
        self.append(
            "decisions",
            json!({ "stage": stage, "of": of, "by": by, "outcome": outcome }),
        )
    }

    fn course(&self) -> Course {
        course(&self.spec, &self.status, &calendar_2026(), self.now)
    }

    fn turn(&self) -> Option<Stage> {
        let course = self.course();
        course.current.map(|i| course.chain[i].stage)
    }

    fn approve_all(&mut self) -> Course {
        self.decide(Stage::UnitHead, "tou", "Approve");
        self.append(
            "opinions",
            json!({ "stage": "Technical", "by": "yw", "view": "Neutral", "comment": "ok" }),
        );
        self.decide(Stage::Authority, "zhu", "Approve");
        self.append(
            "decisions",
            json!({ "stage": "Authority", "by": "ke", "party": "shuju", "outcome": "Approve" }),
        );
        self.decide(Stage::PlatformOwner, "shi-1", "Approve")
    }
}

fn why(course: &Course) -> Vec<Why> {
    course.uncounted.iter().map(|u| u.why).collect()
}

#[test]
fn it_goes_stage_by_stage_to_the_owner_of_the_platform_and_on_to_the_receipt() {
    let mut story = Story::new();
    assert_eq!(
        (story.course().phase, story.turn()),
        (Phase::Reviewing, Some(Stage::UnitHead))
    );
    let approved = story.approve_all();
    assert_eq!((approved.phase, approved.current), (Phase::Approved, None));
    assert_eq!(approved.outcome.as_ref().unwrap().by, "shi-1");
    assert_eq!(why(&approved), []);
    story.status.work_orders = vec!["o".into()];
    assert_eq!(story.course().phase, Phase::Provisioning);
    story.status.delivery = Some(Delivery {
        at: story.now,
        entries: Vec::new(),
        accept_by: Some(crate::calendar::days_after(day_of(story.now), 2)),
        mended: 0,
        again: None,
        accepted: None,
        accepted_by_rule: false,
    });
    assert_eq!(story.course().phase, Phase::Delivered);
    let missing = story.append(
        "acceptance",
        json!({ "by": "shui", "accepted": false, "comment": "少一个" }),
    );
    assert_eq!(missing.phase, Phase::Provisioning);
    // Nor does it end by rule while it is mended.
    let waited = story.now;
    story.now += jiff::SignedDuration::from_hours(24 * 9);
    assert_eq!(story.course().phase, Phase::Provisioning);
    story.now = waited;
    let delivery = story.status.delivery.as_mut().unwrap();
    delivery.mended = 1;
    assert_eq!(story.course().phase, Phase::Delivered);
    assert_eq!(
        story
            .append("acceptance", json!({ "by": "shui", "accepted": true }))
            .phase,
        Phase::Accepted
    );
}

#[test]
fn without_a_word_it_is_accepted_by_rule_after_its_day() {
    let mut story = Story::new();
    story.approve_all();
    let delivery = Delivery {
        at: story.now,
        entries: Vec::new(),
        accept_by: Some(day_of(story.now)),
        mended: 0,
        again: None,
        accepted: None,
        accepted_by_rule: false,
    };
    story.status.delivery = Some(delivery);
    assert_eq!(story.course().phase, Phase::Delivered);
    story.now += jiff::SignedDuration::from_hours(24);
    assert_eq!(story.course().phase, Phase::Accepted);
}

#[test]
fn out_of_turn_doubled_and_own_decisions_do_not_count() {
    let mut story = Story::new();
    assert_eq!(
        why(&story.decide(Stage::PlatformOwner, "shi-1", "Approve")),
        [Why::NotItsTurn]
    );
    story.decide(Stage::UnitHead, "shui", "Approve");
    // Two approvals of one stage: one counts.
    story.decide(Stage::UnitHead, "tou", "Approve");
    let course = story.decide(Stage::UnitHead, "tou-2", "Approve");
    assert_eq!(
        why(&course),
        [Why::NotItsTurn, Why::OwnRequest, Why::NotItsTurn]
    );
    assert_eq!(course.chain[0].by, ["tou"]);
}

#[test]
fn all_have_to_approve_where_the_rule_says_so_each_for_themselves_or_their_group() {
    let mut story = Story::new();
    story.decide(Stage::UnitHead, "tou", "Approve");
    story.append(
        "opinions",
        json!({ "stage": "Technical", "by": "yw", "view": "Unfavourable", "comment": "紧" }),
    );
    story.decide(Stage::Authority, "zhu", "Approve");
    assert_eq!(story.turn(), Some(Stage::Authority));
    assert_eq!(
        why(&story.decide(Stage::Authority, "zhu", "Approve")),
        [Why::Repeated]
    );
    assert_eq!(
        why(&story.decide(Stage::Authority, "lu", "Approve")),
        [Why::Repeated, Why::NoParty]
    );
    // Handed on by zhu, ke speaks for zhu and not for the group.
    story.append(
        "decisions",
        json!({ "stage": "Authority", "by": "ke", "party": "shuju", "outcome": "Approve" }),
    );
    assert_eq!(story.turn(), Some(Stage::PlatformOwner));
}

#[test]
fn a_return_pauses_until_it_is_answered_and_the_stage_decides_anew() {
    let mut story = Story::new();
    let returned = story.decide(Stage::UnitHead, "tou", "Return");
    assert_eq!(returned.phase, Phase::Returned);
    assert!(returned.clock.unwrap().paused.is_some());
    assert_eq!(
        why(&story.decide(Stage::UnitHead, "tou", "Approve")),
        [Why::AwaitingAnswer]
    );
    let answered = story.append("answers", json!({ "by": "shui", "comment": "补充" }));
    assert_eq!(
        (answered.phase, story.turn()),
        (Phase::Reviewing, Some(Stage::UnitHead))
    );
    assert_eq!(answered.clock.unwrap().used, Some(1));
    story.decide(Stage::UnitHead, "tou", "Approve");
    assert_eq!(story.course().chain[0].state, StageState::Approved);
}

#[test]
fn an_opinion_that_is_not_given_in_time_is_gone_on_without() {
    let mut story = Story::new();
    story.decide(Stage::UnitHead, "tou", "Approve");
    assert_eq!(story.turn(), Some(Stage::Technical));
    story.now += jiff::SignedDuration::from_hours(24 * 7);
    let course = story.course();
    assert_eq!(course.chain[1].state, StageState::PassedOver);
    assert_eq!(story.turn(), Some(Stage::Authority));
    // The clock of the next stage began when the opinion's days were over, not when somebody looked.
    assert_eq!(course.clock.unwrap().used, Some(2));
}

#[test]
fn rejection_and_withdrawal_end_it_and_a_withdrawal_after_approval_is_too_late() {
    let mut story = Story::new();
    assert_eq!(
        story.decide(Stage::UnitHead, "tou", "Reject").phase,
        Phase::Rejected
    );
    assert_eq!(
        why(&story.decide(Stage::UnitHead, "tou-2", "Approve")),
        [Why::Ended]
    );
    let mut story = Story::new();
    assert_eq!(
        story.append("withdrawal", json!({ "by": "shui" })).phase,
        Phase::Withdrawn
    );
    assert_eq!(
        why(&story.decide(Stage::UnitHead, "tou", "Approve")),
        [Why::Ended]
    );
    let mut story = Story::new();
    story.approve_all();
    assert_eq!(
        story.append("withdrawal", json!({ "by": "shui" })).phase,
        Phase::Approved
    );
}

#[test]
fn nothing_is_decided_before_the_capacity_is_held() {
    let mut story = Story::new();
    story.status.timeline.retain(|e| e.kind != EventKind::Held);
    let course = story.decide(Stage::UnitHead, "tou", "Approve");
    assert_eq!(
        (course.phase, why(&course)),
        (Phase::Submitted, vec![Why::NotHeld])
    );
}

#[test]
fn what_is_reviewed_afterwards_does_not_hold_it_up_and_cannot_undo_it() {
    let mut story = Story::new();
    story.status.chain = vec![
        stage(Stage::PlatformOwner, &[("Group", "shi")], Rule::Any),
        StageStatus {
            afterwards: true,
            ..stage(Stage::Authority, &[("User", "zhu")], Rule::Any)
        },
    ];
    let opened = story.decide(Stage::PlatformOwner, "shi-1", "Approve");
    assert_eq!((opened.phase, opened.current), (Phase::Approved, Some(1)));
    let reviewed = story.decide(Stage::Authority, "zhu", "Reject");
    assert_eq!(reviewed.phase, Phase::Approved);
    assert_eq!(reviewed.chain[1].state, StageState::Rejected);
}

#[test]
fn the_course_is_the_same_when_it_is_walked_again() {
    let mut story = Story::new();
    story.approve_all();
    let first = story.course();
    story.status.chain.clone_from(&first.chain);
    assert_eq!(story.course(), first);
}
