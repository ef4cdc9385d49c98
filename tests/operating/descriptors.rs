//! More connections than the service may have files open.

use std::net::TcpStream;
use std::process::Command;

use crate::process::Process;
use crate::reload::told;

#[test]
fn a_service_that_may_open_no_more_files_says_so_and_answers_again_when_it_may() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), "");
    let limit = ["--pid", &process.id().to_string(), "--nofile=60:60"];
    assert!(Command::new("prlimit").args(limit).status().unwrap().success());
    let connections: Vec<_> = (0..80).map(|_| TcpStream::connect(process.address()).unwrap()).collect();
    told(&process, "LimitNOFILE");
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert_eq!(process.log().matches("LimitNOFILE").count(), 1, "once, and not for each that was tried");
    drop(connections);
    assert_eq!(reqwest::blocking::get(format!("{}/healthz", process.url)).unwrap().text().unwrap(), "ok");
    process.signal("TERM");
    process.ended();
}
