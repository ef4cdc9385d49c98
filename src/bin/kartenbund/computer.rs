//! Whose files on this computer are meant, and `accounts`: whose there are.

use std::path::PathBuf;

use etcetera::AppStrategy as _;
use kartenbund::client::accounts::{AccountName, Accounts};
use kartenbund::client::home::{Home, Place, Profile};
use kartenbund::ui::failure::{Failure, Kind, Value};
use serde_json::json;

use crate::login::hotline_line;
use crate::output::Output;

/// Where the files of this computer are, and whose are meant.
pub(crate) struct Computer {
    pub(crate) folder: Option<PathBuf>,
    pub(crate) account: Option<String>,
    pub(crate) uses_key_ring: bool,
    /// Device keys are made in the TPM of this computer, or the one that `tcti` names.
    pub(crate) uses_tpm: bool,
    pub(crate) tcti: Option<String>,
}

impl Computer {
    /// The account that is meant.
    pub(crate) fn home(&self) -> Result<Home, Failure> {
        Ok(self.accounts()?.home(self.name()?.as_ref())?)
    }

    /// The same for a login, which may be the first one.
    pub(crate) fn home_for_login(&self) -> Result<Home, Failure> {
        Ok(self.accounts()?.home_for_login(self.name()?.as_ref())?)
    }

    fn accounts(&self) -> Result<Accounts, Failure> {
        let folder = match &self.folder {
            Some(folder) => folder.clone(),
            None => data_folder()?,
        };
        let home = Home::at(folder).using_tpm(self.uses_tpm, self.tcti.clone());
        Ok(Accounts::below(if self.uses_key_ring { home.using_key_ring() } else { home }))
    }

    fn name(&self) -> Result<Option<AccountName>, Failure> {
        let invalid = |_| Kind::InputInvalid.failure().text("input", "account_name");
        self.account.as_deref().map(str::parse).transpose().map_err(invalid)
    }
}

/// Where programs of this desktop keep what is theirs.
fn data_folder() -> Result<PathBuf, Failure> {
    let app = etcetera::AppStrategyArgs {
        top_level_domain: "de".to_owned(),
        author: "kartenbund".to_owned(),
        app_name: "kartenbund".to_owned(),
    };
    let strategy = etcetera::choose_app_strategy(app).map_err(|error| Kind::File.failure().because(&error))?;
    Ok(strategy.data_dir())
}

/// The accounts of this computer, without asking any service.
pub(crate) fn accounts(computer: &Computer, output: &Output) -> Result<(), Failure> {
    let accounts = computer.accounts()?;
    let mut list = Vec::new();
    let mut lines = Vec::new();
    for name in accounts.names()? {
        let home = accounts.named(&name);
        let profile = home.profile()?;
        let place = home.place()?;
        let is_registered = home.device().is_ok();
        lines.push(account_line(&name, &profile, place, is_registered, output));
        lines.extend(hotline_line(&profile, output).map(|line| format!("  {line}")));
        list.push(json!({
            "account": name.to_string(), "service": profile.service, "insurer": profile.insurer, "hotline": profile.hotline,
            "session_place": place.map(Place::name), "registered": is_registered,
        }));
    }
    if lines.is_empty() {
        lines.push(output.texts.get("accounts-none"));
    }
    output.result(&json!({ "accounts": list }), lines)
}

fn account_line(
    name: &AccountName,
    profile: &Profile,
    place: Option<Place>,
    is_registered: bool,
    output: &Output,
) -> String {
    let device = if is_registered { "registered" } else { "none" };
    let values = [("account", name.to_string()), ("insurer", profile.insurer.clone())].into_iter();
    let values = values.chain([("place", place.map_or("none", Place::name).to_owned()), ("device", device.to_owned())]);
    let values: Vec<_> = values.map(|(name, value)| (name, Value::Text(value))).collect();
    output.texts.with("account-line", &values)
}
