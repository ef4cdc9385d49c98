//! `notices`: what the insurer tells about the account, where, and in which language.

use kartenbund::client::home::Home;
use kartenbund::client::login;
use kartenbund::protocol::api::{NoticeLanguage, NotificationPreferences, NotificationSettings};
use kartenbund::ui::failure::{Failure, Kind};
use kartenbund::ui::text::{Language, shown};
use reqwest::Method;

use crate::account::clock;
use crate::args::{NoticesCommand, NoticesSettingsArgs};
use crate::output::Output;

const PATH: &str = "/v1/notification-settings";

pub(crate) fn notices(home: Home, command: Option<NoticesCommand>, output: &Output) -> Result<(), Failure> {
    let here = login::resume(home, clock())?;
    let settings: NotificationSettings = here.service.get(PATH)?;
    match command.unwrap_or(NoticesCommand::Show) {
        NoticesCommand::Show => output.result(&settings, lines(&settings, output)),
        NoticesCommand::Settings(args) => {
            let wish = preferences(&settings, &args)?;
            let settings: NotificationSettings = here.service.call(Method::PUT, PATH, &wish)?;
            output.result(&settings, lines(&settings, output))
        }
    }
}

/// What is set, with the changes.
fn preferences(
    settings: &NotificationSettings,
    args: &NoticesSettingsArgs,
) -> Result<NotificationPreferences, Failure> {
    let is_optional = |name: &&String| settings.kinds.iter().any(|kind| kind.optional && kind.kind == **name);
    if let Some(other) = args.off.iter().chain(&args.on).find(|name| !is_optional(name)) {
        return Err(Kind::NoticeNotOptional.failure().text("detail", other));
    }
    let before = settings.kinds.iter().filter(|kind| !kind.on).map(|kind| kind.kind.clone());
    let off = before.filter(|kind| !args.off.contains(kind)).chain(args.off.iter().cloned());
    let language = match args.language {
        None => settings.language,
        Some(Language::De) => NoticeLanguage::De,
        Some(Language::En) => NoticeLanguage::En,
    };
    Ok(NotificationPreferences { language, off: off.filter(|kind| !args.on.contains(kind)).collect() })
}

fn lines(settings: &NotificationSettings, output: &Output) -> Vec<String> {
    let texts = &output.texts;
    let to = match &settings.email {
        Some(email) => output.say("notices-to", "email", email),
        None => texts.get("notices-no-email"),
    };
    let language = texts.get(&format!("notices-language-{}", settings.language.as_str()));
    let kinds = settings.kinds.iter().map(|kind| {
        let state = match (kind.optional, kind.on) {
            (false, _) => "notices-always",
            (true, true) => "notices-on",
            (true, false) => "notices-off",
        };
        // The name is what --on and --off take.
        let name = if kind.optional { format!(" ({})", shown(&kind.kind)) } else { String::new() };
        format!("{}{name}: {}", output.say("notices-kind", "kind", &kind.kind), texts.get(state))
    });
    [to, language].into_iter().chain(kinds).collect()
}
