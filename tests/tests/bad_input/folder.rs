//! A data folder that cannot be opened: the process says which, why and what to do, ends with its code, and leaves the folder alone.

use potok_tests::server::{SERVE, Server, run};
use std::fs;
use std::path::Path;

/// Starts over `data`, which must fail with this code and these words.
#[track_caller]
fn check(data: &Path, code: i32, words: &[&str]) {
    let data = data.to_str().unwrap();
    let (found, out, err) = run(&[&SERVE[..], &[data]].concat());
    assert_eq!((found, out.as_str()), (Some(code), ""), "{err}");
    for word in words.iter().chain(&[data]) {
        assert!(err.contains(word), "{word:?} is not in {err:?}");
    }
}

#[tokio::test]
async fn one_process_has_a_folder_and_goes_on_when_another_wants_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    server.topic("t", 1).await;
    check(folder.path(), 4, &["in use", "stop the other server"]);
    server.send(server.produce("t", "", &1.into())).await;
    server.stop();
    let again = Server::start(folder.path()).await;
    assert_eq!(again.partition("t", 0).await.len(), 1);
}

#[test]
fn a_folder_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "kept").unwrap();
    check(&file, 1, &["cannot be used", "may read and write"]);
    assert_eq!(fs::read(&file).unwrap(), b"kept");
}

#[tokio::test]
async fn a_folder_of_a_newer_version_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    server.topic("t", 1).await;
    server.stop();
    let format = folder.path().join("log/FORMAT");
    let ours = fs::read(&format).unwrap();
    fs::write(&format, "potok log format 99\n").unwrap();
    check(folder.path(), 4, &["newer version", "format 99"]);
    assert_eq!(fs::read(&format).unwrap(), b"potok log format 99\n");
    fs::write(&format, ours).unwrap();
    assert_eq!(Server::start(folder.path()).await.partition("t", 0).await.len(), 0, "nothing was changed");
}

#[tokio::test]
async fn a_damaged_folder_says_what_is_damaged_and_how_to_go_on() {
    let folder = tempfile::tempdir().unwrap();
    Server::start(folder.path()).await.stop();
    fs::write(folder.path().join("log/FORMAT"), "\0\0\0").unwrap();
    check(folder.path(), 1, &["damaged", "FORMAT", "backup"]);
}
