//! A ledger that the real recorder wrote, in the hands of somebody who holds the whole database: whatever is done to it is found
//! by `qipan-portal audit verify` with the head that is anchored on the hub, on both engines and with both hashes.

use anyhow::{Context as _, Result, ensure};
use harness::Postgres;
use portal::db::Db;
use portal::db::audit;

use super::*;
use crate::forge::{close_up, put_in, rehash, set_head, swap, tamper};

/// What is done, by name; `None`: nothing.
#[derive(Clone, Copy, Debug)]
enum Forgery {
    Edited,
    Deleted,
    ClosedUp,
    Swapped,
    PutIn,
    Cut,
    Emptied,
    Rehashed,
    RehashedFromTheFirst,
}

const ALL: [Forgery; 9] = [
    Forgery::Edited,
    Forgery::Deleted,
    Forgery::ClosedUp,
    Forgery::Swapped,
    Forgery::PutIn,
    Forgery::Cut,
    Forgery::Emptied,
    Forgery::Rehashed,
    Forgery::RehashedFromTheFirst,
];

impl Forgery {
    /// Does it to a ledger whose newest row is the last one; gives what must be said of it.
    async fn commit(self, db: &Db, last: i64) -> Result<String> {
        let row = last / 2;
        let edit = |row: i64| format!("UPDATE audit SET actor = 'jemand-anders' WHERE seq = {row}");
        match self {
            Self::Edited => {
                tamper(db, &edit(row)).await?;
                Ok(format!("row {row} was altered"))
            }
            Self::Deleted => {
                tamper(db, &format!("DELETE FROM audit WHERE seq = {row}")).await?;
                Ok(format!("row {row} is missing"))
            }
            Self::ClosedUp => {
                close_up(db, row).await?;
                Ok(format!("row {row} was altered"))
            }
            Self::Swapped => {
                swap(db, (row, last - 1)).await?;
                Ok(format!("row {row} was altered"))
            }
            Self::PutIn => {
                let rows = forge::rows(db).await?;
                let before = rows.iter().find(|one| one.seq == row - 1);
                let before = before.context("the row before")?;
                let mut forged = before.clone();
                forged.seq = row;
                "gefaelscht".clone_into(&mut forged.key);
                forged.prev.clone_from(&before.hash);
                forged.hash = forged.expected_hash().context("a known hash")?;
                put_in(db, &forged).await?;
                Ok(format!("row {row} was inserted"))
            }
            Self::Cut => {
                tamper(db, &format!("DELETE FROM audit WHERE seq > {row}")).await?;
                set_head(db).await?;
                Ok(format!(
                    "row {} is missing: the newest rows were cut off; row {last}",
                    row + 1
                ))
            }
            Self::Emptied => {
                tamper(db, "DELETE FROM audit").await?;
                tamper(db, "UPDATE audit_head SET seq = 0, hash = ''").await?;
                Ok(format!(
                    "row 1 is missing: the newest rows were cut off; row {last}"
                ))
            }
            Self::Rehashed => {
                tamper(db, &edit(row)).await?;
                rehash(db, row).await?;
                Ok("was changed and everything after it hashed anew".to_owned())
            }
            Self::RehashedFromTheFirst => {
                tamper(db, &edit(1)).await?;
                rehash(db, 1).await?;
                Ok("was changed and everything after it hashed anew".to_owned())
            }
        }
    }

    /// Whether the chain in the database holds all the same, so that only the anchor tells.
    const fn is_consistent(self) -> bool {
        matches!(
            self,
            Self::Cut | Self::Emptied | Self::Rehashed | Self::RehashedFromTheFirst
        )
    }
}

/// Puts every row back as it was.
async fn put_back(db: &Db, rows: &[Row]) -> Result<()> {
    tamper(db, "DELETE FROM audit").await?;
    for row in rows {
        ensure!(audit::insert(&mut *db.acquire().await?, row).await?);
    }
    set_head(db).await
}

async fn every_forgery_is_found(database: Option<Postgres>, hash: &str) -> Result<()> {
    let mut hub = Hub::start_on(database, hash).await?;
    hub.three_tenants().await?;
    for level in ["County", "Town", "City"] {
        hub.level("jiaoyu", level)?;
    }
    let raised = |rows: &[Row]| of(rows, "update", "jiaoyu").len() == 3;
    hub.eventually("three changes are rows", raised).await?;
    hub.wait_anchored().await?;
    hub.portal.program.stop();
    let rows = hub.rows().await?;
    ensure!(
        rows.iter().all(|row| row.algorithm == hash),
        "{}",
        told(&rows)
    );
    let last = rows.last().context("there are rows")?.seq;
    let whole = format!("intact: rows 1 to {last}");
    let db = hub.db().await?;
    for forgery in ALL {
        let proof = hub.verify()?;
        ensure!(
            proof.contains(&whole) && proof.contains("the newest row is the anchored one"),
            "before {forgery:?}: {proof}"
        );
        let says = forgery.commit(&db, last).await?;
        let alone = hub.portal(&["audit", "verify", "--without-anchor"]);
        ensure!(
            alone.is_ok() == forgery.is_consistent(),
            "{forgery:?} without the anchor: {alone:?}"
        );
        let why = refusal(hub.verify())?;
        ensure!(why.contains(&says), "{forgery:?} is told as {why}");
        put_back(&db, &rows).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_forgery_is_found_by_the_anchor_on_the_hub_in_a_file() -> Result<()> {
    every_forgery_is_found(None, "sha256").await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_forgery_is_found_by_the_anchor_on_the_hub_in_postgresql_hashed_with_sm3()
-> Result<()> {
    let database = Postgres::start(&[]).await?;
    every_forgery_is_found(Some(database), "sm3").await
}
