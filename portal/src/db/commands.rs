//! `qipan-portal db …`: backup and restore.

use crate::args::DbCommand;
use crate::audit::verify::verify;
use crate::db::{Db, backup};

/// Runs one of them.
///
/// # Errors
/// What it says is for the person at the terminal.
pub async fn run(command: DbCommand) -> anyhow::Result<()> {
    match command {
        DbCommand::Backup(flags) => {
            let db = Db::connect(&flags.database.url()?).await?;
            let rows = backup::backup(&db, &flags.to).await?;
            println!("{rows} rows in {}", flags.to.display());
        }
        DbCommand::Restore(flags) => {
            let db = Db::open(&flags.database.url()?).await?;
            let rows = backup::restore(&db, &flags.from).await?;
            match verify(&db, &[]).await? {
                Ok(proof) => println!(
                    "{rows} rows are back; the ledger's {} rows are intact",
                    proof.last
                ),
                Err(bad) => anyhow::bail!(
                    "{rows} rows are back, and the ledger in them is not intact: {bad}"
                ),
            }
        }
    }
    Ok(())
}
