//! January 2013 as the repository ships it, for the tests of the modules.
//! In: `data/january-2013`. Out: lines, without the header, flights by their scheduled departure. Invariant: the order is that of the demonstration.
//! Unpacked by `gzip`, which every system has, so that no module's tests compile a decompressor.

use crate::Flight;
use std::path::Path;
use std::process::Command;

/// The lines of `flights.csv`, by scheduled departure, ties in the order of the file.
pub fn flights() -> Vec<String> {
    let mut lines = unpack("flights.csv.gz");
    lines.sort_by_key(|line| Flight::parse(line).expect("a line of the file").scheduled);
    lines
}

/// The lines of `weather.csv`, in the order of the file: by airport, then by time.
pub fn weather() -> Vec<String> {
    unpack("weather.csv.gz")
}

fn unpack(name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/january-2013").join(name);
    let output = Command::new("gzip").arg("-dc").arg(&path).output().expect("gzip unpacks the test data");
    assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("the file is text");
    text.lines().skip(1).map(str::to_owned).collect()
}
