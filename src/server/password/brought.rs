//! Password hashes that a register brings: PHC strings of Argon2id, and bcrypt. They are compared as they are, and made
//! anew at the first login.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use zeroize::Zeroizing;

use crate::secret::SecretText;

/// More than these would let one login hold up the service.
const MAX_MEMORY_KIB: u32 = 256 * 1024;
const MAX_PASSES: u32 = 16;
/// All logins pay for it: Argon2id costs as much as memory times passes, at most eight of 64 MiB.
const MAX_WORK: u64 = 8 * 64 * 1024;
const MAX_LANES: u32 = 8;
const MAX_BCRYPT_COST: u32 = 14;

/// How a hash is made, apart from its salt: what its comparison costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server) enum Scheme {
    Argon2id(Params),
    Bcrypt(u32),
}

impl Scheme {
    /// The scheme of a hash; `None` for what is no hash that this service takes.
    pub(in crate::server) fn of(phc: &str) -> Option<Self> {
        if let Ok(parts) = phc.parse::<bcrypt::HashParts>() {
            let cost = parts.get_cost();
            // 2x marks hashes of a program with a mistake of its own.
            let is_bearable = (4..=MAX_BCRYPT_COST).contains(&cost) && !phc.starts_with("$2x");
            return is_bearable.then_some(Self::Bcrypt(cost));
        }
        let hash = PasswordHash::new(phc).ok()?;
        let is_complete = hash.salt.is_some() && hash.hash.is_some() && hash.version == Some(Version::V0x13.into());
        let params = Params::try_from(&hash).ok()?;
        let is_bearable = params.m_cost() <= MAX_MEMORY_KIB
            && params.t_cost() <= MAX_PASSES
            && params.p_cost() <= MAX_LANES
            && u64::from(params.m_cost()) * u64::from(params.t_cost()) <= MAX_WORK;
        (hash.algorithm.as_str() == "argon2id" && is_complete && is_bearable).then_some(Self::Argon2id(params))
    }

    /// A name that equal schemes share.
    pub(in crate::server) fn name(&self) -> String {
        match self {
            Self::Argon2id(params) => {
                let length = params.output_len().unwrap_or_default();
                format!("argon2id m={} t={} p={} {length}", params.m_cost(), params.t_cost(), params.p_cost())
            }
            Self::Bcrypt(cost) => format!("bcrypt {cost}"),
        }
    }

    /// The hash of a password nobody has, to be compared where there is none; `None` when memory is short.
    pub(in crate::server) fn of_nobody(&self, rng: &mut dyn rand_core::CryptoRng) -> Option<String> {
        let (mut password, mut salt) = (Zeroizing::new([0; 32]), [0; 16]);
        rng.fill_bytes(&mut *password);
        rng.fill_bytes(&mut salt);
        match self {
            Self::Argon2id(params) => {
                let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
                Some(argon2.hash_password_with_salt(&*password, &salt).ok()?.to_string())
            }
            Self::Bcrypt(cost) => Some(
                bcrypt::hash_with_salt(password.as_slice(), *cost, salt)
                    .ok()?
                    .format_for_version(bcrypt::Version::TwoB),
            ),
        }
    }
}

/// Whether this is the hash of this password.
pub(in crate::server) fn verify(password: &SecretText, phc: &str) -> bool {
    let password = password.expose().as_bytes();
    match Scheme::of(phc) {
        // As everywhere, what follows the 72nd byte does not count there.
        Some(Scheme::Bcrypt(_)) => bcrypt::verify(password, phc).unwrap_or(false),
        Some(Scheme::Argon2id(_)) => {
            PasswordHash::new(phc).is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok())
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::random;

    /// Made by other programs: `echo -n geheim | argon2 somesalt1234 -id -t 2 -k 8192 -p 1 -e` and crypt(3).
    const ARGON2ID: &str = "$argon2id$v=19$m=8192,t=2,p=1$c29tZXNhbHQxMjM0$EGoa2+MR81IOanOjsxehBR2WlfrTtm83yyfvmm6TB3g";
    const BCRYPT: &str = "$2b$05$abcdefghijklmnopqrstuuVWu8RjbNovPZWAMRdd7iqaaG0mI53Uu";

    #[test]
    fn hashes_of_other_programs_are_taken() {
        for (phc, name) in [(ARGON2ID, "argon2id m=8192 t=2 p=1 32"), (BCRYPT, "bcrypt 5")] {
            assert_eq!(Scheme::of(phc).unwrap().name(), name);
            assert!(verify(&SecretText::new("geheim".to_owned()), phc));
            assert!(!verify(&SecretText::new("Geheim".to_owned()), phc));
        }
    }

    #[test]
    fn a_hash_of_nobody_costs_what_the_others_of_its_scheme_cost() {
        for phc in [ARGON2ID, BCRYPT] {
            let scheme = Scheme::of(phc).unwrap();
            let nobody = scheme.of_nobody(&mut random()).unwrap();
            assert_eq!(Scheme::of(&nobody).unwrap(), scheme);
            assert!(!verify(&SecretText::new("geheim".to_owned()), &nobody));
        }
    }

    #[test]
    fn what_is_no_hash_or_would_hold_up_the_service_is_not_taken() {
        let replaced = |from: &str, to: &str| ARGON2ID.replace(from, to);
        for bad in [
            "",
            "geheim",
            "$1$salt$qJH7.N4xYta3aEG/dfqo/0",
            &replaced("argon2id", "argon2i"),
            &replaced("v=19", "v=16"),
            &replaced("m=8192", "m=1048576"),
            &replaced("t=2", "t=17"),
            &ARGON2ID.replace("m=8192,t=2", "m=131072,t=5"),
            &replaced("p=1", "p=9"),
            &BCRYPT.replace("$05$", "$15$"),
            &BCRYPT.replace("$05$", "$03$"),
            &BCRYPT.replace("$2b$", "$2x$"),
            ARGON2ID.rsplit_once('$').unwrap().0,
            BCRYPT.split_at(50).0,
        ] {
            assert_eq!(Scheme::of(bad), None, "{bad}");
            assert!(!verify(&SecretText::new("geheim".to_owned()), bad));
        }
    }
}
