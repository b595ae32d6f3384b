//! Which verb runs, and what each gets.

#[cfg(feature = "relay-server")]
use super::relay;
use super::{
    audit, budget, call, doctor, expose, find, gateway, id, keep, mesh, serve, show, status, trace,
    trust, usage,
};
#[cfg(feature = "relay-server")]
use crate::args::Relay;
use crate::args::{Arguments, Budget, Config, Expose, Verb};
use crate::config::Settings;
use hubless::{Node, NodeOptions, Result};
use std::time::Duration;

/// How long a verb waits for its own node to say good-bye.
pub(super) const GRACE: Duration = Duration::from_secs(2);
/// What is logged when nothing says so.
const LOG: &str = "off";
/// The same for `serve` and `expose`, where the program's own words would be lost.
const LOG_OF_SERVE: &str = "warn,hubless::stdio=info";

/// What each verb gets.
pub(super) struct Context {
    /// Where each setting comes from.
    pub(super) settings: Settings,
    /// True: print JSON.
    pub(super) json: bool,
}

impl Context {
    /// Starts the node of a verb that lasts moments.
    ///
    /// # Errors
    /// As [`Node::start`].
    pub(super) async fn node(&self) -> Result<Node> {
        Node::start(self.settings.node()?).await
    }

    /// Starts a node that stays: on the port that the settings say, under this name.
    ///
    /// # Errors
    /// As [`Node::start`].
    pub(super) async fn lasting_node(&self, name: Option<String>) -> Result<Node> {
        Node::start(NodeOptions { name, ..self.settings.lasting_node()? }).await
    }
}

/// Runs the verb.
///
/// # Errors
/// What it says; its kind gives the exit code.
pub(crate) async fn run(mut arguments: Arguments) -> Result<()> {
    // Of these the flag is the address of their own listener, not that of the mesh.
    let exposes = has_listener(&arguments.verb);
    let listen = exposes.then(|| arguments.global.listen.take()).flatten();
    let context =
        Context { settings: Settings::read(&arguments.global)?, json: arguments.global.json };
    let serves = exposes || matches!(arguments.verb, Verb::Serve(_));
    context.settings.log(if serves { LOG_OF_SERVE } else { LOG })?;
    match arguments.verb {
        Verb::Status => status::run(&context).await,
        Verb::Find(options) => find::run(&context, options).await,
        Verb::Call(options) => call::run(&context, options).await,
        Verb::Serve(options) => serve::run(&context, options).await,
        Verb::Trace { trace } => trace::run(&context, &trace).await,
        Verb::Audit { action } => audit::run(&context, action),
        Verb::Budget { id, action: None } => budget::run(&context, id.as_deref()),
        Verb::Budget { action: Some(Budget::Trip { ids }), .. } => {
            budget::trip(&context, &ids).await
        }
        Verb::Usage { by } => usage::run(&context, &by),
        Verb::Expose { face: Expose::Http(options) } => {
            expose::http(&context, options, listen).await
        }
        Verb::Expose { face: Expose::Gateway(options) } => {
            gateway::expose(&context, options, listen).await
        }
        Verb::Gateway { action } => gateway::run(&context, action).await,
        #[cfg(feature = "relay-server")]
        Verb::Relay { action: Relay::Serve(options) } => {
            relay::serve(&context, options, listen).await
        }
        Verb::Invite(options) => mesh::invite(&context, options).await,
        Verb::Join { ticket } => mesh::join(&context, &ticket).await,
        Verb::Id { action } => id::run(&context, action),
        Verb::Pin { action } => keep::pin(&context, action),
        Verb::Secret { action } => keep::secret(&context, action),
        Verb::Trust { action } => trust::run(&context, action).await,
        Verb::Config { action: Config::Show } => show::config(&context),
        Verb::Doctor => doctor::run(&context).await,
        Verb::Completions { shell } => show::completions(&context, shell),
        Verb::Man { verb } => show::man(&context, verb.as_deref()),
    }
}

/// True for a verb whose `--listen` is the address of its own listener.
const fn has_listener(verb: &Verb) -> bool {
    #[cfg(feature = "relay-server")]
    if matches!(verb, Verb::Relay { .. }) {
        return true;
    }
    matches!(verb, Verb::Expose { .. })
}
