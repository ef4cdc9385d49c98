//! `kartenbund doctor` on computers where something is missing, and what its report tells of a person.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kartenbund::egk::{ApduLength, Egk};
use kartenbund::virtual_card::VirtualCard;
use rand_core::UnwrapErr;
use serde_json::Value;

use crate::card::{InReader, WrongWayRound, card, card_with_application, erika};
use crate::computer::{Computer, Ended, KARTENBUND, Running};
use crate::insurer::Insurer;
use crate::pcscd::{Pcscd, Reader};
use crate::terminal::Terminal;

/// What a card answers with no more than one step of it wrong.
const OK: [&str; 7] = ["ok", "ok", "ok", "ok", "ok", "ok", "ok"];

/// Verdicts from the service to the PIN, and code and exit code of the failure.
fn verdicts(computer: &Computer) -> (Vec<String>, Option<String>) {
    let ended = computer.run(&["doctor", "--json"]);
    assert_eq!(ended.stderr, "", "{ended:?}");
    let value: Value = serde_json::from_str(&ended.stdout).unwrap();
    let steps: Vec<_> = value["steps"].as_array().unwrap()[..7].iter().map(|step| text(&step["verdict"])).collect();
    let failed = value["steps"].as_array().unwrap().iter().find(|step| step["verdict"] == "failed");
    match failed {
        None => assert_eq!((ended.code, value.get("error")), (Some(0), None), "{value}"),
        Some(step) => {
            assert_eq!(Some(i64::from(ended.code.unwrap())), step["exit_code"].as_i64(), "{value}");
            assert_eq!(value["error"]["code"], step["code"]);
        }
    }
    (steps, failed.map(|step| text(&step["code"])))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[track_caller]
fn assert_verdicts(computer: &Computer, steps: [&str; 7], code: &str) {
    assert_eq!(verdicts(computer), (steps.map(str::to_owned).to_vec(), Some(code.to_owned())));
}

/// What a person is told, with the exit code.
#[track_caller]
fn told(ended: Ended, code: i32, words: &[&str]) {
    assert_eq!(ended.code, Some(code), "{ended:?}");
    for words in words {
        assert!(ended.stdout.contains(words), "{words}: {}", ended.stdout);
    }
    let said = format!("({code})\n");
    assert!(ended.stderr.contains(&said) && !ended.stderr.contains("Next: "), "said once: {ended:?}");
}

#[test]
fn the_service_does_not_run() {
    let computer = Computer::without_service();
    assert_verdicts(
        &computer,
        ["failed", "skipped", "skipped", "skipped", "skipped", "skipped", "skipped"],
        "no_pcsc_service",
    );
    told(computer.run(&["doctor"]), 10, &["Service for card readers: failed.", "  Next: "]);
}

/// Everywhere, not only where it is looked for.
#[test]
fn the_service_lets_nobody_in() {
    let service = Pcscd::start();
    let computer = Computer::at(&service);
    fs::set_permissions(service.socket(), fs::Permissions::from_mode(0o000)).unwrap();
    let run = |words: &[&str]| {
        // Root is let in by its capabilities, which it can do without.
        let mut command = computer.command("/usr/bin/setpriv");
        let without = "-dac_override,-dac_read_search";
        command.args(["--inh-caps", without, "--bounding-set", without, KARTENBUND, "--lang", "en"]).args(words);
        Running::start(command).wait()
    };
    for words in [&["readers"][..], &["read"], &["read", "--wait", "30"], &["card", "pin", "status"]] {
        let told = run(words).fails_with(19, "not_allowed");
        assert!(told.cause.contains("This program may not open the way to the service"), "{told:?}");
    }
    told(
        run(&["doctor"]),
        19,
        &["Service for card readers: not checked. The service cannot be seen from here.\nRights: failed."],
    );
}

/// pcscd's own words to a client of another version: its version, and SCARD_E_SERVICE_STOPPED (0x8010001E).
#[test]
fn the_service_is_of_another_version() {
    let computer = Computer::without_service();
    let listener = UnixListener::bind(computer.path("nobody.comm")).unwrap();
    thread::spawn(move || {
        for line in listener.incoming() {
            let mut line = line.unwrap();
            let mut question = [0; 20];
            // Who only knocks says nothing.
            if line.read_exact(&mut question).is_ok() {
                line.write_all(&[4, 0, 0, 0, 5, 0, 0, 0, 0x1E, 0x00, 0x10, 0x80]).unwrap();
            }
        }
    });
    let failure = computer.run(&["readers"]).fails_with(19, "not_allowed");
    assert!(failure.cause.contains("do not understand one another"), "{failure:?}");
    told(
        computer.run(&["doctor"]),
        19,
        &["Service for card readers: failed. The service for card readers (PC/SC) runs"],
    );
}

#[test]
fn a_snap_is_to_be_connected() {
    let computer = Computer::without_service();
    let doctor = |snap: &Path| {
        let mut command = computer.command(KARTENBUND);
        command.args(["--lang", "en", "doctor"]).env("SNAP", snap).env("SNAP_INSTANCE_NAME", "kartenbund_2");
        Running::start(command).wait()
    };
    let folder = Path::new(KARTENBUND).parent().unwrap();
    told(doctor(folder), 19, &["Rights: failed.", "sudo snap connect kartenbund_2:pcscd"]);
    // Started in the terminal of an editor that is a snap, it is none itself.
    for other in ["/snap/code/1", "/usr", ""] {
        told(doctor(Path::new(other)), 10, &["Service for card readers: failed.", "does not run"]);
    }
}

#[test]
fn no_reader_no_card_or_a_card_that_does_not_answer() {
    let mut service = Pcscd::without_readers();
    let computer = Computer::at(&service);
    assert_verdicts(&computer, ["ok", "ok", "skipped", "failed", "skipped", "skipped", "skipped"], "no_reader");
    service.connect_readers();
    assert_verdicts(&computer, ["ok", "ok", "ok", "ok", "failed", "skipped", "skipped"], "no_card");
    told(computer.run(&["doctor", "--reader", "Nobody"]), 11, &["The card reader \"Nobody\" is not connected."]);
    let card = WrongWayRound::insert(&service, Reader::First);
    computer.wait_until("Virtual 00 00", "mute");
    assert_verdicts(&computer, ["ok", "ok", "ok", "ok", "failed", "skipped", "skipped"], "mute_card");
    told(computer.run(&["doctor"]), 13, &["Card: failed. The card does not answer.\n  Next: Turn the card over"]);
    drop(card);
}

#[test]
fn cards_of_every_kind_are_told_plainly() {
    let service = Pcscd::start();
    let computer = Computer::at(&service);
    let image = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cards/erika.xml")).unwrap();
    let contactless = VirtualCard::load_contactless(&image, &mut UnwrapErr(getrandom::SysRng)).unwrap();
    for (card, exit_code, words) in [
        (card_with_application("D27600014601"), 20, "Type of card: failed. This is a health professional's card"),
        (card_with_application("A000000025010402"), 20, "Type of card: failed. This is not an electronic health card."),
        (card(&erika()), 0, "Type of card: ok. Health card of generation G2.1, valid.\nPIN of the card: ok. 3 tries"),
        (contactless, 0, "It needs the card access number (CAN), six digits"),
    ] {
        let inserted = InReader::insert(&service, Reader::Second, card);
        let ended = computer.run(&["doctor"]);
        assert_eq!(ended.code, Some(exit_code), "{ended:?}");
        assert!(ended.stdout.contains(words), "{words}: {}", ended.stdout);
        assert_eq!(inserted.verifies(), 0);
        inserted.take_out();
        computer.wait_until("Virtual 00 01", "empty");
    }
}

#[test]
fn a_card_in_other_hands_is_told_with_who_may_hold_it() {
    let service = Pcscd::start();
    let computer = Computer::at(&service);
    let _inserted = InReader::insert(&service, Reader::First, card(&erika()));
    let mut other = Terminal::start(&computer, "card pin change");
    other.wait_for_hidden("PIN of the health card", 1);
    let failure = computer.run(&["read"]).fails_with(15, "card_in_use");
    for kind in
        ["second Kartenbund", "banking and tax programs", "AusweisApp", "practice software", "browsers", "GnuPG"]
    {
        assert!(failure.remedy.contains(kind), "{kind}: {failure:?}");
    }
    assert_verdicts(&computer, ["ok", "ok", "ok", "ok", "failed", "skipped", "skipped"], "card_in_use");
    // A program that is called as GnuPG's.
    fs::copy("/usr/bin/sleep", computer.path("scdaemon")).unwrap();
    let mut scdaemon = computer.command(computer.path("scdaemon"));
    scdaemon.arg("600");
    let scdaemon = Running::start(scdaemon);
    told(
        computer.run(&["doctor"]),
        15,
        &["most likely scdaemon of GnuPG", "Next: Set the reader free: \"gpgconf --kill"],
    );
    drop(scdaemon);
    other.type_keys("\u{3}");
    other.end();
    assert_eq!(verdicts(&computer), (OK.map(str::to_owned).to_vec(), None));
}

#[test]
fn the_account_service_is_asked_who_it_is() {
    let insurer = Insurer::start();
    let service = Pcscd::start();
    let computer = insurer.computer_of_erika(&service);
    let _inserted = InReader::insert(&service, Reader::First, card(&erika()));
    let words =
        ["Clock: ok.", "Network: ok.", "Account service: ok.", "you are logged in", "Key of this computer: not"];
    let said = computer.run(&["doctor"]).success();
    assert!(words.iter().all(|words| said.contains(words)), "{said}");
    // Somebody else answers at the address (the key of RFC 7517, A.1, is the one of the first login).
    let path = computer.path("kartenbund/profile.json");
    let profile = fs::read(&path).unwrap();
    let mut other: Value = serde_json::from_slice(&profile).unwrap();
    other["service_keys"][0]["x"] = "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4".into();
    other["service_keys"][0]["y"] = "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM".into();
    fs::write(&path, serde_json::to_vec(&other).unwrap()).unwrap();
    told(
        computer.run(&["doctor"]),
        53,
        &["Network: ok.", "Account service: failed. The service shows a key that this computer does not know."],
    );
    fs::write(&path, profile).unwrap();
    insurer.stop();
    told(computer.run(&["doctor"]), 50, &["Network: failed. Nobody answers", "Account service: not checked."]);
}

/// Everything that is known of Erika, her card, her computer.
struct Secrets {
    words: Vec<String>,
    certificate: Vec<u8>,
}

impl Secrets {
    fn of(computer: &Computer, image: &Path) -> Self {
        let known = computer.run(&["read", "--json", "--virtual-card", image.to_str().unwrap()]).json();
        let mut words = ["A123456780", "Erika", "Johanna", "Müstermann", "M\\u00fcstermann", "1964", "12.08.", "08-12"]
            .into_iter()
            .chain(["Musterstra", "12a", "12345", "Musterstadt", "Musterkasse", "999567890"])
            .chain(["80276999990000000017", "123123", "123456", "12345678", "EGK-CA1", "NOT-VALID"])
            .map(str::to_owned)
            .collect::<Vec<_>>();
        for group in ["person", "insurance", "certificate"] {
            for value in known[group].as_object().unwrap().values().filter_map(Value::as_str) {
                words.extend((value.len() > 4 && !value.starts_with("BP256")).then(|| value.to_owned()));
            }
        }
        words.push("erika-m".to_owned()); // the user
        words.push(computer.path("").to_str().unwrap().trim_end_matches('/').to_owned());
        words.push(fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim().to_owned());
        let mut card = VirtualCard::load(&fs::read_to_string(image).unwrap()).unwrap();
        let certificate = Egk::open(&mut card, ApduLength::Extended).unwrap().read_certificate().unwrap();
        Self { words, certificate: certificate.der().to_vec() }
    }

    /// What of it stands in `text`.
    fn found_in(&self, text: &str) -> Vec<String> {
        let lower = text.to_lowercase();
        let is_there = |word: &&String| lower.contains(&word.to_lowercase());
        let mut found: Vec<_> = self.words.iter().filter(is_there).cloned().collect();
        // Six bytes of the certificate are no accident any more.
        let hex = hex::encode(&self.certificate);
        let pieces = (0..hex.len() - 12).step_by(2).map(|at| hex[at..at + 12].to_owned());
        found.extend(pieces.filter(|piece| lower.contains(piece)));
        for begin in 0..3 {
            let base64 = STANDARD.encode(&self.certificate[begin..]);
            let pieces = (0..base64.len() - 8).map(|at| base64[at..at + 8].to_owned());
            found.extend(pieces.filter(|piece| text.contains(piece)));
        }
        found
    }
}

#[test]
fn the_report_tells_nothing_about_a_person() {
    let service = Pcscd::start();
    let computer = Computer::at(&service);
    let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cards/erika.xml");
    let secrets = Secrets::of(&computer, &image);
    let xml = fs::read_to_string(&image).unwrap();
    let _inserted = InReader::insert(&service, Reader::First, VirtualCard::load(&xml).unwrap());
    fs::create_dir_all(computer.path("kartenbund")).unwrap();
    fs::write(computer.path("kartenbund/profile.json"), "damaged").unwrap();
    fs::write(computer.path("kartenbund/device.json"), "damaged").unwrap();
    let image = image.to_str().unwrap();
    for (number, words) in [
        &[][..],
        &["--reader", "Virtual 00 00"],
        &["--reader", "Virtual 00 01"],
        &["--virtual-card", image],
        &["--virtual-card", image, "--contactless"],
        &["--virtual-card", image, "--contactless", "--can", "123123"],
        &["--virtual-card", image, "--contactless", "--can", "123124"],
    ]
    .into_iter()
    .enumerate()
    {
        for json in [&["--json"][..], &[]] {
            let report = format!("report-{number}-{}", json.len());
            let words = [&["doctor", "--report", &report], json, words].concat();
            let mut command = computer.command(KARTENBUND);
            command.args(["--lang", "en"]).args(&words).env("USER", "erika-m").env("LOGNAME", "erika-m");
            let ended = Running::start(command).wait();
            let report = fs::read_to_string(computer.path(&report)).unwrap();
            for text in [&report, &ended.stdout, &ended.stderr] {
                assert_eq!(secrets.found_in(text), [""; 0], "{words:?}: {text}");
            }
            for line in ["pcsc-lite: ", "system: ", "kernel: ", "service: ", "key_store: failed device_file."] {
                assert!(report.contains(line), "{line}: {report}");
            }
            // What helps whoever is asked for help.
            if number == 0 {
                for line in [
                    "reader: Virtual 00 00\nstate: card\natr: 3BD097FF81B1FE451F072B\n",
                    "card: egk\ngeneration: G2.1\nobject system: 4.5.2\n",
                    "pin: usable, tries left 3\n",
                    "  00A4040C 9000\n",
                    "  80200002 63C3\n",
                ] {
                    assert!(report.contains(line), "{line}: {report}");
                }
            }
        }
    }
    // The search would find them.
    let certificate = &secrets.certificate;
    for leak in [
        "A123456780".to_owned(),
        hex::encode_upper(&certificate[100..110]),
        STANDARD.encode(&certificate[101..140]),
        computer.path("kartenbund").display().to_string(),
        fs::read_to_string("/proc/sys/kernel/hostname").unwrap(),
    ] {
        assert!(!secrets.found_in(&format!("card: {leak}")).is_empty(), "{leak}");
    }
}

/// Whose insurer it is, is the person's own matter: neither the address of its service nor what is in a certificate
/// that somebody shows there is told.
#[test]
fn the_report_does_not_tell_who_the_insurer_is() {
    let insurer = Insurer::start();
    let service = Pcscd::without_readers();
    let computer = insurer.computer_of_erika(&service);
    let path = computer.path("kartenbund/profile.json");
    let mut profile: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    profile["insurer"] = "Innungskasse Musterland".into();
    let image = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/cards/erika.xml");
    let stranger = Stranger::start(&computer, "musterkasse-intern.example");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let at_the_stranger = format!("https://localhost:{}", stranger.port);
    for (number, (address, proxy, line)) in [
        // Its certificate is good, and for another name.
        (at_the_stranger.clone(), "", "network: skipped. Somebody answers"),
        (format!("https://localhost:{closed}"), "", "network: failed service_unreachable."),
        ("https://musterkasse.invalid".to_owned(), "", "network: failed service_unreachable."),
        ("https://musterkasse.invalid".to_owned(), &at_the_stranger, "network: skipped. A proxy"),
    ]
    .into_iter()
    .enumerate()
    {
        profile["service"] = address.into();
        fs::write(&path, serde_json::to_vec(&profile).unwrap()).unwrap();
        for json in [&["--json"][..], &[]] {
            let name = format!("report-{number}-{}", json.len());
            let mut command = computer.command(KARTENBUND);
            command.args(["--lang", "en", "doctor", "--report", &name, "--virtual-card", image]).args(json);
            command.env("SSL_CERT_FILE", &stranger.certificate).env("HTTPS_PROXY", proxy);
            let ended = Running::start(command).wait();
            let report = fs::read_to_string(computer.path(&name)).unwrap();
            assert!(report.contains(line), "{report}");
            assert_eq!(ended.code, Some(50), "it is what is told last: {ended:?}");
            for text in [&report, &ended.stdout, &ended.stderr] {
                for secret in ["localhost", "musterkasse", "k220635158", "musterland"] {
                    assert!(!text.to_lowercase().contains(secret), "{secret}: {text}");
                }
            }
        }
    }
}

/// Somebody at a port of this computer who shows a certificate for another name.
struct Stranger {
    port: u16,
    certificate: PathBuf,
    process: Child,
}

impl Stranger {
    fn start(computer: &Computer, name: &str) -> Self {
        let names = format!("[req]\ndistinguished_name=dn\n[dn]\n[v3]\nsubjectAltName=DNS:{name}\n");
        fs::write(computer.path("names.cnf"), names).unwrap();
        let request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=x -config \
                       names.cnf -extensions v3 -keyout stranger.key -out stranger.pem";
        computer.run_foreign("/usr/bin/openssl", &request.split_whitespace().collect::<Vec<_>>()).success();
        let server = "s_server -accept 127.0.0.1:0 -naccept 100 -cert stranger.pem -key stranger.key";
        let mut command = computer.command("/usr/bin/openssl");
        command.args(server.split(' ')).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let lines = BufReader::new(process.stdout.as_mut().unwrap()).lines().map_while(Result::ok);
        let port = lines.into_iter().find_map(|line| line.strip_prefix("ACCEPT 127.0.0.1:")?.parse().ok());
        Self { port: port.unwrap(), certificate: computer.path("stranger.pem"), process }
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_report_is_never_written_over_another_file() {
    let computer = Computer::without_service();
    fs::write(computer.path("letter.txt"), "Dear Erika").unwrap();
    let failure = computer.run(&["doctor", "--report", "letter.txt"]).fails_with(6, "file");
    assert!(failure.remedy.contains("Name another file"), "{failure:?}");
    assert_eq!(fs::read_to_string(computer.path("letter.txt")).unwrap(), "Dear Erika");
    computer.run(&["doctor", "--report", "nowhere/report.txt"]);
    assert!(!computer.path("nowhere").exists());
    // Written also where something failed, for its owner only.
    assert_eq!(computer.run(&["doctor", "--report", "report.txt"]).code, Some(10));
    let mode = fs::metadata(computer.path("report.txt")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
