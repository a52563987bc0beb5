//! A plugin's project on disk: found, built by its own cargo, made into a component.
//! In comes a folder, out goes `NAME.wasm` beside its Cargo.toml. The host does not compile anything itself: cargo says what it says,
//! and only what it leaves behind is looked at.

use crate::exit::{Exit, Failure};
use potok_types::Digest;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const TARGET: &str = "wasm32-unknown-unknown";
/// The toolchain that Potok's own set-up links where rustup cannot fetch the target.
const LINKED_TOOLCHAIN: &str = "potok-wasm";

/// A Rust project.
#[derive(Debug)]
pub(super) struct Project {
    folder: PathBuf,
    name: String,
}

/// What a build left.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Built {
    pub(super) name: String,
    pub(super) file: PathBuf,
    pub(super) size_bytes: u64,
    pub(super) digest: Digest,
}

#[derive(Deserialize)]
struct Manifest {
    package: Option<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
}

/// What of cargo's messages is of interest.
#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    manifest_path: PathBuf,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

impl Project {
    /// The project in `folder`.
    pub(super) fn open(folder: &Path) -> Result<Project, Failure> {
        let nothing = || {
            Failure::new(Exit::NotFound, format!("no plugin project in {}", folder.display()))
                .remedy("go to its folder, or name it with --path; to start a new one: potok plugin new NAME")
        };
        let manifest = folder.join("Cargo.toml");
        let text = fs::read_to_string(&manifest).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => nothing(),
            _ => Failure::file("read", &manifest, &error),
        })?;
        let parsed: Manifest = toml::from_str(&text).map_err(|error| {
            Failure::new(Exit::Refused, format!("{} does not parse: {error}", manifest.display()))
        })?;
        let name = parsed.package.ok_or_else(nothing)?.name;
        Ok(Project { folder: folder.to_owned(), name })
    }
    /// Builds the component.
    pub(super) fn build(&self) -> Result<Built, Failure> {
        let core = self.cargo_build()?;
        let bytes = fs::read(&core).map_err(|error| Failure::file("read", &core, &error))?;
        let component = potok_plugin::componentize(&bytes).map_err(|error| {
            Failure::new(Exit::Refused, format!("what cargo built is not a plugin: {error}"))
                .remedy("check that src/lib.rs calls potok_sdk::processor! and that Cargo.toml has crate-type = [\"cdylib\", \"rlib\"]")
        })?;
        let file = self.folder.join(format!("{}.wasm", self.name));
        // Renamed into place, so that nobody ever reads half of it.
        let part = file.with_extension("wasm.part");
        fs::write(&part, &component).map_err(|error| Failure::file("write", &part, &error))?;
        fs::rename(&part, &file).map_err(|error| Failure::file("write", &file, &error))?;
        let digest = Digest(Sha256::digest(&component).into());
        let file = file.strip_prefix("./").unwrap_or(&file).to_owned();
        Ok(Built { name: self.name.clone(), file, size_bytes: component.len() as u64, digest })
    }
    /// Runs cargo, whose words go to stderr as they come, and answers the core module that it made.
    fn cargo_build(&self) -> Result<PathBuf, Failure> {
        let mut cargo = Command::new("cargo");
        if let Some(toolchain) = self.toolchain()? {
            cargo.arg(format!("+{toolchain}"));
        }
        cargo.args([
            "build",
            "--release",
            "--lib",
            "--target",
            TARGET,
            "--message-format=json-render-diagnostics",
        ]);
        cargo.current_dir(&self.folder).stdin(Stdio::null()).stderr(Stdio::inherit());
        let output = cargo.output().map_err(|error| no_cargo(&error))?;
        if !output.status.success() {
            return Err(Failure::failed("cargo could not build the project; see its output above"));
        }
        let ours = self
            .folder
            .join("Cargo.toml")
            .canonicalize()
            .map_err(|error| Failure::file("read", &self.folder, &error))?;
        let made = output
            .stdout
            .split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice::<Message>(line).ok());
        let ours =
            made.filter(|message| message.reason == "compiler-artifact" && message.manifest_path == ours);
        let wasm = ours
            .flat_map(|message| message.filenames)
            .find(|file| file.extension().is_some_and(|end| end == "wasm"));
        wasm.ok_or_else(|| {
            Failure::new(Exit::Refused, format!("cargo built no WebAssembly module of {}", self.name))
                .remedy("Cargo.toml needs [lib] crate-type = [\"cdylib\", \"rlib\"]")
        })
    }
    /// The toolchain to name to cargo: none when the project's own has the target.
    fn toolchain(&self) -> Result<Option<&'static str>, Failure> {
        if self.has_target(&[])? {
            return Ok(None);
        }
        let linked = format!("+{LINKED_TOOLCHAIN}");
        if self.has_target(&[&linked]).unwrap_or(false) {
            return Ok(Some(LINKED_TOOLCHAIN));
        }
        Err(Failure::failed(format!("this Rust cannot build for {TARGET}")).remedy(format!(
            "add the target: rustup target add {TARGET}\n  \
             where rustup cannot reach its server: tools/setup-rust-wasm.sh in Potok's source builds it from Debian's packages"
        )))
    }
    /// Whether rustc (as cargo would choose it in the project's folder) has a standard library for the target.
    fn has_target(&self, words: &[&str]) -> Result<bool, Failure> {
        let mut rustc = Command::new("rustc");
        rustc.args(words).args(["--print", "target-libdir", "--target", TARGET]).current_dir(&self.folder);
        let output =
            rustc.stdin(Stdio::null()).stderr(Stdio::null()).output().map_err(|error| no_cargo(&error))?;
        let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        let Ok(entries) = fs::read_dir(folder) else { return Ok(false) };
        Ok(output.status.success()
            && entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-")))
    }
}

fn no_cargo(error: &std::io::Error) -> Failure {
    Failure::failed(format!("cannot run Rust's tools: {error}"))
        .remedy("install them as https://rustup.rs says, then try again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_project_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let failure = Project::open(folder.path()).unwrap_err();
        assert_eq!(failure.exit, Exit::NotFound);
        assert!(failure.remedy.unwrap().contains("potok plugin new"));
    }
    #[test]
    fn a_workspace_without_a_package_is_no_project() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("Cargo.toml"), "[workspace]\n").unwrap();
        assert_eq!(Project::open(folder.path()).unwrap_err().exit, Exit::NotFound);
        fs::write(folder.path().join("Cargo.toml"), "[package\n").unwrap();
        assert_eq!(Project::open(folder.path()).unwrap_err().exit, Exit::Refused);
    }
}
