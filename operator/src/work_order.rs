//! `WorkOrder`: what the operations provider does by hand.
//!
//! Given an order, the operator says where it stands by its last step, when each step was first seen, and whether it is on
//! time.
//! - not ready: the provider cannot do it; it is overdue; its platform is unknown.

use crds::calendar::day_of;
use crds::condition::whole_second;
use crds::work_order::{OrderState, WorkOrderStatus};
use crds::{ConditionType, Conditions, Reason, Verdict, WorkOrder};
use jiff::Timestamp;
use kube::Api;
use kube::runtime::reflector::ObjectRef;

use crate::resource_request::next_day;
use crate::runtime::controller::{Judged, Reconciler};
use crate::runtime::hub::{Guarded, by_name};
use crate::runtime::{Context, Plan};

/// The controller of work orders.
pub struct WorkOrders;

/// Whether its platform is there.
pub struct World(pub bool);

impl Judged for WorkOrderStatus {
    fn conditions(&mut self) -> &mut Conditions {
        &mut self.conditions
    }
    fn observed_generation(&mut self) -> &mut Option<i64> {
        &mut self.observed_generation
    }
}

impl Reconciler for WorkOrders {
    type Object = WorkOrder;
    type World = World;
    const NAME: &'static str = "workorder";

    fn observe(cx: &Context, order: &WorkOrder) -> World {
        World(by_name(&cx.hub.platforms, &order.spec.platform).is_some())
    }

    fn plan(order: &WorkOrder, World(platform): &World, now: Timestamp) -> Plan<WorkOrderStatus> {
        let mut status = order.status.clone().unwrap_or_default();
        status.state = order.spec.state();
        let steps = order.spec.progress.len();
        status.seen.resize(steps, whole_second(now));
        let verdict = if *platform {
            judge(order, now)
        } else {
            Verdict::no(Reason::UnknownPlatform).with("platform", &order.spec.platform)
        };
        status.conditions.set(
            ConditionType::Ready,
            &verdict,
            order.metadata.generation,
            now,
        );
        let waits = matches!(status.state, OrderState::Open | OrderState::InProgress);
        Plan {
            // Whether it is on time changes at midnight.
            requeue: (waits && order.spec.due.is_some()).then(|| next_day(now)),
            ..Plan::say(status)
        }
    }

    fn api(cx: &Context, object: &ObjectRef<Guarded<WorkOrder>>) -> Api<WorkOrder> {
        let namespace = object.namespace.as_deref().unwrap_or_default();
        Api::namespaced(cx.hub.client.clone(), namespace)
    }
}

fn judge(order: &WorkOrder, now: Timestamp) -> Verdict {
    let last = order.spec.progress.last();
    let by = last.map_or("", |step| step.by.as_str());
    let state = order.spec.state();
    let due = order.spec.due;
    let until = due.map_or_else(|| "-".to_owned(), |due| due.to_string());
    match state {
        OrderState::Done => Verdict::yes(Reason::WorkDone).with("by", by),
        OrderState::Failed => Verdict::no(Reason::WorkFailed).with("by", by).with(
            "comment",
            last.and_then(|step| step.comment.as_deref()).unwrap_or("-"),
        ),
        OrderState::Open | OrderState::InProgress if due.is_some_and(|d| d < day_of(now)) => {
            Verdict::no(Reason::WorkOverdue).with("due", until)
        }
        OrderState::Open | OrderState::InProgress => Verdict::yes(Reason::WorkOpen)
            .with("state", format!("{state:?}"))
            .with("due", until),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn order(progress: &Value) -> WorkOrder {
        serde_json::from_value(json!({
            "apiVersion": "qipan.dev/v1alpha1", "kind": "WorkOrder", "metadata": { "name": "o", "namespace": "qp-shuiwu" },
            "spec": { "purpose": "Fault", "title": "断网", "platform": "zj-node", "due": "2026-11-24", "progress": progress },
        }))
        .unwrap()
    }

    #[test]
    fn it_stands_where_its_last_step_says_and_each_step_was_seen_once() {
        let step = |by: &str, state: &str| json!({ "by": by, "state": state, "comment": "无配件" });
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let in_time = at("2026-11-24T02:00:00Z");
        let cases = [
            (json!([]), in_time, "WorkOpen"),
            (json!([]), at("2026-11-24T16:00:00Z"), "WorkOverdue"),
            (json!([step("yw-1", "Accepted")]), in_time, "WorkOpen"),
            (
                json!([step("yw-1", "Accepted"), step("yw-2", "Done")]),
                at("2026-11-30T02:00:00Z"),
                "WorkDone",
            ),
            (json!([step("yw-3", "Failed")]), in_time, "WorkFailed"),
        ];
        for (progress, now, reason) in cases {
            let mut object = order(&progress);
            let first = WorkOrders::plan(&object, &World(true), now);
            assert_eq!(first.status.conditions.0[0].reason, reason, "{progress}");
            assert_eq!(first.status.seen.len(), progress.as_array().unwrap().len());
            object.status = Some(first.status.clone());
            let again = WorkOrders::plan(&object, &World(true), now);
            assert_eq!(again.status, first.status);
        }
        let plan = WorkOrders::plan(&order(&json!([])), &World(false), in_time);
        assert_eq!(plan.status.conditions.0[0].reason, "UnknownPlatform");
    }
}
