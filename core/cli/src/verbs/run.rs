//! Which verb runs, and what each gets.

use super::{call, doctor, find, id, keep, mesh, serve, status};
use crate::args::{Arguments, Config, Verb};
use crate::config::Settings;
use crate::output;
use clap::CommandFactory;
use hubless::{Node, Result};
use std::time::Duration;

/// How long a verb waits for its own node to say good-bye.
pub(super) const GRACE: Duration = Duration::from_secs(2);

/// What each verb gets.
pub(super) struct Context {
    /// Where each setting comes from.
    pub(super) settings: Settings,
    /// True: print JSON.
    pub(super) json: bool,
}

impl Context {
    /// Starts the node of a verb.
    ///
    /// # Errors
    /// As [`Node::start`].
    pub(super) async fn node(&self) -> Result<Node> {
        Node::start(self.settings.node()?).await
    }
}

/// Runs the verb.
///
/// # Errors
/// What it says; its kind gives the exit code.
pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let context =
        Context { settings: Settings::read(&arguments.global)?, json: arguments.global.json };
    match arguments.verb {
        Verb::Status => status::run(&context).await,
        Verb::Find(options) => find::run(&context, options).await,
        Verb::Call(options) => call::run(&context, options).await,
        Verb::Serve(options) => serve::run(&context, options).await,
        Verb::Invite(options) => mesh::invite(&context, options).await,
        Verb::Join { ticket } => mesh::join(&context, &ticket).await,
        Verb::Id { action } => id::run(&context, action),
        Verb::Pin { action } => keep::pin(&context, action).await,
        Verb::Secret { action } => keep::secret(&context, action).await,
        Verb::Config { action: Config::Show } => config(&context),
        Verb::Doctor => doctor::run(&context).await,
        Verb::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "hubless", &mut text);
            output::raw(&String::from_utf8_lossy(&text))
        }
    }
}

fn config(context: &Context) -> Result<()> {
    for setting in &context.settings.all {
        if context.json {
            output::object("setting", setting)?;
        } else {
            let value = setting.value.as_deref().unwrap_or("(unset)");
            output::line(&format!("{:<8} {value:<24} {}", setting.name, setting.from))?;
        }
    }
    Ok(())
}
