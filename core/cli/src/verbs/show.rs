//! `config show`, `completions`, `man`: what the command says of itself.

use super::run::Context;
use crate::args::Arguments;
use crate::config::Setting;
use crate::output;
use clap::CommandFactory;
use hubless::{Error, Kind, Result};
use serde_json::json;

/// Prints each value and where it comes from.
///
/// # Errors
/// `internal` when stdout cannot be written.
pub(super) fn config(context: &Context) -> Result<()> {
    for setting in context.settings.all.iter().map(Setting::shown) {
        if context.json {
            output::object("setting", &setting)?;
        } else {
            let value = setting.value.as_deref().unwrap_or("(unset)");
            output::line(&format!("{:<13} {value:<28} {}", setting.name, setting.from))?;
        }
    }
    Ok(())
}

/// Prints completions for a shell.
///
/// # Errors
/// `internal` when stdout cannot be written.
pub(super) fn completions(context: &Context, shell: clap_complete::Shell) -> Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "hubless", &mut text);
    if context.json {
        let script = String::from_utf8_lossy(&text);
        let body = json!({ "shell": shell.to_string(), "script": script });
        return output::object("completions", &body);
    }
    output::raw(&text)
}

/// Prints a manual page.
///
/// # Errors
/// `invalid_argument` for what is no verb; `internal` when stdout cannot be written.
pub(super) fn man(context: &Context, verb: Option<&str>) -> Result<()> {
    let mut command = Arguments::command();
    command.build();
    if let Some(verb) = verb {
        let of_verb = command.find_subcommand(verb).cloned();
        let unknown = || Error::invalid("verb", format!("hubless has no verb {verb:?}"));
        command = of_verb.ok_or_else(unknown)?;
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page).map_err(|error| {
        Error::new(Kind::Internal, format!("cannot write a manual page: {error}"))
    })?;
    if context.json {
        return output::object("man", &json!({ "page": String::from_utf8_lossy(&page) }));
    }
    output::raw(&page)
}
