//! The signing key rolls by commands of the operator, beside a service that runs or without one, and whatever kills them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::command_line::{INSURER, import, server, stderr, stdout};
use crate::common::rng;
use crate::process::{Process, audit, is_chain, program};

const STEPS: [(&str, &str); 3] = [("announce", "announced"), ("activate", "activated"), ("retire", "retired")];

fn key_file(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("data/service-keys.json")).unwrap()).unwrap()
}

/// The step that comes next, as the file has it: its number in [`STEPS`].
fn next_step(folder: &Path) -> usize {
    let file = key_file(folder);
    match (file.get("next"), file.get("previous")) {
        (None, None) => 0,
        (Some(_), None) => 1,
        (None, Some(_)) => 2,
        (Some(_), Some(_)) => panic!("half of two steps"),
    }
}

/// What the audit tells of signing keys: event and thumbprint.
fn told(audit: &str) -> Vec<(String, String)> {
    let entries = audit.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let entries = entries.map(|entry| (text(&entry["event"]), text(&entry["object"])));
    entries.filter(|(event, _)| event.starts_with("service_key.")).collect()
}

#[test]
fn the_steps_are_taken_in_their_order_and_the_keys_are_shown_to_hand_them_out() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert!(import(b"", folder).status.success());
    let show = || {
        let shown = server(&["keys", "show"], folder, INSURER);
        assert!(shown.status.success(), "{}", stderr(&shown));
        let set: Value = serde_json::from_str(&stdout(&shown)).unwrap();
        let said: Vec<_> = stderr(&shown).lines().map(|line| line.split_once("  ").unwrap().1.to_owned()).collect();
        (set["keys"].as_array().unwrap().clone(), said)
    };
    let (old, said) = show();
    assert_eq!((old.len(), said), (1, vec!["signs".to_owned()]));
    let mut keys = Vec::new();
    for (number, expected) in [["signs", "listed"], ["signs", "listed"], ["signs", "former"]].into_iter().enumerate() {
        for (other, _) in STEPS.iter().enumerate().filter(|(other, _)| *other != number).map(|(_, step)| step) {
            let refused = server(&["keys", "roll", other], folder, INSURER);
            assert_eq!(refused.status.code(), Some(34), "{other}");
            let why =
                format!("cannot be rolled on by `{other}` now; the step that comes next is `{}`", STEPS[number].0);
            assert!(stderr(&refused).contains(&why), "{}", stderr(&refused));
            assert!(stderr(&refused).contains("code: key_step (34)") && !stderr(&refused).contains("no keys"));
        }
        let rolled = server(&["keys", "roll", STEPS[number].0], folder, INSURER);
        assert!(rolled.status.success(), "{}", stderr(&rolled));
        assert!(stdout(&rolled).contains("service-keys.json has changed: back it up"), "{}", stdout(&rolled));
        let (now, said) = show();
        assert_eq!(said, expected, "{}", STEPS[number].0);
        keys = now;
    }
    assert_eq!(keys[1..], old);
    let file = std::fs::read_to_string(folder.join("data/service-keys.json")).unwrap();
    assert!(!file.contains("previous") && !file.contains("next"), "the old private key is erased");
    let verified = server(&["audit", "verify"], folder, INSURER);
    assert!(verified.status.success(), "{}", stderr(&verified));
}

/// Two would make two keys, and lose one of them.
#[test]
fn of_two_commands_at_once_the_second_finds_what_the_first_has_done() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert!(import(b"", folder).status.success());
    let before = key_file(folder);
    let held = kartenbund::disk::lock_folder(&folder.join("data")).unwrap();
    // The configuration is written before either reads it.
    let mut both = [program(folder, ""), program(folder, "")].map(|mut roll| {
        roll.args(["keys", "roll", "announce"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    });
    std::thread::sleep(Duration::from_secs(3));
    assert!(both.iter_mut().all(|roll| roll.try_wait().unwrap().is_none()), "whoever has the file is waited for");
    assert_eq!(key_file(folder), before);
    drop(held);
    let mut codes = both.map(|mut roll| roll.wait().unwrap().code());
    codes.sort_unstable();
    assert_eq!(codes, [Some(0), Some(34)]);
    let process = Process::start(folder, "");
    assert_eq!(told(&audit(&process)).len(), 1);
}

/// Whoever was called at night sees by the answer that it is done; what was done before the file was stolen does not matter.
#[test]
fn stolen_keys_are_replaced_by_one_command_which_shows_what_holds_then() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert!(import(b"", folder).status.success());
    let keys_of = |what: &str, text: &str| -> BTreeSet<String> {
        let lines = text.lines().filter_map(|line| line.strip_suffix(&format!("  {what}")));
        lines.map(str::to_owned).collect()
    };
    let show = || server(&["keys", "show"], folder, INSURER);
    let (mut revoked, mut listed) = (BTreeSet::new(), BTreeSet::new());
    for steps in [[].as_slice(), &["announce"], &["announce", "activate"]] {
        for step in steps {
            assert!(server(&["keys", "roll", step], folder, INSURER).status.success());
        }
        let before = stderr(&show());
        revoked.extend(keys_of("signs", &before).into_iter().chain(keys_of("listed", &before)));
        let output = server(&["keys", "revoke", "--all"], folder, INSURER);
        assert!(output.status.success(), "{}", stderr(&output));
        let told = stdout(&output);
        assert!(
            told.ends_with("service-keys.json has changed: back it up, and erase the backups of before\n"),
            "{told}"
        );
        assert_eq!(keys_of("revoked", &told), revoked);
        assert!(keys_of("listed", &told).is_empty());
        listed = keys_of("signs", &told);
        assert_eq!((listed.len(), listed.intersection(&revoked).count()), (1, 0), "{told}");
        let set: Value = serde_json::from_str(&stdout(&show())).unwrap();
        assert_eq!(set["keys"].as_array().unwrap().len(), 1, "what is handed out has none of them");
    }
    let neither = server(&["keys", "revoke"], folder, INSURER);
    assert_eq!(neither.status.code(), Some(2), "nobody revokes everything by leaving something out");
    // One that was retired is named, with whatever character it begins.
    for step in ["announce", "activate", "retire"] {
        assert!(server(&["keys", "roll", step], folder, INSURER).status.success());
    }
    let former = listed.pop_first().unwrap();
    let signs = keys_of("signs", &stderr(&show())).pop_first().unwrap();
    for stranger in [signs, format!("-{}", &former[1..])] {
        let refused = server(&["keys", "revoke", &stranger], folder, INSURER);
        assert_eq!(refused.status.code(), Some(35), "{}", stderr(&refused));
        assert!(stderr(&refused).contains("code: no_former_key (35)"), "{}", stderr(&refused));
    }
    for _ in 0..2 {
        let output = server(&["keys", "revoke", &former], folder, INSURER);
        assert!(
            output.status.success() && keys_of("revoked", &stdout(&output)).contains(&former),
            "{}",
            stderr(&output)
        );
    }
    let verified = server(&["audit", "verify"], folder, INSURER);
    assert!(verified.status.success(), "{}", stderr(&verified));
}

/// Saved heads of before and after are verified elsewhere with the set that was handed out.
#[test]
fn heads_by_both_keys_are_verified_against_the_set_that_was_handed_out() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert!(import(b"A123456780,Erika,Mustermann,1964-08-12,Weg,1,12345,Ort,D,2020-01-01\n", folder).status.success());
    let process = Process::start(folder, "");
    let heads = || {
        let url = format!("{}/.well-known/kartenbund-audit", process.url);
        let answer: Value = reqwest::blocking::get(url).unwrap().json().unwrap();
        answer["heads"].as_array().unwrap().clone()
    };
    let wait_for = |count: usize| {
        let began = Instant::now();
        while heads().len() < count {
            assert!(began.elapsed() < Duration::from_secs(20), "no head is made");
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    wait_for(1);
    let show = |file: &str| {
        let shown = program(folder, "").args(["keys", "show"]).output().unwrap();
        std::fs::write(folder.join(file), shown.stdout).unwrap();
    };
    show("before.json");
    for (step, _) in STEPS {
        let rolled = program(folder, "").args(["keys", "roll", step]).output().unwrap();
        assert!(rolled.status.success(), "{}", stderr(&rolled));
        std::thread::sleep(Duration::from_millis(1500)); // the service looks once a second
    }
    show("after.json");
    // Many entries make a head due.
    let rows: String = (0..300)
        .map(|n| format!("{},A,B,1964-08-12,Weg,1,12345,Ort,D,2020-01-01\n", crate::common::number(n)))
        .collect();
    let file = folder.join("more.csv");
    std::fs::write(&file, crate::common::HEADER.to_owned() + &rows).unwrap();
    let imported = program(folder, "").args(["register", "import"]).arg(file).output().unwrap();
    assert!(imported.status.success(), "{}", stderr(&imported));
    wait_for(2);
    std::fs::write(folder.join("heads.json"), serde_json::to_vec(&heads()).unwrap()).unwrap();
    std::fs::write(folder.join("audit.ndjson"), audit(&process)).unwrap();
    let at = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let verify = |keys: &[&str]| {
        let mut command = program(folder, "");
        command.args(["audit", "verify", "--file", &at("audit.ndjson"), "--against", &at("heads.json")]);
        for key in keys {
            command.args(["--service-key", &at(key)]);
        }
        let output = command.output().unwrap();
        (output.status.code(), stdout(&output) + &stderr(&output))
    };
    let (code, told) = verify(&["after.json"]);
    assert_eq!(code, Some(0), "{told}");
    let of_new: Value = serde_json::from_slice(&std::fs::read(folder.join("after.json")).unwrap()).unwrap();
    std::fs::write(folder.join("new.json"), of_new["keys"][0].to_string()).unwrap();
    assert_eq!(verify(&["before.json"]).0, Some(31), "the head of after is by another key");
    assert_eq!(verify(&["new.json"]).0, Some(31), "the head of before is");
    assert_eq!(verify(&["before.json", "new.json"]).0, Some(0), "one by one");
    // The service knows them itself.
    let output = program(folder, "").args(["audit", "verify", "--against", &at("heads.json")]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn a_command_that_is_killed_leaves_a_step_done_or_not_and_each_that_is_done_in_the_audit() {
    killed(12);
}

#[test]
#[ignore = "takes minutes"]
fn a_command_that_is_killed_two_hundred_times_leaves_a_step_done_or_not() {
    killed(200);
}

fn killed(times: u32) {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert!(import(b"", folder).status.success());
    let mut expected = Vec::new();
    let mut took = Duration::ZERO;
    for time in 0..times {
        // With and without a service beside it, which tells of the step as well.
        let process = (time % 3 == 2).then(|| Process::start(folder, ""));
        let number = next_step(folder);
        let began = Instant::now();
        let mut roll = program(folder, "");
        let mut roll =
            roll.args(["keys", "roll", STEPS[number].0]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        if time == 0 {
            assert!(roll.wait().unwrap().success());
            took = began.elapsed();
        } else {
            let micros = u64::try_from(took.as_micros() * 11 / 10).unwrap();
            std::thread::sleep(Duration::from_micros(rand_core::Rng::next_u64(&mut rng()) % micros));
            let _ = roll.kill();
            roll.wait().unwrap();
        }
        drop(process);
        let now = next_step(folder);
        assert!(now == number || now == (number + 1) % 3, "one step, or none");
        if now != number {
            expected.push(format!("service_key.{}", STEPS[number].1));
        }
        // What a kill has kept back is told of by whoever comes next, before the next step is taken.
        let opened = program(folder, "").args(["database", "migrate"]).output().unwrap();
        assert!(opened.status.success(), "{}", stderr(&opened));
    }
    let process = Process::start(folder, "");
    let audit = audit(&process);
    assert!(is_chain(&audit));
    let told = told(&audit);
    assert_eq!(told.iter().map(|(event, _)| event.clone()).collect::<Vec<_>>(), expected);
    // Each key is announced and activated once, and retired once later: nobody was announced who is not there.
    let former = key_file(folder)["former"].as_array().map_or(0, Vec::len);
    let named =
        |event: &str| told.iter().filter(|(it, _)| it.ends_with(event)).map(|(_, key)| key.clone()).collect::<Vec<_>>();
    assert_eq!(named("retired").len(), former);
    let announced: BTreeSet<_> = named("announced").into_iter().collect();
    assert!(named("activated").iter().all(|key| announced.contains(key)));
    assert_eq!(announced.len(), named("announced").len());
}
