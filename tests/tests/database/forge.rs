//! What somebody can do to the ledger who holds the whole database. On either engine.

use anyhow::{Context as _, Result};
use portal::audit::chain::{GENESIS, Row};
use portal::db::Db;
use portal::db::audit;
use sqlx::AssertSqlSafe;

/// Runs a statement; gives the number of rows that it changed.
pub(crate) async fn tamper(db: &Db, sql: &str) -> Result<u64> {
    Ok(sqlx::query(AssertSqlSafe(sql))
        .execute(db.pool())
        .await?
        .rows_affected())
}

pub(crate) async fn rows(db: &Db) -> Result<Vec<Row>> {
    Ok(audit::after(&mut *db.acquire().await?, 0, 10_000).await?)
}

/// Makes the newest row that is there the recorded end of the chain.
pub(crate) async fn set_head(db: &Db) -> Result<()> {
    tamper(
        db,
        "UPDATE audit_head SET seq = (SELECT MAX(seq) FROM audit), \
         hash = (SELECT hash FROM audit WHERE seq = (SELECT MAX(seq) FROM audit))",
    )
    .await?;
    Ok(())
}

/// Hashes rows anew from a number on, and the head with them.
pub(crate) async fn rehash(db: &Db, from: i64) -> Result<()> {
    let mut prev = GENESIS.to_owned();
    for mut row in rows(db).await? {
        if row.seq >= from {
            row.prev = prev;
            row.hash = row.expected_hash().context("a known algorithm")?;
            let (hash, before, seq) = (&row.hash, &row.prev, row.seq);
            tamper(
                db,
                &format!("UPDATE audit SET hash = '{hash}', prev = '{before}' WHERE seq = {seq}"),
            )
            .await?;
        }
        prev = row.hash;
    }
    set_head(db).await
}

/// Lets two rows change places.
pub(crate) async fn swap(db: &Db, (one, other): (i64, i64)) -> Result<()> {
    for (from, to) in [(one, -1), (other, one), (-1, other)] {
        tamper(
            db,
            &format!("UPDATE audit SET seq = {to} WHERE seq = {from}"),
        )
        .await?;
    }
    Ok(())
}

/// Deletes a row and lets the later ones close up.
pub(crate) async fn close_up(db: &Db, gone: i64) -> Result<()> {
    let last = rows(db).await?.last().map_or(0, |row| row.seq);
    tamper(db, &format!("DELETE FROM audit WHERE seq = {gone}")).await?;
    for seq in gone + 1..=last {
        tamper(
            db,
            &format!("UPDATE audit SET seq = {} WHERE seq = {seq}", seq - 1),
        )
        .await?;
    }
    set_head(db).await
}

/// Puts a row in, bound to the one before it; the later ones make room.
pub(crate) async fn put_in(db: &Db, forged: &Row) -> Result<()> {
    let last = rows(db).await?.last().map_or(0, |row| row.seq);
    for seq in (forged.seq..=last).rev() {
        tamper(
            db,
            &format!("UPDATE audit SET seq = {} WHERE seq = {seq}", seq + 1),
        )
        .await?;
    }
    anyhow::ensure!(audit::insert(&mut *db.acquire().await?, forged).await?);
    set_head(db).await
}
