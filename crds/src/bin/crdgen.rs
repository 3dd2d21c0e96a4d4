//! Writes the generated CRDs, one file a kind, into the directory given (default `charts/qipan/crds`).

use std::path::PathBuf;
use std::process::ExitCode;

const HEADER: &str = "# Generated from crds/src by `make generate`. Do not edit.\n";

fn main() -> ExitCode {
    let directory = PathBuf::from(
        std::env::args()
            .nth(1)
            .unwrap_or_else(|| "charts/qipan/crds".into()),
    );
    for crd in crds::all() {
        let path = directory.join(format!("{}.yaml", crd.spec.names.plural));
        let written = serde_yaml::to_string(&crd)
            .map_err(|e| e.to_string())
            .and_then(|yaml| {
                std::fs::write(&path, format!("{HEADER}{yaml}")).map_err(|e| e.to_string())
            });
        if let Err(why) = written {
            eprintln!("failed to write {}: {why}", path.display());
            return ExitCode::FAILURE;
        }
        println!("{}", path.display());
    }
    ExitCode::SUCCESS
}
