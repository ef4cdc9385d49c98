//! Identified elsewhere (`docs/protocol.md`, identity providers): a provider has seen who a person is, for instance on a
//! photo of an identity card and a video, and says so in a signed statement that opens the account without a letter.

use serde::{Deserialize, Serialize};

use super::registration::{Part, first_wrong, is_jti};
use super::{CLOCK_TOLERANCE, NumericDate};
use crate::identity::kvnr::Kvnr;
use crate::jose::{Es256, Message, P256Jwk, jws};
use crate::secret::masked;

/// Longest life of a statement, in seconds: it is handed in at once.
pub const MAX_LIFE: i64 = 600;

/// What a provider says, `ident+jws`. One algorithm for each provider, and today that is ES256 for all.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentStatement {
    /// The provider.
    pub iss: String,
    /// The service.
    pub aud: String,
    /// When it was made.
    pub iat: NumericDate,
    /// When it ends, at most [`MAX_LIFE`] later.
    pub exp: NumericDate,
    /// Names the statement: the provider never uses it again.
    pub jti: String,
    /// Who was identified.
    pub kvnr: Kvnr,
    /// Birth date as it was seen, `YYYY-MM-DD`.
    pub birth_date: String,
    /// How the person was identified, in the provider's words.
    pub method: String,
}

masked!(IdentStatement);

impl Message for IdentStatement {
    const TYP: &'static str = "ident+jws";
    type Algorithm = Es256;
}

/// A provider the operator trusts.
#[derive(Clone, Debug, Default)]
pub struct IdentityProvider {
    /// Its name in `iss`.
    pub issuer: String,
    /// Its keys; two while one follows the other.
    pub keys: Vec<P256Jwk>,
    /// The ways to identify a person, as `method` names them, that the operator takes from it.
    pub methods: Vec<String>,
}

/// A statement that a trusted provider signed for this service, now. Nothing but [`VerifiedStatement::check`] makes one.
#[derive(Debug)]
pub struct VerifiedStatement(IdentStatement);

impl VerifiedStatement {
    /// Checks signature and claims. The key says who signed, and `iss` must be just that provider: nothing in the
    /// message decides how it is verified. Whether `jti` is new and whom the register names is for the caller to check.
    ///
    /// # Errors
    /// The part that is wrong.
    pub fn check(compact: &str, providers: &[IdentityProvider], aud: &str, now: NumericDate) -> Result<Self, Part> {
        let (provider, statement) =
            jws::verify_by_one_of::<IdentStatement, IdentityProvider>(compact, providers, |provider| &provider.keys)?;
        let life = statement.exp.checked_sub(statement.iat);
        let claims = [
            ("iss", statement.iss == provider.issuer),
            ("aud", statement.aud == aud),
            ("iat", statement.iat <= now.saturating_add(CLOCK_TOLERANCE)),
            ("exp", life.is_some_and(|life| (1..=MAX_LIFE).contains(&life))),
            ("exp", now <= statement.exp.saturating_add(CLOCK_TOLERANCE)),
            ("jti", is_jti(&statement.jti)),
            ("method", provider.methods.contains(&statement.method)),
        ];
        first_wrong(&claims)?;
        Ok(Self(statement))
    }

    /// What was stated.
    pub fn statement(&self) -> &IdentStatement {
        &self.0
    }

    /// Until when the statement could be handed in once more.
    pub fn ends_at(&self) -> NumericDate {
        self.0.exp.saturating_add(CLOCK_TOLERANCE)
    }
}
