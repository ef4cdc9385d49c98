//! The person at a terminal. Results go to standard output; steps, questions and what is to be decided to standard
//! error, so that a script reads results alone. PINs are typed without echo, or come line by line from a file descriptor.

mod unseen;

use std::fs::File;
use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::SIGINT;
use zeroize::Zeroizing;

use self::unseen::Unseen;
use super::document;
use super::failure::{Failure, Kind, Value};
use super::numbers::{insurance_number, told_apart};
use super::text::Texts;
use crate::client::pin::rules::WeakPin;
use crate::client::service::ServiceError;
use crate::client::{AskError, KeypadEntry, KeypadObstacle, Notice, Step, Ui};
use crate::identity::kvnr::Kvnr;
use crate::protocol::addition::ShortString;
use crate::protocol::api::ApprovalSummary;
use crate::protocol::application::ApplicationType;
use crate::protocol::approval::{Document, MatchCode, Verdict};
use crate::protocol::qr::{CodeError, GROUPS};
use crate::secret::{Can, DevicePin, DigitsError, Pin, Puk, SecretText, TransportPin};

/// Longest line read from a file descriptor.
const MAX_LINE: usize = 4096;

/// How the person is asked.
#[derive(Debug, Default)]
pub struct Answers {
    /// Where PINs come from instead of the terminal, one in a line, in the order they are asked for.
    pub pins: Option<Lines>,
    /// Where the password comes from instead of the terminal.
    pub password: Option<Lines>,
    /// The card access number, where it was given on the command line.
    pub can: Option<SecretText>,
    /// The match code or the string of another computer, where it was given on the command line.
    pub match_code: Option<String>,
    /// Where the code of a letter comes from instead of the terminal, in one line.
    pub letter_code: Option<Lines>,
    /// Whether the last try of the card PIN may be spent without asking.
    pub allow_last_try: bool,
    /// Whether PINs of the card are typed here although the reader has a keypad.
    pub no_keypad: bool,
    /// Whether steps are told.
    pub quiet: bool,
}

/// Lines of a file descriptor, read without a buffer that would keep what passed.
#[derive(Debug)]
pub struct Lines(File);

impl Lines {
    /// The file descriptor `number` of this process.
    ///
    /// # Errors
    /// It is not open for reading.
    pub fn of_descriptor(number: u32) -> io::Result<Self> {
        File::open(format!("/dev/fd/{number}")).map(Self)
    }

    fn next(&mut self) -> Result<SecretText, AskError> {
        let mut line = Zeroizing::new(Vec::with_capacity(MAX_LINE));
        let mut byte = Zeroizing::new([0]);
        while self.0.read(&mut *byte)? == 1 {
            match *byte {
                [b'\n'] => return text_of(&line),
                // The rest would be another line, and this one a password that nobody chose.
                _ if line.len() == MAX_LINE => return Err(AskError::TooLong),
                [other] => line.push(other),
            }
        }
        if line.is_empty() { Err(AskError::NobodyThere) } else { text_of(&line) }
    }
}

/// A person at a terminal.
#[derive(Debug)]
pub struct Terminal<'a> {
    texts: &'a Texts,
    answers: Answers,
    /// What was explained already.
    explained: Vec<&'static str>,
}

impl<'a> Terminal<'a> {
    /// Speaks with `texts`, and takes `answers` that were given beforehand.
    pub fn new(texts: &'a Texts, answers: Answers) -> Self {
        Self { texts, answers, explained: Vec::new() }
    }

    fn hidden(&self, question: &str) -> Result<SecretText, AskError> {
        is_terminal()?;
        without_interrupts(|| {
            // Before the question is there: who answers at once would see the secret, and a Ctrl+C would be lost.
            let _unseen = Unseen::begin();
            write!(io::stderr(), "{question} ")?;
            rpassword::read_password()
        })?
        .map(SecretText::new)
        .map_err(ended)
    }

    /// Asks for something that may be seen.
    ///
    /// # Errors
    /// [`AskError`].
    pub fn visible(&self, question: &str) -> Result<String, AskError> {
        is_terminal()?;
        write!(io::stderr(), "{question} ")?;
        // Wiped: it may be an access number.
        let mut line = Zeroizing::new(String::with_capacity(MAX_LINE));
        if io::stdin().lock().take(MAX_LINE as u64).read_line(&mut line)? == 0 {
            return Err(AskError::Cancelled);
        }
        Ok(line.trim().to_owned())
    }

    /// Asks for the insurance number until it can be one.
    ///
    /// # Errors
    /// There is nobody to ask.
    pub fn kvnr(&mut self) -> Result<Kvnr, Failure> {
        is_terminal()?;
        self.explain("ask-kvnr-what");
        loop {
            let typed = SecretText::new(self.visible(&self.texts.get("ask-kvnr"))?);
            match insurance_number(&typed) {
                Err(failure) if failure.kind == Kind::InputInvalid => {
                    tell(&format!("! {}", self.texts.cause(&failure)))
                }
                other => return other,
            }
        }
    }

    /// Says what is asked for and what is not, once.
    fn explain(&mut self, id: &'static str) {
        if !self.explained.contains(&id) {
            self.explained.push(id);
            tell(&self.texts.get(id));
        }
    }

    /// Asks until what is typed can be a PIN, after an explanation; a script is asked once.
    fn pin<T>(
        &mut self,
        explanation: &'static str,
        question: &str,
        parse: impl Fn(&Self, &SecretText) -> Result<T, AskError>,
    ) -> Result<T, AskError> {
        if self.answers.pins.is_none() {
            is_terminal()?;
            self.explain(explanation);
        }
        loop {
            let typed = match &mut self.answers.pins {
                Some(lines) => lines.next()?,
                None => self.hidden(question)?,
            };
            match parse(self, &typed).map_err(|error| told_apart(error, &typed)) {
                Err(error) if self.answers.pins.is_none() => self.ask_again(error)?,
                pin => return pin,
            }
        }
    }

    /// Lets the person type a new PIN once more; a script is believed.
    fn repeated(&self, question: &str, is_same: impl Fn(&SecretText) -> bool) -> Result<(), AskError> {
        match self.answers.pins.is_some() || is_same(&self.hidden(&self.texts.get(question))?) {
            true => Ok(()),
            false => Err(AskError::EntriesDiffer),
        }
    }

    /// Says why something typed will not do, where it is worth another try.
    fn ask_again(&self, error: AskError) -> Result<(), AskError> {
        match error {
            AskError::Can(_)
            | AskError::Digits(_)
            | AskError::OtherNumber { .. }
            | AskError::EntriesDiffer
            | AskError::MatchCode
            | AskError::ShortString => {
                tell(&format!("! {}", self.texts.cause(&error.into())));
                Ok(())
            }
            error => Err(error),
        }
    }
}

impl Ui for Terminal<'_> {
    fn step(&mut self, step: Step) {
        if !self.answers.quiet {
            tell(&format!("· {}", self.texts.get(step_text(step))));
        }
    }

    fn notice(&mut self, notice: Notice) {
        let number = |name, value| vec![(name, Value::Number(value))];
        let (id, values) = match notice {
            Notice::PasswordFirst { of_letter } => {
                let letter = if of_letter { "yes" } else { "no" };
                ("notice-password-first", vec![("letter", Value::Text(letter.to_owned()))])
            }
            Notice::WrongCardPin { tries_left } => ("notice-wrong-card-pin", number("tries", i64::from(tries_left))),
            Notice::SameWrongPin => ("notice-same-wrong-pin", Vec::new()),
            Notice::CardWasReset => ("notice-card-was-reset", Vec::new()),
            Notice::CardNotReset => ("notice-card-not-reset", Vec::new()),
            Notice::KeypadUnused(KeypadObstacle::Contactless) => ("notice-keypad-contactless", Vec::new()),
            Notice::KeypadUnused(KeypadObstacle::DoesNotFit) => ("notice-keypad-does-not-fit", Vec::new()),
            Notice::KeypadLength => ("notice-keypad-length", Vec::new()),
            Notice::KeypadEntriesDiffer => ("notice-keypad-entries-differ", Vec::new()),
            Notice::ApproveElsewhere { approval_id, expires_at } => {
                let until = Value::Text(self.texts.moment(expires_at));
                ("notice-approve-elsewhere", vec![("id", Value::Text(approval_id.to_string())), ("until", until)])
            }
            Notice::TypeElsewhere { string } => {
                ("notice-type-elsewhere", vec![("string", Value::Text(string.to_string()))])
            }
            Notice::Resumed => ("notice-resumed", Vec::new()),
            Notice::DecisionHadArrived => ("notice-decision-had-arrived", Vec::new()),
            Notice::OldDeviceLocked => ("notice-old-device-locked", Vec::new()),
            Notice::OldDeviceNotInUse => ("notice-old-device-not-in-use", Vec::new()),
            Notice::OldDeviceUncertain => ("notice-old-device-uncertain", Vec::new()),
            Notice::NoDeviceSecret => ("notice-no-device-secret", Vec::new()),
            Notice::KeyInTpm => ("notice-key-in-tpm", Vec::new()),
            Notice::TpmUnused { is_allowed: true } => ("notice-tpm-broken", Vec::new()),
            Notice::TpmUnused { is_allowed: false } => ("notice-tpm-not-allowed", Vec::new()),
            Notice::FingerNotRead => ("notice-finger-not-read", Vec::new()),
            Notice::FingerUnknown => ("notice-finger-unknown", Vec::new()),
            Notice::PinShared => ("notice-pin-shared", Vec::new()),
            Notice::WrongDevicePins { tries } => ("notice-wrong-device-pins", number("tries", tries)),
            Notice::ManyWrongDevicePins { tries } => ("notice-many-wrong-device-pins", number("tries", tries)),
            Notice::ClockSkew { seconds } => ("notice-clock-skew", number("seconds", seconds)),
        };
        tell(&format!("! {}", self.texts.with(id, &values)));
    }

    fn can(&mut self, again: bool) -> Result<Can, AskError> {
        let parse = |typed: &SecretText| Can::parse(typed).map_err(|error| told_apart(AskError::Can(error), typed));
        if let Some(can) = self.answers.can.take() {
            return parse(&can);
        }
        is_terminal()?;
        match again {
            true => tell(&self.texts.get("ask-can-again")),
            false => self.explain("ask-can-where"),
        }
        loop {
            let typed = SecretText::new(self.visible(&self.texts.get("ask-can"))?);
            match parse(&typed) {
                Err(error) => self.ask_again(error)?,
                can => return can,
            }
        }
    }

    fn card_pin(&mut self, tries_left: u8, again: bool) -> Result<Pin, AskError> {
        if again && self.answers.pins.is_some() {
            // A script gives one PIN: the next try is the person's to decide.
            return Err(AskError::NobodyThere);
        }
        let tries = [("tries", Value::Number(i64::from(tries_left)))];
        let question = self.texts.with("ask-card-pin", &tries);
        self.pin("ask-card-pin-what", &question, |_, typed| Ok(Pin::parse(typed)?))
    }

    fn may_spend_last_try(&mut self, certain: bool) -> Result<bool, AskError> {
        if self.answers.allow_last_try {
            return Ok(true);
        }
        if self.answers.pins.is_some() || is_terminal().is_err() {
            return Ok(false);
        }
        let question = if certain { "ask-last-try" } else { "ask-maybe-last-try" };
        let answer = self.visible(&self.texts.get(question))?;
        Ok(answer.eq_ignore_ascii_case(&self.texts.get("ask-yes")))
    }

    fn wants_keypad(&self) -> bool {
        !self.answers.no_keypad && self.answers.pins.is_none()
    }

    fn type_on_reader(&mut self, entry: KeypadEntry, reader: &mut dyn FnMut()) -> Result<(), AskError> {
        let (id, tries) = match entry {
            KeypadEntry::Pin { tries_left } => ("keypad-pin", tries_left),
            KeypadEntry::NewPin { tries_left } => ("keypad-new-pin", tries_left),
            KeypadEntry::Puk => ("keypad-puk", 0),
        };
        let line = self.texts.with(id, &[("tries", Value::Number(i64::from(tries)))]);
        // Nobody types a PIN who was not told where.
        writeln!(io::stderr(), "! {line}")?;
        // Ended here, the reader would go on asking, and the card would keep the PIN verified: Ctrl+C does nothing.
        let _deaf = Unseen::deaf();
        without_interrupts(reader)
    }

    fn transport_pin(&mut self) -> Result<TransportPin, AskError> {
        let question = self.texts.get("ask-transport-pin");
        self.pin("ask-transport-pin-what", &question, |_, typed| Ok(TransportPin::parse(typed)?))
    }

    fn new_card_pin(&mut self) -> Result<Pin, AskError> {
        let question = self.texts.get("ask-new-card-pin");
        self.pin("ask-new-card-pin-what", &question, |ui, typed| {
            let pin = Pin::parse(typed)?;
            ui.repeated("ask-repeat-card-pin", |again| Pin::parse(again).is_ok_and(|again| again.matches(&pin)))?;
            Ok(pin)
        })
    }

    fn puk(&mut self) -> Result<Puk, AskError> {
        let question = self.texts.get("ask-puk");
        self.pin("ask-puk-what", &question, |_, typed| Ok(Puk::parse(typed)?))
    }

    fn letter_code(&mut self, next: usize, wrong: Option<&CodeError>) -> Result<SecretText, AskError> {
        if let Some(lines) = &mut self.answers.letter_code {
            // A script gives one line: what is wrong in it is told, and not asked for again.
            return if wrong.is_some() { Err(AskError::NobodyThere) } else { lines.next() };
        }
        is_terminal()?;
        self.explain("ask-letter-code-what");
        if let Some(wrong) = wrong {
            tell(&format!("! {}", self.texts.cause(&wrong.into())));
        }
        let number = |number: usize| Value::Number(i64::try_from(number).unwrap_or(i64::MAX));
        let question = self.texts.with("ask-letter-code", &[("next", number(next)), ("of", number(GROUPS))]);
        Ok(SecretText::new(self.visible(&question)?))
    }

    fn revocation_code(&mut self, wrong: Option<&CodeError>) -> Result<SecretText, AskError> {
        if let Some(lines) = &mut self.answers.letter_code {
            return if wrong.is_some() { Err(AskError::NobodyThere) } else { lines.next() };
        }
        is_terminal()?;
        self.explain("ask-revocation-code-what");
        if let Some(wrong) = wrong {
            tell(&format!("! {}", self.texts.cause(&wrong.into())));
        }
        let question = self.texts.get("ask-revocation-code");
        Ok(SecretText::new(self.visible(&question)?))
    }

    fn new_device_pin(&mut self, refused: Option<WeakPin>) -> Result<DevicePin, AskError> {
        if let Some(weak) = refused {
            if self.answers.pins.is_some() {
                return Err(AskError::NobodyThere); // a script has one
            }
            tell(&format!("! {}", self.texts.cause(&weak.into())));
        }
        let question = self.texts.get("ask-new-device-pin");
        self.pin("ask-new-device-pin-what", &question, |ui, typed| {
            let pin = DevicePin::parse(typed)?;
            ui.repeated("ask-repeat-device-pin", |again| {
                DevicePin::parse(again).is_ok_and(|again| again.matches(&pin))
            })?;
            Ok(pin)
        })
    }

    fn device_pin(&mut self) -> Result<DevicePin, AskError> {
        let question = self.texts.get("ask-device-pin");
        self.pin("ask-device-pin-what", &question, |_, typed| Ok(DevicePin::parse(typed)?))
    }

    fn password(&mut self) -> Result<SecretText, AskError> {
        match &mut self.answers.password {
            Some(lines) => lines.next(),
            None => self.hidden(&self.texts.get("ask-password")),
        }
    }

    fn old_password(&mut self) -> Result<SecretText, AskError> {
        match &mut self.answers.password {
            Some(lines) => lines.next(),
            None => self.hidden(&self.texts.get("ask-old-password")),
        }
    }

    fn new_password(&mut self, refused: Option<&ServiceError>) -> Result<SecretText, AskError> {
        if let Some(lines) = &mut self.answers.password {
            // A script is believed, and has one.
            return if refused.is_some() { Err(AskError::NobodyThere) } else { lines.next() };
        }
        is_terminal()?;
        match refused.map(Failure::from) {
            None => self.explain("ask-new-password-what"),
            Some(refused) => {
                tell(&format!("! {}", self.texts.cause(&refused)));
                tell(&format!("{}: {}", self.texts.get("label-next"), self.texts.remedy(&refused)));
            }
        }
        loop {
            let typed = self.hidden(&self.texts.get("ask-new-password"))?;
            let again = self.hidden(&self.texts.get("ask-repeat-password"))?;
            if typed.expose() == again.expose() {
                return Ok(typed);
            }
            tell(&format!("! {}", self.texts.get("ask-passwords-differ")));
        }
    }

    fn show(&mut self, shown: &Document, verdict: Verdict, approval: &ApprovalSummary) -> Result<(), AskError> {
        let decide = match verdict {
            Verdict::Approve => "decide-approve",
            Verdict::Deny => "decide-deny",
            Verdict::NotMe => "decide-not-me",
        };
        // Nothing is decided that could not be shown.
        let mut screen = io::stderr();
        let width = document::width(&screen);
        writeln!(screen, "{}", self.texts.get(decide))?;
        for line in document::lines(self.texts, shown, width) {
            writeln!(screen, "{line}")?;
        }
        if verdict == Verdict::NotMe {
            let id = match shown.change.kind() {
                ApplicationType::PasswordReset | ApplicationType::WebLogin => "not-me-means-reset",
                _ => "not-me-means",
            };
            writeln!(screen, "  {}", self.texts.get(id))?;
        }
        for line in document::origin(self.texts, approval.origin.as_ref(), width) {
            writeln!(screen, "{line}")?;
        }
        writeln!(screen, "  {}: {}", self.texts.get("label-expires"), self.texts.moment(approval.expires_at))?;
        Ok(())
    }

    fn match_code(&mut self) -> Result<MatchCode, AskError> {
        let parse = |typed: String| MatchCode::try_from(typed).map_err(|_| AskError::MatchCode);
        if let Some(code) = self.answers.match_code.take() {
            return parse(code);
        }
        loop {
            match parse(self.visible(&self.texts.get("ask-match-code"))?) {
                Err(error) => self.ask_again(error)?,
                code => return code,
            }
        }
    }

    fn short_string(&mut self, again: bool) -> Result<ShortString, AskError> {
        let parse = |typed: String| ShortString::typed(&typed).ok_or(AskError::ShortString);
        if let Some(string) = self.answers.match_code.take() {
            return parse(string);
        }
        if again {
            is_terminal()?;
            tell(&format!("! {}", self.texts.get("ask-short-string-wrong")));
        }
        loop {
            match parse(self.visible(&self.texts.get("ask-short-string"))?) {
                Err(error) => self.ask_again(error)?,
                string => return string,
            }
        }
    }
}

/// Does `work`, which asks its argument now and then whether the person pressed Ctrl+C meanwhile.
///
/// # Errors
/// The signal cannot be caught here.
pub fn interruptible<T>(work: impl FnOnce(&dyn Fn() -> bool) -> T) -> Result<T, AskError> {
    let pressed = Arc::new(AtomicBool::new(false));
    let caught = signal_hook::flag::register(SIGINT, Arc::clone(&pressed))?;
    let done = without_interrupts(|| work(&|| pressed.load(Ordering::SeqCst)));
    signal_hook::low_level::unregister(caught);
    done
}

/// Tells something on the way. It goes on where nobody reads it.
fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

fn text_of(line: &[u8]) -> Result<SecretText, AskError> {
    let text = std::str::from_utf8(line).map_err(|_| DigitsError::NotDigits)?;
    Ok(SecretText::new(text.trim_end_matches('\r').to_owned()))
}

fn is_terminal() -> Result<(), AskError> {
    if io::stdin().is_terminal() { Ok(()) } else { Err(AskError::NobodyThere) }
}

/// Does `work` in a time in which Ctrl+C does not end the program at once: `rpassword` raises the signal before it has
/// switched the echo on again, and the person would be left with a terminal that shows nothing.
fn without_interrupts<T>(work: impl FnOnce() -> T) -> Result<T, AskError> {
    static DEFAULT: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    let default = match DEFAULT.get() {
        Some(default) => default,
        None => {
            let flag = Arc::new(AtomicBool::new(true));
            signal_hook::flag::register_conditional_default(SIGINT, Arc::clone(&flag))?;
            DEFAULT.get_or_init(|| flag)
        }
    };
    default.store(false, Ordering::SeqCst);
    let done = work();
    default.store(true, Ordering::SeqCst);
    Ok(done)
}

/// The end of the input, or Ctrl+C, is a no.
fn ended(error: io::Error) -> AskError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::Interrupted => AskError::Cancelled,
        _ => AskError::Terminal(error),
    }
}

/// Which text names a step.
pub fn step_text(step: Step) -> &'static str {
    match step {
        Step::CheckService => "step-check-service",
        Step::LogIn => "step-log-in",
        Step::SetPassword => "step-set-password",
        Step::AskForReset => "step-ask-for-reset",
        Step::WaitForApproval => "step-wait-for-approval",
        Step::WaitForNewDevice => "step-wait-for-new-device",
        Step::IdentifyCard => "step-identify-card",
        Step::ChangePin => "step-change-pin",
        Step::UnblockPin => "step-unblock-pin",
        Step::ReadCard => "step-read-card",
        Step::OpenContactless => "step-open-contactless",
        Step::ReadPinStatus => "step-read-pin-status",
        Step::MakeDeviceKey => "step-make-device-key",
        Step::OpenRegistration => "step-open-registration",
        Step::VerifyPin => "step-verify-pin",
        Step::FetchChallenge => "step-fetch-challenge",
        Step::CardSigns => "step-card-signs",
        Step::CodeSigns => "step-code-signs",
        Step::SendEvidence => "step-send-evidence",
        Step::FetchApproval => "step-fetch-approval",
        Step::OpenDeviceKey => "step-open-device-key",
        Step::ChangeDevicePin => "step-change-device-pin",
        Step::SendDecision => "step-send-decision",
        Step::WaitForFinger => "step-wait-for-finger",
    }
}
