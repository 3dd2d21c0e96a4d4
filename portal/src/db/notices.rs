//! What people are told in the portal, who has read it, and where else they want to be told.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::{DbError, new_id, statements, text};

statements! {
    INSERT = "INSERT INTO notices (id, cause, recipient, topic, figures, href, created) \
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (cause) DO NOTHING";
    OF = "SELECT n.id, n.cause, n.recipient, n.topic, n.figures, n.href, n.created, \
        CAST((SELECT COUNT(*) FROM notices_read r WHERE r.notice = n.id AND r.person = $1) AS BIGINT) FROM notices n \
        WHERE n.recipient IN ($2, $3, $4, $5, $6, $7, $8, $9) AND n.created < $10 ORDER BY n.created DESC, n.id LIMIT $11";
    UNREAD = "SELECT CAST(COUNT(*) AS BIGINT) FROM (SELECT DISTINCT n.topic, n.figures, n.href, n.created FROM notices n \
        WHERE n.recipient IN ($1, $2, $3, $4, $5, $6, $7, $8) \
        AND NOT EXISTS (SELECT 1 FROM notices_read r WHERE r.notice = n.id AND r.person = $9)) AS told";
    FIND = "SELECT id, cause, recipient, topic, figures, href, created, CAST(0 AS BIGINT) FROM notices WHERE id = $1";
    READ = "INSERT INTO notices_read (notice, person, at) SELECT n.id, $2, $3 FROM notices n JOIN notices o \
        ON n.created = o.created AND n.topic = o.topic AND n.href = o.href AND n.figures = o.figures WHERE o.id = $1 \
        ON CONFLICT (notice, person) DO NOTHING";
    READ_ALL = "INSERT INTO notices_read (notice, person, at) SELECT n.id, $1, $2 FROM notices n \
        WHERE n.recipient IN ($3, $4, $5, $6, $7, $8, $9, $10) AND n.created <= $11 \
        AND NOT EXISTS (SELECT 1 FROM notices_read r WHERE r.notice = n.id AND r.person = $12) \
        ON CONFLICT (notice, person) DO NOTHING";
    SWEEP_READ = "DELETE FROM notices_read WHERE notice IN (SELECT id FROM notices WHERE created < $1)";
    SWEEP = "DELETE FROM notices WHERE created < $1";
    CONTACT = "SELECT email, phone FROM contacts WHERE person = $1";
    KEEP_CONTACT = "INSERT INTO contacts (person, email, phone, changed) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (person) DO UPDATE SET email = excluded.email, phone = excluded.phone, changed = excluded.changed";
}

/// So many are asked for where one is shown: the same is told to a person and to groups of theirs.
const TWINS: i64 = 4;
/// Recipients that one statement names; somebody of more groups is asked about in several.
const AT_ONCE: usize = 8;

/// Something that somebody is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its id.
    pub id: String,
    /// What it is about, with the recipient: one is put here once.
    pub cause: String,
    /// `User/<name>` or `Group/<name>`.
    pub recipient: String,
    /// What happened, as a word.
    pub topic: String,
    /// What it is worded with, as JSON.
    pub figures: String,
    /// The page that it leads to.
    pub href: String,
    /// When, in microseconds.
    pub created: i64,
    /// Whether the reader has read it.
    pub read: bool,
}

/// Where somebody is told outside the portal; empty where they did not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    /// An e-mail address.
    pub email: String,
    /// A number for short messages.
    pub phone: String,
}

/// Puts a notice here; false where its cause has one already.
///
/// # Errors
/// The database fails.
pub async fn put(
    connection: &mut AnyConnection,
    (cause, recipient): (&str, &str),
    (topic, figures, href): (&str, &str, &str),
    now: i64,
) -> Result<bool, DbError> {
    let put = sqlx::query(INSERT)
        .bind(new_id()?)
        .bind(cause)
        .bind(recipient)
        .bind(topic)
        .bind(text(figures).as_ref())
        .bind(text(href).as_ref())
        .bind(now)
        .execute(connection)
        .await?;
    Ok(put.rows_affected() == 1)
}

/// Recipients in lots of a fixed size; what is left of the last one names nobody.
fn lots(recipients: &[String]) -> impl Iterator<Item = [&str; AT_ONCE]> {
    recipients.chunks(AT_ONCE).map(|lot| {
        let mut names = [""; AT_ONCE];
        for (place, name) in names.iter_mut().zip(lot) {
            *place = name;
        }
        names
    })
}

/// What these recipients were told before a moment, newest first.
///
/// # Errors
/// The database fails.
pub async fn of(
    connection: &mut AnyConnection,
    person: &str,
    recipients: &[String],
    (before, limit): (i64, i64),
) -> Result<Vec<Notice>, DbError> {
    let mut found = Vec::new();
    for lot in lots(recipients) {
        let mut query = sqlx::query(OF).bind(person);
        for name in lot {
            query = query.bind(name);
        }
        let rows = query
            .bind(before)
            .bind(limit.saturating_mul(TWINS))
            .fetch_all(&mut *connection)
            .await?;
        for row in &rows {
            found.push(read_row(row)?);
        }
    }
    // Somebody who is named and in a group that is named is told once.
    let key = |notice: &Notice| {
        let Notice { topic, href, .. } = notice;
        (topic.clone(), href.clone(), notice.figures.clone())
    };
    found.sort_by_cached_key(|a| (std::cmp::Reverse(a.created), key(a), a.id.clone()));
    found.dedup_by(|next, first| {
        let same = next.created == first.created && key(next) == key(first);
        first.read |= same && next.read;
        same
    });
    found.truncate(usize::try_from(limit).unwrap_or(0));
    Ok(found)
}

/// How much of what these recipients were told somebody has not read.
///
/// # Errors
/// The database fails.
pub async fn unread(
    connection: &mut AnyConnection,
    person: &str,
    recipients: &[String],
) -> Result<i64, DbError> {
    let mut count = 0;
    for lot in lots(recipients) {
        let mut query = sqlx::query_scalar::<_, i64>(UNREAD);
        for name in lot {
            query = query.bind(name);
        }
        count += query.bind(person).fetch_one(&mut *connection).await?;
    }
    Ok(count)
}

/// A notice by its id, where it is one of these recipients'.
///
/// # Errors
/// The database fails.
pub async fn find(
    connection: &mut AnyConnection,
    recipients: &[String],
    id: &str,
) -> Result<Option<Notice>, DbError> {
    let row = sqlx::query(FIND)
        .bind(id)
        .fetch_optional(connection)
        .await?;
    let notice = row.as_ref().map(read_row).transpose()?;
    Ok(notice.filter(|notice| recipients.contains(&notice.recipient)))
}

/// Notes that somebody has read a notice, also where the same was told to a group of theirs.
///
/// # Errors
/// The database fails.
pub async fn read(
    connection: &mut AnyConnection,
    person: &str,
    id: &str,
    now: i64,
) -> Result<(), DbError> {
    sqlx::query(READ)
        .bind(id)
        .bind(person)
        .bind(now)
        .execute(connection)
        .await?;
    Ok(())
}

/// Notes that somebody has read all that these recipients were told until now.
///
/// # Errors
/// The database fails.
pub async fn read_all(
    connection: &mut AnyConnection,
    person: &str,
    recipients: &[String],
    now: i64,
) -> Result<(), DbError> {
    for lot in lots(recipients) {
        let mut query = sqlx::query(READ_ALL).bind(person).bind(now);
        for name in lot {
            query = query.bind(name);
        }
        query
            .bind(now)
            .bind(person)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Removes what was put here before a moment.
///
/// # Errors
/// The database fails.
pub async fn sweep(connection: &mut AnyConnection, before: i64) -> Result<u64, DbError> {
    sqlx::query(SWEEP_READ)
        .bind(before)
        .execute(&mut *connection)
        .await?;
    Ok(sqlx::query(SWEEP)
        .bind(before)
        .execute(connection)
        .await?
        .rows_affected())
}

/// Where somebody said they want to be told.
///
/// # Errors
/// The database fails.
pub async fn contact(
    connection: &mut AnyConnection,
    person: &str,
) -> Result<Option<Contact>, DbError> {
    let row = sqlx::query(CONTACT)
        .bind(person)
        .fetch_optional(connection)
        .await?;
    row.map(|row| {
        Ok(Contact {
            email: row.try_get(0)?,
            phone: row.try_get(1)?,
        })
    })
    .transpose()
}

/// Keeps where somebody wants to be told.
///
/// # Errors
/// The database fails.
pub async fn keep_contact(
    connection: &mut AnyConnection,
    person: &str,
    contact: &Contact,
    now: i64,
) -> Result<(), DbError> {
    sqlx::query(KEEP_CONTACT)
        .bind(person)
        .bind(text(&contact.email).as_ref())
        .bind(text(&contact.phone).as_ref())
        .bind(now)
        .execute(connection)
        .await?;
    Ok(())
}

fn read_row(row: &AnyRow) -> Result<Notice, DbError> {
    Ok(Notice {
        id: row.try_get(0)?,
        cause: row.try_get(1)?,
        recipient: row.try_get(2)?,
        topic: row.try_get(3)?,
        figures: row.try_get(4)?,
        href: row.try_get(5)?,
        created: row.try_get(6)?,
        read: row.try_get::<i64, _>(7)? > 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Db;

    #[tokio::test]
    async fn what_is_told_to_a_person_and_to_their_group_is_one_notice_and_read_once() {
        let dir = tempfile::TempDir::new().unwrap();
        let url = format!("sqlite:{}", dir.path().join("portal.db").display());
        let db = Db::open(&url.parse().unwrap()).await.unwrap();
        let mut connection = db.acquire().await.unwrap();
        let me = ["User/o".to_owned(), "Group/g".to_owned()];
        for (cause, to, title, at) in [
            ("a", "User/o", "一", 1),
            ("a", "Group/g", "一", 1),
            ("b", "Group/g", "二", 2),
            ("c", "User/else", "一", 1),
        ] {
            let cause = format!("{cause}/{to}");
            let content = ("delivered", title, "/requests/a/b");
            assert!(
                put(&mut connection, (&cause, to), content, at)
                    .await
                    .unwrap()
            );
        }
        let told = of(&mut connection, "o", &me, (i64::MAX, 10)).await.unwrap();
        let titles: Vec<_> = told.iter().map(|notice| notice.figures.as_str()).collect();
        assert_eq!(titles, ["二", "一"]);
        assert_eq!(unread(&mut connection, "o", &me).await.unwrap(), 2);
        read(&mut connection, "o", &told[1].id, 3).await.unwrap();
        assert_eq!(unread(&mut connection, "o", &me).await.unwrap(), 1);
        let told = of(&mut connection, "o", &me, (i64::MAX, 10)).await.unwrap();
        assert!(told[1].read && !told[0].read);
        let other = ["Group/g".to_owned()];
        assert_eq!(
            unread(&mut connection, "p", &other).await.unwrap(),
            2,
            "for nobody else"
        );
    }
}
