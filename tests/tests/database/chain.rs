//! The chain: every way of tampering is found, and the first bad row is named.

use anyhow::Result;
use portal::audit::append::append;
use portal::audit::chain::{Algorithm, Row};
use portal::audit::verify::{BadRow, Fault, Proof, verify};
use portal::db::Db;
use portal::db::audit::{self, Head};

use crate::forge::{close_up, put_in, rehash, rows, set_head, swap, tamper};
use crate::place::{Place, act};

const ROWS: i64 = 40;

/// A chain of 40 rows, hashed with both algorithms, and the heads as they were after each of ten appends.
async fn chain(place: &Place) -> Result<(Db, Vec<Head>)> {
    let db = place.open().await?;
    let mut heads = Vec::new();
    for nth in 0..10_usize {
        let acts: Vec<_> = (0..4).map(|i| act(nth * 4 + i)).collect();
        let algorithm = if nth % 2 == 0 {
            Algorithm::Sha256
        } else {
            Algorithm::Sm3
        };
        heads.push(
            append(
                &db,
                algorithm,
                &acts,
                1_700_000_000_000_000 + i64::try_from(nth)?,
            )
            .await?,
        );
    }
    assert_eq!(heads[9].seq, ROWS);
    Ok((db, heads))
}

fn bad(seq: i64, fault: Fault) -> Result<Proof, BadRow> {
    Err(BadRow { seq, fault })
}

/// Tampers with a fresh chain on each engine, and expects one judgement.
async fn expect(
    tampering: impl AsyncFn(&Db) -> Result<()>,
    anchors: &[usize],
    judgement: Result<Proof, BadRow>,
) -> Result<()> {
    for place in Place::both().await? {
        let (db, heads) = chain(&place).await?;
        let anchors: Vec<_> = anchors.iter().map(|nth| heads[*nth].clone()).collect();
        let before = verify(&db, &anchors).await?;
        assert_eq!(before.map(|proof| (proof.first, proof.last)), Ok((1, ROWS)));
        tampering(&db).await?;
        assert_eq!(
            verify(&db, &anchors).await?,
            judgement,
            "{:?}",
            place.engine
        );
    }
    Ok(())
}

#[tokio::test]
async fn an_edited_row_is_named() -> Result<()> {
    for column in [
        "actor",
        "after_state",
        "outcome",
        "via",
        "hash",
        "prev",
        "algorithm",
        "entry_key",
    ] {
        let sql = format!("UPDATE audit SET {column} = 'x' WHERE seq = 17");
        let edit = async |db: &Db| tamper(db, &sql).await.map(|n| assert_eq!(n, 1));
        expect(edit, &[], bad(17, Fault::Altered)).await?;
    }
    let number = async |db: &Db| {
        tamper(
            db,
            "UPDATE audit SET happened = happened - 1 WHERE seq = 17",
        )
        .await
        .map(drop)
    };
    expect(number, &[], bad(17, Fault::Altered)).await
}

#[tokio::test]
async fn a_deleted_row_is_named() -> Result<()> {
    let delete = async |db: &Db| {
        tamper(db, "DELETE FROM audit WHERE seq = 23")
            .await
            .map(drop)
    };
    expect(delete, &[], bad(23, Fault::Missing)).await?;
    let first = async |db: &Db| {
        tamper(db, "DELETE FROM audit WHERE seq < 5")
            .await
            .map(drop)
    };
    expect(first, &[], bad(1, Fault::Missing)).await?;
    let closed_up = async |db: &Db| close_up(db, 23).await;
    expect(closed_up, &[], bad(23, Fault::Altered)).await
}

#[tokio::test]
async fn swapped_rows_are_named_by_the_first() -> Result<()> {
    let swapped = async |db: &Db| swap(db, (9, 31)).await;
    expect(swapped, &[], bad(9, Fault::Altered)).await
}

#[tokio::test]
async fn an_inserted_row_is_named() -> Result<()> {
    let insert = async |db: &Db| {
        let prev = rows(db)
            .await?
            .into_iter()
            .find(|row| row.seq == 11)
            .unwrap()
            .hash;
        let forged = Row::bind(
            &act(900),
            12,
            1_700_000_000_000_002,
            Algorithm::Sha256,
            &prev,
        );
        put_in(db, &forged).await
    };
    expect(insert, &[], bad(12, Fault::Inserted)).await?;
    let at_the_end = async |db: &Db| {
        let prev = rows(db).await?.pop().unwrap().hash;
        let forged = Row::bind(
            &act(900),
            41,
            1_700_000_000_000_099,
            Algorithm::Sha256,
            &prev,
        );
        assert!(audit::insert(&mut *db.acquire().await?, &forged).await?);
        Ok(())
    };
    expect(at_the_end, &[9], bad(41, Fault::BeyondHead)).await
}

#[tokio::test]
async fn a_cut_tail_shows_by_the_head_and_by_the_anchor() -> Result<()> {
    let cut = async |db: &Db| {
        tamper(db, "DELETE FROM audit WHERE seq > 35")
            .await
            .map(drop)
    };
    expect(cut, &[], bad(36, Fault::Cut { known: 40 })).await?;
    let with_head = async |db: &Db| {
        tamper(db, "DELETE FROM audit WHERE seq > 35").await?;
        set_head(db).await
    };
    expect(with_head, &[3, 9], bad(36, Fault::Cut { known: 40 })).await?;
    let all = async |db: &Db| {
        tamper(db, "DELETE FROM audit").await?;
        tamper(db, "UPDATE audit_head SET seq = 0, hash = ''")
            .await
            .map(drop)
    };
    expect(all, &[3, 9], bad(1, Fault::Cut { known: 40 })).await
}

#[tokio::test]
async fn everything_hashed_anew_from_a_row_shows_by_the_anchors() -> Result<()> {
    // A consistent forgery: the database alone proves it.
    let forge = async |db: &Db| {
        tamper(
            db,
            "UPDATE audit SET actor = 'somebody-else' WHERE seq = 21",
        )
        .await?;
        rehash(db, 21).await
    };
    for place in Place::both().await? {
        let (db, _) = chain(&place).await?;
        forge(&db).await?;
        assert!(verify(&db, &[]).await?.is_ok());
    }
    // Heads at 4, 8, … 40: row 20 is as it was anchored, 24 is not.
    let all: Vec<_> = (0..10).collect();
    expect(forge, &all, bad(21, Fault::Rehashed { through: 24 })).await?;
    expect(forge, &[9], bad(1, Fault::Rehashed { through: 40 })).await
}

#[tokio::test]
async fn a_row_hashed_anew_alone_is_named() -> Result<()> {
    let forge = async |db: &Db| {
        let mut row = rows(db).await?.swap_remove(20);
        row.actor = "somebody-else".into();
        let (hash, seq) = (row.expected_hash().unwrap(), row.seq);
        tamper(
            db,
            &format!("UPDATE audit SET actor = 'somebody-else', hash = '{hash}' WHERE seq = {seq}"),
        )
        .await?;
        Ok(())
    };
    expect(forge, &[], bad(21, Fault::Rewritten)).await
}

#[tokio::test]
async fn many_appenders_make_one_chain_and_nothing_twice() -> Result<()> {
    for place in Place::both().await? {
        // Two pools: two replicas.
        let replicas = [place.open().await?, place.open().await?];
        let tasks: Vec<_> = (0..8_usize)
            .map(|task| {
                let db = replicas[task % 2].clone();
                tokio::spawn(async move {
                    for nth in 0..20_usize {
                        // Each act is tried by two tasks, as after a lost answer.
                        let entry = act(task / 2 * 100 + nth);
                        while let Err(error) =
                            append(&db, Algorithm::Sha256, std::slice::from_ref(&entry), 5).await
                        {
                            assert!(error.passes(), "{error}");
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await?;
        }
        let proof = verify(&replicas[0], &[]).await?;
        assert_eq!(proof.map(|proof| proof.last), Ok(80), "{:?}", place.engine);
    }
    Ok(())
}
