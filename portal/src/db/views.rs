//! Lists as somebody wants to see them, under names of their own: what the address of each says.

use sqlx::{AnyConnection, Connection as _, Row as _};

use super::{DbError, statements, text};

statements! {
    OF = "SELECT name, query, usual FROM views WHERE person = $1 AND list = $2 ORDER BY name";
    PUT = "INSERT INTO views (person, list, name, query, usual, changed) VALUES ($1, $2, $3, $4, 0, $5) \
        ON CONFLICT (person, list, name) DO NOTHING";
    REPLACE = "UPDATE views SET query = $1, changed = $2 WHERE person = $3 AND list = $4 AND name = $5";
    NONE_USUAL = "UPDATE views SET usual = 0 WHERE person = $1 AND list = $2";
    USUAL = "UPDATE views SET usual = 1 WHERE person = $1 AND list = $2 AND name = $3";
    REMOVE = "DELETE FROM views WHERE person = $1 AND list = $2 AND name = $3";
}

/// A person has no more of one list.
pub const MOST: usize = 20;

/// A view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// What its owner calls it.
    pub name: String,
    /// What the address says: filter, order, columns.
    pub query: String,
    /// Whether the list opens with it.
    pub usual: bool,
}

/// A view could not be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ViewError {
    /// There is one of that name.
    #[error("there is a view of that name")]
    Exists,
    /// The person has as many as one may have.
    #[error("there are {MOST} views of this list already: remove one of them first")]
    TooMany,
    /// The database fails.
    #[error(transparent)]
    Database(#[from] DbError),
}

/// Somebody's views of a list, by name.
///
/// # Errors
/// The database fails.
pub async fn of(
    connection: &mut AnyConnection,
    person: &str,
    list: &str,
) -> Result<Vec<View>, DbError> {
    let rows = sqlx::query(OF)
        .bind(person)
        .bind(list)
        .fetch_all(connection)
        .await?;
    let view = |row: &sqlx::any::AnyRow| {
        Ok(View {
            name: row.try_get(0)?,
            query: row.try_get(1)?,
            usual: row.try_get::<i64, _>(2)? > 0,
        })
    };
    rows.iter().map(view).collect()
}

/// Keeps a view under a name that is free.
///
/// # Errors
/// The name is taken, there are too many, or the database fails.
pub async fn put(
    connection: &mut AnyConnection,
    (person, list, name): (&str, &str, &str),
    query: &str,
    now: i64,
) -> Result<(), ViewError> {
    let there = of(connection, person, list).await?;
    if there.iter().any(|view| view.name == name) {
        return Err(ViewError::Exists);
    }
    if there.len() >= MOST {
        return Err(ViewError::TooMany);
    }
    let put = sqlx::query(PUT)
        .bind(person)
        .bind(list)
        .bind(text(name).as_ref())
        .bind(text(query).as_ref())
        .bind(now)
        .execute(connection)
        .await
        .map_err(DbError::from)?;
    // Another tab was quicker.
    (put.rows_affected() == 1)
        .then_some(())
        .ok_or(ViewError::Exists)
}

/// Puts another query under a name; false where there is no view of that name.
///
/// # Errors
/// The database fails.
pub async fn replace(
    connection: &mut AnyConnection,
    (person, list, name): (&str, &str, &str),
    query: &str,
    now: i64,
) -> Result<bool, DbError> {
    let replaced = sqlx::query(REPLACE)
        .bind(text(query).as_ref())
        .bind(now)
        .bind(person)
        .bind(list)
        .bind(name)
        .execute(connection)
        .await?;
    Ok(replaced.rows_affected() == 1)
}

/// Says with which view a list opens; with none where there is none of that name.
///
/// # Errors
/// The database fails.
pub async fn make_usual(
    connection: &mut AnyConnection,
    (person, list): (&str, &str),
    name: Option<&str>,
) -> Result<(), DbError> {
    let mut transaction = connection.begin().await?;
    sqlx::query(NONE_USUAL)
        .bind(person)
        .bind(list)
        .execute(&mut *transaction)
        .await?;
    if let Some(name) = name {
        sqlx::query(USUAL)
            .bind(person)
            .bind(list)
            .bind(name)
            .execute(&mut *transaction)
            .await?;
    }
    Ok(transaction.commit().await?)
}

/// Removes a view; one that is gone is gone.
///
/// # Errors
/// The database fails.
pub async fn remove(
    connection: &mut AnyConnection,
    (person, list, name): (&str, &str, &str),
) -> Result<(), DbError> {
    sqlx::query(REMOVE)
        .bind(person)
        .bind(list)
        .bind(name)
        .execute(connection)
        .await?;
    Ok(())
}
