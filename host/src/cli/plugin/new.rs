//! `potok plugin new NAME`: a complete project from a template, with the SDK in it, so that it builds without any release.
//! In comes a name, out goes a folder. What is there already is never touched.

use crate::cli::OutputArg;
use crate::exit::{Exit, Failure};
use crate::output::Page;
use clap::Args;
use std::fs;
use std::path::{Path, PathBuf};

/// Writes a new plugin project.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    potok plugin new temperature-alarms --language rust --kind processor\n  \
    potok plugin new silences --description 'Reports sensors that have gone silent'\n  \
    cd temperature-alarms && potok plugin test --input records.ndjson")]
pub(in crate::cli) struct New {
    /// Name of the project and its folder: lower-case letters, digits and '-'
    name: String,
    /// Programming language
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    language: Language,
    /// What the plugin is
    #[arg(long, value_enum, default_value_t = Kind::Processor)]
    kind: Kind,
    /// What it does, in a sentence; `potok module inspect` shows it
    #[arg(long, value_name = "TEXT", default_value = DESCRIPTION, hide_default_value = true)]
    description: String,
    /// Where to create the folder
    #[arg(long, value_name = "DIR", default_value = ".")]
    path: PathBuf,
    #[command(flatten)]
    output: OutputArg,
}

/// Languages with an SDK.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Language {
    Rust,
}

/// Kinds of plugins with a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    Processor,
}

/// What the template does before anybody has changed it.
const DESCRIPTION: &str = "Raises an alarm for each reading above a limit";
/// Where a file of the template goes, and what is in it; `{{name}}` stands for the project's name, `{{description}}` for a TOML string.
const RUST_PROCESSOR: [(&str, &str); 5] = [
    ("Cargo.toml", include_str!("../../../templates/rust-processor/Cargo.toml.in")),
    ("src/lib.rs", include_str!("../../../templates/rust-processor/src/lib.rs.in")),
    ("records.ndjson", include_str!("../../../templates/rust-processor/records.ndjson.in")),
    ("README.md", include_str!("../../../templates/rust-processor/README.md.in")),
    (".gitignore", include_str!("../../../templates/rust-processor/gitignore.in")),
];
/// The SDK's own files, gathered by `build.rs`.
const SDK: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/sdk_files.rs"));
/// Where the SDK lies in a project.
const SDK_FOLDER: &str = "vendor/potok-sdk";

impl New {
    pub(super) fn run(self) -> Result<(), Failure> {
        check_name(&self.name)?;
        check_description(&self.description)?;
        let folder =
            if self.path == Path::new(".") { PathBuf::from(&self.name) } else { self.path.join(&self.name) };
        if folder.exists() {
            return Err(Failure::new(Exit::Refused, format!("{} already exists", folder.display()))
                .remedy("choose another name, or another folder with --path"));
        }
        let template: &[(&str, &str)] = match (self.language, self.kind) {
            (Language::Rust, Kind::Processor) => &RUST_PROCESSOR,
        };
        let description = toml::Value::String(self.description).to_string();
        for (name, text) in template {
            let text = text.replace("{{name}}", &self.name).replace("{{description}}", &description);
            write(&folder.join(name), text.as_bytes())?;
        }
        for (name, bytes) in SDK {
            write(&folder.join(SDK_FOLDER).join(name), bytes)?;
        }
        let written = serde_json::json!({ "name": self.name, "folder": folder });
        self.output.open().show(&written, |_| next_steps(&folder))
    }
}

fn next_steps(folder: &Path) -> Page {
    Page::line(format!("wrote {}; it works as it is:", folder.display()))
        .and_line(format!("  cd {}", folder.display()))
        .and_line("  potok plugin test --input records.ndjson")
        .and_line("then edit src/lib.rs; README.md has the way to a server")
}

/// Cargo's rule for a package that is also a crate, and ours for a module: one that satisfies both needs no second name.
fn check_name(name: &str) -> Result<(), Failure> {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let fits = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(legal)
        && name.len() <= NAME_LEN_MAX;
    let taken = matches!(
        name,
        "potok-sdk" | "serde" | "serde-json" | "test" | "core" | "std" | "alloc" | "proc-macro"
    );
    match fits && !taken {
        true => Ok(()),
        false => Err(Failure::usage(format!("{name:?} cannot be a project's name")).remedy(format!(
            "use up to {NAME_LEN_MAX} lower-case letters, digits and '-', beginning with a letter"
        ))),
    }
}

/// A module's summary is one line of bounded length, and a project that could not be pushed is no use.
fn check_description(text: &str) -> Result<(), Failure> {
    let why = match text {
        "" => "it is empty".to_owned(),
        _ if text.chars().any(char::is_control) => "it has a control character or a line break".to_owned(),
        _ if text.len() > potok_plugin::SUMMARY_LEN_MAX => format!("it has {} bytes", text.len()),
        _ => return Ok(()),
    };
    Err(Failure::usage(format!("{text:?} is not legal for --description <TEXT>: {why}"))
        .remedy(format!("write one line of at most {} bytes", potok_plugin::SUMMARY_LEN_MAX)))
}

/// crates.io's limit for a package's name.
const NAME_LEN_MAX: usize = 64;

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |error| Failure::file("write", path, &error);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    fs::write(path, bytes).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_legal_for_cargo_and_for_a_server() {
        for good in ["a", "flight-delays", "x2"] {
            assert!(check_name(good).is_ok() && good.parse::<potok_types::ModuleName>().is_ok(), "{good}");
        }
        for wrong in ["", "-a", "2x", "A", "a_b", "a/b", "serde", "test", &"x".repeat(65)] {
            assert!(check_name(wrong).is_err(), "{wrong}");
        }
    }
    #[test]
    fn the_sdk_is_aboard_and_stands_alone() {
        let manifest = SDK
            .iter()
            .find(|(name, _)| *name == "Cargo.toml")
            .map(|(_, bytes)| String::from_utf8_lossy(bytes));
        let manifest = manifest.unwrap();
        assert!(
            manifest.contains("name = \"potok-sdk\"") && !manifest.contains("workspace = true"),
            "{manifest}"
        );
        assert!(SDK.iter().any(|(name, _)| *name == "src/lib.rs"));
    }
    #[test]
    fn a_second_project_of_the_same_name_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let new = || New {
            name: "again".into(),
            language: Language::Rust,
            kind: Kind::Processor,
            description: "Says \"no\" \\ and {{name}}".into(),
            path: folder.path().to_owned(),
            output: OutputArg { output: crate::output::Format::Json },
        };
        new().run().unwrap();
        assert!(folder.path().join("again/vendor/potok-sdk/src/lib.rs").is_file());
        let manifest = fs::read_to_string(folder.path().join("again/Cargo.toml")).unwrap();
        let manifest: toml::Table = manifest.parse().unwrap();
        assert_eq!(manifest["package"]["description"].as_str(), Some("Says \"no\" \\ and {{name}}"));
        assert_eq!(new().run().unwrap_err().exit, Exit::Refused);
    }
    #[test]
    fn a_description_is_what_a_server_takes() {
        assert!(check_description(DESCRIPTION).is_ok());
        for wrong in ["", "a\nb", &"x".repeat(potok_plugin::SUMMARY_LEN_MAX + 1)] {
            assert_eq!(check_description(wrong).unwrap_err().exit, Exit::Usage);
        }
    }
}
