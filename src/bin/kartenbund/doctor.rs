//! `doctor`: looks at everything from the PC/SC service to the account service, and says what to do where it fails.

use std::io::ErrorKind;
use std::path::Path;

use kartenbund::client::doctor::{Account, CardFacts, Computer, Facts, KeyStore, SessionStore};
use kartenbund::client::home::Home;
use kartenbund::disk;
use kartenbund::reader::pcsc::{Reader, Service, Sharing, choose_of};
use kartenbund::reader::{CardChannel, ChannelError};
use kartenbund::secret::Can;
use kartenbund::ui::doctor::{Finding, Report, Step, ending, judge};
use kartenbund::ui::failure::{Failure, Kind, Value};
use kartenbund::ui::numbers::told_apart;
use rand_core::UnwrapErr;

use crate::account::now;
use crate::args::{CardArgs, DoctorArgs};
use crate::cards::{can, length, load};
use crate::output::{Output, file_failure, print_line, tell};
use crate::waiting;

pub(crate) fn run(home: &Home, args: &DoctorArgs, output: &Output) -> Result<(), Failure> {
    if let Some(path) = args.report.as_deref().filter(|path| path.symlink_metadata().is_ok()) {
        return Err(not_overwritten(path)); // before the person waits for it
    }
    let can = can(&args.card)
        .map(|typed| Can::parse(&typed).map_err(|error| told_apart(kartenbund::client::AskError::Can(error), &typed)));
    let mut patient = Patient { args: &args.card, can: can.transpose()?, home, service: None, reader: None };
    if args.card.wait.is_some() {
        match waiting::for_card(&args.card, output) {
            Err(failure) if failure.kind == Kind::Cancelled => return Err(failure),
            _ => {} // the steps say what is missing
        }
    }
    let is_image = args.card.virtual_card.is_some();
    let mut facts = Facts { computer: Computer::here(), is_image, now: now(), ..Facts::default() };
    let mut findings = Vec::new();
    for step in Step::ALL {
        patient.look(step, &mut facts, output)?;
        let finding = judge(step, &facts);
        if !output.json {
            finding.lines(step, &output.texts).iter().try_for_each(|line| print_line(line))?;
        }
        findings.push((step, finding));
    }
    let report = Report::new(&facts, &findings, &output.texts);
    if let Some(path) = &args.report {
        disk::write_new(path, report.text(&output.texts).as_bytes()).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => not_overwritten(path),
            _ => file_failure(path)(error),
        })?;
        output.remark("done-doctor-report", &[("path", Value::Text(path.display().to_string()))]);
    }
    let ending = ending(&findings, &output.texts);
    let failed = findings.into_iter().find_map(|(_, finding)| match finding {
        Finding::Failed(failure) => Some(failure),
        _ => None,
    });
    match failed {
        None => output.result(&report, [ending]),
        Some(failure) => Err(Failure { report: serde_json::to_value(&report).ok(), is_told: true, ..failure }),
    }
}

fn not_overwritten(path: &Path) -> Failure {
    Kind::File.failure().text("path", path.display().to_string()).text("why", "exists")
}

/// What is looked at, and what is needed on the way.
struct Patient<'a> {
    args: &'a CardArgs,
    can: Option<Can>,
    home: &'a Home,
    service: Option<Service>,
    reader: Option<Reader>,
}

impl Patient<'_> {
    /// Adds to `facts` what `step` is judged by.
    fn look(&mut self, step: Step, facts: &mut Facts, output: &Output) -> Result<(), Failure> {
        match step {
            Step::Service if !facts.is_image => match Service::connect() {
                Ok(service) => {
                    self.service = Some(service);
                    facts.service = Some(Ok(()));
                }
                Err(error) => facts.service = Some(Err(error)),
            },
            Step::Driver => facts.readers = self.service.as_ref().map(Service::readers),
            Step::Reader => {
                if let Some(Ok(readers)) = &facts.readers {
                    let chosen = choose_of(readers.clone(), self.args.reader.as_deref());
                    facts.chosen = Some(chosen.map(|reader| self.reader = Some(reader)));
                }
            }
            Step::Card => facts.card = self.card(facts)?,
            Step::Clock => {
                if self.home.profile().is_ok() && !output.json {
                    tell(&format!("· {}", output.texts.get("step-check-service")));
                }
                facts.account = Some(Account::of(self.home, facts.now));
            }
            Step::KeyStore => facts.key_store = Some(KeyStore::of(self.home, facts.now_of_service())),
            Step::SessionStore => facts.session_store = Some(SessionStore::of(self.home)),
            Step::Service | Step::Rights | Step::CardType | Step::Pin | Step::Network | Step::Account => {}
        }
        Ok(())
    }

    fn card(&self, facts: &Facts) -> Result<Option<Result<CardFacts, ChannelError>>, Failure> {
        let examine = |channel: &mut dyn CardChannel| {
            let mut rng = UnwrapErr(getrandom::SysRng);
            CardFacts::of(channel, length(self.args), self.can.as_ref(), &mut rng, facts.now)
        };
        if let Some(image) = &self.args.virtual_card {
            let mut staged = load(image, self.args.contactless, self.args.scenario.as_deref())?;
            return Ok(Some(Ok(examine(&mut staged))));
        }
        let (Some(service), Some(reader)) = (&self.service, &self.reader) else { return Ok(None) };
        let card = service.connect_card(reader, Sharing::Shared);
        Ok(Some(card.and_then(|mut card| Ok(examine(&mut card.begin()?)))))
    }
}
