//! The modules' folder. Every file is written beside its place, synced and renamed, so that a name always holds whole bytes.
//!
//! ```text
//!   <digest>.wasm                     the component as it was pushed
//!   <digest>.<code>.<crc>.cwasm       its compiled code; <code> names Wasmtime's version and flags, <crc> is its CRC-32C
//!   <digest>.json                     what is known of it; written last: without it there is no module
//! ```
//! Compiled code is only handed to Wasmtime after its checksum agreed; whatever is missing, stale or damaged is compiled anew.

use crate::api::ModuleInfo;
use potok_types::Digest;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Suffix of a file that is not finished.
const UNFINISHED: &str = ".unfinished";
/// Bytes read at a time while a checksum is taken: compiled code is never held in memory for it.
const READ_LEN: usize = 256 << 10;

/// The folder.
#[derive(Debug)]
pub(crate) struct Disk {
    folder: PathBuf,
    unfinished: AtomicU64,
}

impl Disk {
    /// Opens the folder, makes it when it is not there, and sweeps what a kill left behind.
    pub(crate) fn open(folder: &Path) -> io::Result<Disk> {
        fs::create_dir_all(folder)?;
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().ends_with(UNFINISHED) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(Disk { folder: folder.to_owned(), unfinished: AtomicU64::new(0) })
    }
    /// The modules that are there. One whose description cannot be read is left out and named in the log: pushing it again mends it.
    pub(crate) fn modules(&self) -> io::Result<Vec<ModuleInfo>> {
        let mut modules = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                match read_info(&path) {
                    Ok(info) => modules.push(info),
                    Err(reason) => {
                        tracing::warn!(file = %path.display(), reason, "module left out: push it again")
                    }
                }
            }
        }
        Ok(modules)
    }
    /// Keeps a module; it is there once this returns.
    pub(crate) fn keep(
        &self,
        info: &ModuleInfo,
        component: &[u8],
        code_name: &str,
        code: &[u8],
    ) -> io::Result<()> {
        self.write(&component_name(info.digest), component)?;
        self.keep_code(info.digest, code_name, code)?;
        self.write(&info_name(info.digest), &serde_json::to_vec_pretty(info)?)
    }
    /// Puts a known module's bytes back where they are missing or damaged.
    pub(crate) fn mend(&self, digest: Digest, component: &[u8]) -> io::Result<()> {
        if self.component(digest).is_ok() { Ok(()) } else { self.write(&component_name(digest), component) }
    }
    /// Keeps compiled code and drops what was compiled before.
    pub(crate) fn keep_code(&self, digest: Digest, code_name: &str, code: &[u8]) -> io::Result<()> {
        let name = format!("{}{:08x}.cwasm", code_prefix(digest, code_name), crc32c::crc32c(code));
        self.write(&name, code)?;
        for path in self.code_files(digest)? {
            if path.file_name().is_some_and(|other| other != name.as_str()) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
    /// The component's bytes, if they are what was pushed.
    pub(crate) fn component(&self, digest: Digest) -> io::Result<Vec<u8>> {
        let bytes = fs::read(self.folder.join(component_name(digest)))?;
        if digest_of(&bytes) != digest {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its bytes have another digest"));
        }
        Ok(bytes)
    }
    /// Where compiled code under this name lies, when its checksum agrees.
    pub(crate) fn code(&self, digest: Digest, code_name: &str) -> io::Result<Option<PathBuf>> {
        let prefix = code_prefix(digest, code_name);
        for path in self.code_files(digest)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let Some(crc) = name.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(".cwasm")) else {
                continue;
            };
            if u32::from_str_radix(crc, 16) == Ok(checksum(&path)?) {
                return Ok(Some(path));
            }
            tracing::warn!(file = %path.display(), "compiled code is damaged: compiling it anew");
        }
        Ok(None)
    }
    /// Forgets a module; after the first step it is gone for good.
    pub(crate) fn remove(&self, digest: Digest) -> io::Result<()> {
        fs::remove_file(self.folder.join(info_name(digest)))?;
        self.sync()?;
        fs::remove_file(self.folder.join(component_name(digest)))?;
        self.code_files(digest)?.into_iter().try_for_each(fs::remove_file)
    }
    fn code_files(&self, digest: Digest) -> io::Result<Vec<PathBuf>> {
        let prefix = format!("{digest}.");
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(&prefix) && name.ends_with(".cwasm") {
                paths.push(entry.path());
            }
        }
        Ok(paths)
    }
    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let number = self.unfinished.fetch_add(1, Ordering::Relaxed);
        let unfinished = self.folder.join(format!("{number}{UNFINISHED}"));
        let written = self.write_and_rename(&unfinished, name, bytes);
        if written.is_err() {
            // Best effort: what stays is swept at the next start.
            let _ = fs::remove_file(&unfinished);
        }
        written
    }
    fn write_and_rename(&self, unfinished: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut file = File::create(unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(unfinished, self.folder.join(name))?;
        self.sync()
    }
    /// A rename is only durable once its folder is.
    fn sync(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }
}

/// SHA-256 of a component's bytes.
pub(crate) fn digest_of(bytes: &[u8]) -> Digest {
    use sha2::Digest as _;
    Digest(sha2::Sha256::digest(bytes).into())
}

fn component_name(digest: Digest) -> String {
    format!("{digest}.wasm")
}
fn info_name(digest: Digest) -> String {
    format!("{digest}.json")
}
fn code_prefix(digest: Digest, code_name: &str) -> String {
    format!("{digest}.{code_name}.")
}
fn read_info(path: &Path) -> Result<ModuleInfo, String> {
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    let info: ModuleInfo = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    if path.file_name().is_none_or(|name| name != info_name(info.digest).as_str()) {
        return Err("its name is not its digest".into());
    }
    let len = fs::metadata(path.with_file_name(component_name(info.digest)))
        .map_err(|error| error.to_string())?
        .len();
    if len == info.size { Ok(info) } else { Err(format!("its component has {len} bytes, not {}", info.size)) }
}
fn checksum(path: &Path) -> io::Result<u32> {
    let (mut file, mut crc, mut buffer) = (File::open(path)?, 0, vec![0; READ_LEN]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(crc),
            n => crc = crc32c::crc32c_append(crc, &buffer[..n]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Description, WorldKind};

    fn kept() -> (tempfile::TempDir, Disk, ModuleInfo) {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::open(folder.path()).unwrap();
        let description = Description {
            name: "m".into(),
            version: "1.0.0".into(),
            summary: String::new(),
            config_schema: serde_json::json!({}),
            inputs: vec![],
            outputs: vec![],
            stores: vec![],
            state_version: 0,
            wants: vec![],
        };
        let (digest, world) = (digest_of(b"component"), WorldKind::Processor);
        let info = ModuleInfo { digest, size: 9, world, imports: vec![], description };
        disk.keep(&info, b"component", "flags", b"code").unwrap();
        (folder, disk, info)
    }
    fn file(folder: &tempfile::TempDir, ending: &str) -> PathBuf {
        let mut files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        files.find(|path| path.to_string_lossy().ends_with(ending)).unwrap()
    }
    fn code(disk: &Disk, digest: Digest, name: &str) -> Option<Vec<u8>> {
        Some(fs::read(disk.code(digest, name).unwrap()?).unwrap())
    }
    #[test]
    fn what_is_kept_is_there_after_a_restart() {
        let (folder, _, info) = kept();
        let disk = Disk::open(folder.path()).unwrap();
        assert_eq!(disk.modules().unwrap(), std::slice::from_ref(&info));
        assert_eq!(disk.component(info.digest).unwrap(), b"component");
        assert_eq!(code(&disk, info.digest, "flags").unwrap(), b"code");
    }
    #[test]
    fn stale_and_damaged_code_is_not_found() {
        let (folder, disk, info) = kept();
        assert_eq!(code(&disk, info.digest, "other-flags"), None);
        fs::write(file(&folder, ".cwasm"), b"c0de").unwrap();
        assert_eq!(code(&disk, info.digest, "flags"), None);
        disk.keep_code(info.digest, "other-flags", b"new").unwrap();
        assert_eq!(disk.code_files(info.digest).unwrap().len(), 1);
    }
    #[test]
    fn damage_is_found() {
        let (folder, disk, info) = kept();
        fs::write(file(&folder, ".wasm"), b"c0mponent").unwrap();
        assert!(disk.component(info.digest).unwrap_err().to_string().contains("another digest"));
        fs::write(file(&folder, ".json"), b"{").unwrap();
        assert_eq!(disk.modules().unwrap(), []);
    }
    #[test]
    fn a_kill_before_the_last_file_leaves_no_module() {
        let (folder, _, _) = kept();
        fs::remove_file(file(&folder, ".json")).unwrap();
        fs::write(folder.path().join("7.unfinished"), b"half").unwrap();
        let disk = Disk::open(folder.path()).unwrap();
        assert_eq!(disk.modules().unwrap(), []);
        assert!(!folder.path().join("7.unfinished").exists());
    }
    #[test]
    fn removed_is_removed() {
        let (folder, disk, info) = kept();
        disk.remove(info.digest).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
