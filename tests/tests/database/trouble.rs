//! A database that is locked, full or gone: what is said, and that nothing is lost.

use std::time::Duration;

use anyhow::Result;
use harness::{Postgres, eventually};
use portal::audit::append::append;
use portal::audit::chain::Algorithm;
use portal::audit::keeper::Keeper;
use portal::audit::verify::verify;
use portal::db::{Db, DbError, Engine};
use sqlx::Connection as _;

use crate::forge::tamper;
use crate::place::{Place, act};

const SOON: Duration = Duration::from_secs(30);

/// Records acts while the database is in trouble, lets `heal` end it, and expects every act once.
async fn nothing_is_lost(
    db: &Db,
    word: &str,
    heal: impl AsyncFnOnce() -> Result<()>,
) -> Result<()> {
    append(db, Algorithm::Sha256, &[act(0)], 1).await.err();
    let keeper = Keeper::start(db.clone(), Algorithm::Sha256);
    for nth in 1..=60 {
        keeper.record(act(nth))?;
    }
    let state = eventually("the keeper says what is wrong", SOON, async || {
        keeper
            .state()
            .why
            .map(|why| (why, keeper.state().waiting))
            .ok_or("nothing is wrong")
    })
    .await?;
    assert_eq!((state.0.word(), state.1), (word, 60), "{}", state.0);
    assert!(
        state.0.to_string().contains(':'),
        "it says a way out: {}",
        state.0
    );
    heal().await?;
    assert_eq!(keeper.flush(SOON).await, 0);
    assert_eq!(keeper.state().why, None);
    let proof = verify(db, &[]).await?.map(|proof| proof.last);
    assert!(proof == Ok(60) || proof == Ok(61), "{proof:?}");
    Ok(())
}

#[tokio::test]
async fn locked() -> Result<()> {
    for place in Place::both().await? {
        let db = place.open().await?;
        let other = place.open().await?;
        let mut holder = other.pool().acquire().await?.detach();
        let lock = match place.engine {
            Engine::Sqlite => "BEGIN EXCLUSIVE",
            Engine::Postgres => "BEGIN; LOCK TABLE audit_head IN ACCESS EXCLUSIVE MODE",
        };
        sqlx::raw_sql(lock).execute(&mut holder).await?;
        nothing_is_lost(&db, "locked", async || Ok(holder.close().await?)).await?;
    }
    Ok(())
}

#[tokio::test]
async fn full() -> Result<()> {
    for place in Place::both().await? {
        let db = place.open().await?;
        let (fill, heal) = match place.engine {
            Engine::Sqlite => (
                "PRAGMA max_page_count = 1",
                "PRAGMA max_page_count = 100000",
            ),
            // The server's own answer to a full disk, without filling one.
            Engine::Postgres => (
                "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS \
                 $$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$; \
                 CREATE TRIGGER full_disk BEFORE INSERT ON audit EXECUTE FUNCTION full_disk()",
                "DROP TRIGGER full_disk ON audit",
            ),
        };
        everywhere(&db, fill).await?;
        if place.engine == Engine::Sqlite {
            // Fill what is left of the last page.
            while append(&db, Algorithm::Sha256, &[act(0)], 1)
                .await
                .is_ok_and(|_| false)
            {}
        }
        nothing_is_lost(&db, "full", async || everywhere(&db, heal).await).await?;
    }
    Ok(())
}

/// On every connection of the pool: some settings are a connection's.
async fn everywhere(db: &Db, sql: &'static str) -> Result<()> {
    if db.engine() == Engine::Postgres {
        sqlx::raw_sql(sql).execute(db.pool()).await?;
        return Ok(());
    }
    let mut held = Vec::new();
    for _ in 0..4 {
        let mut connection = db.pool().acquire().await?;
        sqlx::raw_sql(sql).execute(&mut *connection).await?;
        held.push(connection);
    }
    Ok(())
}

#[tokio::test]
async fn an_embedded_database_whose_file_was_moved_away_is_gone() -> Result<()> {
    let place = Place::sqlite()?;
    let db = place.open().await?;
    let (file, away) = (
        place.dir.path().join("portal.db"),
        place.dir.path().join("away.db"),
    );
    std::fs::rename(&file, &away)?;
    nothing_is_lost(&db, "gone", async || Ok(std::fs::rename(&away, &file)?)).await?;
    // Another file in its place is not written to.
    std::fs::rename(&file, &away)?;
    std::fs::write(&file, b"")?;
    let refused = append(&db, Algorithm::Sha256, &[act(99)], 1)
        .await
        .unwrap_err();
    assert!(
        matches!(refused, DbError::Gone(_)) && refused.to_string().contains("restart"),
        "{refused}"
    );
    Ok(())
}

#[tokio::test]
async fn a_server_that_was_killed_is_gone_until_it_is_back() -> Result<()> {
    let mut server = Postgres::start(&[]).await?;
    let url = server.url("postgres").parse()?;
    let db = Db::open(&url).await?;
    append(&db, Algorithm::Sha256, &[act(0)], 1).await?;
    server.program.kill()?;
    nothing_is_lost(&db, "gone", async || {
        server.program.restart()?;
        server.wait().await
    })
    .await
}

#[tokio::test]
async fn what_does_not_belong_to_the_portal_says_so() -> Result<()> {
    let server = crate::place::server().await?;
    let none = server.url("no_such_database").parse()?;
    let refused = Db::open(&none).await.unwrap_err();
    assert!(matches!(refused, DbError::Refused(_)), "{refused:?}");
    let place = Place::sqlite()?;
    std::fs::write(
        place.dir.path().join("portal.db"),
        "this is no database, however long it may be".repeat(90),
    )?;
    let refused = Db::open(&place.url).await.unwrap_err();
    assert!(matches!(refused, DbError::Damaged(_)), "{refused:?}");
    let nowhere = format!("sqlite:{}/none/portal.db", place.dir.path().display());
    let refused = Db::open(&nowhere.parse()?).await.unwrap_err();
    assert!(matches!(refused, DbError::Gone(_)), "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn acts_beyond_the_room_are_refused_not_dropped() -> Result<()> {
    let place = Place::sqlite()?;
    let db = place.open().await?;
    tamper(&db, "DELETE FROM audit_head").await?;
    let keeper = Keeper::start(db.clone(), Algorithm::Sha256);
    let taken = (0..20_000)
        .take_while(|nth| keeper.record(act(*nth)).is_ok())
        .count();
    assert_eq!((taken, keeper.has_room()), (10_000, false));
    tamper(
        &db,
        "INSERT INTO audit_head (id, seq, at, hash) VALUES (1, 0, 0, '')",
    )
    .await?;
    assert_eq!(keeper.flush(Duration::from_mins(1)).await, 0);
    assert_eq!(verify(&db, &[]).await?.map(|proof| proof.last), Ok(10_000));
    Ok(())
}
