//! What happened in the sample province: applications, decisions, work and a fault (`tests/course`), each act done on the hub
//! by the person it names, with that person's own credential. A second telling goes on where the first one stopped.

use std::{fs, time::Duration};

use anyhow::{Context, Result, ensure};
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, Patch, PatchParams, PostParams},
    core::{ApiResource, GroupVersionKind},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{HUB, Testbed, eventually, tools, yaml_files};

/// How long an act waits for its turn: access is bound and requests are judged a moment after they are there.
const TURN: Duration = Duration::from_mins(1);

/// What somebody does.
#[derive(Debug, Deserialize)]
struct Act {
    /// Who does it, and with which groups.
    r#as: String,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(flatten)]
    deed: Deed,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Deed {
    /// Makes an object.
    Create { create: Box<DynamicObject> },
    /// Appends an entry to a list of an object's spec.
    Append {
        on: Target,
        /// The fields that the object's status must have before: its stage, its phase.
        #[serde(default)]
        when: serde_json::Map<String, Value>,
        append: String,
        entry: Value,
    },
}

#[derive(Debug, Deserialize)]
struct Target {
    kind: String,
    namespace: String,
    name: String,
}

fn of_kind(client: Client, kind: &str, namespace: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("qipan.dev", "v1alpha1", kind);
    Api::namespaced_with(client, namespace, &ApiResource::from_gvk(&kind))
}

/// What came of the telling.
#[derive(Debug, Default)]
pub struct Told {
    /// How many acts were done, now or by an earlier telling.
    pub acts: usize,
    /// Which stories stopped, where and why: what people did since may stand in the way.
    pub stopped: Vec<String>,
}

/// Tells every story, each until its end or until an act of it is refused or does not get its turn within a minute.
///
/// # Errors
/// A story cannot be read.
pub async fn tell(testbed: &Testbed) -> Result<Told> {
    let mut told = Told::default();
    for file in yaml_files(&tools::repository().join("tests/course"))? {
        let text = fs::read_to_string(&file)?;
        let story = serde_yaml::Deserializer::from_str(&text).map(Act::deserialize);
        let story: Vec<Act> = story
            .collect::<Result<_, _>>()
            .with_context(|| file.display().to_string())?;
        for act in story {
            if let Err(why) = perform(testbed, act).await {
                let name = file.file_name().unwrap_or_default().display();
                told.stopped.push(format!("{name}: {why:#}"));
                break;
            }
            told.acts += 1;
        }
    }
    Ok(told)
}

async fn perform(testbed: &Testbed, act: Act) -> Result<()> {
    let groups: Vec<&str> = act.groups.iter().map(String::as_str).collect();
    let person = testbed.client_as(HUB, &act.r#as, &groups).await?;
    match act.deed {
        Deed::Create { create } => {
            let kind = create.types.as_ref().context("it names its kind")?;
            let namespace = create.namespace().context("it names its namespace")?;
            let api = of_kind(person, &kind.kind, &namespace);
            let what = format!("{} makes {}", act.r#as, create.name_any());
            eventually(&what, TURN, async || {
                match api.create(&PostParams::default(), &create).await {
                    Err(kube::Error::Api(refusal)) if refusal.code == 409 => Ok(()),
                    made => made.map(drop),
                }
            })
            .await
        }
        Deed::Append {
            on,
            when,
            append,
            entry,
        } => {
            let hub = of_kind(testbed.client(HUB).await?, &on.kind, &on.namespace);
            let api = of_kind(person, &on.kind, &on.namespace);
            let what = format!("{} appends to {append} of {}", act.r#as, on.name);
            eventually(&what, TURN, async || {
                let now = hub.get(&on.name).await?.data;
                let list = &now["spec"][&append];
                if list
                    .as_array()
                    .into_iter()
                    .flatten()
                    .any(|e| has(e, &entry))
                {
                    return Ok(());
                }
                for (field, value) in &when {
                    let is = &now["status"][field];
                    ensure!(is == value, "its {field} is {is}, not {value}");
                }
                let place = format!("/spec/{append}");
                let add = if list.is_array() {
                    json!([{ "op": "add", "path": format!("{place}/-"), "value": entry }])
                } else {
                    json!([{ "op": "add", "path": place, "value": [entry] }])
                };
                let patch: Patch<Value> = Patch::Json(serde_json::from_value(add)?);
                api.patch(&on.name, &PatchParams::default(), &patch).await?;
                Ok(())
            })
            .await
        }
    }
}

/// Whether an entry says all that another does: the server stamps more on it.
fn has(entry: &Value, said: &Value) -> bool {
    let said = said.as_object().into_iter().flatten();
    said.into_iter()
        .all(|(key, value)| entry.get(key) == Some(value))
}
