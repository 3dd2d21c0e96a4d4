//! Fetches the browser's third-party files with npm, puts our styles together, and writes the table of embedded assets.
//!
//! Every asset gets its content's hash into its name, so that a browser may keep it for ever.

use std::collections::hash_map::DefaultHasher;
use std::error::Error;
use std::fmt::Write as _;
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// Our style sheets in the order of the cascade.
const STYLES: [&str; 6] = [
    "tokens.css",
    "base.css",
    "frame.css",
    "parts.css",
    "forms.css",
    "charts.css",
];
/// The scripts in the order in which they run, from `node_modules` or our own.
const SCRIPTS: [&str; 3] = [
    "node_modules/htmx.org/dist/htmx.min.js",
    "node_modules/htmx-ext-sse/dist/sse.min.js",
    "portal.js",
];
/// The icons that templates use: one sprite.
const ICONS: [&str; 20] = [
    "grid-1x2",
    "people",
    "hdd-stack",
    "person-circle",
    "translate",
    "list",
    "chevron-right",
    "box-arrow-right",
    "download",
    "grid",
    "file-earmark-text",
    "check2-square",
    "plus-lg",
    "bell",
    "wallet2",
    "person-workspace",
    "tools",
    "search",
    "printer",
    "journal-check",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=assets");
    println!("cargo::rerun-if-changed=templates");
    println!("cargo::rerun-if-changed=messages");
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("assets");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo names OUT_DIR")?);
    let fetched = fetch(&source, &out)?;
    let find = |name: &str| match name.strip_prefix("node_modules/") {
        Some(inner) => fetched.join("node_modules").join(inner),
        None => source.join(name),
    };
    let mut table = String::from("pub(super) const ASSETS: &[Asset] = &[\n");
    let style = concatenate(STYLES.iter().map(|name| find(name)), "\n")?;
    embed(
        &mut table,
        &out,
        "portal.css",
        "text/css; charset=utf-8",
        &style,
    )?;
    let script = concatenate(SCRIPTS.iter().map(|name| find(name)), ";\n")?;
    embed(
        &mut table,
        &out,
        "portal.js",
        "text/javascript; charset=utf-8",
        &script,
    )?;
    embed(
        &mut table,
        &out,
        "icons.svg",
        "image/svg+xml",
        &sprite(&fetched)?,
    )?;
    let mark = fs::read_to_string(source.join("mark.svg"))?;
    embed(&mut table, &out, "mark.svg", "image/svg+xml", &mark)?;
    table.push_str("];\n");
    fs::write(out.join("assets.rs"), table)?;
    Ok(())
}

/// Runs `npm ci` once per lock file, outside of the source tree.
fn fetch(source: &Path, out: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let lock = fs::read_to_string(source.join("package-lock.json"))?;
    let home = out.join(format!("npm-{}", digest(&lock)));
    let done = home.join("complete");
    if done.exists() {
        return Ok(home);
    }
    fs::create_dir_all(&home)?;
    for name in ["package.json", "package-lock.json"] {
        fs::copy(source.join(name), home.join(name))?;
    }
    let status = Command::new("npm")
        .args([
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--omit=optional",
            "--loglevel=error",
        ])
        .current_dir(&home)
        .status();
    match status {
        Ok(code) if code.success() => {
            fs::write(done, "")?;
            Ok(home)
        }
        Ok(code) => Err(format!(
            "`npm ci` for the portal's assets failed ({code}): check that the npm registry can be reached (npm ping), \
             or point npm at a mirror (npm config set registry …), and build again"
        )
        .into()),
        Err(error) => Err(format!(
            "the portal's assets are fetched with npm, which cannot be run ({error}): install Node.js 20 or newer \
             with npm (Debian: apt-get install nodejs npm), and build again"
        )
        .into()),
    }
}

fn concatenate(
    files: impl Iterator<Item = PathBuf>,
    between: &str,
) -> Result<String, Box<dyn Error>> {
    let texts: Result<Vec<_>, _> = files
        .map(|file| fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display())))
        .collect();
    Ok(texts?.join(between))
}

fn sprite(fetched: &Path) -> Result<String, Box<dyn Error>> {
    let mut symbols = String::from(r#"<svg xmlns="http://www.w3.org/2000/svg">"#);
    for name in ICONS {
        let file = fetched
            .join("node_modules/bootstrap-icons/icons")
            .join(format!("{name}.svg"));
        let text = fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        let inner = text
            .split_once('>')
            .and_then(|(_, rest)| rest.rsplit_once("</svg>"))
            .map(|(inner, _)| inner.trim())
            .ok_or_else(|| format!("{}: not an svg", file.display()))?;
        write!(
            symbols,
            r#"<symbol id="{name}" viewBox="0 0 16 16">{inner}</symbol>"#
        )?;
    }
    symbols.push_str("</svg>");
    Ok(symbols)
}

fn embed(
    table: &mut String,
    out: &Path,
    name: &str,
    kind: &str,
    text: &str,
) -> Result<(), Box<dyn Error>> {
    let (stem, ending) = name.split_once('.').ok_or("an asset has an ending")?;
    let file = out.join(name);
    fs::write(&file, text)?;
    writeln!(
        table,
        "    Asset {{ name: {name:?}, file: \"{stem}.{}.{ending}\", kind: {kind:?}, bytes: include_bytes!({:?}) }},",
        digest(text),
        file.display().to_string()
    )?;
    Ok(())
}

/// A short digest that changes with the content. It names files; it does not protect them.
fn digest(text: &str) -> String {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
