//! Every failure a person can meet: a stable code, an exit code, and what its sentence needs to know. The sentences are
//! in the texts under `error-` and the code; `docs/exit-codes.md` is the same table for readers.

mod card;
mod service;

use crate::client::AskError;
use crate::client::accounts::{AccountName, AccountsError};
use crate::client::approve::ApproveError;
use crate::client::card_login::CardLoginError;
use crate::client::device_login::DeviceLoginError;
use crate::client::emergency::EmergencyError;
use crate::client::fingerprint::{FingerprintError, GuardError};
use crate::client::home::HomeError;
use crate::client::keyring::KeyRingError;
use crate::client::login::LoginError;
use crate::client::password::PasswordError;
use crate::client::pin::PinError as DevicePinError;
use crate::client::pin::rules::WeakPin;
use crate::client::qr::ReadError;
use crate::client::register::{CardRefusal, RegisterError};
use crate::device_key::DeviceKeyError;
use crate::device_key::tpm::TpmError;
use crate::identity::kvnr::KvnrError;
use crate::protocol::application::ApplicationError;
use crate::protocol::evidence::NotABundle;
use crate::protocol::qr::CodeError;
use crate::secret::DigitsError;

macro_rules! kinds {
    ($($variant:ident = $exit:literal $code:literal;)*) => {
        /// The kinds of failure.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the sentences in ui/text say what each means")]
        pub enum Kind { $($variant,)* }

        impl Kind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable code in text, JSON and manual.
            pub fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The exit code of the program.
            pub fn exit_code(self) -> u8 {
                match self { $(Self::$variant => $exit,)* }
            }
        }
    };
}

kinds! {
    Internal = 1 "internal";
    Usage = 2 "usage";
    Cancelled = 3 "cancelled";
    NobodyThere = 4 "nobody_there";
    InputInvalid = 5 "input_invalid";
    File = 6 "file";
    FileDamaged = 7 "file_damaged";
    CardTimeout = 8 "card_timeout";
    CardReset = 9 "card_reset";
    NoService = 10 "no_pcsc_service";
    NoReader = 11 "no_reader";
    NoCard = 12 "no_card";
    MuteCard = 13 "mute_card";
    SeveralCards = 14 "several_cards";
    CardInUse = 15 "card_in_use";
    CardRemoved = 16 "card_removed";
    Transmission = 17 "transmission";
    SecureLine = 18 "secure_line";
    NotAllowed = 19 "not_allowed";
    NotAnEgk = 20 "not_an_egk";
    CardTooOld = 21 "card_too_old";
    CardContactless = 22 "card_contactless";
    CardDeactivated = 23 "card_deactivated";
    CardAnswer = 24 "card_answer";
    CardData = 25 "card_data";
    CardUpdating = 26 "card_updating";
    CardMismatch = 27 "card_mismatch";
    KeypadTimeout = 28 "keypad_timeout";
    KeypadRefused = 29 "keypad_refused";
    CardPinWrong = 30 "card_pin_wrong";
    CardPinBlocked = 31 "card_pin_blocked";
    CardLastTry = 32 "card_last_try";
    CardTransportPin = 33 "card_transport_pin";
    CardNoPin = 34 "card_no_pin";
    CanWrong = 35 "can_wrong";
    PukWrong = 36 "puk_wrong";
    PukUsedUp = 37 "puk_used_up";
    PinUnanswered = 38 "pin_unanswered";
    CertificateRefused = 40 "certificate_refused";
    CertificateExpired = 41 "certificate_expired";
    CardKeyUnsupported = 42 "card_key_unsupported";
    OtherPerson = 43 "other_person";
    OtherInsurer = 44 "other_insurer";
    ChipRefused = 45 "chip_refused";
    CvcRoot = 46 "cvc_root";
    SessionEnded = 47 "session_ended";
    PasswordFirst = 48 "password_first";
    KeyRing = 49 "key_ring";
    ServiceUnreachable = 50 "service_unreachable";
    ServiceRefused = 51 "service_refused";
    ServiceAnswer = 52 "service_answer";
    ServiceKeyChanged = 53 "service_key_changed";
    ServiceAddress = 54 "service_address";
    LoginFailed = 55 "login_failed";
    NoSession = 56 "no_session";
    NoProfile = 57 "no_profile";
    OtherAccount = 58 "other_account";
    NotFound = 59 "not_found";
    NoDevice = 60 "no_device";
    AlreadyRegistered = 61 "already_registered";
    DevicePinWrong = 62 "device_pin_wrong";
    DeviceGone = 93 "device_gone";
    DeviceLocked = 94 "device_locked";
    DeviceSecret = 95 "device_secret";
    DevicePinWeak = 96 "device_pin_weak";
    DeviceFile = 63 "device_file";
    NotPending = 64 "not_pending";
    DocumentRefused = 65 "document_refused";
    MatchCodeWrong = 66 "match_code_wrong";
    TooMany = 67 "too_many";
    ApplicationInvalid = 68 "application_invalid";
    MatchCodeDenied = 69 "match_code_denied";
    EvidenceInvalid = 70 "evidence_invalid";
    NotEvidence = 71 "not_evidence";
    Anchor = 72 "anchor";
    LoginDelayed = 73 "login_delayed";
    NotYet = 74 "not_yet";
    TooYoung = 75 "too_young";
    AccountSuspended = 76 "account_suspended";
    AccountClosed = 77 "account_closed";
    PasswordRefused = 78 "password_refused";
    OldPasswordWrong = 79 "old_password_wrong";
    SessionMismatch = 80 "session_mismatch";
    SessionFile = 81 "session_file";
    CardImage = 82 "card_image";
    ReaderPort = 83 "reader_port";
    SessionForged = 84 "session_forged";
    Scenario = 85 "scenario";
    NoticeNotOptional = 90 "notice_not_optional";
    InitialPasswordEnded = 86 "initial_password_ended";
    SeveralAccounts = 87 "several_accounts";
    NoAccount = 88 "no_account";
    PasswordSetOnly = 89 "password_set_only";
    AccountUnknown = 91 "account_unknown";
    ResetNotApproved = 92 "reset_not_approved";
    LetterCodePicture = 105 "letter_code_picture";
    LetterCodeWrong = 106 "letter_code_wrong";
    LetterCodeOfOtherService = 107 "letter_code_of_other_service";
    LetterCodeEnded = 108 "letter_code_ended";
    DeviceLockedByOwner = 97 "device_locked_by_owner";
    DeviceExpired = 98 "device_expired";
    StrongerLoginNeeded = 99 "stronger_login_needed";
    DeviceTooYoung = 101 "device_too_young";
    DeviceNotApproved = 102 "device_not_approved";
    StringsDiffer = 103 "strings_differ";
    AddedElsewhere = 104 "added_elsewhere";
    DeviceWaiting = 109 "device_waiting";
    DeviceOfOtherService = 110 "device_of_other_service";
    DeviceLoginRefused = 111 "device_login_refused";
    CardNumberUnknown = 112 "card_number_unknown";
    ChipNotAccepted = 113 "chip_not_accepted";
    TpmAbsent = 114 "tpm_absent";
    TpmNotAllowed = 115 "tpm_not_allowed";
    TpmBroken = 116 "tpm_broken";
    TpmOther = 117 "tpm_other";
    TpmNotBuiltIn = 118 "tpm_not_built_in";
    CardRevoked = 119 "card_revoked";
    ProgramTooOld = 120 "program_too_old";
    Fingerprint = 121 "fingerprint";
    CardUnknown = 124 "card_unknown";
    CardStatusUnavailable = 125 "card_status_unavailable";
    Responder = 126 "responder";
    AttestationRefused = 122 "attestation_refused";
}

/// Stands for a value that is not there; the texts have a form for it.
const NONE: &str = "none";

/// A failure with what its sentence needs.
#[derive(Debug)]
pub struct Failure {
    /// Which one.
    pub kind: Kind,
    /// Values for the sentence.
    pub values: Vec<(&'static str, Value)>,
    /// What developers and support need: the chain of causes, without personal data.
    pub technical: Option<String>,
    /// What was found before it failed, for scripts.
    pub report: Option<serde_json::Value>,
    /// The text that names the other number that was typed.
    pub hint: Option<&'static str>,
    /// Whether the person was told its sentences already.
    pub is_told: bool,
}

/// A value in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A number, of which plural forms depend.
    Number(i64),
}

impl Kind {
    /// The failure without values.
    pub fn failure(self) -> Failure {
        Failure { kind: self, values: Vec::new(), technical: None, report: None, hint: None, is_told: false }
    }
}

impl Failure {
    /// Adds a text.
    pub fn text(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.values.push((name, Value::Text(value.into())));
        self
    }

    /// Adds a number.
    pub fn number(mut self, name: &'static str, value: i64) -> Self {
        self.values.push((name, Value::Number(value)));
        self
    }

    /// Adds the chain of causes.
    pub fn because(mut self, error: &dyn std::error::Error) -> Self {
        let mut chain = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            if !chain.ends_with(&text) {
                chain.push_str(": ");
                chain.push_str(&text);
            }
            source = cause.source();
        }
        self.technical = Some(chain);
        self
    }
}

impl From<KvnrError> for Failure {
    fn from(error: KvnrError) -> Self {
        Kind::InputInvalid.failure().text("input", format!("kvnr_{}", error.code()))
    }
}

impl From<AskError> for Failure {
    fn from(error: AskError) -> Self {
        let input = match error {
            AskError::Cancelled => return Kind::Cancelled.failure(),
            AskError::NobodyThere => return Kind::NobodyThere.failure(),
            AskError::Terminal(ref error) => return Kind::NobodyThere.failure().because(error),
            AskError::Digits(DigitsError::NotDigits) | AskError::Can(DigitsError::NotDigits) => "not_digits",
            AskError::Can(_) => "can_shape",
            AskError::Digits(DigitsError::Length { min: 6, max: 6 }) => "device_pin_length",
            AskError::Digits(DigitsError::Length { min: 5, max: 5 }) => "transport_pin_length",
            AskError::Digits(DigitsError::Length { min: 8, max: 8 }) => "puk_length",
            AskError::Digits(DigitsError::Length { .. }) => "card_pin_length",
            AskError::OtherNumber { error, looks_like } => {
                return Self { hint: Some(looks_like), ..Self::from(*error) };
            }
            AskError::EntriesDiffer => "entries_differ",
            AskError::MatchCode => "match_code",
            AskError::ShortString => "short_string",
            AskError::TooLong => "too_long",
        };
        Kind::InputInvalid.failure().text("input", input)
    }
}

impl From<HomeError> for Failure {
    fn from(error: HomeError) -> Self {
        Self::from(&error)
    }
}

impl From<&HomeError> for Failure {
    fn from(error: &HomeError) -> Self {
        match error {
            HomeError::File { path, .. } => {
                Kind::File.failure().text("path", path.display().to_string()).because(error)
            }
            HomeError::DeviceDamaged => Kind::DeviceFile.failure().because(error),
            HomeError::Damaged { path } => {
                Kind::FileDamaged.failure().text("path", path.display().to_string()).because(error)
            }
            HomeError::NoProfile => Kind::NoProfile.failure(),
            HomeError::NoSession => Kind::NoSession.failure(),
            HomeError::NoDevice => Kind::NoDevice.failure(),
            HomeError::KeyRing(error) => error.into(),
            HomeError::DeviceSecret(error) => Kind::DeviceSecret.failure().text("why", why(error)).because(error),
        }
    }
}

impl From<&KeyRingError> for Failure {
    fn from(error: &KeyRingError) -> Self {
        Kind::KeyRing.failure().text("why", why(error)).because(error)
    }
}

/// Why the key ring cannot be used, as the sentences know it.
fn why(error: &KeyRingError) -> &'static str {
    match error {
        KeyRingError::Locked(_) => "locked",
        KeyRingError::Lost => "lost",
        KeyRingError::Damaged => "damaged",
        KeyRingError::Absent => "absent",
        KeyRingError::Unwanted => "unwanted",
        KeyRingError::Silent => "silent",
        KeyRingError::Unreachable(_) | KeyRingError::Broken(_) => "broken",
    }
}

impl From<AccountsError> for Failure {
    fn from(error: AccountsError) -> Self {
        let list = |names: Vec<AccountName>| match names.is_empty() {
            true => NONE.to_owned(),
            false => names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        };
        match error {
            AccountsError::Several(known) => Kind::SeveralAccounts.failure().text("accounts", list(known)),
            AccountsError::Unknown { name, known } => {
                Kind::NoAccount.failure().text("account", name.to_string()).text("accounts", list(known))
            }
            AccountsError::Home(error) => error.into(),
        }
    }
}

impl From<DeviceKeyError> for Failure {
    fn from(error: DeviceKeyError) -> Self {
        let failure = match error {
            DeviceKeyError::Evaluation => Kind::ServiceAnswer.failure(),
            DeviceKeyError::Tpm(ref error) => match error {
                TpmError::NotBuiltIn => Kind::TpmNotBuiltIn,
                TpmError::Absent => Kind::TpmAbsent,
                TpmError::NotAllowed => Kind::TpmNotAllowed,
                TpmError::OtherTpm | TpmError::OtherKind => Kind::TpmOther,
                TpmError::Broken | TpmError::WrongAuth | TpmError::NotItsSignature => Kind::TpmBroken,
            }
            .failure(),
            DeviceKeyError::NoSecret => Kind::DeviceSecret.failure().text("why", why(&KeyRingError::Lost)),
            _ => Kind::DeviceFile.failure(),
        };
        failure.because(&error)
    }
}

impl From<EmergencyError> for Failure {
    fn from(error: EmergencyError) -> Self {
        match error {
            EmergencyError::Service(error) => error.into(),
            EmergencyError::Ask(error) => error.into(),
            EmergencyError::Code(error) => (&error).into(),
        }
    }
}

impl From<LoginError> for Failure {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Service(error) => error.into(),
            LoginError::Home(error) => error.into(),
            LoginError::Ask(error) => error.into(),
            LoginError::OtherAccount => Kind::OtherAccount.failure(),
        }
    }
}

impl From<PasswordError> for Failure {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Login(error) => error.into(),
            PasswordError::NotLoggedIn(error) => {
                let technical = Self::from(error).technical;
                Self { technical, ..Kind::PasswordSetOnly.failure() }
            }
        }
    }
}

impl From<RegisterError> for Failure {
    fn from(error: RegisterError) -> Self {
        let kind = match error {
            RegisterError::Service(error) => return error.into(),
            RegisterError::Home(error) => return error.into(),
            RegisterError::Card(error) => return error.into(),
            RegisterError::Ask(error) => return error.into(),
            RegisterError::DeviceKey(error) => return error.into(),
            RegisterError::Locked(error) => return error.into(),
            RegisterError::WeakPin(weak) => return weak.into(),
            RegisterError::Certificate(refusal) => return refusal.into(),
            RegisterError::Pin(refusal) => return refusal.into(),
            RegisterError::Keypad(why) => return why.into(),
            RegisterError::NotApproved { expired } => {
                let why = if expired { "expired" } else { "denied" };
                return Kind::DeviceNotApproved.failure().text("why", why);
            }
            RegisterError::AlreadyRegistered => Kind::AlreadyRegistered,
            RegisterError::Message => Kind::Internal,
        };
        kind.failure().because(&error)
    }
}

impl From<FingerprintError> for Failure {
    fn from(error: FingerprintError) -> Self {
        let why = match error {
            FingerprintError::NoReader => "no_reader",
            FingerprintError::NoFinger => "no_finger",
            FingerprintError::NotAllowed => "not_allowed",
            FingerprintError::InUse => "in_use",
            FingerprintError::Unknown => "unknown",
            FingerprintError::Nobody => "nobody",
            FingerprintError::Broken(_) => "broken",
        };
        Kind::Fingerprint.failure().text("why", why).because(&error)
    }
}

impl From<GuardError> for Failure {
    fn from(error: GuardError) -> Self {
        match error {
            GuardError::Fingerprint(error) => error.into(),
            GuardError::Pin(error) => error.into(),
            GuardError::Home(error) => error.into(),
        }
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        let picture = |why| Kind::LetterCodePicture.failure().text("why", why);
        match error {
            ReadError::File(_) => picture("file").because(&error),
            ReadError::Picture(_) => picture("picture").because(&error),
            ReadError::Clipboard(_) => picture("clipboard").because(&error),
            ReadError::NoSymbol => picture("no_symbol"),
            ReadError::Code(error) => error.into(),
            ReadError::Ask(error) => error.into(),
        }
    }
}

impl From<CodeError> for Failure {
    fn from(error: CodeError) -> Self {
        Self::from(&error)
    }
}

impl From<&CodeError> for Failure {
    fn from(error: &CodeError) -> Self {
        let wrong =
            |number: usize| Kind::LetterCodeWrong.failure().number("group", i64::try_from(number).unwrap_or(i64::MAX));
        match error {
            CodeError::Group { number } => wrong(*number),
            CodeError::NotACode => wrong(0),
            CodeError::OtherService(host) => {
                Kind::LetterCodeOfOtherService.failure().text("host", host.as_deref().unwrap_or(NONE))
            }
        }
    }
}

impl From<CardLoginError> for Failure {
    fn from(error: CardLoginError) -> Self {
        match error {
            CardLoginError::Login(error) => error.into(),
            CardLoginError::Card(error) => error.into(),
            CardLoginError::Pin(refusal) => refusal.into(),
            CardLoginError::Keypad(why) => why.into(),
            CardLoginError::Certificate(refusal) => refusal.into(),
            CardLoginError::Message => Kind::Internal.failure().because(&error),
        }
    }
}

impl From<DeviceLoginError> for Failure {
    fn from(error: DeviceLoginError) -> Self {
        match error {
            DeviceLoginError::Login(error) => error.into(),
            DeviceLoginError::Pin(error) => error.into(),
            DeviceLoginError::OtherService => Kind::DeviceOfOtherService.failure(),
            DeviceLoginError::Message => Kind::Internal.failure().because(&error),
        }
    }
}

impl From<CardRefusal> for Failure {
    fn from(refusal: CardRefusal) -> Self {
        let kind = match refusal {
            CardRefusal::Malformed(error) => return error.into(),
            CardRefusal::OtherInsurer { insurer } => {
                return Kind::OtherInsurer.failure().text("detail", insurer.as_deref().unwrap_or(NONE));
            }
            CardRefusal::OtherPerson => Kind::OtherPerson,
            CardRefusal::Expired => Kind::CertificateExpired,
            CardRefusal::Key => Kind::CardKeyUnsupported,
        };
        kind.failure().because(&refusal)
    }
}

impl From<ApplicationError> for Failure {
    fn from(error: ApplicationError) -> Self {
        Kind::DocumentRefused.failure().because(&error)
    }
}

impl From<ApproveError> for Failure {
    fn from(error: ApproveError) -> Self {
        match error {
            ApproveError::Service(error) => error.into(),
            ApproveError::Home(error) => error.into(),
            ApproveError::Ask(error) => error.into(),
            ApproveError::Pin(error) => error.into(),
            ApproveError::Document(error) => error.into(),
            ApproveError::StringsDiffer => Kind::StringsDiffer.failure(),
            ApproveError::NotPending => Kind::NotPending.failure(),
            ApproveError::Message => Kind::Internal.failure().because(&error),
        }
    }
}

impl From<DevicePinError> for Failure {
    fn from(error: DevicePinError) -> Self {
        match error {
            DevicePinError::Service(error) => error.into(),
            DevicePinError::Home(error) => error.into(),
            DevicePinError::Ask(error) => error.into(),
            DevicePinError::DeviceKey(error) => error.into(),
            // Where nobody counts, as many tries are left as somebody likes to make.
            DevicePinError::Wrong { tries_left } => {
                Kind::DevicePinWrong.failure().number("tries", tries_left.unwrap_or(-1))
            }
            DevicePinError::Gone => Kind::DeviceGone.failure(),
            DevicePinError::Weak(weak) => weak.into(),
            DevicePinError::Message => Kind::Internal.failure().because(&error),
        }
    }
}

impl From<WeakPin> for Failure {
    fn from(weak: WeakPin) -> Self {
        Kind::DevicePinWeak.failure().text("why", weak.name())
    }
}

impl From<NotABundle> for Failure {
    fn from(error: NotABundle) -> Self {
        Kind::NotEvidence.failure().because(&error)
    }
}
