//! The README does not rot: its paths exist, both languages say the same, and every kind is everywhere it has to be.

use std::{collections::BTreeSet, fs, sync::LazyLock};

use anyhow::{Context, Result, ensure};
use harness::tools;

const READMES: [&str; 2] = ["README.md", "README.zh-CN.md"];
/// A stranger reads no more.
const LINES: usize = 210;

fn read(path: &str) -> Result<String> {
    fs::read_to_string(tools::repository().join(path)).with_context(|| path.to_owned())
}

/// A kind with its names in code: `TenantQuota`, `tenant_quota`, `tenantquotas`.
struct Kind {
    name: String,
    file: String,
    plural: String,
}

impl Kind {
    /// Whether a controller works on it.
    fn is_managed(&self) -> bool {
        crds::MANAGED.contains(&self.plural.as_str())
    }
}

static KINDS: LazyLock<Vec<Kind>> = LazyLock::new(|| {
    let all = crds::all().into_iter();
    all.map(|crd| Kind {
        file: snake(&crd.spec.names.kind),
        name: crd.spec.names.kind,
        plural: crd.spec.names.plural,
    })
    .collect()
});

fn snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

/// The headings by level, the fenced blocks with their language, and the lines of tables.
#[derive(Default)]
struct Page {
    levels: Vec<usize>,
    headings: Vec<String>,
    blocks: Vec<(String, String)>,
    rows: Vec<String>,
}

fn page(text: &str) -> Page {
    let mut page = Page::default();
    let mut open: Option<(String, String)> = None;
    for line in text.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => page.blocks.extend(open.take()),
            (Some(language), None) => open = Some((language.to_owned(), String::new())),
            (None, Some((_, block))) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, None) if line.starts_with('#') => {
                page.levels
                    .push(line.chars().take_while(|c| *c == '#').count());
                page.headings
                    .push(line.trim_start_matches('#').trim().to_owned());
            }
            (None, None) if line.starts_with('|') => page.rows.push(line.to_owned()),
            (None, None) => {}
        }
    }
    page
}

/// What stands between backticks.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Whether a quoted word is meant as a path: its first part is at the root of the repository.
fn is_path(word: &str) -> bool {
    let root = |first: &str| tools::repository().join(first).exists();
    word.split_once('/')
        .is_some_and(|(first, _)| !first.is_empty() && root(first))
        && !word.contains(' ')
}

/// `<kind>` stands for every kind, another `<word>` for any entry of its directory; `::word` is a function of the file.
fn missing(path: &str) -> Result<Vec<String>> {
    let (path, function) = path
        .split_once("::")
        .map_or((path, None), |(path, function)| (path, Some(function)));
    let named: Vec<String> = if path.contains("<kind>") {
        let managed = |kind: &&Kind| !path.starts_with("operator/") || kind.is_managed();
        KINDS
            .iter()
            .filter(managed)
            .map(|kind| path.replace("<kind>", &kind.file))
            .collect()
    } else {
        vec![path.split('<').next().unwrap_or(path).to_owned()]
    };
    let mut missing = Vec::new();
    for path in named {
        if !tools::repository().join(&path).exists() {
            missing.push(path);
        } else if let Some(function) = function
            && !read(&path)?.contains(&format!("fn {function}("))
        {
            missing.push(format!("{path}::{function}"));
        }
    }
    Ok(missing)
}

#[test]
fn every_path_of_its_tables_exists() -> Result<()> {
    // What a new kind should have and no check demands yet.
    let advised = "tests/tests/<kind>.rs";
    for readme in READMES {
        let rows = page(&read(readme)?).rows;
        let paths: BTreeSet<&str> = rows
            .iter()
            .flat_map(|row| quoted(row))
            .filter(|word| is_path(word) && *word != advised)
            .collect();
        ensure!(
            paths.len() > 20,
            "{readme}: only {} paths found",
            paths.len()
        );
        for path in paths {
            let missing = missing(path)?;
            ensure!(
                missing.is_empty(),
                "{readme} names {path}; there is no {}",
                missing.join(", ")
            );
        }
    }
    Ok(())
}

#[test]
fn both_languages_have_the_same_headings_tables_and_commands() -> Result<()> {
    let [english, chinese] = [page(&read(READMES[0])?), page(&read(READMES[1])?)];
    assert_eq!(english.levels, chinese.levels, "the headings differ");
    assert_eq!(
        english.rows.len(),
        chinese.rows.len(),
        "the tables have different numbers of rows"
    );
    let languages = |page: &Page| -> Vec<String> {
        page.blocks
            .iter()
            .map(|(language, _)| language.clone())
            .collect()
    };
    assert_eq!(
        languages(&english),
        languages(&chinese),
        "the blocks differ"
    );
    let commands = |page: &Page| -> Vec<String> {
        let shell = page.blocks.iter().filter(|(language, _)| language == "sh");
        let lines = shell.flat_map(|(_, block)| block.lines());
        // Comments are in the reader's language.
        lines
            .map(|line| line.split(" # ").next().unwrap_or(line).trim().to_owned())
            .collect()
    };
    assert_eq!(
        commands(&english),
        commands(&chinese),
        "the commands differ"
    );
    Ok(())
}

#[test]
fn it_stays_short_and_its_make_lines_exist() -> Result<()> {
    let makefile = read("Makefile")?;
    for readme in READMES {
        let text = read(readme)?;
        let lines = text.lines().count();
        ensure!(
            lines <= LINES,
            "{readme} has {lines} lines, more than {LINES}"
        );
        let shell = page(&text).blocks.into_iter().map(|(_, block)| block);
        let all: Vec<String> = quoted(&text)
            .map(String::from)
            .chain(shell.flat_map(|b| b.lines().map(String::from).collect::<Vec<_>>()))
            .collect();
        for line in all {
            let Some(target) = line.strip_prefix("make ") else {
                continue;
            };
            let target = target.split_whitespace().next().unwrap_or_default();
            let there = makefile.contains(&format!("\n{target}:"));
            ensure!(there, "{readme} says make {target}; the Makefile does not");
        }
    }
    Ok(())
}

#[test]
fn the_section_that_refusals_point_to_is_there() -> Result<()> {
    let words = read("crds/messages/reasons.en.yaml")?;
    let headings = page(&read(READMES[0])?).headings;
    ensure!(
        !words.contains("README") || words.contains("Dock a member"),
        "a reason points to a section of the README that this test does not know"
    );
    ensure!(
        headings.iter().any(|heading| heading == "Dock a member"),
        "README.md has no section Dock a member"
    );
    Ok(())
}

/// For each kind: named in both READMEs, an example of it, an operator's file, and a line that runs it.
#[test]
fn every_kind_is_everywhere() -> Result<()> {
    let readmes = [read(READMES[0])?, read(READMES[1])?];
    for kind in &*KINDS {
        for (name, text) in READMES.iter().zip(&readmes) {
            ensure!(
                text.contains(&format!("`{}`", kind.name)),
                "{name} does not name `{}`",
                kind.name
            );
        }
        let example = format!("crds/examples/{}.yaml", kind.file);
        ensure!(
            read(&example)?.contains(&format!("\nkind: {}\n", kind.name)),
            "{example} holds no {}",
            kind.name
        );
        let mut files = vec![format!("crds/src/{}.rs", kind.file)];
        if kind.is_managed() {
            files.push(format!("operator/src/{}.rs", kind.file));
        }
        for file in files {
            ensure!(
                tools::repository().join(&file).is_file(),
                "there is no {file}"
            );
        }
    }
    Ok(())
}

/// Every kind that is said to have a controller has one, and no other.
#[test]
fn every_kind_has_its_controller() -> Result<()> {
    let controllers = read("operator/src/controllers.rs")?;
    let run: BTreeSet<String> = controllers
        .split("run::<")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once('>')?.0.to_lowercase()))
        .collect();
    let kinds = crds::MANAGED.map(str::to_owned).into();
    assert_eq!(
        run, kinds,
        "operator/src/controllers.rs against crds::MANAGED"
    );
    for plural in crds::MANAGED {
        assert!(KINDS.iter().any(|kind| kind.plural == plural), "{plural}");
    }
    Ok(())
}
