//! A thousand open pages.

use std::time::Duration;

use anyhow::Result;
use futures::future::{join_all, try_join_all};
use harness::HUB;
use jiff::Timestamp;
use portal::db::{DatabaseUrl, Db};
use portal::identity::User;
use portal::identity::sessions::{Arrival, IDLE, LIFE, Sessions, Way};
use serde_json::json;
use tokio::net::TcpStream;

use crate::{Person, World, apply, hear};

const CLIENTS: usize = 1000;
/// How many are opened at once.
const AT_ONCE: usize = 16;
/// Not a figure that is measured here: `make bench` does that.
const PATIENCE: Duration = Duration::from_mins(3);

/// So many people, each signed in, as the sign-in would do it: one in ten sees everything, the others their own unit.
async fn people(world: &World) -> Result<Vec<Person>> {
    let url: DatabaseUrl =
        format!("sqlite:{}", world.testbed.dir().join("portal.db").display()).parse()?;
    let sessions = Sessions::in_database(Db::connect(&url).await?, IDLE, LIFE);
    let now = Timestamp::now();
    let mut people = Vec::with_capacity(CLIENTS);
    for n in 0..CLIENTS {
        let group = if n.is_multiple_of(10) {
            "gd-zsj"
        } else {
            "zhanjiang-rsj"
        };
        let arrival = Arrival {
            user: User {
                name: format!("person-{n}"),
                groups: vec![group.to_owned()],
                post: None,
            },
            level: String::new(),
            authenticated: now,
            way: Way::Provider,
            provider_session: String::new(),
            agent: "test".to_owned(),
        };
        let token = sessions.begin(&arrival, now).await?;
        people.push(Person {
            address: world.portal.address.clone(),
            cookie: format!("qipan_session={token}"),
        });
    }
    Ok(people)
}

async fn open(people: &[Person]) -> Result<Vec<TcpStream>> {
    let mut streams = Vec::with_capacity(people.len());
    for some in people.chunks(AT_ONCE) {
        let listening = some.iter().map(|person| person.listen("/tenants/renshe"));
        streams.extend(try_join_all(listening).await?);
    }
    Ok(streams)
}

#[tokio::test]
async fn a_thousand_open_pages_hear_of_a_change_and_others_are_served_meanwhile() {
    let world = crate::start().await.unwrap();
    let people = people(&world).await.unwrap();
    let mut streams = open(&people).await.unwrap();
    let hub = world.testbed.client(HUB).await.unwrap();
    let mut renamed = harness::world::tenant("renshe");
    renamed["spec"]["displayName"] = json!({ "zh": "改名局" });
    apply(&hub, &renamed).await.unwrap();
    let hearing = streams
        .iter_mut()
        .map(|stream| hear(stream, "event:", PATIENCE));
    let (heard, page) = tokio::join!(join_all(hearing), people[0].get("/tenants"));
    assert!(page.unwrap().starts_with("HTTP/1.1 200"));
    let deaf: Vec<_> = heard.into_iter().filter_map(Result::err).collect();
    assert!(
        deaf.is_empty(),
        "{} of {CLIENTS}: {:?}",
        deaf.len(),
        deaf.first()
    );
    let page = people[1].get("/tenants/renshe").await.unwrap();
    assert!(page.contains("改名局"), "{page}");
}
