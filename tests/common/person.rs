//! A person who answers questions.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use kartenbund::protocol::ApprovalId;
use kartenbund::protocol::addition::ShortString;
use kartenbund::protocol::api::{ApprovalSummary, Origin};
use kartenbund::protocol::qr::CodeError;

use super::*;

/// A person who knows what to answer, and what she was asked and told.
pub struct Script {
    pub password: Option<String>,
    /// Passwords in the order they are chosen.
    pub new_passwords: VecDeque<String>,
    /// What she was told of those the service did not take.
    pub refusals: Vec<String>,
    /// Card PINs in the order they are typed.
    pub card_pins: VecDeque<&'static str>,
    pub device_pin: &'static str,
    /// Device PINs in the order they are chosen; afterwards the one above.
    pub new_device_pins: VecDeque<&'static str>,
    /// Why those she chose were not taken.
    pub weak_pins: Vec<WeakPin>,
    /// Card access numbers in the order they are typed.
    pub cans: VecDeque<&'static str>,
    /// What else is typed for the card: transport PIN, new PIN, PUK, in the order they are asked for.
    pub card_numbers: VecDeque<&'static str>,
    pub may_spend_last_try: bool,
    pub match_code: Option<MatchCode>,
    /// What she reads on the other computer, when it is shown there.
    pub strings: Strings,
    /// What is typed of a letter's code, line by line.
    pub letter_code: VecDeque<String>,
    /// What she was told was wrong with it.
    pub wrong_codes: Vec<CodeError>,
    pub steps: Vec<Step>,
    pub notices: Vec<Notice>,
    /// What she was told of the tries left, each time she was asked for the card PIN.
    pub tries_told: Vec<u8>,
    pub asked_for_last_try: u32,
    /// What she was told to type on the reader.
    pub told_to_type: Arc<Mutex<Vec<KeypadEntry>>>,
    pub shown: Option<Document>,
    pub origin: Option<Origin>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            password: None,
            new_passwords: VecDeque::new(),
            refusals: Vec::new(),
            card_pins: [CARD_PIN].into(),
            device_pin: DEVICE_PIN,
            new_device_pins: VecDeque::new(),
            weak_pins: Vec::new(),
            cans: VecDeque::new(),
            card_numbers: VecDeque::new(),
            may_spend_last_try: false,
            match_code: None,
            strings: Strings::default(),
            letter_code: VecDeque::new(),
            wrong_codes: Vec::new(),
            steps: Vec::new(),
            notices: Vec::new(),
            tries_told: Vec::new(),
            asked_for_last_try: 0,
            told_to_type: Arc::default(),
            shown: None,
            origin: None,
        }
    }
}

impl Script {
    pub fn typing(card_pins: &[&'static str]) -> Self {
        Self { card_pins: card_pins.iter().copied().collect(), ..Self::default() }
    }

    fn card_number(&mut self) -> Result<SecretText, AskError> {
        Ok(typed(self.card_numbers.pop_front().ok_or(AskError::Cancelled)?))
    }

    pub fn with_code(code: &MatchCode) -> Self {
        Self { match_code: Some(code.clone()), ..Self::default() }
    }
}

pub fn typed(text: &str) -> SecretText {
    SecretText::new(text.to_owned())
}

/// What one computer shows and the person types on another one.
#[derive(Clone, Default)]
pub struct Strings {
    approval: Arc<Mutex<Option<ApprovalId>>>,
    shown: Arc<Mutex<Option<ShortString>>>,
    /// What she types instead, as often as there are some.
    pub instead: Arc<Mutex<VecDeque<&'static str>>>,
}

impl Strings {
    fn put_up(&self, approval: ApprovalId) {
        *self.approval.lock().unwrap() = Some(approval);
    }

    fn show(&self, string: ShortString) {
        *self.shown.lock().unwrap() = Some(string);
    }

    /// The approval that the new computer tells of, once it does.
    pub fn approval(&self) -> ApprovalId {
        awaited(|| *self.approval.lock().unwrap())
    }

    /// Whether the new computer shows it.
    pub fn is_shown(&self) -> bool {
        self.shown.lock().unwrap().is_some()
    }

    /// What the new computer shows, once it does.
    pub fn shown(&self) -> ShortString {
        awaited(|| *self.shown.lock().unwrap())
    }

    fn next(&self) -> Result<ShortString, AskError> {
        match self.instead.lock().unwrap().pop_front() {
            Some(typed) => ShortString::typed(typed).ok_or(AskError::ShortString),
            None => Ok(self.shown()),
        }
    }
}

fn awaited<T>(look: impl Fn() -> Option<T>) -> T {
    for _ in 0..600 {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("the new computer shows nothing");
}

impl Ui for Script {
    fn step(&mut self, step: Step) {
        self.steps.push(step);
    }

    fn notice(&mut self, notice: Notice) {
        match notice {
            Notice::ApproveElsewhere { approval_id, .. } => self.strings.put_up(approval_id),
            Notice::TypeElsewhere { string } => self.strings.show(string),
            _ => {}
        }
        self.notices.push(notice);
    }

    fn can(&mut self, _: bool) -> Result<Can, AskError> {
        let can = self.cans.pop_front().ok_or(AskError::NobodyThere)?;
        Can::parse(&typed(can)).map_err(AskError::Can)
    }

    fn card_pin(&mut self, tries_left: u8, _: bool) -> Result<Pin, AskError> {
        self.tries_told.push(tries_left);
        let pin = self.card_pins.pop_front().ok_or(AskError::Cancelled)?;
        Ok(Pin::parse(&typed(pin))?)
    }

    fn may_spend_last_try(&mut self, _: bool) -> Result<bool, AskError> {
        self.asked_for_last_try += 1;
        Ok(self.may_spend_last_try)
    }

    fn wants_keypad(&self) -> bool {
        true
    }

    fn type_on_reader(&mut self, entry: KeypadEntry, reader: &mut dyn FnMut()) -> Result<(), AskError> {
        self.told_to_type.lock().unwrap().push(entry);
        reader();
        Ok(())
    }

    fn transport_pin(&mut self) -> Result<TransportPin, AskError> {
        Ok(TransportPin::parse(&self.card_number()?)?)
    }

    fn new_card_pin(&mut self) -> Result<Pin, AskError> {
        Ok(Pin::parse(&self.card_number()?)?)
    }

    fn puk(&mut self) -> Result<Puk, AskError> {
        Ok(Puk::parse(&self.card_number()?)?)
    }

    fn letter_code(&mut self, _: usize, wrong: Option<&CodeError>) -> Result<SecretText, AskError> {
        self.wrong_codes.extend(wrong.cloned());
        self.letter_code.pop_front().map(|line| typed(&line)).ok_or(AskError::NobodyThere)
    }

    fn revocation_code(&mut self, _: Option<&CodeError>) -> Result<SecretText, AskError> {
        self.letter_code.pop_front().map(|code| typed(&code)).ok_or(AskError::NobodyThere)
    }

    fn new_device_pin(&mut self, refused: Option<WeakPin>) -> Result<DevicePin, AskError> {
        self.weak_pins.extend(refused);
        let pin = match self.new_device_pins.pop_front() {
            Some(pin) => pin,
            None if refused.is_some() => return Err(AskError::NobodyThere),
            None => self.device_pin,
        };
        Ok(DevicePin::parse(&typed(pin))?)
    }

    fn device_pin(&mut self) -> Result<DevicePin, AskError> {
        Ok(DevicePin::parse(&typed(self.device_pin))?)
    }

    fn password(&mut self) -> Result<SecretText, AskError> {
        self.password.take().map(|password| typed(&password)).ok_or(AskError::Cancelled)
    }

    fn old_password(&mut self) -> Result<SecretText, AskError> {
        self.password()
    }

    fn new_password(&mut self, refused: Option<&ServiceError>) -> Result<SecretText, AskError> {
        if let Some(ServiceError::Refused { detail, .. }) = refused {
            self.refusals.push(detail.clone().unwrap_or_default());
        }
        self.new_passwords.pop_front().map(|new| typed(&new)).ok_or(AskError::NobodyThere)
    }

    fn show(&mut self, document: &Document, _: Verdict, approval: &ApprovalSummary) -> Result<(), AskError> {
        self.shown = Some(document.clone());
        self.origin.clone_from(&approval.origin);
        Ok(())
    }

    fn match_code(&mut self) -> Result<MatchCode, AskError> {
        self.match_code.take().ok_or(AskError::Cancelled)
    }

    fn short_string(&mut self, _: bool) -> Result<ShortString, AskError> {
        self.strings.next()
    }
}
