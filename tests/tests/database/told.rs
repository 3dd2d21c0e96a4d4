//! Figures over time, and what is to be told.

use std::time::Duration;

use anyhow::Result;
use portal::db::history::{self, Grain};
use portal::db::outbox::{self, Channel, Progress};

use crate::place::Place;

const MINUTE: i64 = 60_000_000;

#[tokio::test]
async fn samples_roll_up_into_points_of_every_grain() -> Result<()> {
    for place in Place::both().await? {
        let db = place.open().await?;
        let mut connection = db.acquire().await?;
        // Six samples, ten minutes apart, in one hour.
        for (nth, value) in [4.0, 8.0, 2.0, 6.0, 6.0, 10.0].into_iter().enumerate() {
            let at = 7_200_000_000 + i64::try_from(nth)? * 10 * MINUTE;
            let samples = [("a".to_owned(), value), ("b".to_owned(), f64::NAN)];
            history::add(&mut connection, &samples, at).await?;
        }
        let hours = history::points(&mut connection, "a", Grain::Hour, 0).await?;
        assert_eq!(hours.len(), 1);
        assert_eq!(
            (hours[0].at, hours[0].mean, hours[0].low, hours[0].high),
            (7_200_000_000, 6.0, 2.0, 10.0)
        );
        assert_eq!(
            history::points(&mut connection, "a", Grain::Fine, 0)
                .await?
                .len(),
            6
        );
        assert_eq!(
            history::points(
                &mut connection,
                "a",
                Grain::Fine,
                7_200_000_000 + 31 * MINUTE
            )
            .await?
            .len(),
            3
        );
        assert!(
            history::points(&mut connection, "b", Grain::Day, 0)
                .await?
                .is_empty(),
            "not a number is no figure"
        );
        // Three days later the fine points are gone, the hour is there.
        let later = 7_200_000_000 + 72 * 60 * MINUTE;
        assert_eq!(history::sweep(&mut connection, later).await?, 6);
        drop(connection);
        let trend = portal::history::trend(&db, "a", Duration::from_hours(24 * 20), later).await?;
        assert_eq!(trend.len(), 1);
    }
    Ok(())
}

#[tokio::test]
async fn a_message_is_sent_once_and_one_without_an_address_blocks_nobody() -> Result<()> {
    for place in Place::both().await? {
        let db = place.open().await?;
        let mut connection = db.acquire().await?;
        let words = ("审批", "请处理 R-7");
        assert!(
            outbox::put(
                &mut connection,
                ("r-7/1", Channel::Email, "a@example.gov.cn"),
                words,
                10
            )
            .await?
        );
        assert!(
            !outbox::put(
                &mut connection,
                ("r-7/1", Channel::Email, "a@example.gov.cn"),
                words,
                11
            )
            .await?
        );
        assert!(outbox::put(&mut connection, ("r-7/1", Channel::Sms, ""), words, 12).await?);
        assert!(
            outbox::put(
                &mut connection,
                ("r-8/1", Channel::Email, " b@example.gov.cn "),
                words,
                13
            )
            .await?
        );
        assert!(
            outbox::take(&mut connection, (Channel::Sms, None), 9, 99)
                .await?
                .is_empty()
        );
        let taken = outbox::take(&mut connection, (Channel::Email, None), 9, 99).await?;
        let to: Vec<_> = taken
            .iter()
            .map(|message| message.recipient.as_str())
            .collect();
        assert_eq!(to, ["a@example.gov.cn", "b@example.gov.cn"]);
        // Another replica gets none of them, and this one again only if it was not heard of for two minutes.
        assert!(
            outbox::take(&mut connection, (Channel::Email, None), 9, 99)
                .await?
                .is_empty()
        );
        outbox::settle(&mut connection, &taken[0], (Progress::Sent, 99, ""), 99).await?;
        let again =
            outbox::take(&mut connection, (Channel::Email, None), 9, 99 + 2 * MINUTE).await?;
        assert_eq!((again.len(), again[0].attempts), (1, 2));
        let log = outbox::newest(&mut connection, i64::MAX, 9).await?;
        let states: Vec<_> = log.iter().map(|message| message.state.as_str()).collect();
        assert_eq!(states, ["waiting", "unaddressed", "sent"]);
        assert_eq!(outbox::sweep(&mut connection, 13).await?, 2);
    }
    Ok(())
}

/// Two replicas take at the same time: each message is one's.
#[tokio::test]
async fn replicas_do_not_send_twice() -> Result<()> {
    for place in Place::both().await? {
        let (one, two) = (place.open().await?, place.open().await?);
        for nth in 0..40 {
            let cause = format!("c-{nth}");
            outbox::put(
                &mut *one.acquire().await?,
                (&cause, Channel::Email, "a@b.cn"),
                ("s", "t"),
                nth,
            )
            .await?;
        }
        let take = async |db: &portal::db::Db| {
            outbox::take(&mut *db.acquire().await?, (Channel::Email, None), 40, 99).await
        };
        let (first, second) = tokio::join!(take(&one), take(&two));
        assert_eq!(first?.len() + second?.len(), 40, "{:?}", place.engine);
    }
    Ok(())
}
