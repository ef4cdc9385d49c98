//! What may be typed. The words that explain it are with all other texts, under `cmd-` and `arg-`.

mod cards;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::FalseyValueParser;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use kartenbund::client::doctor::computer::os_release;
use kartenbund::jose::Thumbprint;
use kartenbund::ui::failure::Kind;
use kartenbund::ui::system::System;
use kartenbund::ui::text::{Language, Texts};

pub(crate) use cards::{CardCommand, NewCardArgs, PinCommand, Sex, VirtualCardCommand};

use crate::computer::Computer;
use crate::output::Output;

#[derive(Parser)]
#[command(name = "kartenbund", version, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[arg(long, global = true, value_enum, hide_possible_values = true)]
    lang: Option<Language>,
    #[arg(long, global = true, value_name = "DIR", env = "KARTENBUND_HOME", hide_env = true)]
    home: Option<PathBuf>,
    #[arg(long, global = true, value_name = "NAME", env = "KARTENBUND_ACCOUNT", hide_env = true)]
    account: Option<String>,
    #[arg(long, global = true, env = "KARTENBUND_NO_KEY_RING", hide_env = true, value_parser = FalseyValueParser::new())]
    no_key_ring: bool,
    #[arg(long, global = true, env = "KARTENBUND_NO_TPM", hide_env = true, value_parser = FalseyValueParser::new())]
    no_tpm: bool,
    #[arg(long, global = true, value_name = "TCTI", env = "KARTENBUND_TCTI", hide_env = true)]
    tcti: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// Where the files of this computer are, and whose are meant.
    pub(crate) fn computer(&self) -> Computer {
        Computer {
            folder: self.home.clone(),
            account: self.account.clone(),
            uses_key_ring: !self.no_key_ring,
            uses_tpm: !self.no_tpm,
            tcti: self.tcti.clone(),
        }
    }
}

#[derive(Subcommand)]
pub(crate) enum Command {
    Readers(CardArgs),
    Read(CardArgs),
    Record {
        #[command(flatten)]
        card: CardArgs,
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    Replay {
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[arg(long, conflicts_with_all = ["reader", "virtual_card"])]
        explain: bool,
        #[command(flatten)]
        card: CardArgs,
    },
    Doctor(DoctorArgs),
    #[command(subcommand)]
    Card(CardCommand),
    #[command(subcommand)]
    VirtualCard(VirtualCardCommand),
    Login(LoginArgs),
    Logout {
        #[arg(long)]
        everywhere: bool,
    },
    #[command(subcommand)]
    Password(PasswordCommand),
    Sessions {
        #[command(subcommand)]
        command: Option<SessionsCommand>,
    },
    Accounts,
    Register(RegisterArgs),
    Emergency {
        #[arg(long, value_name = "URL")]
        service: Option<String>,
        #[arg(long, value_name = "N")]
        code_fd: Option<u32>,
    },
    Devices {
        #[command(subcommand)]
        command: Option<DevicesCommand>,
    },
    #[command(subcommand)]
    Apply(ApplyCommand),
    #[command(args_conflicts_with_subcommands = true)]
    Approvals {
        #[arg(long)]
        watch: bool,
        #[command(subcommand)]
        command: Option<ApprovalsCommand>,
    },
    Notices {
        #[command(subcommand)]
        command: Option<NoticesCommand>,
    },
    Events {
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
    },
    #[command(subcommand)]
    Evidence(EvidenceCommand),
    #[command(subcommand)]
    Help(HelpCommand),
    #[cfg(feature = "server")]
    Demo(DemoArgs),
}

/// Which card.
#[derive(Args)]
pub(crate) struct CardArgs {
    #[arg(long, value_name = "NAME")]
    pub(crate) reader: Option<String>,
    #[arg(long, value_name = "IMAGE", conflicts_with = "reader")]
    pub(crate) virtual_card: Option<PathBuf>,
    #[arg(long, requires = "virtual_card")]
    pub(crate) contactless: bool,
    #[arg(long, value_name = "FILE", requires = "virtual_card")]
    pub(crate) scenario: Option<PathBuf>,
    #[arg(long, value_name = "CAN")]
    pub(crate) can: Option<String>,
    #[arg(long)]
    pub(crate) short_apdus: bool,
    #[arg(long, value_name = "SECONDS", conflicts_with = "virtual_card")]
    pub(crate) wait: Option<u32>,
}

#[derive(Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) card: CardArgs,
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
}

/// Where PINs come from.
#[derive(Args)]
pub(crate) struct PinArgs {
    #[arg(long, value_name = "N")]
    pub(crate) pin_fd: Option<u32>,
}

#[derive(Args)]
pub(crate) struct LoginArgs {
    #[arg(long, value_name = "URL")]
    pub(crate) service: Option<String>,
    #[arg(long)]
    pub(crate) kvnr: Option<String>,
    #[arg(long)]
    pub(crate) card: bool,
    #[arg(long, conflicts_with_all = ["card", "reader", "virtual_card", "kvnr", "password_fd"])]
    pub(crate) device: bool,
    #[command(flatten)]
    pub(crate) signing: SigningCardArgs,
    #[arg(long, value_name = "N", conflicts_with = "card")]
    pub(crate) password_fd: Option<u32>,
    #[arg(long, value_name = "FINGERPRINT", value_parser = thumbprint, allow_hyphen_values = true)]
    pub(crate) service_fingerprint: Option<Thumbprint>,
}

/// The fingerprint of the service's key, as the insurer publishes it.
fn thumbprint(text: &str) -> Result<Thumbprint, &'static str> {
    Thumbprint::parse(text.trim()).ok_or("not 43 characters of base64url")
}

/// Which card signs, and how its PIN is entered.
#[derive(Args)]
pub(crate) struct SigningCardArgs {
    #[command(flatten)]
    pub(crate) card: CardArgs,
    #[command(flatten)]
    pub(crate) pin: PinArgs,
    #[arg(long)]
    pub(crate) allow_last_try: bool,
    #[arg(long)]
    pub(crate) no_keypad: bool,
}

#[derive(Subcommand)]
pub(crate) enum PasswordCommand {
    Change(PasswordArgs),
    Reset(ResetArgs),
}

#[derive(Args)]
pub(crate) struct ResetArgs {
    #[command(flatten)]
    pub(crate) way: ResetWayArgs,
    #[arg(long, value_name = "URL")]
    pub(crate) service: Option<String>,
    #[arg(long)]
    pub(crate) kvnr: Option<String>,
    #[command(flatten)]
    pub(crate) signing: SigningCardArgs,
    #[command(flatten)]
    pub(crate) password: PasswordArgs,
}

/// How the person shows who she is. None is before another.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct ResetWayArgs {
    #[arg(long)]
    pub(crate) card: bool,
    #[arg(long)]
    pub(crate) device: bool,
    #[arg(long)]
    pub(crate) letter: bool,
}

/// Where passwords come from.
#[derive(Args)]
pub(crate) struct PasswordArgs {
    #[arg(long, value_name = "N")]
    pub(crate) password_fd: Option<u32>,
}

#[derive(Subcommand)]
pub(crate) enum SessionsCommand {
    List,
    End {
        #[arg(value_name = "ID", allow_hyphen_values = true, required_unless_present = "others")]
        id: Option<String>,
        #[arg(long, conflicts_with = "id")]
        others: bool,
    },
}

#[derive(Args)]
pub(crate) struct RegisterArgs {
    #[arg(long, value_enum, default_value_t = BindingMethod::Card)]
    pub(crate) method: BindingMethod,
    #[command(flatten)]
    pub(crate) code: CodeArgs,
    #[command(flatten)]
    pub(crate) signing: SigningCardArgs,
    #[arg(long = "name", value_name = "NAME")]
    pub(crate) device_name: Option<String>,
    /// Empty: the device of this computer.
    #[arg(long, value_name = "ID", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub(crate) replace: Vec<String>,
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    pub(crate) lost: Option<String>,
}

/// Where the code of a letter comes from, if it is not typed; or that there is to be one.
#[derive(Args)]
#[group(multiple = false)]
pub(crate) struct CodeArgs {
    #[arg(long, value_name = "FILE")]
    pub(crate) image: Option<PathBuf>,
    #[arg(long)]
    pub(crate) clipboard: bool,
    #[arg(long, value_name = "N")]
    pub(crate) code_fd: Option<u32>,
    #[arg(long)]
    pub(crate) order_letter: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BindingMethod {
    Card,
    Qr,
    Device,
    Chip,
}

#[derive(Subcommand)]
pub(crate) enum DevicesCommand {
    List,
    Remove {
        #[arg(value_name = "ID", allow_hyphen_values = true)]
        id: String,
    },
    Rename {
        #[arg(value_name = "ID", allow_hyphen_values = true)]
        id: String,
        #[arg(value_name = "NAME")]
        name: String,
    },
    Lock {
        #[arg(value_name = "ID", allow_hyphen_values = true)]
        id: String,
    },
    LockAll,
    Unlock {
        #[arg(value_name = "ID", allow_hyphen_values = true)]
        id: String,
    },
    RevocationCode {
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    Rebind(SigningCardArgs),
    Code(ScreenCodeArgs),
    ChangePin(PinArgs),
    #[command(subcommand)]
    Fingerprint(FingerprintCommand),
}

/// How whoever shows a code logs in, and how it is shown.
#[derive(Args)]
pub(crate) struct ScreenCodeArgs {
    #[arg(long)]
    pub(crate) card: bool,
    #[arg(long)]
    pub(crate) no_picture: bool,
    #[command(flatten)]
    pub(crate) signing: SigningCardArgs,
}

#[derive(Subcommand)]
pub(crate) enum FingerprintCommand {
    On,
    Off(PinArgs),
}

#[derive(Subcommand)]
pub(crate) enum ApplyCommand {
    Address {
        #[arg(long)]
        street: Option<String>,
        #[arg(long)]
        house_number: Option<String>,
        #[arg(long)]
        postal_code: Option<String>,
        #[arg(long)]
        city: String,
        #[arg(long, default_value = "D")]
        country: String,
        #[arg(long)]
        supplement: Option<String>,
    },
    Bank {
        #[arg(long)]
        iban: String,
        #[arg(long)]
        account_holder: String,
    },
    Contact {
        #[arg(long)]
        email: String,
    },
    Card {
        #[arg(long, value_enum)]
        reason: NewCardReason,
    },
    Cancel {
        #[arg(value_name = "ID", allow_hyphen_values = true)]
        id: String,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum NewCardReason {
    Lost,
    Stolen,
    Broken,
    NameChanged,
}

#[derive(Subcommand)]
pub(crate) enum ApprovalsCommand {
    List,
    Watch,
    Show {
        #[arg(value_name = "ID", allow_hyphen_values = true)]
        id: String,
    },
    Approve {
        #[arg(value_name = "ID", allow_hyphen_values = true)]
        id: String,
        #[arg(long, value_name = "NN")]
        match_code: Option<String>,
        #[command(flatten)]
        pin: PinArgs,
    },
    Deny {
        #[arg(value_name = "ID", allow_hyphen_values = true)]
        id: String,
        #[command(flatten)]
        pin: PinArgs,
    },
    NotMe {
        #[arg(value_name = "ID", allow_hyphen_values = true)]
        id: String,
        #[command(flatten)]
        pin: PinArgs,
    },
}

#[derive(Subcommand)]
pub(crate) enum NoticesCommand {
    Show,
    Settings(NoticesSettingsArgs),
}

#[derive(Args)]
#[group(required = true, multiple = true)]
pub(crate) struct NoticesSettingsArgs {
    #[arg(long, value_enum, hide_possible_values = true)]
    pub(crate) language: Option<Language>,
    #[arg(long, value_name = "KIND")]
    pub(crate) on: Vec<String>,
    #[arg(long, value_name = "KIND")]
    pub(crate) off: Vec<String>,
}

#[derive(Subcommand)]
pub(crate) enum HelpCommand {
    Numbers,
}

#[derive(Subcommand)]
pub(crate) enum EvidenceCommand {
    Export {
        #[arg(value_name = "ID", allow_hyphen_values = true)]
        id: Option<String>,
        #[arg(long = "whole-account", conflicts_with = "id")]
        whole_account: bool,
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    Verify {
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        pinned: PinnedArgs,
    },
}

/// Whom whoever verifies evidence trusts.
#[derive(Args)]
pub(crate) struct PinnedArgs {
    #[arg(long, value_name = "PEM", required_unless_present = "tsl_anchor")]
    pub(crate) anchor: Vec<PathBuf>,
    #[arg(long, value_name = "PEM")]
    pub(crate) tsl_anchor: Vec<PathBuf>,
    #[arg(long, value_name = "JWK")]
    pub(crate) service_key: Vec<PathBuf>,
    #[arg(long, value_name = "PEM")]
    pub(crate) ocsp_responder: Vec<PathBuf>,
    #[arg(long, value_name = "CVC")]
    pub(crate) chip_root: Vec<PathBuf>,
}

#[cfg(feature = "server")]
#[derive(Args)]
pub(crate) struct DemoArgs {
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    #[arg(long)]
    pub(crate) pcsc: bool,
    #[arg(long, value_name = "HOST:PORT", default_value = cards::DEFAULT_VPCD)]
    pub(crate) vpcd: String,
}

/// The language, before anything else is looked at: even the help is in it.
pub(crate) fn language() -> Language {
    let mut args = std::env::args().skip(1);
    let mut chosen = None;
    while let Some(arg) = args.next() {
        let value = match arg.split_once('=') {
            Some(("--lang", value)) => Some(value.to_owned()),
            _ if arg == "--lang" => args.next(),
            _ => continue,
        };
        chosen = value.and_then(|value| Language::from_str(&value, true).ok());
    }
    chosen.unwrap_or_else(Language::of_desktop)
}

/// Reads the command line; help, version and mistakes are answered here.
pub(crate) fn parse(language: Language) -> Result<(Cli, Output), ExitCode> {
    let system = System::of(std::env::consts::OS, &os_release(Path::new("/")));
    let texts = Texts::new(language).on(system);
    let command = explained(Cli::command(), &texts, "cmd");
    let parsed = command.try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches));
    match parsed {
        Ok(cli) => {
            let output = Output::new(texts, cli.json);
            Ok((cli, output))
        }
        Err(error) if error.use_stderr() => {
            let output = Output::new(texts, std::env::args().any(|arg| arg == "--json"));
            let message = error.to_string();
            let mut failure = Kind::Usage.failure();
            let first: Vec<_> = message.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
            failure.technical = Some(first.join(" ").trim_start_matches("error: ").to_owned());
            output.failure(&failure);
            Err(ExitCode::from(Kind::Usage.exit_code()))
        }
        Err(help) => {
            // The words that clap has no setting for.
            let text = help.render().to_string();
            let text = text
                .replace("[OPTIONS]", &texts.get("help-optional"))
                .replace("[default: ", &texts.get("help-default"))
                .replace("[possible values: ", &texts.get("help-possible"));
            let _ = write!(std::io::stdout(), "{text}");
            Err(ExitCode::SUCCESS)
        }
    }
}

/// Puts the texts of one language into the help.
fn explained(command: clap::Command, texts: &Texts, id: &str) -> clap::Command {
    let ids: Vec<String> = command.get_arguments().map(|arg| arg.get_id().to_string()).collect();
    let names: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let template = format!("{{about}}\n\n{}: {{usage}}\n\n{{all-args}}\n", texts.get("help-usage"));
    let mut command = command
        .about(texts.get(id))
        .help_template(template)
        .subcommand_help_heading(texts.get("help-commands"))
        .subcommand_value_name(texts.get("help-command"))
        .disable_help_subcommand(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .arg(clap::Arg::new("help").short('h').long("help").action(clap::ArgAction::Help).help(texts.get("arg-help")));
    if id == "cmd" {
        let version = clap::Arg::new("version").short('V').long("version");
        command = command.arg(version.action(clap::ArgAction::Version).help(texts.get("arg-version")));
    }
    for arg in ids {
        let help = texts.get(&format!("arg-{}", arg.replace('_', "-")));
        command = command.mut_arg(arg, |arg| arg.help(help));
    }
    for name in names {
        let id = format!("{id}-{name}");
        command = command.mut_subcommand(name, |command| explained(command, texts, &id));
    }
    let ids: Vec<String> = command.get_arguments().map(|arg| arg.get_id().to_string()).collect();
    for arg in ids {
        let heading = texts.get("help-options");
        command = command.mut_arg(arg, |arg| arg.help_heading(heading));
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(command: &clap::Command, out: &mut Vec<String>) {
        out.extend(command.get_about().map(ToString::to_string));
        out.extend(command.get_arguments().filter_map(|arg| arg.get_help()).map(ToString::to_string));
        command.get_subcommands().for_each(|command| lines(command, out));
    }

    #[test]
    fn every_command_and_argument_is_explained_in_both_languages() {
        for language in [Language::De, Language::En] {
            let mut explanations = Vec::new();
            lines(&explained(Cli::command(), &Texts::new(language), "cmd"), &mut explanations);
            assert!(explanations.len() > 50);
            for text in explanations {
                assert!(!text.starts_with("cmd") && !text.starts_with("arg-"), "{language:?}: {text} has no text");
            }
        }
        Cli::command().debug_assert();
    }

    #[test]
    fn an_identifier_may_begin_with_a_hyphen() {
        for words in [
            "approvals show",
            "approvals approve",
            "approvals deny",
            "approvals not-me",
            "apply cancel",
            "devices remove",
            "devices lock",
            "devices unlock",
            "sessions end",
            "evidence export",
        ] {
            let words = ["kartenbund"].into_iter().chain(words.split(' '));
            let export = words.clone().any(|word| word == "export").then_some(["--out", "FILE"]);
            let all = words.chain(["--json", "-GsE_h-hAAAAAAAAAAAAAA"]).chain(export.into_iter().flatten());
            let cli = Cli::try_parse_from(all.clone()).unwrap_or_else(|error| panic!("{error}"));
            assert!(cli.json, "{:?}", all.collect::<Vec<_>>());
        }
        let help = explained(Cli::command(), &Texts::new(Language::En), "cmd");
        let asked = help.try_get_matches_from(["kartenbund", "approvals", "show", "--help"]);
        assert_eq!(asked.err().map(|error| error.kind()), Some(clap::error::ErrorKind::DisplayHelp));
    }
}
