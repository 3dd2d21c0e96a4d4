//! What is kept: backups that go from one engine to the other, exports, and segments of old rows.

use anyhow::Result;
use portal::audit::append::append;
use portal::audit::archive;
use portal::audit::chain::{Algorithm, Row};
use portal::audit::verify::{BadRow, Fault, verify};
use portal::db::{Db, audit, backup, drafts, recorder};
use std::io::BufWriter;
use std::path::Path;

use crate::forge::tamper;
use crate::place::{Place, act};

#[tokio::test]
async fn a_backup_of_one_engine_restores_into_the_other() -> Result<()> {
    for (from, to) in [
        (Place::sqlite()?, Place::postgres().await?),
        (Place::postgres().await?, Place::sqlite()?),
    ] {
        let db = from.open().await?;
        let acts: Vec<_> = (0..30).map(act).collect();
        let head = append(&db, Algorithm::Sm3, &acts, 7).await?;
        let mut connection = db.acquire().await?;
        let draft = drafts::begin(
            &mut connection,
            "cs-owner",
            ("ResourceRequest", "扩容 𠮷", "{}"),
            9,
        )
        .await?;
        recorder::move_position(&mut connection, "watch/Tenant", (None, "41"), 9).await?;
        drop(connection);
        let file = from.dir.path().join("backup.jsonl");
        let rows = backup::backup(&db, &file).await?;
        assert_eq!(rows, 30 + 1 + 1 + 1);
        assert!(
            backup::backup(&db, &file).await.is_err(),
            "an older backup is not overwritten"
        );
        let restored = to.open().await?;
        assert_eq!(backup::restore(&restored, &file).await?, rows);
        let proof = verify(&restored, std::slice::from_ref(&head)).await?;
        assert_eq!(proof.map(|proof| proof.hash), Ok(head.hash));
        let mut connection = restored.acquire().await?;
        assert_eq!(
            drafts::find(&mut connection, "cs-owner", &draft.id).await?,
            draft
        );
        assert_eq!(
            recorder::position(&mut connection, "watch/Tenant")
                .await?
                .as_deref(),
            Some("41")
        );
        drop(connection);
        // The chain goes on.
        append(&restored, Algorithm::Sha256, &[act(31)], 8).await?;
        let again = backup::restore(&restored, &file)
            .await
            .unwrap_err()
            .to_string();
        assert!(again.contains("not empty"), "{again}");
        no_damaged_one_is_taken(&restored, &file).await?;
    }
    Ok(())
}

async fn no_damaged_one_is_taken(db: &Db, file: &Path) -> Result<()> {
    let text = std::fs::read_to_string(file)?;
    for (wrong, damaged) in [
        ("altered", text.replace("扩容", "缩容")),
        (
            "cut off",
            text.lines().take(20).collect::<Vec<_>>().join("\n"),
        ),
        ("no backup", "{}\n".to_owned()),
    ] {
        std::fs::write(file, damaged)?;
        let refused = backup::restore(db, file).await.unwrap_err().to_string();
        assert!(refused.contains(wrong), "{refused}");
    }
    Ok(())
}

#[tokio::test]
async fn archived_rows_are_in_a_file_that_proves_itself_and_the_chain_goes_on() -> Result<()> {
    for place in Place::both().await? {
        let db = place.open().await?;
        for nth in 0..12_usize {
            append(
                &db,
                Algorithm::Sha256,
                &[act(nth)],
                100 + i64::try_from(nth)?,
            )
            .await?;
        }
        let file = place.dir.path().join("segment.jsonl");
        let mut writer = archive::Writer::new(BufWriter::new(std::fs::File::create(&file)?));
        for row in audit::after(&mut *db.acquire().await?, 0, 5).await? {
            writer.row(&row)?;
        }
        let segment = writer.end()?.unwrap();
        assert_eq!(archive::read(&file)?, segment);
        archive::remove(&db, Algorithm::Sha256, &segment, 200).await?;
        let proof = verify(&db, &[]).await?.unwrap();
        assert_eq!((proof.first, proof.last), (6, 13));
        // Rows that were cut off without being archived are missed, and not those that were archived.
        tamper(&db, "DELETE FROM audit WHERE seq = 6").await?;
        assert_eq!(
            verify(&db, &[]).await?,
            Err(BadRow {
                seq: 6,
                fault: Fault::Missing
            })
        );
        let text = std::fs::read_to_string(&file)?;
        let row: Row = serde_json::from_str(text.lines().nth(2).unwrap())?;
        for (damaged, says) in [
            (text.replace(&row.actor, "somebody-else"), "was altered"),
            (
                text.lines()
                    .filter(|line| !line.contains("\"seq\":3,"))
                    .collect::<Vec<_>>()
                    .join("\n"),
                "does not follow",
            ),
            (
                text.lines().take(4).collect::<Vec<_>>().join("\n"),
                "cut off",
            ),
        ] {
            std::fs::write(&file, damaged)?;
            let refused = archive::read(&file).unwrap_err().to_string();
            assert!(refused.contains(says), "{refused}");
        }
    }
    Ok(())
}
