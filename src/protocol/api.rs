//! Bodies of HTTP requests and answers that both sides share. Signed messages travel in them as compact JWS.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::application::ApplicationType;
use super::approval::{FrozenDocument, MatchCode, Verdict};
use super::qr::QrId;
use super::registration::Method;
use super::session::SessionMethod;
use super::{
    ApplicationId, ApprovalId, BindingLevel, Challenge, DeviceId, LoginId, NumericDate, ResetId, SessionId, UnknownName,
};
use crate::jose::{P256Jwk, Thumbprint, base64url};
use crate::secret::{SecretText, masked};

/// Path of the signed configuration.
pub const CONFIGURATION: &str = "/.well-known/kartenbund-configuration";

macro_rules! bodies {
    ($($(#[$meta:meta])* $vis:vis struct $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty $(=> $schema:ty)?,)* })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Serialize, Deserialize)]
        #[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
        $vis struct $name {
            $($(#[$field_meta])* $(#[cfg_attr(feature = "server", schema(value_type = $schema))])? pub $field: $type,)*
        }
    )*};
}

mod registration;

pub use registration::{
    AdditionAnswer, AdditionOffer, AttestationAnswer, AttestationRequest, ChallengeAnswer, Credential, EvidenceRequest,
    NonceAnswer, NonceGiven, NonceShown, PinConfirmed, PinEvaluated, PinRequest, RebindingOffer, RebindingRequest,
    RegistrationAnswer, RegistrationOffer, RegistrationPinAnswer, RegistrationPinRequest, RegistrationRequest,
};

bodies! {
    /// The signed configuration of the service.
    #[derive(Debug)]
    pub struct ConfigurationAnswer {
        /// [`super::service::Configuration`] as a compact JWS.
        configuration: String,
        /// The same by the key before, while that one is listed: for programs that have not seen the new one yet.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by_previous_key: Option<String>,
    }

    /// A device of the account.
    pub struct DeviceAnswer {
        /// The device.
        device_id: DeviceId => String,
        /// What the person calls it.
        name: String,
        /// `pending_wait`, `active`, `locked`, `expired` or `revoked`.
        state: String,
        /// How it was bound.
        method: Method,
        /// What it may approve.
        binding_level: BindingLevel,
        /// Thumbprint of its key.
        jkt: Thumbprint => String,
        /// Since when it may approve; as long as it waits, from when on at the earliest.
        active_from: NumericDate,
        /// When its time ends.
        expires_at: NumericDate,
        /// From when on its owner is reminded of that.
        remind_from: NumericDate,
        /// When its PIN was right for the last time.
        last_used: Option<NumericDate>,
        /// Where its key lies (RFC 8176): `hwk`, in hardware, as a TPM has shown; `swk`, in software or wherever.
        key_class: String,
    }

    /// What is to be different.
    #[derive(Debug)]
    pub struct DeviceChange {
        /// What the person calls it.
        name: String,
    }

    /// A letter was ordered.
    #[derive(Debug)]
    pub struct LetterOrdered {
        /// Whether it was ordered before and is not made yet.
        already: bool,
    }

    /// Makes a code known that the sender shows on its screen. Its secret stays there.
    #[derive(Debug)]
    pub struct ScreenCodeRequest {
        /// Its name.
        qr_id: QrId => String,
        /// Its public key.
        jwk: P256Jwk => Object,
    }

    /// The code may bind a device.
    #[derive(Debug)]
    pub struct ScreenCodeAnswer {
        /// Until then, and no longer than the session lasts.
        expires_at: NumericDate,
    }

    /// All devices of the account.
    #[derive(Debug)]
    pub struct DevicesAnswer {
        /// Newest first.
        devices: Vec<DeviceAnswer>,
    }

    /// An open session of the account.
    #[derive(Debug)]
    pub struct SessionAnswer {
        /// The session.
        session_id: SessionId => String,
        /// What the client calls itself; `null` where it does not say.
        client_name: Option<String>,
        /// The confidential client that it belongs to, such as the insurer's website, by the name the insurer gave it;
        /// `null` for a program.
        client: Option<String>,
        /// How it was opened.
        method: SessionMethod,
        /// When it was opened.
        created: NumericDate,
        /// When its tokens were renewed last.
        last_used: NumericDate,
        /// When it ends unless its tokens are renewed.
        ends_at: NumericDate,
        /// Whether it is the session that asks.
        is_current: bool,
    }

    /// All open sessions of the account.
    #[derive(Debug)]
    pub struct SessionsAnswer {
        /// Newest first.
        sessions: Vec<SessionAnswer>,
    }

    /// An application that waits for its approval.
    #[derive(Debug)]
    pub struct ApplicationAccepted {
        /// The application.
        application_id: ApplicationId => String,
        /// The approval that decides it.
        approval_id: ApprovalId => String,
        /// Two digits for whoever submitted; they are typed where it is approved.
        match_code: MatchCode => String,
        /// When the approval ends.
        expires_at: NumericDate,
    }

    /// How far an application is.
    #[derive(Debug)]
    pub struct ApplicationAnswer {
        /// The application.
        application_id: ApplicationId => String,
        /// Its kind.
        #[serde(rename = "type")]
        kind: ApplicationType,
        /// `pending`, `denied`, `expired`, `cancelled`, `superseded`, `queued`, `executed` or `failed`.
        state: String,
        /// When it is executed, once it is approved.
        execute_at: Option<NumericDate>,
    }

    /// Who has submitted an application, by what the service says. None of it is signed.
    #[derive(Debug, PartialEq, Eq)]
    pub struct Origin {
        /// The confidential client, such as the insurer's website, by the name the insurer gave it; `null` for a program.
        client: Option<String>,
        /// What the client calls itself; `null` where it does not say.
        client_name: Option<String>,
    }

    /// An approval in a list.
    #[derive(Debug)]
    pub struct ApprovalSummary {
        /// The approval.
        approval_id: ApprovalId => String,
        /// What it decides.
        application_id: ApplicationId => String,
        /// Its kind.
        #[serde(rename = "type")]
        kind: ApplicationType,
        /// `pending`, `approved`, `denied`, `expired`, `cancelled` or `superseded`.
        state: String,
        /// Who has submitted it; `null` where nobody did who was logged in.
        origin: Option<Origin>,
        /// When it was made.
        created: NumericDate,
        /// When it ends.
        expires_at: NumericDate,
    }

    /// The approvals of the account.
    #[derive(Debug)]
    pub struct ApprovalsAnswer {
        /// Newest first, a hundred at most.
        approvals: Vec<ApprovalSummary>,
        /// How many the account has had in all: `after` of the next request that waits for another one.
        count: i64,
    }

    /// One approval with everything needed to decide it.
    #[derive(Debug)]
    pub struct ApprovalAnswer {
        /// State and times.
        approval: ApprovalSummary,
        /// The frozen document.
        document: FrozenDocument => String,
        /// What the decision must carry; `null` once it is decided.
        challenge: Option<Challenge> => Option<String>,
        /// The service's clock.
        server_time: NumericDate,
    }

    /// Hands in a decision.
    pub struct DecisionRequest {
        /// The device that signed.
        device_id: DeviceId => String,
        /// [`super::approval::Decision`] as a compact JWS.
        decision: String,
    }

    /// The decision was taken.
    #[derive(Debug)]
    pub struct DecisionAnswer {
        /// What was taken.
        verdict: Verdict,
        /// [`super::service::Receipt`] as a compact JWS.
        receipt: String,
        /// How far the application is now.
        application: ApplicationAnswer,
    }

    /// Where notices go, in which language, and which there are.
    pub struct NotificationSettings {
        /// E-mail address; `null` where the insurer knows none: what matters comes by letter then.
        email: Option<String>,
        /// Language of the notices.
        language: NoticeLanguage,
        /// All kinds of notices.
        kinds: Vec<NoticeKind>,
    }

    /// A kind of notice.
    #[derive(Debug)]
    pub struct NoticeKind {
        /// Its name, such as `device_added`.
        kind: String,
        /// Whether it may be switched off.
        optional: bool,
        /// Whether it is sent.
        on: bool,
    }

    /// Logs in with what the card signed.
    pub struct CardLoginRequest {
        /// The challenge, as the service handed it out.
        challenge: String,
        /// C.CH.AUT (DER), base64url.
        #[serde(with = "base64url")]
        auth_cert: Vec<u8> => String,
        /// [`super::card_login::CardLoginStatement`] as a compact JWS.
        card_jws: String,
        /// What the client calls itself in the list of sessions: plain text of at most 100 characters.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        client_name: Option<String>,
    }

    /// Logs in with what a registered device signed.
    pub struct DeviceLoginRequest {
        /// The challenge, as the service handed it out.
        challenge: String,
        /// The device that signed.
        device_id: DeviceId => String,
        /// [`super::device_login::DeviceLoginStatement`] as a compact JWS.
        statement: String,
        /// What the client calls itself in the list of sessions: plain text of at most 100 characters.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        client_name: Option<String>,
    }

    /// Hands in what an identity provider stated.
    pub struct IdentRequest {
        /// [`super::ident::IdentStatement`] as a compact JWS.
        statement: String,
        /// What the client calls itself in the list of sessions: plain text of at most 100 characters.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        client_name: Option<String>,
    }

    /// Asks a registered device to let a browser in.
    pub struct WebLoginRequest {
        /// Versichertennummer: one capital letter and nine digits.
        #[cfg_attr(feature = "server", schema(pattern = "^[A-Z][0-9]{9}$", example = "A123456780"))]
        kvnr: String,
        /// What the browser calls itself: plain text of at most 100 characters. The device shows it.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        client_name: Option<String>,
    }

    /// The same answer for everybody: whether there is such an account or a device, it does not say.
    #[derive(Debug)]
    pub struct WebLoginAnswer {
        /// Names the request.
        login_id: LoginId => String,
        /// Two digits, shown in the browser and typed on the registered device.
        match_code: MatchCode => String,
        /// Until when it can be approved.
        expires_at: NumericDate,
    }

    /// Takes the session that was approved.
    #[derive(Debug)]
    pub struct WebLoginConfirmation {
        /// The request.
        login_id: LoginId => String,
    }

    /// Asks for a new password without the old one.
    pub struct ResetRequest {
        /// Versichertennummer: one capital letter and nine digits.
        #[cfg_attr(feature = "server", schema(pattern = "^[A-Z][0-9]{9}$", example = "A123456780"))]
        kvnr: String,
        /// How the person is to show who she is.
        way: ResetWay,
    }

    /// The same answer for everybody: whether there is such an account, and what is done, it does not say.
    #[derive(Debug)]
    pub struct ResetAnswer {
        /// Names the request, for the way `device`.
        reset_id: Option<ResetId> => Option<String>,
        /// Two digits, for the way `device`: they are typed on the registered device.
        match_code: Option<MatchCode> => Option<String>,
        /// Until when it can be approved, for the way `device`.
        expires_at: Option<NumericDate>,
    }

    /// Takes the setup session of a request that was approved.
    #[derive(Debug)]
    pub struct ResetConfirmation {
        /// The request.
        reset_id: ResetId => String,
        /// What the client calls itself in the list of sessions: plain text of at most 100 characters.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        client_name: Option<String>,
    }

    /// An error (RFC 9457).
    #[derive(Debug)]
    pub struct Problem {
        /// `urn:kartenbund:` and the code.
        #[serde(rename = "type")]
        kind: String,
        /// The code in words, for developers.
        title: String,
        /// The HTTP status.
        status: u16,
        /// Stable; programs decide by it.
        code: String,
        /// More, where it helps and tells nothing to a stranger.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        detail: Option<String>,
        /// Seconds to wait.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        retry_after: Option<u64>,
        /// Finds the request in the service's logs.
        trace_id: String,
    }
}

/// What the person wants to be told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NotificationPreferences {
    /// Language of the notices.
    pub language: NoticeLanguage,
    /// Kinds that are not to be sent; all others are.
    pub off: Vec<String>,
}

/// A language that notices are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum NoticeLanguage {
    /// German.
    De,
    /// English.
    En,
}

impl NoticeLanguage {
    /// The name in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::De => "de",
            Self::En => "en",
        }
    }
}

impl FromStr for NoticeLanguage {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        [Self::De, Self::En].into_iter().find(|language| language.as_str() == text).ok_or(UnknownName)
    }
}

/// How a person who has forgotten the password shows who she is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ResetWay {
    /// By an approval on a registered device.
    Device,
    /// By the initial password of a new letter.
    Letter,
}

impl ResetWay {
    /// The name in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Letter => "letter",
        }
    }
}

impl FromStr for ResetWay {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Device, Self::Letter].into_iter().find(|way| way.as_str() == text).ok_or(UnknownName)
    }
}

/// Opens a session with insurance number and password.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct LoginRequest {
    /// Versichertennummer: one capital letter and nine digits.
    pub kvnr: String,
    /// Password.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub password: SecretText,
    /// What the client calls itself in the list of sessions: plain text of at most 100 characters.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub client_name: Option<String>,
}

/// A revocation code.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct RevocationCodeAnswer {
    /// Four groups of five characters with blanks between them; it is shown once.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub code: SecretText,
}

/// Locks everything.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct RevocationRequest {
    /// The groups of a revocation code.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub code: SecretText,
}

/// Asks for new tokens.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct TokenRequest {
    /// The refresh token that came last.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub refresh_token: SecretText,
}

/// Sets a password, or changes it.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct PasswordRequest {
    /// The present one, where the session was opened with it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>))]
    pub old: Option<SecretText>,
    /// The new one.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub new: SecretText,
}

/// The tokens of a session. They are opaque, and of use only with the key that signed the proof they were asked with.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct TokenAnswer {
    /// Sent with every request.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub access_token: SecretText,
    /// `DPoP` (RFC 9449).
    pub token_type: String,
    /// Life of the access token in seconds.
    pub expires_in: i64,
    /// Gives the next tokens, once; a setup session has none.
    #[cfg_attr(feature = "server", schema(value_type = Option<String>))]
    pub refresh_token: Option<SecretText>,
    /// Seconds after which the session ends unless its tokens are renewed.
    pub session_expires_in: i64,
    /// Whether the session may do nothing but choose a password.
    pub must_change_password: bool,
}

masked!(
    RevocationCodeAnswer,
    RevocationRequest,
    LoginRequest,
    TokenRequest,
    TokenAnswer,
    PasswordRequest,
    ChallengeAnswer,
    AttestationRequest,
    EvidenceRequest,
    DeviceAnswer,
    DecisionRequest,
    NotificationSettings,
    CardLoginRequest,
    DeviceLoginRequest,
    IdentRequest,
    ResetRequest,
    WebLoginRequest
);
