//! Both programs together, and the demonstration.

use super::*;

#[test]
fn without_login_every_account_command_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().to_str().unwrap();
    for arguments in [
        vec!["devices"],
        vec!["approvals"],
        vec!["notices"],
        vec!["register", "--method", "card", "--virtual-card", ERIKA],
        vec!["apply", "bank", "--iban", "DE89370400440532013000", "--account-holder", "E"],
        vec!["evidence", "export", "--out", "x"],
        vec!["events"],
        vec!["logout"],
    ] {
        let mut all = vec!["--json", "--home", home];
        all.extend(&arguments);
        assert_eq!(error_code(&run(&all)).0, "no_profile", "{arguments:?}");
    }
    let login = ["--json", "--home", home, "login", "--service", "http://kasse.example", "--kvnr", "A123456780"];
    assert_eq!(error_code(&run(&login)).0, "service_address");
    let login = ["--json", "--home", home, "login", "--service", "http://127.0.0.1:1", "--kvnr", "A123456780"];
    assert_eq!(error_code(&run(&login)).0, "service_unreachable");
    let login = ["--json", "--home", home, "login", "--service", "http://127.0.0.1:1", "--kvnr", "A123456780-1"];
    let output = run(&login);
    assert_eq!(error_code(&output), ("input_invalid".to_owned(), 5));
    assert!(json_of(&output)["error"]["remedy"].as_str().unwrap().contains("without hyphen"));
}

#[test]
fn the_demonstration_runs_in_every_language_and_as_json() {
    for language in ["de", "en"] {
        let folder = tempfile::tempdir().unwrap();
        let output = run(&["demo", "--lang", language, "--dir", folder.path().to_str().unwrap()]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let said = text(&output.stdout);
        assert!(said.contains("B3") && said.contains(folder.path().to_str().unwrap()), "{said}");
        assert!(folder.path().join("evidence.json").exists());
    }
    let folder = tempfile::tempdir().unwrap();
    let output = run(&["demo", "--json", "--dir", folder.path().to_str().unwrap()]);
    let value = json_of(&output);
    assert_eq!(value["ok"], true);

    // What it left behind is verified by a call of its own; the forged copy beside it is refused.
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (anchor, key) = (path("test-egk-ca.pem"), path("service-key.json"));
    let verify = |file: &str| run(&["--json", "evidence", "verify", file, "--anchor", &anchor, "--service-key", &key]);
    let good = verify(&path("evidence.json"));
    assert!(good.status.success());
    assert_eq!(json_of(&good)["valid"], true);
    let forged = verify(&path("forged.json"));
    assert_eq!(error_code(&forged), ("evidence_invalid".to_owned(), 70));
    let report = json_of(&forged);
    assert_eq!(report["valid"], false);
    let failing: Vec<_> = report["links"].as_array().unwrap().iter().filter(|link| link["result"] == "fails").collect();
    assert_eq!(failing.len(), 1);
    assert_eq!(failing[0]["name"], "decision");

    // The key in a set, beside another one, and a set without it.
    let own = std::fs::read_to_string(&key).unwrap();
    let other = OTHER_KEY;
    let with = |keys: &[&str]| {
        let mut command = vec!["--json".to_owned(), "evidence".to_owned(), "verify".to_owned(), path("evidence.json")];
        command.extend(["--anchor".to_owned(), anchor.clone()]);
        for (number, text) in keys.iter().enumerate() {
            let file = path(&format!("keys-{number}.json"));
            std::fs::write(&file, text).unwrap();
            command.extend(["--service-key".to_owned(), file]);
        }
        run(&command.iter().map(String::as_str).collect::<Vec<_>>())
    };
    assert!(with(&[&format!(r#"{{"keys":[{other},{own}]}}"#)]).status.success());
    assert!(with(&[other, &own]).status.success(), "one by one");
    assert_eq!(error_code(&with(&[other])), ("evidence_invalid".to_owned(), 70));
    assert_eq!(error_code(&with(&[&format!(r#"{{"keys":[{other}]}}"#)])), ("evidence_invalid".to_owned(), 70));
    for wrong in [r#"{"keys":[]}"#, "[]", r#"{"keys":[{}]}"#] {
        assert_eq!(error_code(&with(&[wrong])).0, "file", "{wrong}: nobody's key is not anybody's");
    }

    // Whoever names a wrong file is told which option it was, and what belongs there.
    let evidence = path("evidence.json");
    let anchored = ["evidence", "verify", &evidence, "--anchor", &anchor];
    for (option, code, remedy) in [
        ("--tsl-anchor", "anchor", "--tsl-anchor"),
        ("--anchor", "anchor", "--anchor"),
        ("--ocsp-responder", "responder", "--ocsp-responder"),
        ("--chip-root", "file", "the right file"),
        ("--service-key", "file", "the right file"),
    ] {
        let refused = run(&[&["--json"], &anchored[..], &[option, &evidence]].concat());
        assert_eq!(error_code(&refused).0, code, "{option}");
        let told = json_of(&refused)["error"]["remedy"].as_str().unwrap().to_owned();
        assert!(told.contains(remedy), "{option}: {told}");
    }
    // What is not there rests on nothing.
    let said = text(&run(&anchored).stdout);
    let absent: Vec<_> = said.lines().filter(|line| line.starts_with("not included: ")).collect();
    assert!(!absent.is_empty() && absent.iter().all(|line| !line.contains("rests on")), "{said}");
}

/// RFC 7517, A.1.
const OTHER_KEY: &str = r#"{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}"#;
const TEST_CA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/pki/test-egk-ca.pem");

/// Writes the configuration of a service whose data are in `folder`, and gives its path.
fn service_config(folder: &Path, listen: &str, anchors: &str, file: &str) -> String {
    let path = folder.with_extension("toml");
    let data = folder.display();
    let text = format!(
        "data = \"{data}\"\nlisten = \"{listen}\"\n\
         [insurer]\nname = \"Musterkasse\"\n[cards]\npayer_iks = [\"999567890\"]\n{anchors} = [\"{file}\"]\n"
    );
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// `kartenbund-server run`, stopped when it goes out of scope.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_kartenbund-server"))
            .args(["--config", &service_config(folder, "127.0.0.1:0", "test_anchors", TEST_CA), "run"])
            .stdout(Stdio::piped())
            .stderr(Stdio::from(std::fs::File::create(folder.with_extension("log")).unwrap()))
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}")).to_owned();
        Self { child, url }
    }

    fn terminate(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("sh").args(["-c", "kill -s TERM $0", &pid]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_whole_story_with_both_programs() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let register = folder.path().join("register.csv");
    let password = "tulpe-karton-87".to_owned();
    let rows = "kvnr,given_name,family_name,birth_date,street,house_number,postal_code,city,country,membership_start,\
                password_hash\n\
                A123456780,Erika Johanna,Müstermann,1964-08-12,Musterstraße,12a,12345,Musterstadt,D,2020-01-01,\
                \"$argon2id$v=19$m=8192,t=2,p=1$c29tZXNhbHQxMjM0$855rEs6WtRq8CS9n/WrVmDyOJCefAZVS7NB51sZrZ/g\"\n";
    std::fs::write(&register, rows).unwrap();
    let import = |file: &PathBuf| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kartenbund-server"));
        let config = service_config(&data, "127.0.0.1:0", "test_anchors", TEST_CA);
        command.args(["--config", &config, "register", "import"]).arg(file).output().unwrap()
    };
    let imported = import(&register);
    assert!(imported.status.success(), "{}", text(&imported.stderr));
    assert!(text(&imported.stdout).starts_with("imported: 1\n"), "{}", text(&imported.stdout));
    let again = import(&register);
    assert!(again.status.success() && text(&again.stdout).ends_with("unchanged: 1\n"), "{}", text(&again.stdout));

    let server = Server::start(&data);
    let home = folder.path().join("home");
    let home = home.to_str().unwrap();
    let with = |arguments: &[&str], descriptor: &str, lines: &str| {
        let mut all = vec!["--home", home];
        all.extend(arguments);
        run_with(folder.path(), &all, descriptor, lines)
    };
    let plain = |arguments: &[&str]| {
        let mut all = vec!["--json", "--home", home];
        all.extend(arguments);
        run(&all)
    };
    let wrong = with(&["login", "--service", &server.url, "--kvnr", "A123456780"], "--password-fd", "wrong\n");
    assert_eq!(error_code(&wrong).0, "login_failed");
    let login =
        with(&["login", "--service", &server.url, "--kvnr", "A123456780"], "--password-fd", &format!("{password}\n"));
    assert!(login.status.success(), "{login:?}");
    let key = folder.path().join("key.json");
    std::fs::write(&key, json_of(&login)["service_key"].to_string()).unwrap();

    // The key rolls while the service runs; she notices nothing, and has all keys that evidence is verified with.
    let login = with(&["login"], "--password-fd", &format!("{password}\n"));
    let before = json_of(&login);
    assert_eq!(before["service_keys"]["keys"], json!([before["service_key"]]));
    for step in ["announce", "activate", "retire"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kartenbund-server"));
        let config = service_config(&data, "127.0.0.1:0", "test_anchors", TEST_CA);
        let rolled = command.args(["--config", &config, "keys", "roll", step]).output().unwrap();
        assert!(rolled.status.success(), "{}", text(&rolled.stderr));
        std::thread::sleep(std::time::Duration::from_millis(1500)); // the service looks once a second
        assert!(with(&["login"], "--password-fd", &format!("{password}\n")).status.success(), "{step}");
    }
    // A fingerprint that is not its key's is somebody else's.
    let wrong = ["login", "--service-fingerprint", before["service_key_thumbprint"].as_str().unwrap()];
    let wrong = with(&wrong, "--password-fd", &format!("{password}\n"));
    assert_eq!(error_code(&wrong), ("service_key_changed".to_owned(), 53), "the old one is retired");
    let none = with(&["login", "--service-fingerprint", "abc"], "--password-fd", "x\n");
    assert_eq!(error_code(&none), ("usage".to_owned(), 2));
    let login = json_of(&with(&["login"], "--password-fd", &format!("{password}\n")));
    // One in 64 begins like an option.
    let with_hyphen = format!("-{}", "A".repeat(42));
    let with_hyphen = with(&["login", "--service-fingerprint", &with_hyphen], "--password-fd", "x\n");
    assert_eq!(error_code(&with_hyphen).0, "service_key_changed");
    let right = ["login", "--service-fingerprint", login["service_key_thumbprint"].as_str().unwrap()];
    assert!(with(&right, "--password-fd", &format!("{password}\n")).status.success());
    assert_eq!(login["service_keys"]["keys"], json!([login["service_key"], before["service_key"]]));
    std::fs::write(&key, login["service_keys"].to_string()).unwrap();
    let login_keys = login["service_keys"]["keys"].clone();

    // At the password prompt, Ctrl+C: nothing is done, and the terminal shows again what is typed.
    let login = format!(
        "{} --lang en --home {home} --no-key-ring login; echo code=$?; stty -a",
        env!("CARGO_BIN_EXE_kartenbund")
    );
    let mut terminal = Command::new("script");
    terminal.args(["-qec", &login, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut terminal = terminal.spawn().unwrap();
    let mut screen = BufReader::new(terminal.stdout.take().unwrap());
    let mut seen = Vec::new();
    while !text(&seen).contains("Password:") {
        assert!(screen.read_until(b':', &mut seen).unwrap() > 0, "{}", text(&seen));
    }
    let mut keys = terminal.stdin.take().unwrap();
    keys.write_all(b"\x03").unwrap();
    loop {
        let shown = screen.fill_buf().unwrap().to_vec();
        if shown.is_empty() {
            break;
        }
        screen.consume(shown.len());
        seen.extend(shown);
    }
    terminal.wait().unwrap();
    let seen = text(&seen);
    assert!(!seen.contains("Password: ^C"), "a key that follows the question at once is shown: {seen}");
    assert!(seen.contains("Cancelled") && seen.contains("code=3") && seen.contains(" echo "), "{seen}");

    let nobody = plain(&["register", "--method", "card", "--virtual-card", ERIKA]);
    assert_eq!(error_code(&nobody).0, "nobody_there");
    let wrong = with(&["register", "--method", "card", "--virtual-card", ERIKA], "--pin-fd", "654321\n270618\n");
    assert_eq!(error_code(&wrong).0, "card_pin_wrong");
    assert!(json_of(&wrong)["error"]["message"].as_str().unwrap().contains("2 tries are left"));
    let short = with(&["register", "--method", "card", "--virtual-card", ERIKA], "--pin-fd", "12345\n270618\n");
    assert_eq!(error_code(&short).0, "input_invalid");
    let max =
        with(&["register", "--method", "card", "--virtual-card", "fixtures/cards/max.xml"], "--pin-fd", "123456\n");
    assert_eq!(error_code(&max).0, "other_person");
    let closed = plain(&["register", "--virtual-card", ERIKA, "--pin-fd", "99"]);
    assert_eq!(error_code(&closed).0, "input_invalid");
    let register = with(&["register", "--virtual-card", ERIKA], "--pin-fd", "123456\n270618\n");
    assert_eq!(json_of(&register)["binding_level"], "B3");
    let again = with(&["register", "--method", "card", "--virtual-card", ERIKA], "--pin-fd", "123456\n270618\n");
    assert_eq!(error_code(&again).0, "already_registered");
    assert_eq!(json_of(&plain(&["devices"]))["devices"].as_array().unwrap().len(), 1);

    let apply = [
        "apply",
        "address",
        "--street",
        "Lindenallee",
        "--house-number",
        "7",
        "--postal-code",
        "04109",
        "--city",
        "Leipzig",
    ];
    let accepted = json_of(&plain(&apply));
    let (id, code) = (accepted["approval_id"].as_str().unwrap(), accepted["match_code"].as_str().unwrap());
    let shown = run(&["--home", home, "approvals", "show", id]);
    assert!(text(&shown.stdout).contains("Street: before Musterstraße; new Lindenallee"), "{}", text(&shown.stdout));
    let wrong_pin = with(&["approvals", "approve", id, "--match-code", code], "--pin-fd", "000001\n");
    assert_eq!(error_code(&wrong_pin).0, "device_pin_wrong");
    let wrong_code = if code == "00" { "01" } else { "00" };
    let wrong_code = with(&["approvals", "approve", id, "--match-code", wrong_code], "--pin-fd", "270618\n");
    assert_eq!(error_code(&wrong_code).0, "match_code_wrong");
    let approved = with(&["approvals", "approve", id, "--match-code", code], "--pin-fd", "270618\n");
    assert_eq!(json_of(&approved)["application"]["state"], "executed");
    let again = with(&["approvals", "approve", id, "--match-code", code], "--pin-fd", "270618\n");
    assert_eq!(error_code(&again).0, "not_pending");

    let denied =
        json_of(&plain(&["apply", "bank", "--iban", "DE89 3704 0044 0532 0130 00", "--account-holder", "E M"]));
    let deny = with(&["approvals", "deny", denied["approval_id"].as_str().unwrap()], "--pin-fd", "270618\n");
    assert_eq!(json_of(&deny)["verdict"], "deny");
    let bad = plain(&["apply", "bank", "--iban", "DE89370400440532013001", "--account-holder", "E M"]);
    assert_eq!(error_code(&bad).0, "application_invalid");

    assert_eq!(json_of(&plain(&["notices"]))["email"], Value::Null);
    let accepted = json_of(&plain(&["apply", "contact", "--email", "erika@person.example"]));
    let (contact, code) = (accepted["approval_id"].as_str().unwrap(), accepted["match_code"].as_str().unwrap());
    let shown = text(&run(&["--home", home, "approvals", "show", contact]).stdout);
    assert!(shown.contains("New e-mail address") && shown.contains("new erika@person.example"), "{shown}");
    assert!(with(&["approvals", "approve", contact, "--match-code", code], "--pin-fd", "270618\n").status.success());
    let wrong = plain(&["apply", "contact", "--email", "erika@müller.example"]);
    assert_eq!(error_code(&wrong), ("application_invalid".to_owned(), 68));
    let set = json_of(&plain(&["notices", "settings", "--language", "en", "--off", "approval_waiting"]));
    assert_eq!((&set["email"], &set["language"]), (&json!("erika@person.example"), &json!("en")));
    assert!(set["kinds"].as_array().unwrap().contains(&json!({
        "kind": "approval_waiting", "optional": true, "on": false,
    })));
    for kind in ["device_added", "weather"] {
        let needed = plain(&["notices", "settings", "--off", kind]);
        assert_eq!(error_code(&needed), ("notice_not_optional".to_owned(), 90), "{kind}");
    }
    assert_eq!(error_code(&plain(&["notices", "settings"])).0, "usage");
    assert!(plain(&["notices", "settings", "--on", "approval_waiting"]).status.success());
    let shown = text(&run(&["--home", home, "notices", "show"]).stdout);
    for line in [
        "Notices go to erika@person.example.",
        "Language: English",
        "New device, with card PIN: always",
        "An application waits for approval (approval_waiting): on",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }

    let bundle = folder.path().join("bundle.json");
    let bundle = bundle.to_str().unwrap();
    assert!(plain(&["evidence", "export", id, "--out", bundle]).status.success());
    let both = plain(&["evidence", "export", id, "--whole-account", "--out", bundle]);
    assert_eq!(error_code(&both), ("usage".to_owned(), 2));
    let whole = folder.path().join("whole.json");
    let whole = whole.to_str().unwrap();
    let exported = json_of(&plain(&["evidence", "export", "--whole-account", "--out", whole]));
    assert_eq!((&exported["devices"], &exported["omitted"]), (&json!(1), &json!(0)));
    assert_eq!(exported["service_keys"]["keys"], login_keys, "what it is verified with");

    let events = json_of(&plain(&["events", "--limit", "1000"]));
    let events = events["events"].as_array().unwrap();
    let named: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert!(named.contains(&"device.bound") && named.last() == Some(&"account.imported"), "{named:?}");
    let told = text(&run(&["--home", home, "events", "--lang", "en", "--limit", "100"]).stdout);
    assert!(told.contains(": Device registered; in your name\n"), "{told}");
    let told = text(&run(&["--home", home, "events", "--lang", "de", "--limit", "3"]).stdout);
    assert!(told.lines().count() == 3 && told.contains("; in Ihrem Namen\n"), "{told}");

    // Approvals are shown as they come, until Ctrl+C.
    let mut watch = program(&["--json", "--home", home, "approvals", "watch"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let order = json_of(&plain(&["apply", "card", "--reason", "lost"]));
    let line: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!((&line["approval_id"], &line["type"]), (&order["approval_id"], &json!("card.order")));
    assert!(Command::new("kill").args(["-INT", &watch.id().to_string()]).status().unwrap().success());
    assert_eq!(watch.wait().unwrap().code(), Some(0), "that is how it ends");
    assert!(lines.next().is_none(), "and nothing is told on the way out");

    let order = order["approval_id"].as_str().unwrap();
    let shown = text(&run(&["--home", home, "approvals", "show", order]).stdout);
    for line in ["  Reason: lost", "    Street: Lindenallee", "That was not me: kartenbund approvals not-me "] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    let reported = with(&["approvals", "not-me", order], "--pin-fd", "270618\n");
    assert_eq!(json_of(&reported)["verdict"], "not_me");
    let login = with(&["login"], "--password-fd", &format!("{password}\n"));
    assert_eq!(error_code(&login).0, "login_failed", "the password is void");

    assert_eq!(server.terminate(), Some(0), "SIGTERM is a graceful stop");
    let anchor = "fixtures/pki/test-egk-ca.pem";
    let verify = ["--json", "evidence", "verify", bundle, "--anchor", anchor, "--service-key", key.to_str().unwrap()];
    let verified = json_of(&without_network(&verify));
    assert_eq!(verified["valid"], true);
    assert_eq!(verified["binding"]["level"], "B3");
    assert_eq!(
        verified["links"][6],
        json!({"name": "binding_audit", "of": verified["bindings"][0]["device_id"],
        "rests_on": "service", "result": "holds", "detail": null})
    );
    let verify = ["--json", "evidence", "verify", whole, "--anchor", anchor, "--service-key", key.to_str().unwrap()];
    let verified = json_of(&without_network(&verify));
    assert_eq!(json!(verified["decisions"].as_array().unwrap().len()), exported["decisions"]);
    let gone = plain(&["approvals"]);
    assert_eq!(error_code(&gone).0, "service_unreachable");

    let log = std::fs::read_to_string(data.with_extension("log")).unwrap();
    assert!(log.contains("\"route\":\"/v1/approvals/{id}/decision\""), "{log}");
    for secret in ["A123456780", "Erika", "Müstermann", &password, id, "270618", "Lindenallee", "person.example"] {
        assert!(!log.contains(secret), "the log names {secret}");
    }
}

#[cfg(unix)]
#[test]
fn the_files_of_this_computer_are_for_its_user_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let output = run(&["demo", "--json", "--dir", folder.path().to_str().unwrap()]);
    assert!(output.status.success());
    for file in ["computer/device.json", "computer/session.json", "computer/profile.json", "service/service-keys.json"]
    {
        let mode = std::fs::metadata(folder.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    assert_eq!(std::fs::metadata(folder.path().join("computer")).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(!folder.path().join("computer/device.pending.json").exists());
}

#[test]
fn a_service_without_tls_listens_on_this_computer_only() {
    let folder = tempfile::tempdir().unwrap();
    let run = |listen: &str, anchors: &str, file: &str| {
        let config = service_config(&folder.path().join("data"), listen, anchors, file);
        Command::new(env!("CARGO_BIN_EXE_kartenbund-server")).args(["--config", &config, "run"]).output().unwrap()
    };
    let refused = run("0.0.0.0:0", "test_anchors", TEST_CA);
    assert_eq!(refused.status.code(), Some(10));
    assert!(text(&refused.stderr).contains("code: not_loopback (10)"));
    let test_ca = run("127.0.0.1:0", "anchors", TEST_CA);
    assert_eq!(test_ca.status.code(), Some(15), "a test CA among production ones");
    let not_a_ca = run("127.0.0.1:0", "test_anchors", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    assert_eq!(not_a_ca.status.code(), Some(16));
}
