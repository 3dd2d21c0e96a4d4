//! Events: one per distinct judgement, published beside the pass and never failing it.

use crds::{Condition, ConditionStatus};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::mpsc;

/// Events that wait at most; more are dropped, since the condition says the same.
const QUEUE: usize = 4096;
/// The API server's bound on a note.
const NOTE: usize = 1000;

/// Where a pass puts its events.
#[derive(Clone)]
pub struct Events(mpsc::Sender<(Event, ObjectReference)>);

impl Events {
    /// Starts the publisher.
    #[must_use]
    pub fn start(client: Client, identity: &str) -> Self {
        let (sender, mut queue) = mpsc::channel::<(Event, ObjectReference)>(QUEUE);
        let reporter = Reporter {
            controller: "qipan-operator".into(),
            instance: Some(identity.to_owned()),
        };
        let recorder = Recorder::new(client, reporter);
        super::controller::spawn("events", async move {
            while let Some((event, object)) = queue.recv().await {
                let published =
                    tokio::time::timeout(super::apply::DEADLINE, recorder.publish(&event, &object))
                        .await;
                if let Ok(Err(why)) = published {
                    tracing::debug!(error = %why, "failed to publish an event");
                }
            }
        });
        Self(sender)
    }

    /// Says a new judgement, unless it is one that only passes through.
    pub fn judged(&self, object: &ObjectReference, condition: &Condition) {
        let being_made =
            condition.reason == "TenantNotReady" && condition.status == ConditionStatus::Unknown;
        if being_made
            || matches!(
                condition.reason.as_str(),
                "Progressing"
                    | "AwaitingEnforcement"
                    | "AwaitingHold"
                    | "AwaitingPool"
                    | "Declared"
                    | "Submitted"
            )
        {
            return;
        }
        // What people do with a request is its course, not a warning.
        // That groups are used is no fault either.
        let course = [
            "Reviewing",
            "Approved",
            "Provisioning",
            "Withdrawn",
            "OfficesUnseen",
            "ChangeFrozen",
            "BeginsLater",
            "WindowPlanned",
            "WindowEnded",
            "ReviewOpen",
        ];
        let good = condition.status == ConditionStatus::True
            || course.contains(&condition.reason.as_str());
        let event = Event {
            type_: if good {
                EventType::Normal
            } else {
                EventType::Warning
            },
            reason: condition.reason.clone(),
            note: Some(condition.message.chars().take(NOTE).collect()),
            action: "Reconcile".into(),
            secondary: None,
        };
        if self.0.try_send((event, object.clone())).is_err() {
            tracing::debug!("the event queue is full; the condition says the same");
        }
    }
}
