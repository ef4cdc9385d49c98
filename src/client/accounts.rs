//! Several persons on one computer: each account is a [`Home`] of its own. The first one lies in the folder of the program
//! itself and needs no name; the others lie in folders below it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;

use super::home::{Home, HomeError};

/// The folder of the accounts that have a name.
const ACCOUNTS: &str = "accounts";
/// What the account without a name is called where there are others.
const DEFAULT: &str = "default";
const MAX_NAME: usize = 32;

/// The name of an account on this computer. It is the name of a folder, too, so it is plain: small letters, digits,
/// hyphens and underscores, a letter or digit first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccountName(String);

/// What was typed is no name of an account.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("no name of an account")]
pub struct NotAName;

impl FromStr for AccountName {
    type Err = NotAName;

    /// Capital letters become small ones: not every file system tells them apart.
    fn from_str(typed: &str) -> Result<Self, NotAName> {
        let name = typed.to_ascii_lowercase();
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let starts_well = name.starts_with(is_plain);
        let is_name = starts_well && name.len() <= MAX_NAME && name.chars().all(|c| is_plain(c) || "-_".contains(c));
        if is_name { Ok(Self(name)) } else { Err(NotAName) }
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why it is not known which account is meant.
#[derive(Debug, Error)]
pub enum AccountsError {
    /// There are several, and none was named.
    #[error("there are several accounts")]
    Several(Vec<AccountName>),
    /// There is none of this name.
    #[error("there is no such account")]
    Unknown {
        /// What was named.
        name: AccountName,
        /// Those there are.
        known: Vec<AccountName>,
    },
    /// The files of this computer.
    #[error(transparent)]
    Home(#[from] HomeError),
}

/// The accounts of this computer.
#[derive(Clone, Debug)]
pub struct Accounts(Home);

impl Accounts {
    /// The accounts in the folder of `home`, which is the one without a name.
    pub fn below(home: Home) -> Self {
        Self(home)
    }

    /// The names of the accounts somebody has logged in to.
    ///
    /// # Errors
    /// The file system.
    pub fn names(&self) -> Result<Vec<AccountName>, HomeError> {
        let folder = self.0.folder().join(ACCOUNTS);
        let failed = |source| HomeError::File { path: folder.clone(), source };
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries.collect::<Result<Vec<_>, _>>().map_err(failed)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed(error)),
        };
        let typed = entries.iter().filter_map(|entry| entry.file_name().into_string().ok());
        // A folder of another name was not made by this program.
        let mut names: Vec<_> =
            typed.filter_map(|name| name.parse().ok().filter(|n: &AccountName| n.0 == name)).collect();
        names.push(AccountName(DEFAULT.to_owned()));
        names.retain(|name| self.named(name).has_profile());
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// The account of this name, or the only one there is.
    ///
    /// # Errors
    /// [`AccountsError`].
    pub fn home(&self, name: Option<&AccountName>) -> Result<Home, AccountsError> {
        let known = self.names()?;
        match name {
            Some(name) if known.contains(name) => Ok(self.named(name)),
            Some(name) => Err(AccountsError::Unknown { name: name.clone(), known }),
            None => self.only(known),
        }
    }

    /// The same for a login, which may be the first one with this name.
    ///
    /// # Errors
    /// [`AccountsError`].
    pub fn home_for_login(&self, name: Option<&AccountName>) -> Result<Home, AccountsError> {
        match name {
            Some(name) => Ok(self.named(name)),
            None => self.only(self.names()?),
        }
    }

    /// The account of a name that [`Self::names`] gave.
    pub fn named(&self, name: &AccountName) -> Home {
        match name.0.as_str() {
            DEFAULT => self.0.clone(),
            name => self.0.in_folder(self.folder_of(name)),
        }
    }

    fn folder_of(&self, name: &str) -> PathBuf {
        self.0.folder().join(ACCOUNTS).join(name)
    }

    fn only(&self, known: Vec<AccountName>) -> Result<Home, AccountsError> {
        match known.as_slice() {
            [] => Ok(self.0.clone()),
            [only] => Ok(self.named(only)),
            _ => Err(AccountsError::Several(known)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_path() {
        for good in ["erika", "Erika", "max-2", "a_b", "9", &"x".repeat(32)] {
            assert_eq!(good.parse::<AccountName>().unwrap().to_string(), good.to_lowercase());
        }
        for bad in
            ["", ".", "..", "../x", "a/b", "a\\b", "-x", "_x", "a.b", "a b", "jürgen", "a\0", "C:", &"x".repeat(33)]
        {
            assert_eq!(bad.parse::<AccountName>(), Err(NotAName), "{bad:?}");
        }
    }
}
