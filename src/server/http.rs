//! What all endpoints share: errors (RFC 9457), strict bodies, logs without personal data.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::Json;
use axum::body::Bytes;
use axum::extract::{self, DefaultBodyLimit, FromRequest, FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::de::DeserializeOwned;

use super::{Service, random};
use crate::jose::json::{self, JsonError};
use crate::protocol::VERSION;
use crate::protocol::api::{ConfigurationAnswer, Problem};
use crate::protocol::service::Configuration;

/// How long a body may take.
const BODY_TIME: Duration = Duration::from_secs(30);
/// Longest body of a request, in bytes.
const MAX_BODY: usize = 128 * 1024;

macro_rules! codes {
    ($($variant:ident = $status:literal $code:literal, $title:literal;)*) => {
        /// Every error the service answers with: stable code, HTTP status, and what it means.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code {
            $(#[doc = $title] $variant,)*
        }

        impl Code {
            /// All codes.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable code.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The HTTP status.
            pub fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            /// What it means, for developers.
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }
        }
    };
}

codes! {
    MalformedRequest = 400 "malformed_request", "The request is not what the OpenAPI document says.";
    LoginFailed = 401 "login_failed", "Insurance number or password are wrong.";
    NotYet = 403 "not_yet", "The account opens on the first day of membership, which is the detail.";
    TooYoung = 403 "too_young", "The person is too young for an account; the detail is the hotline.";
    AccountSuspended = 403 "account_suspended", "The account is suspended; the detail is the hotline.";
    AccountClosed = 403 "account_closed", "Membership has ended: the account can be read and not changed.";
    OldPasswordWrong = 403 "old_password_wrong", "The present password is wrong or missing.";
    InitialPasswordEnded = 403 "initial_password_ended", "The initial password was used, or has expired, as the detail says.";
    TokenInvalid = 401 "token_invalid", "The token is missing, wrong or too old.";
    ProofInvalid = 401 "proof_invalid", "The DPoP proof is missing, wrong, or not for this request; the detail is what is wrong.";
    ClientInvalid = 401 "client_invalid", "The assertion of the client is wrong, or was sent before; the detail is what is wrong.";
    ClientMismatch = 401 "client_mismatch", "The session belongs to another client, or its client is none any more.";
    SessionEnded = 401 "session_ended", "The session was ended; the detail is how.";
    PasswordFirst = 403 "password_first", "The session may do nothing but choose a password.";
    NoDevice = 403 "no_device", "No device of this account can approve: register one first.";
    DeviceWaiting = 403 "device_waiting", "The device may approve nothing yet; the detail is when it may at the earliest.";
    CardNumberUnknown = 403 "card_number_unknown", "The insurer's register knows no card number of this person, so the chip does not do.";
    DeviceTooYoung = 403 "device_too_young", "No device adds another in its first 14 days; the detail is when one may.";
    DeviceExpired = 403 "device_expired", "The device's time is over: the card binds it anew.";
    StrongerLoginNeeded = 403 "stronger_login_needed", "It takes a session by card and card PIN, or by a registered device that may; the detail is `remove` where one was to be removed, `not_lately` where the login is older than five minutes.";
    DevicePinNotConfirmed = 403 "device_pin_not_confirmed", "The device PIN was not confirmed within the last minute.";
    LevelTooLow = 403 "level_too_low", "The device's binding level is too low for this application.";
    AccountUnknown = 404 "account_unknown", "The person on the card, or whom an operator names, is not in the register.";
    NotFound = 404 "not_found", "There is no such thing in this account.";
    MethodNotAllowed = 405 "method_not_allowed", "The resource does not know this method.";
    RequestTimeout = 408 "request_timeout", "The body of the request did not come within 30 seconds.";
    KeyInUse = 409 "key_in_use", "The key, or the identifier of a device key or code, was used before.";
    AlreadyDecided = 409 "already_decided", "The approval was decided before.";
    NonceGiven = 409 "nonce_given", "Another device has begun to add this one, or this one before it was broken off.";
    StringsNotCompared = 409 "strings_not_compared", "The other computer has not shown its nonce yet: no string can have been compared.";
    AdditionNotApproved = 409 "addition_not_approved", "No device has decided about this registration.";
    NotCancellable = 409 "not_cancellable", "The application cannot be cancelled any more.";
    AccountState = 409 "account_state", "The account's state, which is the detail, does not allow it.";
    IdentStatementUsed = 409 "ident_statement_used", "The statement of the identity provider was handed in before.";
    WebLoginNotApproved = 409 "login_not_approved", "Nobody has approved the login yet.";
    ResetNotApproved = 409 "reset_not_approved", "Nobody has approved it yet.";
    TooManyDevices = 409 "too_many_devices", "The account has as many devices as it may.";
    PinElementUsed = 409 "pin_element_used", "The blinded element was evaluated before, or another one was for this registration.";
    TooManyPending = 409 "too_many_pending", "As many approvals are pending as may be.";
    RegistrationEnded = 410 "registration_ended", "The registration has expired or was completed.";
    ChallengeEnded = 410 "challenge_ended", "The challenge is unknown, used or expired.";
    ApprovalExpired = 410 "approval_expired", "The approval has expired.";
    WebLoginEnded = 410 "login_ended", "The login is unknown, used or expired.";
    ResetEnded = 410 "reset_ended", "The request for a new password is unknown, used or expired.";
    QrCodeEnded = 410 "qr_code_ended", "The code binds no device of this account; the detail is why.";
    ShareErased = 410 "share_erased", "The service's share in this device PIN is erased: the device must be registered anew.";
    BodyTooLarge = 413 "body_too_large", "The body is longer than 128 KiB.";
    KvnrInvalid = 422 "kvnr_invalid", "The insurance number is not one capital letter and nine digits.";
    PasswordRefused = 422 "password_refused", "The password breaks a rule, which is the detail.";
    ClientNameInvalid = 422 "client_name_invalid", "The client's name is not plain text of at most 100 characters.";
    DeviceNameInvalid = 422 "device_name_invalid", "The device's name is not plain text of at most 100 characters.";
    DeviceInformationInvalid = 422 "device_information_invalid", "The device information is not plain text of version 1.0.";
    CertificateMalformed = 422 "certificate_malformed", "The certificate does not name exactly one person and insurer.";
    CertificateUntrusted = 422 "certificate_untrusted", "The certificate's issuer is not trusted.";
    CertificateNotYetValid = 422 "certificate_not_yet_valid", "The certificate is not valid yet.";
    CertificateExpired = 422 "certificate_expired", "The certificate has expired.";
    CertificateSignature = 422 "certificate_signature", "The issuer did not sign the certificate.";
    CertificateKey = 422 "certificate_key", "The certificate's key is neither on brainpoolP256r1 nor RSA with 2048 to 4096 bits.";
    CertificateUsage = 422 "certificate_usage", "The certificate is not one to authenticate with.";
    CertificateType = 422 "certificate_type", "The certificate is not a C.CH.AUT.";
    CertificateRole = 422 "certificate_role", "The certificate is not one of an insured person.";
    CertificateOfTestCard = 422 "certificate_of_test_card", "The certificate is one of a test card.";
    CardRevoked = 422 "card_revoked", "The card was reported lost or revoked: the person's next one does.";
    CardUnknown = 422 "card_unknown", "Who issued the card does not know it.";
    OtherPerson = 422 "other_person", "The card belongs to another person than the account.";
    OtherInsurer = 422 "other_insurer", "The card is of an insurer that is not this service's.";
    PairingInvalid = 422 "pairing_invalid", "The pairing data are wrong.";
    CardStatementInvalid = 422 "card_statement_invalid", "The card's statement is wrong.";
    DeviceStatementInvalid = 422 "device_statement_invalid", "The statement of the device is wrong, or there is no such device.";
    QrStatementInvalid = 422 "qr_statement_invalid", "The statement of the code is wrong.";
    ChipInvalid = 422 "chip_invalid", "The chip, or who vouches for it, is not accepted; the detail is what is wrong.";
    OtherCard = 422 "other_card", "The chip is in another card than the one that the register knows.";
    AdditionInvalid = 422 "addition_invalid", "What a device has decided does not add this one; the detail is what is wrong.";
    IdentStatementInvalid = 422 "ident_statement_invalid", "The statement of the identity provider is wrong.";
    PossessionInvalid = 422 "possession_invalid", "The proof of possession is wrong.";
    AttestationInvalid = 422 "attestation_invalid", "What should show that the device key is in a TPM does not; the detail is what is wrong.";
    PinMessageInvalid = 422 "pin_message_invalid", "The message about the device PIN is wrong; the detail is what is wrong.";
    NonceMismatch = 422 "nonce_mismatch", "The nonce is not the one announced.";
    NoticeNotOptional = 422 "notice_not_optional", "This kind of notice cannot be switched off, or there is none of this name.";
    ApplicationInvalid = 422 "application_invalid", "The application's data break a rule.";
    DocumentMismatch = 422 "document_mismatch", "The signed document is not the one that was frozen.";
    DecisionInvalid = 422 "decision_invalid", "The decision is wrong.";
    MatchCodeWrong = 422 "match_code_wrong", "The match code is wrong; the detail is how many tries are left.";
    MatchCodeDenied = 422 "match_code_denied", "The match code was wrong too often: the approval is denied.";
    DeviceLocked = 423 "device_locked", "No try is left for the device PIN, and the last one may still be confirmed.";
    DeviceLockedByOwner = 423 "device_locked_by_owner", "The device was locked: it must be unlocked first.";
    LoginDelayed = 429 "login_delayed", "Wrong passwords were tried: the next try is taken after a while.";
    TooManyLogins = 429 "too_many_logins", "As many passwords were tried from this network as may be.";
    TooManyRefreshes = 429 "too_many_refreshes", "Tokens were asked for as often as may be in a minute.";
    TooManyCardLogins = 429 "too_many_card_logins", "The card was used to log in as often as it may be in a day.";
    TooManyDeviceLogins = 429 "too_many_device_logins", "The device was used to log in as often as it may be in a minute.";
    TooManyRegistrations = 429 "too_many_registrations", "As many registrations were begun as may be in a day.";
    TooManyLetters = 429 "too_many_letters", "As many letters of this kind were ordered as may be in 30 days.";
    TooManyApplications = 429 "too_many_applications", "As many applications were submitted as may be in a day.";
    CardStatusUnavailable = 503 "card_status_unavailable", "Whether the card was revoked cannot be learnt now; nothing was used up.";
    NotReady = 503 "not_ready", "The service cannot answer requests now: it stops, or its database does not answer.";
    Internal = 500 "internal", "The service failed; nothing was changed.";
}

/// The service says no.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) code: Code,
    detail: Option<String>,
    retry_after: Option<u64>,
}

impl Refusal {
    pub(super) fn new(code: Code) -> Self {
        Self { code, detail: None, retry_after: None }
    }

    /// Adds when the same request may be answered otherwise: in so many seconds.
    pub(super) fn with_retry_after(mut self, seconds: i64) -> Self {
        self.retry_after = u64::try_from(seconds).ok();
        self
    }

    /// Adds what is wrong where the caller may know it.
    pub(super) fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub(super) fn internal() -> Self {
        Self::new(Code::Internal)
    }

    pub(super) fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        // The error names columns and constraints, never values.
        tracing::error!(%error, "database");
        if is_busy(&error) { Self::new(Code::NotReady).with_retry_after(RETRY_BUSY) } else { Self::internal() }
    }
}

/// How many seconds later the same request may find the database less busy.
const RETRY_BUSY: i64 = 5;

/// Whether a transaction has got no turn at the database in its time: this one has changed nothing.
fn is_busy(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::PoolTimedOut => true,
        // PostgreSQL's lock_not_available, and SQLITE_BUSY.
        sqlx::Error::Database(error) => matches!(error.code().as_deref(), Some("55P03" | "5")),
        _ => false,
    }
}

impl From<JsonError> for Refusal {
    fn from(_: JsonError) -> Self {
        tracing::error!("a stored document cannot be read or written");
        Self::internal()
    }
}

/// The body is written by [`answer`], which knows the request's trace id.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// A JSON body, read strictly.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        parse(&read_body(request, state).await?).map(Self)
    }
}

/// A JSON body that is read when it is known who sends it: whoever may not is told so, whatever the body is.
pub(super) struct Unread<T>(Bytes, PhantomData<fn() -> T>);

impl<T: DeserializeOwned> Unread<T> {
    /// Reads it, as strictly as [`Body`].
    pub(super) fn read(&self) -> Result<T, Refusal> {
        parse(&self.0)
    }
}

impl<T, S: Send + Sync> FromRequest<S> for Unread<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        Ok(Self(read_body(request, state).await?, PhantomData))
    }
}

/// The bytes of a body.
pub(super) async fn read_body(request: Request, state: &(impl Send + Sync)) -> Result<Bytes, Refusal> {
    // Whoever sends a body slowly holds a connection, and what was looked at in the head gets old.
    let bytes = tokio::time::timeout(BODY_TIME, Bytes::from_request(request, state)).await;
    let bytes = bytes.map_err(|_| Code::RequestTimeout)?;
    bytes.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Code::BodyTooLarge.into(),
        _ => Code::MalformedRequest.into(),
    })
}

/// Reads the members of a body that make a `T`.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    json::read(body).map_err(|_| Code::MalformedRequest.into())
}

/// The variable part of a path. What is no text is refused like every other request that is not understood.
pub(super) struct Path<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        // No identifier has a NUL, and PostgreSQL takes none in a text.
        if parts.uri.path().contains("%00") {
            return Err(Code::MalformedRequest.into());
        }
        let path = extract::Path::from_request_parts(parts, state).await;
        path.map(|extract::Path(value)| Self(value)).map_err(|_| Code::MalformedRequest.into())
    }
}

/// The part of an address behind `?`. What is unknown there is refused.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let query = extract::Query::from_request_parts(parts, state).await;
        query.map(|extract::Query(value)| Self(value)).map_err(|_| Code::MalformedRequest.into())
    }
}

/// Whether the process is alive. What it needs from elsewhere is asked by `/readyz`.
#[utoipa::path(get, path = "/healthz", responses((status = 200, body = String)), security(()))]
pub(super) async fn healthz() -> &'static str {
    "ok"
}

/// Whether requests can be answered: the database does, and the service does not stop.
#[utoipa::path(get, path = "/readyz", responses((status = 200, body = String), (status = 503, body = Problem)),
    security(()))]
pub(super) async fn readyz(State(service): State<Arc<Service>>) -> Result<&'static str, Refusal> {
    if service.stopping.load(Ordering::Relaxed) {
        return Err(Code::NotReady.into());
    }
    sqlx::query("SELECT 1").execute(service.store.pool()).await.map_err(|error| {
        tracing::error!(%error, "database");
        Code::NotReady
    })?;
    Ok("ready")
}

/// Who the service is, signed with its key; while keys overlap with the one before as well.
#[utoipa::path(get, path = "/.well-known/kartenbund-configuration", responses((status = 200, body = ConfigurationAnswer)), security(()))]
pub(super) async fn configuration(State(service): State<Arc<Service>>) -> Result<Json<ConfigurationAnswer>, Refusal> {
    let signing = service.keys.signing();
    let configuration = Configuration {
        v: VERSION,
        aud: service.settings.issuer.clone(),
        service_keys: signing.listed().clone(),
        former_keys: signing.former().to_vec(),
        payer_iks: service.settings.payer_iks.clone(),
        insurer: service.settings.insurer.name.clone(),
        hotline: service.settings.insurer.hotline.clone(),
        min_client: service.settings.min_client,
        iat: service.now_unix(),
    };
    let (configuration, by_previous_key) = (signing.sign(&configuration)?, signing.sign_with_previous(&configuration)?);
    Ok(Json(ConfigurationAnswer { configuration, by_previous_key }))
}

/// Adds what every endpoint has: the OpenAPI document, size limit, errors as problem+json, logs, metrics.
pub(super) fn finish(
    router: axum::Router<Arc<Service>>,
    openapi: utoipa::openapi::OpenApi,
    service: &Arc<Service>,
) -> axum::Router<Arc<Service>> {
    router
        .route("/openapi.json", get(async move || Json(openapi)))
        .fallback(async || Refusal::new(Code::NotFound))
        .method_not_allowed_fallback(async || Refusal::new(Code::MethodNotAllowed))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(Arc::clone(service), answer))
}

/// What standard clients are told beside the code (RFC 9449, 7.1).
fn challenge(code: Code) -> Option<&'static str> {
    match code {
        Code::TokenInvalid | Code::SessionEnded | Code::ClientMismatch => {
            Some(r#"DPoP error="invalid_token", algs="ES256""#)
        }
        Code::ProofInvalid => Some(r#"DPoP error="invalid_dpop_proof", algs="ES256""#),
        _ => None,
    }
}

/// Writes refusals as problem+json and one log line for each request: method, route, status, time. The route is the
/// pattern, so no identifier gets into the log.
async fn answer(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let mut id = [0; 8];
    rand_core::Rng::fill_bytes(&mut random(), &mut id);
    let trace_id = hex::encode(id);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let mut response = next.run(request).await;
    let refusal = response.extensions_mut().remove::<Refusal>();
    let code = refusal.as_ref().map(|refusal| refusal.code.as_str());
    if let Some(refusal) = refusal {
        let problem = Problem {
            kind: format!("urn:kartenbund:{}", refusal.code.as_str()),
            title: refusal.code.title().to_owned(),
            status: refusal.code.status(),
            code: refusal.code.as_str().to_owned(),
            detail: refusal.detail,
            retry_after: refusal.retry_after,
            trace_id: trace_id.clone(),
        };
        let retry_after = problem.retry_after;
        response = (response.status(), Json(problem)).into_response();
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        let json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        if let Some(challenge) = challenge(refusal.code) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let took = began.elapsed();
    service.metrics.request(&method, route.as_deref(), response.status().as_u16(), took);
    let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    tracing::info!(%method, route, status = response.status().as_u16(), code, trace_id, millis, "request");
    response
}
