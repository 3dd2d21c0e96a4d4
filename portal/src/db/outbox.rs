//! What is to be told to people, and how that went. Whoever has something to tell puts it here in the same transaction
//! as what it is about; sending is another task's affair and holds nobody up.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::{DbError, new_id, statements, text};

statements! {
    INSERT = "INSERT INTO outbox (id, cause, channel, recipient, subject, body, state, attempts, due, created, changed, problem) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $8, $8, $9) ON CONFLICT (cause) DO NOTHING";
    DUE = "SELECT id, cause, channel, recipient, subject, body, state, attempts, due, created, changed, problem FROM outbox \
        WHERE state = 'waiting' AND channel = $1 AND due <= $2 ORDER BY due LIMIT $3";
    DUE_FOR = "SELECT id, cause, channel, recipient, subject, body, state, attempts, due, created, changed, problem FROM outbox \
        WHERE state = 'waiting' AND channel = $1 AND recipient = $2 AND due <= $3 ORDER BY due LIMIT $4";
    OF_CAUSE = "SELECT id, cause, channel, recipient, subject, body, state, attempts, due, created, changed, problem FROM outbox \
        WHERE cause = $1";
    GIVE_UP = "UPDATE outbox SET state = 'failed', changed = $1, problem = $2 WHERE state = 'waiting' AND created < $3";
    TAKE = "UPDATE outbox SET due = $1, attempts = attempts + 1, changed = $2 \
        WHERE id = $3 AND due = $4 AND state = 'waiting'";
    SETTLE = "UPDATE outbox SET state = $1, due = $2, changed = $3, problem = $4 WHERE id = $5";
    NEWEST = "SELECT id, cause, channel, recipient, subject, body, state, attempts, due, created, changed, problem FROM outbox \
        WHERE created < $1 ORDER BY created DESC LIMIT $2";
    SWEEP = "DELETE FROM outbox WHERE state <> 'waiting' AND created < $1";
}

/// Attempts before it is given up, over about a day.
pub const ATTEMPTS: i64 = 12;
/// A message that was taken is tried again after this, if nothing is heard of it, in microseconds.
const TAKEN_FOR: i64 = 120_000_000;

/// By which channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// E-mail.
    Email,
    /// A webhook in the form of DingTalk's robots.
    DingTalk,
    /// A webhook in the form of WeCom's robots.
    WeCom,
    /// An SMS gateway over HTTP.
    Sms,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Self; 4] = [Self::Email, Self::DingTalk, Self::WeCom, Self::Sms];

    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::DingTalk => "dingtalk",
            Self::WeCom => "wecom",
            Self::Sms => "sms",
        }
    }
}

/// How far a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It is to be sent.
    Waiting,
    /// The channel took it.
    Sent,
    /// It was tried often enough, or can never be sent.
    Failed,
    /// Nobody knows where to send it: the person has no address. It blocks nothing.
    Unaddressed,
}

impl Progress {
    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Unaddressed => "unaddressed",
        }
    }
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub id: String,
    /// What it is about, so that it is sent once: for example `ResourceRequest/<uid>/stage/2/<person>`.
    pub cause: String,
    /// By which channel, as a word.
    pub channel: String,
    /// To whom: an address, a number, a robot's name.
    pub recipient: String,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub body: String,
    /// How far it is, as a word.
    pub state: String,
    /// How often it was tried.
    pub attempts: i64,
    /// When it is tried next, in microseconds.
    pub due: i64,
    /// When it was put here, in microseconds.
    pub created: i64,
    /// When something happened to it last, in microseconds.
    pub changed: i64,
    /// What was wrong the last time.
    pub problem: String,
}

/// Puts a message into the outbox; false where its cause has one already. Without an address it is only listed.
///
/// # Errors
/// The database fails.
pub async fn put(
    connection: &mut AnyConnection,
    (cause, channel, recipient): (&str, Channel, &str),
    (subject, body): (&str, &str),
    now: i64,
) -> Result<bool, DbError> {
    let addressed = !recipient.trim().is_empty();
    let (state, problem) = if addressed {
        (Progress::Waiting, "")
    } else {
        (
            Progress::Unaddressed,
            "the person has no address for this channel",
        )
    };
    let put = sqlx::query(INSERT)
        .bind(new_id()?)
        .bind(format!("{}/{cause}", channel.word()))
        .bind(channel.word())
        .bind(recipient.trim())
        .bind(text(subject).as_ref())
        .bind(text(body).as_ref())
        .bind(state.word())
        .bind(now)
        .bind(problem)
        .execute(connection)
        .await?;
    Ok(put.rows_affected() == 1)
}

/// Takes messages that are due, where a recipient is named only those for them: each is this replica's for two minutes.
///
/// # Errors
/// The database fails.
pub async fn take(
    connection: &mut AnyConnection,
    (channel, recipient): (Channel, Option<&str>),
    limit: i64,
    now: i64,
) -> Result<Vec<Message>, DbError> {
    let query = match recipient {
        Some(recipient) => sqlx::query(DUE_FOR).bind(channel.word()).bind(recipient),
        None => sqlx::query(DUE).bind(channel.word()),
    };
    let query = query.bind(now).bind(limit);
    let rows = query.fetch_all(&mut *connection).await?;
    let mut taken = Vec::new();
    for row in &rows {
        let mut message = read(row)?;
        let query = sqlx::query(TAKE)
            .bind(now + TAKEN_FOR)
            .bind(now)
            .bind(message.id.as_str())
            .bind(message.due);
        if query.execute(&mut *connection).await?.rows_affected() == 1 {
            message.attempts += 1;
            taken.push(message);
        }
    }
    Ok(taken)
}

/// Says how sending went: sent, to be tried again at a moment, or failed for good.
///
/// # Errors
/// The database fails.
pub async fn settle(
    connection: &mut AnyConnection,
    message: &Message,
    (progress, due, problem): (Progress, i64, &str),
    now: i64,
) -> Result<(), DbError> {
    sqlx::query(SETTLE)
        .bind(progress.word())
        .bind(due)
        .bind(now)
        .bind(text(problem).as_ref())
        .bind(message.id.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// The log: what was put here before a moment, newest first.
///
/// # Errors
/// The database fails.
pub async fn newest(
    connection: &mut AnyConnection,
    before: i64,
    limit: i64,
) -> Result<Vec<Message>, DbError> {
    let rows = sqlx::query(NEWEST)
        .bind(before)
        .bind(limit)
        .fetch_all(connection)
        .await?;
    rows.iter().map(read).collect()
}

/// What was put here for a cause, by one channel.
///
/// # Errors
/// The database fails.
pub async fn of_cause(
    connection: &mut AnyConnection,
    channel: Channel,
    cause: &str,
) -> Result<Option<Message>, DbError> {
    let row = sqlx::query(OF_CAUSE)
        .bind(format!("{}/{cause}", channel.word()))
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(read).transpose()
}

/// Gives up what has waited since before a moment: its channel was taken away, or never worked.
///
/// # Errors
/// The database fails.
pub async fn give_up(
    connection: &mut AnyConnection,
    before: i64,
    now: i64,
) -> Result<u64, DbError> {
    Ok(sqlx::query(GIVE_UP)
        .bind(now)
        .bind("nobody could send it for days")
        .bind(before)
        .execute(connection)
        .await?
        .rows_affected())
}

/// Removes what was settled and put here before a moment.
///
/// # Errors
/// The database fails.
pub async fn sweep(connection: &mut AnyConnection, before: i64) -> Result<u64, DbError> {
    Ok(sqlx::query(SWEEP)
        .bind(before)
        .execute(connection)
        .await?
        .rows_affected())
}

fn read(row: &AnyRow) -> Result<Message, DbError> {
    Ok(Message {
        id: row.try_get(0)?,
        cause: row.try_get(1)?,
        channel: row.try_get(2)?,
        recipient: row.try_get(3)?,
        subject: row.try_get(4)?,
        body: row.try_get(5)?,
        state: row.try_get(6)?,
        attempts: row.try_get(7)?,
        due: row.try_get(8)?,
        created: row.try_get(9)?,
        changed: row.try_get(10)?,
        problem: row.try_get(11)?,
    })
}
