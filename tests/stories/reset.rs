//! A forgotten password, without the card: a registered device approves a new one.

use std::time::Duration;

use kartenbund::client::Surroundings;
use kartenbund::client::reset::{self, Asked};
use kartenbund::protocol::application::{Change, PasswordReset};
use kartenbund::protocol::approval::MatchCode;
use kartenbund::server::RollStep;
use kartenbund::ui::document;
use kartenbund::ui::text::{Language, Texts};

use super::*;

/// Somebody at a computer where nobody is logged in.
struct Forgetful<'a> {
    world: &'a World,
    home: Home,
}

impl<'a> Forgetful<'a> {
    fn at(world: &'a World, folder: &str) -> Self {
        Self { world, home: Home::at(world.folder.path().join(folder)) }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Surroundings<'_>) -> T) -> T {
        let clock = self.world.clock.clone();
        let now = move || clock.now();
        work(&mut Surroundings { ui: &mut Script::default(), rng: &mut rng(), clock: &now })
    }

    fn ask(&self, person: &str) -> Asked {
        let asked =
            self.with(|around| reset::ask_device(&self.home, &self.world.remote(), kvnr(person), around)).unwrap();
        self.wait_until_answered();
        asked
    }

    fn order_letter(&self, person: &str) {
        self.with(|around| reset::order_letter(&self.home, &self.world.remote(), kvnr(person), around)).unwrap();
        self.wait_until_answered();
    }

    /// What is asked for is done within no request.
    fn wait_until_answered(&self) {
        let requested = "SELECT COUNT(*) FROM password_reset WHERE state = 'requested'";
        self.world.wait_until("the request is answered", || self.world.count(requested) == 0);
    }

    /// Waits for the approval, during which `meanwhile` happens, once; otherwise time passes.
    fn wait(&self, asked: Asked, meanwhile: impl FnOnce()) -> Result<Computer, LoginError> {
        let mut meanwhile = Some(meanwhile);
        let clock = self.world.clock.clone();
        let mut sleep = |pause: Duration| match meanwhile.take() {
            Some(happens) => happens(),
            None => clock.advance(i64::try_from(pause.as_secs()).unwrap()),
        };
        self.with(|around| reset::wait_for_approval(&self.home, &self.world.remote(), asked, &mut sleep, around))?;
        let here = login::resume(self.home.clone(), self.world.clock.of_client())?;
        Ok(Computer { here, clock: self.world.clock.clone() })
    }
}

/// What waits on a registered device.
fn waiting(device: &Computer) -> Vec<kartenbund::protocol::ApprovalId> {
    let approvals: ApprovalsAnswer = device.here.service.get("/v1/approvals").unwrap();
    approvals.approvals.iter().filter(|approval| approval.state == "pending").map(|a| a.approval_id).collect()
}

fn decide_with(device: &Computer, code: &MatchCode, verdict: Verdict) -> Script {
    let mut script = Script::with_code(code);
    let approval = waiting(device)[0];
    device.with(&mut script, |around| decide(&device.here, approval, verdict, around)).unwrap();
    script
}

/// She waits for minutes, and meanwhile another command of hers has learnt that the service has a second key.
#[test]
fn keys_that_were_learnt_while_she_waits_are_not_forgotten() {
    let world = World::new();
    let password = world.member(ERIKA);
    let device = world.log_in(ERIKA, &password);
    device.register(&mut card(ERIKA)).unwrap();
    let forgetful = Forgetful::at(&world, "laptop");
    world.try_log_in(forgetful.home.folder(), ERIKA, &password).unwrap();
    world.clock.advance(1);
    let asked = forgetful.ask(ERIKA);
    let code = asked.match_code.clone();
    let pinned = || forgetful.home.profile().unwrap().service_keys.len();
    let meanwhile = || {
        world.roll(RollStep::Announce).unwrap();
        world.remote().learn_keys(&forgetful.home).unwrap();
        assert_eq!(pinned(), 2);
        decide_with(&device, &code, Verdict::Approve);
    };
    forgetful.wait(asked, meanwhile).unwrap();
    assert_eq!(pinned(), 2);
}

#[test]
fn a_registered_device_lets_its_owner_choose_a_new_password() {
    let world = World::new();
    let before = world.member(ERIKA);
    let device = world.log_in(ERIKA, &before);
    device.register(&mut card(ERIKA)).unwrap();

    let elsewhere = Forgetful::at(&world, "elsewhere");
    let asked = elsewhere.ask(ERIKA);
    assert_eq!(asked.expires_at, world.clock.now() + 900);
    let code = asked.match_code.clone();
    let computer = elsewhere.wait(asked, || {
        let shown = decide_with(&device, &code, Verdict::Approve).shown.unwrap();
        assert!(matches!(shown.change, Change::Password(_)));
        assert_eq!(shown.created, world.clock.now());
    });
    let computer = computer.unwrap();
    assert_eq!(world.column("SELECT method FROM session WHERE method <> 'password'"), ["reset"]);
    set_password(&computer, CHOSEN).unwrap();
    assert!(world.try_log_in(&world.folder.path().join("a"), ERIKA, &before).is_err(), "the old one is void");
    world.try_log_in(&world.folder.path().join("b"), ERIKA, CHOSEN).unwrap();
    assert_eq!(world.count("SELECT COUNT(*) FROM device WHERE state = 'active'"), 1, "devices stay");
}

#[test]
fn the_old_password_holds_until_a_new_one_is_set() {
    let world = World::new();
    let before = world.member(ERIKA);
    let device = world.log_in(ERIKA, &before);
    device.register(&mut card(ERIKA)).unwrap();
    let elsewhere = Forgetful::at(&world, "elsewhere");
    let asked = elsewhere.ask(ERIKA);
    let code = asked.match_code.clone();
    elsewhere.wait(asked, || drop(decide_with(&device, &code, Verdict::Approve))).unwrap();
    world.try_log_in(&world.folder.path().join("a"), ERIKA, &before).unwrap();
}

#[test]
fn what_the_owner_denies_is_not_taken() {
    let world = World::new();
    let device = world.registered(ERIKA);
    let stranger = Forgetful::at(&world, "stranger");
    let asked = stranger.ask(ERIKA);
    let code = asked.match_code.clone();
    let refused = stranger.wait(asked, || drop(decide_with(&device, &code, Verdict::Deny)));
    let Err(LoginError::Service(error)) = refused else { panic!("nobody is let in") };
    assert!(error.is_refused_with("reset_not_approved"));
    assert!(stranger.home.session().unwrap().is_none_or(|session| session.tokens.is_none()));
}

#[test]
fn a_device_of_a_lower_level_is_not_asked() {
    let world = World::new();
    let device = world.registered(ERIKA);
    world.sql("UPDATE device SET binding_level = 'B1'").unwrap();
    let elsewhere = Forgetful::at(&world, "elsewhere");
    elsewhere.ask(ERIKA);
    assert!(waiting(&device).is_empty());
}

#[test]
fn a_letter_is_ordered_by_whoever_asks_and_the_old_password_holds() {
    let world = World::new();
    let password = world.member(ERIKA);
    let stranger = Forgetful::at(&world, "stranger");
    stranger.order_letter(ERIKA);
    world.wait_until("a letter is ordered", || world.count("SELECT COUNT(*) FROM letter") == 1);
    assert_eq!(world.state_of(ERIKA), "reset_pending");
    world.log_in(ERIKA, &password);
    let (report, passwords) = world.create_letters();
    assert_eq!((report.created, passwords.len()), (1, 1));
}

#[test]
fn a_letter_that_never_went_out_is_not_one_of_the_two() {
    let world = World::new();
    world.member(ERIKA);
    let stranger = Forgetful::at(&world, "stranger");
    let letters = |state: &str| {
        world.count(format!("SELECT COUNT(*) FROM letter WHERE kind = 'initial_password' AND state = '{state}'"))
    };
    for nth in 1..=2 {
        stranger.order_letter(ERIKA);
        world.wait_until("a letter is ordered", || letters("ordered") == 1);
        world.suspend(ERIKA).unwrap(); // the letter would open nothing
        assert_eq!(world.create_letters().0.cancelled, 1, "{nth}");
        world.resume(ERIKA).unwrap();
    }
    for nth in 1..=2 {
        stranger.order_letter(ERIKA);
        world.wait_until("a letter is ordered", || letters("ordered") == 1);
        assert_eq!(world.create_letters().0.created, 1, "{nth}");
    }
    stranger.order_letter(ERIKA);
    world.wait_until("the third is refused", || world.audited("too_many_letters") == 1);
    assert_eq!((letters("cancelled"), letters("created"), letters("ordered")), (2, 2, 0));
}

#[test]
fn what_becomes_void_of_a_request_stands_in_the_audit() {
    let world = World::new();
    let device = world.registered(ERIKA);
    Forgetful::at(&world, "phone").ask(ERIKA);
    assert_eq!(world.audited("password.reset_voided"), 0);
    change_password(&device, Some(PASSWORD), CHOSEN).unwrap();
    assert_eq!(world.audited("password.reset_voided"), 1);
    assert_eq!(world.column("SELECT state FROM password_reset"), ["void"]);
    world.suspend(ERIKA).unwrap();
    assert_eq!(world.audited("password.reset_voided"), 1, "what is void becomes so once");
}

#[test]
fn strangers_order_two_letters_in_thirty_days_and_none_for_nobody() {
    let world = World::new();
    world.member(ERIKA);
    let stranger = Forgetful::at(&world, "stranger");
    let answered = || world.audited("password.reset_asked");
    for (nth, person, letters) in [(1, ERIKA, 1), (2, MAX, 1), (3, ERIKA, 2), (4, ERIKA, 2)] {
        stranger.order_letter(person);
        world.wait_until("the request is answered", || answered() == nth);
        assert_eq!(world.count("SELECT COUNT(*) FROM letter"), letters, "{nth}");
        world.create_letters();
    }
    assert_eq!(world.audited("too_many_letters"), 1);
    world.clock.advance(30 * 24 * 60 * 60);
    stranger.order_letter(ERIKA);
    world.wait_until("the request is answered", || answered() == 5);
    assert_eq!(world.count("SELECT COUNT(*) FROM letter"), 3);
}

#[test]
fn the_document_says_what_it_means_in_both_languages() {
    let change = Change::Password(PasswordReset { jkt: [7; 32].into() });
    let document = kartenbund::protocol::approval::Document {
        approval_id: [1; 16].into(),
        application_id: [2; 16].into(),
        account: kvnr(ERIKA),
        created: NOW.unix_timestamp(),
        change,
    };
    let document = document.freeze().unwrap().read().unwrap();
    for (language, sentences) in [
        (Language::De, ["Neues Passwort ohne das alte", "darf ein neues Passwort", "selbst", "Niemand von Ihrer"]),
        (
            Language::En,
            ["New password without the old one", "may choose a new password", "yourself", "Nobody from your"],
        ),
    ] {
        let shown = document::lines(&Texts::new(language), &document, 400).join("\n");
        for sentence in sentences.into_iter().chain(["2026", ERIKA]) {
            assert!(shown.contains(sentence), "{sentence}: {shown}");
        }
    }
}

#[test]
fn strangers_use_up_neither_what_the_owner_may_submit_nor_what_her_own_computers_may_ask() {
    let world = World::new();
    let device = world.registered(ERIKA);
    let notebook = card_login::log_in_as(&world, "notebook", None, &mut card(ERIKA), &mut Script::default()).unwrap();
    for stranger in 0..12 {
        Forgetful::at(&world, &format!("stranger-{stranger}")).ask(ERIKA);
    }
    assert_eq!(waiting(&device).len(), 3, "three wait, and no more");
    for application in [new_address(), new_bank_account(), new_contact()] {
        device.apply(&application);
    }
    assert_eq!(waiting(&device).len(), 6);
    // A computer of hers, at which she was logged in before, is asked for all the same.
    Forgetful { world: &world, home: notebook.here.home.clone() }.ask(ERIKA);
    assert_eq!(waiting(&device).len(), 7);
}

#[test]
fn strangers_are_answered_ten_times_a_day() {
    let world = World::new();
    let device = world.registered(ERIKA);
    let ask = |name: &str| {
        let asked = Forgetful::at(&world, name).ask(ERIKA);
        let answered = waiting(&device);
        if !answered.is_empty() {
            decide_with(&device, &asked.match_code, Verdict::Deny);
        }
        answered.len()
    };
    for stranger in 0..10 {
        assert_eq!(ask(&format!("stranger-{stranger}")), 1, "{stranger}");
    }
    assert_eq!(ask("eleventh"), 0);
    world.stretch_sessions();
    world.clock.advance(24 * 60 * 60);
    assert_eq!(ask("the day after"), 1);
}
