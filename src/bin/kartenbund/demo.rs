//! `demo`: the whole story once, with a virtual card and an embedded service, everything else real.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kartenbund::client::approve::decide;
use kartenbund::client::home::Home;
use kartenbund::client::login::{self, LoggedIn};
use kartenbund::client::password;
use kartenbund::client::pin::rules::WeakPin;
use kartenbund::client::register::{Wish, register};
use kartenbund::client::service::{Service as Remote, ServiceError};
use kartenbund::client::{AskError, KeypadEntry, Notice, Step, Surroundings, Ui};
use kartenbund::disk;
use kartenbund::egk::ApduLength;
use kartenbund::identity::kvnr::Kvnr;
use kartenbund::identity::vsd::Address;
use kartenbund::pki::TestAnchors;
use kartenbund::protocol::addition::ShortString;
use kartenbund::protocol::api::{ApplicationAccepted, ApprovalSummary};
use kartenbund::protocol::application::{Application, Change};
use kartenbund::protocol::approval::{Document, MatchCode, Verdict};
use kartenbund::protocol::evidence::{Bundle, LinkResult};
use kartenbund::protocol::qr::CodeError;
use kartenbund::reader::CardChannel;
use kartenbund::reader::pcsc::{Reader, Service as PcscService, Sharing, Slot};
use kartenbund::secret::{Can, DevicePin, Pin, Puk, SecretText, TransportPin};
use kartenbund::server::{LetterEvent, Service, Settings};
use kartenbund::ui::document;
use kartenbund::ui::failure::{Failure, Kind, Value};
use kartenbund::ui::terminal::step_text;
use kartenbund::virtual_card::VirtualCard;
use kartenbund::virtual_card::personalise::{Blueprint, MUSTERKASSE_IK, TestCa, personalise};
use kartenbund::virtual_card::vpcd;
use rand_core::UnwrapErr;
use reqwest::Method;
use time::OffsetDateTime;

use crate::args::DemoArgs;
use crate::evidence::{print_report, text_of};
use crate::output::{Output, file_failure, print_line};

/// The fictional person and her numbers.
const KVNR: &str = "K220635158";
const NAME: (&str, &str) = ("Erika Johanna", "Musterfrau");
const CARD_PIN: &str = "123456";
const DEVICE_PIN: &str = "270618";
const OWN_PASSWORD: &str = "Vier Wörter ohne Sinn: Apfel, Brücke";
/// Folders of the service and of her computer, in the folder of the demonstration.
const SERVICE: &str = "service";
const COMPUTER: &str = "computer";
/// How long the PC/SC service may take to see the card.
const CARD_APPEARS: Duration = Duration::from_secs(20);

pub(crate) fn run(args: &DemoArgs, output: &Output) -> Result<(), Failure> {
    let began = Instant::now();
    let say = |id: &str, values: &[(&'static str, Value)]| {
        if !output.json {
            let _ = print_line(&output.texts.with(id, values));
        }
    };
    let text = |value: &str| Value::Text(value.to_owned());
    let folder = folder(args.dir.as_deref())?;
    say("demo-title", &[]);

    let (image, anchors) = make_card(&folder)?;
    say("demo-card", &[("name", text(&format!("{} {}", NAME.0, NAME.1))), ("kvnr", text(KVNR))]);
    let mut card = VirtualCard::load(&image)?;

    let (service, address) = EmbeddedService::start(&folder, anchors)?;
    say("demo-service", &[("address", text(&address))]);
    service.import(&folder)?;
    say("demo-import", &[]);
    let initial = service.letter()?;
    say("demo-letter", &[("path", text(&folder.join(SERVICE).join("outbox").display().to_string()))]);

    let mut person = Scripted { output, password: Some(initial), match_code: None };
    let mut rng = UnwrapErr(getrandom::SysRng);
    let clock = || OffsetDateTime::now_utc().unix_timestamp();
    let mut around = Surroundings { ui: &mut person, rng: &mut rng, clock: &clock };
    let home = Home::at(folder.join(COMPUTER));
    say("demo-login", &[]);
    let remote = Remote::at(&address)?;
    let kvnr = Kvnr::typed(KVNR)?;
    let (_, opened) = login::login(&home, &remote, kvnr, &mut around)?;
    expect(opened.must_change_password, "the initial password did not ask for another one")?;
    say("demo-password", &[]);
    password::choose_first(&home, true, Arc::new(clock), &mut around)?;
    let here = login::resume(home, Arc::new(clock))?;

    let device = if args.pcsc {
        in_virtual_reader(&mut card, &args.vpcd, |channel, reader| {
            say("demo-pcsc", &[("reader", text(reader))]);
            say("demo-register", &[]);
            Ok(register(&here, channel, &wish(), &mut around)?)
        })?
    } else {
        say("demo-register", &[]);
        register(&here, &mut card, &wish(), &mut around)?
    };
    say("demo-registered", &[("level", text(&device.binding_level.to_string()))]);

    let accepted: ApplicationAccepted = here.service.call(Method::POST, "/v1/applications", &new_address())?;
    let code = String::from(accepted.match_code.clone());
    say("demo-apply", &[("code", text(&code))]);
    say("demo-approve", &[]);
    let mut person = Scripted { output, password: None, match_code: Some(accepted.match_code.clone()) };
    let mut around = Surroundings { ui: &mut person, rng: &mut rng, clock: &clock };
    let decided = decide(&here, accepted.approval_id, Verdict::Approve, &mut around)?;
    expect(decided.application.state == "executed", "the application was not executed")?;
    say("demo-approved", &[]);

    let evidence = evidence(&here, &folder, &accepted)?;
    service.stop()?;
    say("demo-evidence", &[]);
    let anchors = anchors_of(&folder)?;
    let bundle = Bundle::parse(&evidence)?;
    let report = bundle.verify(&anchors, &here.profile.service_keys);
    if output.json {
        expect(report.findings.is_some(), "the evidence does not verify")?;
    } else {
        print_report(&report, output)?;
    }

    let forged = forge(bundle)?;
    let path = folder.join("forged.json");
    let bytes = serde_json::to_vec_pretty(&forged).map_err(|error| Kind::Internal.failure().because(&error))?;
    disk::write(&path, &bytes).map_err(file_failure(&path))?;
    let report = forged.verify(&anchors, &here.profile.service_keys);
    let broken = report.links.iter().find(|link| link.result == LinkResult::Fails);
    let broken = broken.filter(|_| report.findings.is_none());
    let broken = broken.ok_or_else(|| failed("the forged evidence was accepted"))?;
    say("demo-tampered", &[("link", Value::Text(text_of("link", &broken.name, output)))]);

    let tenths = i64::try_from(began.elapsed().as_millis() / 100).unwrap_or(i64::MAX);
    say("demo-done", &[("seconds", Value::Number(tenths / 10)), ("tenths", Value::Number(tenths % 10))]);
    say("demo-files", &[("path", text(&folder.display().to_string()))]);
    let program = std::env::args().next().unwrap_or_else(|| "kartenbund".to_owned());
    let verify = format!(
        "{program} evidence verify {0}/evidence.json --anchor {0}/test-egk-ca.pem --service-key {0}/service-key.json",
        folder.display()
    );
    say("demo-again", &[("command", text(&verify))]);
    if output.json {
        let result = serde_json::json!({ "ok": true, "files": folder, "seconds": began.elapsed().as_secs_f64() });
        output.result(&result, [])?;
    }
    Ok(())
}

fn folder(wanted: Option<&Path>) -> Result<PathBuf, Failure> {
    match wanted {
        Some(folder) => {
            // The story begins with an empty database and a new computer, and never touches another one's.
            if folder.join(SERVICE).exists() || folder.join(COMPUTER).exists() {
                return Err(Kind::InputInvalid.failure().text("input", "demo_folder"));
            }
            std::fs::create_dir_all(folder).map_err(file_failure(folder))?;
            Ok(folder.to_owned())
        }
        None => {
            let parent = std::env::temp_dir();
            let made = tempfile::Builder::new().prefix("kartenbund-demo-").tempdir_in(&parent);
            Ok(made.map_err(file_failure(&parent))?.keep())
        }
    }
}

/// Personalises a card under the project's test CA, and keeps image and CA beside each other.
fn make_card(folder: &Path) -> Result<(String, TestAnchors), Failure> {
    let refused = |error| Kind::CardImage.failure().because(&error);
    let ca = TestCa::built_in().map_err(refused)?;
    let blueprint = Blueprint::new(Kvnr::typed(KVNR)?, NAME.0, NAME.1);
    let mut rng = UnwrapErr(getrandom::SysRng);
    let image = personalise(&blueprint, &ca, &mut rng, OffsetDateTime::now_utc()).map_err(refused)?;
    let pem = ca.certificate_pem().map_err(refused)?;
    for (name, content) in [("card.xml", image.as_str()), ("test-egk-ca.pem", pem.as_str())] {
        let path = folder.join(name);
        disk::write(&path, content.as_bytes()).map_err(file_failure(&path))?;
    }
    Ok((image, anchors_of(folder)?))
}

fn anchors_of(folder: &Path) -> Result<TestAnchors, Failure> {
    let path = folder.join("test-egk-ca.pem");
    let pem = crate::output::read_file(&path, 1 << 16)?;
    let mut anchors = TestAnchors::default();
    anchors.add_pem(&pem).map_err(|error| Kind::Anchor.failure().text("of", "card").because(&error))?;
    Ok(anchors)
}

fn wish() -> Wish {
    Wish {
        name: "Kartenbund-Vorführung".to_owned(),
        replace: false,
        in_place_of: Vec::new(),
        length: ApduLength::Extended,
    }
}

fn new_address() -> Application {
    Application::Address(Address {
        street: Some("Lindenallee".to_owned()),
        house_number: Some("7".to_owned()),
        postal_code: Some("04109".to_owned()),
        city: "Leipzig".to_owned(),
        country: "D".to_owned(),
        supplement: None,
    })
}

/// Exports the evidence, and the service's key beside it.
fn evidence(here: &LoggedIn, folder: &Path, accepted: &ApplicationAccepted) -> Result<Vec<u8>, Failure> {
    let bundle: Bundle = here.service.get(&format!("/v1/evidence/{}", accepted.approval_id))?;
    let bundle = serde_json::to_vec_pretty(&bundle);
    let key = serde_json::to_vec_pretty(&here.profile.service_keys.first());
    let files = [("evidence.json", bundle), ("service-key.json", key)];
    let mut written = Vec::new();
    for (name, content) in files {
        let content = content.map_err(|error| Kind::Internal.failure().because(&error))?;
        let path = folder.join(name);
        disk::write(&path, &content).map_err(file_failure(&path))?;
        written.push(content);
    }
    Ok(written.swap_remove(0))
}

/// A copy in which somebody has changed the house number that was approved.
fn forge(mut bundle: Bundle) -> Result<Bundle, Failure> {
    let approval = bundle.devices.iter_mut().flat_map(|device| &mut device.approvals).next();
    let approval = approval.ok_or_else(|| failed("the evidence holds no decision"))?;
    let mut document = approval.document.read()?;
    if let Change::Address(change) = &mut document.change {
        change.new.house_number = Some("77".to_owned());
    }
    approval.document = document.freeze().map_err(|error| Kind::Internal.failure().because(&error))?;
    Ok(bundle)
}

/// Puts the card into the virtual reader of the real PC/SC service, and uses it there.
fn in_virtual_reader<T>(
    card: &mut VirtualCard,
    address: &str,
    work: impl FnOnce(&mut dyn CardChannel, &str) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let pcsc = PcscService::connect()?;
    let atr = card.atr().to_vec();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let plugged = scope.spawn(|| vpcd::plug(card, address, &stop, |_| vpcd::Step::Answer));
        let result = reader_with(&pcsc, &atr).and_then(|reader| {
            let mut connected = pcsc.connect_card(&reader, Sharing::Exclusive)?;
            work(&mut connected.begin()?, &reader.name)
        });
        stop.store(true, Ordering::Relaxed);
        match plugged.join() {
            Ok(Err(error)) => Err(Kind::ReaderPort.failure().because(&error)),
            _ => result,
        }
    })
}

/// Waits for the reader that shows the card with this answer to reset.
fn reader_with(pcsc: &PcscService, atr: &[u8]) -> Result<Reader, Failure> {
    let began = Instant::now();
    while began.elapsed() < CARD_APPEARS {
        let found = pcsc.readers()?.into_iter().find(|reader| reader.slot == Slot::Card && reader.atr == atr);
        if let Some(reader) = found {
            return Ok(reader);
        }
        thread::sleep(Duration::from_millis(50));
    }
    Err(Kind::ReaderPort.failure())
}

/// The account service, in this process, on a free port of this computer.
struct EmbeddedService {
    runtime: tokio::runtime::Runtime,
    service: Arc<Service>,
    stop: tokio::sync::oneshot::Sender<()>,
    served: tokio::task::JoinHandle<Result<(), kartenbund::server::ServerError>>,
}

impl EmbeddedService {
    fn start(folder: &Path, anchors: TestAnchors) -> Result<(Self, String), Failure> {
        let refused = |error: &dyn std::error::Error| failed("the embedded service does not start").because(error);
        let runtime = tokio::runtime::Runtime::new().map_err(|error| refused(&error))?;
        let payer_ik = MUSTERKASSE_IK.parse().map_err(|error| refused(&error))?;
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let (service, listener, address) = runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind(loopback).await.map_err(|error| refused(&error))?;
            let address = format!("http://{}", listener.local_addr().map_err(|error| refused(&error))?);
            let mut settings = Settings::new(folder.join(SERVICE), address.as_str());
            settings.insurer.name = "Musterkasse".to_owned();
            settings.payer_iks = vec![payer_ik];
            settings.anchors = Box::new(anchors);
            let service = Service::open(settings, Arc::new(OffsetDateTime::now_utc)).await;
            Ok::<_, Failure>((service.map_err(|error| refused(&error))?, listener, address))
        })?;
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let served = runtime.spawn(Arc::clone(&service).serve(listener, async {
            let _ = stopped.await;
        }));
        Ok((Self { runtime, service, stop, served }, address))
    }

    /// Imports the person from a register.
    fn import(&self, folder: &Path) -> Result<(), Failure> {
        let header = "kvnr,given_name,family_name,birth_date,street,house_number,postal_code,city,country,\
                      membership_start\n";
        let row = format!("{KVNR},{},{},1964-08-12,Musterstraße,12a,12345,Musterstadt,D,2020-01-01\n", NAME.0, NAME.1);
        let path = folder.join("register.csv");
        disk::write(&path, format!("{header}{row}").as_bytes()).map_err(file_failure(&path))?;
        let file = std::fs::File::open(&path).map_err(file_failure(&path))?;
        let report = self.runtime.block_on(self.service.import(file, |_| ()));
        let report = report.map_err(|error| failed("the register was not imported").because(&error))?;
        expect(report.imported == 1, "the register was not imported")
    }

    /// Puts her letter into the outbox, and reads the initial password in it before the print service would.
    fn letter(&self) -> Result<SecretText, Failure> {
        let mut read = None;
        let letters = self.service.create_letters(|event| {
            if let LetterEvent::InitialPassword { password, .. } = event {
                read = Some(Scripted::typed(password.expose()));
            }
        });
        let written = self.runtime.block_on(letters);
        written.map_err(|error| failed("the letter was not written").because(&error))?;
        read.ok_or_else(|| failed("the letter was not written"))
    }

    fn stop(self) -> Result<(), Failure> {
        let refused = |error: &dyn std::error::Error| failed("the embedded service did not stop").because(error);
        let _ = self.stop.send(());
        let served = self.runtime.block_on(self.served).map_err(|error| refused(&error))?;
        served.map_err(|error| refused(&error))
    }
}

fn failed(what: &str) -> Failure {
    let mut failure = Kind::Internal.failure();
    failure.technical = Some(what.to_owned());
    failure
}

fn expect(holds: bool, what: &str) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(failed(what)) }
}

/// The person of the demonstration: knows all her numbers and reads what she decides.
struct Scripted<'a> {
    output: &'a Output,
    password: Option<SecretText>,
    match_code: Option<MatchCode>,
}

impl Scripted<'_> {
    fn typed(text: &str) -> SecretText {
        SecretText::new(text.to_owned())
    }
}

impl Ui for Scripted<'_> {
    fn step(&mut self, step: Step) {
        if !self.output.json {
            let _ = print_line(&format!("  · {}", self.output.texts.get(step_text(step))));
        }
    }

    fn notice(&mut self, _: Notice) {}

    fn can(&mut self, _: bool) -> Result<Can, AskError> {
        Err(AskError::NobodyThere) // her card is used with contacts
    }

    fn card_pin(&mut self, _: u8, again: bool) -> Result<Pin, AskError> {
        if again { Err(AskError::NobodyThere) } else { Ok(Pin::parse(&Self::typed(CARD_PIN))?) }
    }

    fn may_spend_last_try(&mut self, _: bool) -> Result<bool, AskError> {
        Ok(false)
    }

    fn wants_keypad(&self) -> bool {
        false
    }

    fn type_on_reader(&mut self, _: KeypadEntry, _: &mut dyn FnMut()) -> Result<(), AskError> {
        Err(AskError::NobodyThere)
    }

    fn transport_pin(&mut self) -> Result<TransportPin, AskError> {
        Err(AskError::NobodyThere)
    }

    fn new_card_pin(&mut self) -> Result<Pin, AskError> {
        Err(AskError::NobodyThere)
    }

    fn puk(&mut self) -> Result<Puk, AskError> {
        Err(AskError::NobodyThere)
    }

    fn revocation_code(&mut self, _: Option<&CodeError>) -> Result<SecretText, AskError> {
        Err(AskError::NobodyThere)
    }

    fn letter_code(&mut self, _: usize, _: Option<&CodeError>) -> Result<SecretText, AskError> {
        Err(AskError::NobodyThere)
    }

    fn new_device_pin(&mut self, _: Option<WeakPin>) -> Result<DevicePin, AskError> {
        Ok(DevicePin::parse(&Self::typed(DEVICE_PIN))?)
    }

    fn device_pin(&mut self) -> Result<DevicePin, AskError> {
        Ok(DevicePin::parse(&Self::typed(DEVICE_PIN))?)
    }

    fn password(&mut self) -> Result<SecretText, AskError> {
        self.password.take().ok_or(AskError::NobodyThere)
    }

    fn old_password(&mut self) -> Result<SecretText, AskError> {
        Err(AskError::NobodyThere)
    }

    fn new_password(&mut self, refused: Option<&ServiceError>) -> Result<SecretText, AskError> {
        if refused.is_some() { Err(AskError::NobodyThere) } else { Ok(Self::typed(OWN_PASSWORD)) }
    }

    fn show(&mut self, shown: &Document, _: Verdict, _: &ApprovalSummary) -> Result<(), AskError> {
        if !self.output.json {
            for line in document::lines(&self.output.texts, shown, document::width(&std::io::stdout())) {
                let _ = print_line(&format!("    {line}"));
            }
        }
        Ok(())
    }

    fn match_code(&mut self) -> Result<MatchCode, AskError> {
        self.match_code.take().ok_or(AskError::MatchCode)
    }

    fn short_string(&mut self, _: bool) -> Result<ShortString, AskError> {
        Err(AskError::NobodyThere)
    }
}
