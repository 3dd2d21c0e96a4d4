//! `qipan-portal audit …`: for the security administrator, at a terminal.

use anyhow::{Context as _, bail};

use super::anchor;
use super::verify::verify;
use crate::args::{AuditCommand, Verify};
use crate::cluster::{self, own::OwnObjects};
use crate::db::Db;
use crate::db::audit::Head;

/// Runs one of them.
///
/// # Errors
/// What it says is for the person at the terminal.
pub async fn run(command: AuditCommand) -> anyhow::Result<()> {
    match command {
        AuditCommand::Verify(flags) => prove(flags).await,
    }
}

async fn prove(flags: Verify) -> anyhow::Result<()> {
    let url = flags.database.url()?;
    let anchors = known_heads(&flags).await?;
    let db = Db::connect(&url).await?;
    let proof = match verify(&db, &anchors).await? {
        Ok(proof) => proof,
        Err(bad) => bail!("the ledger is not intact: {bad}"),
    };
    if proof.last == 0 {
        println!("the ledger is empty");
        return Ok(());
    }
    println!(
        "intact: rows {} to {}, head {} {}",
        proof.first, proof.last, proof.last, proof.hash
    );
    match proof.anchored {
        Some(seq) if seq == proof.last => println!("anchored: the newest row is the anchored one"),
        Some(seq) => println!(
            "anchored: up to row {seq}; the {} rows since then are not anchored yet",
            proof.last - seq
        ),
        None => println!(
            "not anchored: that newest rows were cut off, or all of them hashed anew, would not show"
        ),
    }
    Ok(())
}

async fn known_heads(flags: &Verify) -> anyhow::Result<Vec<Head>> {
    let mut text = String::new();
    for file in &flags.heads {
        let lines = std::fs::read_to_string(file)
            .with_context(|| format!("failed to read {}", file.display()))?;
        if anchor::parse(&lines).is_empty() {
            bail!(
                "{} holds no head (`<seq> <hash>`, or lines of the portal's log)",
                file.display()
            );
        }
        text.push_str(&lines);
        text.push('\n');
    }
    if !flags.without_anchor {
        let client = cluster::connect(flags.kubeconfig.as_deref())
            .await
            .context("the hub cannot be configured")?;
        let heads = OwnObjects::new(client, &flags.namespace).heads().await.context(
            "the anchored head cannot be read from the hub; --without-anchor proves the chain alone",
        )?;
        text.push_str(&heads.text);
    }
    Ok(anchor::parse(&text))
}
