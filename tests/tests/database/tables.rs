//! The tables: every statement prepares, every released schema comes up, sessions and drafts behave.

use std::path::Path;

use anyhow::Result;
use portal::audit::verify::verify;
use portal::db::drafts::{self, DraftError};
use portal::db::sessions::{self, StoredSession};
use portal::db::{Db, DbError, STATEMENTS, migrations};
use sqlx::{Executor as _, SqlSafeStr as _};

use crate::forge::tamper;
use crate::place::Place;

#[tokio::test]
async fn every_statement_prepares_on_both_engines() -> Result<()> {
    for place in Place::both().await? {
        let db = place.open().await?;
        let mut connection = db.acquire().await?;
        for (file, statements) in STATEMENTS {
            for (name, sql) in *statements {
                let prepared = connection.prepare((*sql).into_sql_str()).await;
                assert!(
                    prepared.is_ok(),
                    "{:?} {file}::{name}: {:?}",
                    place.engine,
                    prepared.err()
                );
            }
        }
    }
    Ok(())
}

/// The text that both engines take: what one of them would take alone is named.
#[test]
fn no_statement_is_of_one_engine_only() {
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("../portal/src/db");
    let with_statements = std::fs::read_dir(files)
        .unwrap()
        .filter(|entry| {
            std::fs::read_to_string(entry.as_ref().unwrap().path())
                .unwrap()
                .contains("statements! {")
        })
        .count();
    assert_eq!(
        with_statements,
        STATEMENTS.len(),
        "a file is not in portal::db::STATEMENTS"
    );
    for (file, statements) in STATEMENTS {
        for (name, sql) in *statements {
            let upper = sql.to_uppercase();
            for word in [
                "FOR UPDATE",
                "ILIKE",
                "->",
                "RETURNING",
                "NOW()",
                "::",
                "AUTOINCREMENT",
                "SERIAL",
                "INSERT OR",
            ] {
                assert!(!upper.contains(word), "{file}::{name} has {word}");
            }
            assert!(
                !upper.contains("SUM(") || upper.contains("CAST("),
                "{file}::{name}: a sum is cast to BIGINT"
            );
        }
    }
}

#[tokio::test]
async fn every_released_schema_comes_up_with_what_it_held() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/database/released");
    for place in Place::both().await? {
        for (step, _, _) in migrations::STEPS {
            let (place, fixture) = (fresh(&place).await?, folder.join(format!("{step:04}.sql")));
            let db = Db::connect(&place.url).await?;
            migrations::run_to(db.pool(), *step).await?;
            let held: String = std::fs::read_to_string(&fixture)?;
            db.pool().execute(sqlx::AssertSqlSafe(held)).await?;
            let db = Db::open(&place.url).await?;
            assert_eq!(
                verify(&db, &[]).await?.map(|proof| proof.last),
                Ok(2),
                "step {step}"
            );
            let mut connection = db.acquire().await?;
            let draft = drafts::find(&mut connection, "cs-owner", "draft-1").await?;
            assert_eq!((draft.title.as_str(), draft.revision), ("扩容", 3));
            assert!(sessions::find(&mut connection, "d-1").await?.is_some());
            // A second start changes nothing.
            Db::open(&place.url).await?;
        }
    }
    Ok(())
}

async fn fresh(place: &Place) -> Result<Place> {
    match place.engine {
        portal::db::Engine::Sqlite => Place::sqlite(),
        portal::db::Engine::Postgres => Place::postgres().await,
    }
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused_and_left_alone() -> Result<()> {
    for place in Place::both().await? {
        let db = place.open().await?;
        tamper(
            &db,
            "UPDATE _sqlx_migrations SET version = 9999 WHERE version = 1",
        )
        .await?;
        let refused = Db::open(&place.url).await.unwrap_err();
        assert!(matches!(refused, DbError::Schema(_)), "{refused}");
        assert!(
            refused.to_string().contains("9999") && refused.to_string().contains("newer"),
            "{refused}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_draft_survives_and_a_stale_tab_cannot_overwrite_it() -> Result<()> {
    for place in Place::both().await? {
        let draft = {
            let db = place.open().await?;
            let mut connection = db.acquire().await?;
            drafts::begin(
                &mut connection,
                "cs-owner",
                ("ResourceRequest", "扩容", r#"{"cpu":"4"}"#),
                10,
            )
            .await?
        };
        let db = place.open().await?;
        let mut connection = db.acquire().await?;
        let revision = drafts::save(
            &mut connection,
            ("cs-owner", &draft.id, 1),
            ("扩容二", "{}"),
            11,
        )
        .await?;
        assert_eq!(revision, 2);
        let stale = drafts::save(
            &mut connection,
            ("cs-owner", &draft.id, 1),
            ("旧", "{}"),
            12,
        )
        .await;
        assert_eq!(stale, Err(DraftError::Stale));
        for (owner, id) in [("somebody-else", draft.id.as_str()), ("cs-owner", "none")] {
            assert_eq!(
                drafts::find(&mut connection, owner, id).await,
                Err(DraftError::NoDraft)
            );
            assert!(!drafts::delete(&mut connection, owner, id).await?);
            let saved = drafts::save(&mut connection, (owner, id, 2), ("", "{}"), 13).await;
            assert_eq!(saved, Err(DraftError::NoDraft));
        }
        let found = drafts::find(&mut connection, "cs-owner", &draft.id).await?;
        assert_eq!(
            (found.title.as_str(), found.created, found.changed),
            ("扩容二", 10, 11)
        );
        assert!(drafts::delete(&mut connection, "cs-owner", &draft.id).await?);
        assert!(drafts::of(&mut connection, "cs-owner").await?.is_empty());
    }
    Ok(())
}

#[tokio::test]
async fn drafts_are_bounded_in_size_and_number() -> Result<()> {
    for place in Place::both().await? {
        let db = place.open().await?;
        let mut connection = db.acquire().await?;
        let large = "x".repeat(drafts::LARGEST + 1);
        let refused = drafts::begin(
            &mut connection,
            "cs-owner",
            ("ResourceRequest", "", &large),
            14,
        )
        .await;
        assert!(matches!(refused, Err(DraftError::TooLarge(_))));
        for _ in 0..drafts::MOST {
            drafts::begin(
                &mut connection,
                "cs-owner",
                ("ResourceRequest", "𠮷\0\u{202e}", "{}"),
                15,
            )
            .await?;
        }
        let refused = drafts::begin(
            &mut connection,
            "cs-owner",
            ("ResourceRequest", "", "{}"),
            16,
        )
        .await;
        assert_eq!(refused, Err(DraftError::TooMany));
        assert_eq!(drafts::of(&mut connection, "cs-owner").await?.len(), 100);
        assert_eq!(drafts::sweep(&mut connection, 16).await?, 100);
    }
    Ok(())
}

#[tokio::test]
async fn a_session_is_found_renewed_and_ended_by_each_of_its_names() -> Result<()> {
    for place in Place::both().await? {
        let db = place.open().await?;
        let mut connection = db.acquire().await?;
        let session = |digest: &str, username: &str, sid: &str| StoredSession {
            digest: digest.into(),
            username: username.into(),
            provider_session: sid.into(),
            contents: r#"{"groups":["省数据局"]}"#.into(),
            began: 100,
            used: 100,
        };
        for (digest, username, sid) in [
            ("a", "cs", "s-1"),
            ("b", "cs", "s-2"),
            ("c", "zj", "s-2"),
            ("d", "zj", ""),
        ] {
            sessions::insert(&mut connection, &session(digest, username, sid)).await?;
        }
        sessions::touch(&mut connection, "a", 150).await?;
        sessions::touch(&mut connection, "a", 120).await?;
        assert_eq!(
            sessions::find(&mut connection, "a").await?.map(|s| s.used),
            Some(150)
        );
        assert!(sessions::renew(&mut connection, "a", ("a2", "{}"), 160).await?);
        assert!(!sessions::renew(&mut connection, "a", ("a3", "{}"), 160).await?);
        assert!(sessions::find(&mut connection, "a").await?.is_none());
        assert_eq!(
            sessions::find(&mut connection, "a2")
                .await?
                .map(|s| s.began),
            Some(100)
        );
        assert_eq!(sessions::end_of_provider(&mut connection, "s-2").await?, 2);
        assert_eq!(sessions::end_of_provider(&mut connection, "").await?, 0);
        assert_eq!(sessions::end_of_user(&mut connection, "cs").await?, 1);
        assert_eq!(sessions::sweep(&mut connection, 101, 0).await?, 1);
        assert!(sessions::find(&mut connection, "d").await?.is_none());
    }
    Ok(())
}
