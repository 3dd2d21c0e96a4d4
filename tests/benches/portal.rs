//! `make bench`, the portal's rows (design §11): its pages at 50 000 objects and 1 000 000 rows of the ledger of acts, on both
//! databases, and a thousand open pages that hear of one change. It asserts nothing.
//!
//! A bench and not a program of the harness, because it fills the database by the portal's own code.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};
use harness::{HUB, Options, Portal, Postgres, Spec, Testbed, install_hub};
use portal::db::{DatabaseUrl, Db};

#[path = "portal/listeners.rs"]
mod listeners;
#[path = "portal/objects.rs"]
mod objects;
#[path = "portal/people.rs"]
mod people;
#[path = "portal/rows.rs"]
mod rows;
#[path = "portal/visits.rs"]
mod visits;

/// Measures the portal's pages.
#[derive(Clone, Debug, Parser)]
struct Args {
    /// Objects in the hub: a fiftieth of them tenants, the others grants, requests, work orders and systems.
    #[arg(long, default_value_t = 50_000)]
    objects: usize,
    /// Rows of the ledger of acts.
    #[arg(long, default_value_t = 1_000_000)]
    rows: usize,
    /// Visits of each page.
    #[arg(long, default_value_t = 40)]
    visits: usize,
    /// Pages that are open at once.
    #[arg(long, default_value_t = 1000)]
    clients: usize,
    /// On which databases.
    #[arg(long, value_enum, num_args = 1.., default_values_t = [Engine::Sqlite, Engine::Postgres])]
    databases: Vec<Engine>,
    /// A hundredth of everything: whether it works, not how fast it is.
    #[arg(long)]
    quick: bool,
    /// Cargo says this to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Engine {
    Sqlite,
    Postgres,
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = Args::parse();
    if args.quick {
        (args.objects, args.rows) = (args.objects / 100, args.rows / 100);
        (args.visits, args.clients) = (args.visits.min(5), args.clients / 10);
    }
    let testbed = Testbed::start(Spec::with_members(&[])).await?;
    install_hub(&testbed).await?;
    let said = objects::fill(&testbed, args.objects).await?;
    println!("{said}");
    for engine in &args.databases {
        measure(&testbed, &args, *engine).await?;
    }
    Ok(())
}

async fn measure(testbed: &Testbed, args: &Args, engine: Engine) -> Result<()> {
    // Ended with this value, after the portal.
    let postgres = match engine {
        Engine::Sqlite => None,
        Engine::Postgres => Some(Postgres::start(&[]).await?),
    };
    let url = match &postgres {
        None => format!("sqlite:{}", testbed.dir().join("bench.db").display()),
        Some(postgres) => {
            postgres.psql("postgres", "CREATE DATABASE bench")?;
            postgres.url("bench")
        }
    };
    let parsed: DatabaseUrl = url.parse().context("the database's URL")?;
    let db = Db::open(&parsed).await?;
    rows::fill(&db, args.rows).await?;
    let options = Options {
        args: vec!["--database-url".to_owned(), url],
        env: BTreeMap::from([("RUST_LOG".to_owned(), "warn".to_owned())]),
        ..Options::default()
    };
    let portal = Portal::start(testbed, options).await?;
    rows::rest(&db).await?;
    println!(
        "\n{engine:?}: {} objects, {} rows; portal resident {} MiB\n",
        args.objects,
        rows::count(&db).await?,
        portal.program.resident_bytes()? >> 20
    );
    println!("| page | as | median | p95 | most | sent | goal |\n| - | - | - | - | - | - | - |");
    for visitor in people::visitors(&db).await? {
        for path in visits::PAGES {
            let figures = visits::visit(&portal.address, &visitor, path, args.visits).await?;
            println!(
                "| `{path}` | {} | {figures} | p95 ≤ 100 ms, ≤ 60 KB |",
                visitor.post
            );
        }
    }
    println!(
        "\nscript of a page: {} KB (goal ≤ 25)",
        visits::script(&portal.address).await?
    );
    let hub = testbed.client(HUB).await?;
    let heard = listeners::listen(&portal, &db, &hub, args.clients).await?;
    println!("{heard}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok(())
}
