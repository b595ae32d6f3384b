//! `expose gateway`, and `gateway`: its roots, keys and accounts.

use super::audit::{moment, span};
use super::run::Context;
use crate::args::{ExposeGateway, Gateway, GatewayRoot};
use crate::{input, output};
use hubless::home::Home;
use hubless::node::EndSignals;
use hubless::till::{self, accounts, add_root, remove_root};
use hubless::{Error, Kind, Result};
use hubless_edge::gateway::{GatewayEdge, GatewayOptions, ProviderOptions};
use hubless_proto::identity::{Name, RootKey};
use hubless_proto::killswitch::{Allowance, Amount, Component};
use hubless_proto::limits;
use hubless_proto::metering::Micros;
use hubless_proto::metering::chain::{LinkId, SpendKey};
use hubless_proto::metering::prices::Prices;
use hubless_proto::metering::till::{AccountView, Root};
use hubless_proto::policy::Secret;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use zeroize::Zeroizing;

/// Serves until a signal, then lets running calls end; a second signal does not wait for them.
///
/// # Errors
/// `configuration` for files, variables and addresses that cannot be used; `conflict`, code
/// `locked`, when the gateway runs already; `invalid_argument` naming the flag.
pub(super) async fn expose(
    context: &Context,
    given: ExposeGateway,
    listen: Option<String>,
) -> Result<()> {
    let name: Name = given.name.parse()?;
    let options = options(given, listen)?;
    options.check()?;
    let home = home(context)?;
    let mut signals = EndSignals::listen()?;
    let gateway = GatewayEdge::start(&home, &name, options).await?;
    let told = tell(context, &gateway);
    if told.is_ok() {
        signals.next().await;
    }
    tokio::select! {
        closed = gateway.close(limits::CLOSE_GRACE) => closed?,
        () = signals.next() => {}
    }
    told
}

fn options(given: ExposeGateway, listen: Option<String>) -> Result<GatewayOptions> {
    let variable = &given.provider_key_env;
    let key = std::env::var(variable).ok().filter(|key| !key.is_empty()).ok_or_else(|| {
        let message = format!("expected the provider's key in the variable {variable}");
        Error::new(Kind::Configuration, message).with_code("no_key")
    })?;
    let mut provider = ProviderOptions::new(&given.provider, Secret::from(key))?;
    provider.ca = given.provider_ca;
    let mut options = GatewayOptions::new(provider, prices(&given.prices)?);
    options.http.hosts = given.host;
    options.http.certificate = given.tls_cert.zip(given.tls_key);
    options.http.insecure = given.insecure;
    if let Some(listen) = listen {
        let wrong = |_| Error::invalid("listen", "expected an IP address and a port, IP:PORT");
        options.http.listen = listen.parse::<SocketAddr>().map_err(wrong)?;
    }
    Ok(options)
}

fn prices(file: &Path) -> Result<Prices> {
    let wrong = |what: &str| {
        let message = format!("{}: {}", file.display(), what.trim_end());
        Error::new(Kind::Configuration, message).with_code("bad_file")
    };
    let text = std::fs::read_to_string(file).map_err(|error| wrong(&error.to_string()))?;
    let table: Value = toml::from_str(&text).map_err(|error| wrong(error.message()))?;
    Prices::read(&table).map_err(|error| {
        let field = error.field.clone().unwrap_or_default();
        let named = wrong(&format!("{field}: {}", error.message));
        named.with_field(&field)
    })
}

/// Says what programs are to be told.
fn tell(context: &Context, gateway: &GatewayEdge) -> Result<()> {
    if context.json {
        let address = gateway.address().to_string();
        let hosts = gateway.hosts();
        let (url, signer) = (gateway.url(), gateway.signer());
        let body = json!({ "url": url, "address": address, "hosts": hosts, "signer": signer });
        return output::object("gateway", &body);
    }
    output::say(&format!("OPENAI_BASE_URL={}", gateway.url()));
    output::say(&format!("HUBLESS_GATEWAY_SIGNER={}", gateway.signer()));
    Ok(())
}

/// Registers roots, issues keys, shows accounts.
///
/// # Errors
/// `auth`: a key that is none; `not_found`: no such gateway or root; `conflict`: it runs, or the
/// root is registered; `invalid_argument` naming the flag.
pub(super) async fn run(context: &Context, action: Gateway) -> Result<()> {
    match action {
        Gateway::Root { action } => root(context, action).await,
        Gateway::Key { from, limit, limit_input, limit_output, ttl } => {
            let limit = limits_of("limit", &limit, [limit_input, limit_output])?;
            key(context, from, limit, &ttl)
        }
        Gateway::Show { name } => show(context, &name.parse()?).await,
    }
}

async fn root(context: &Context, action: GatewayRoot) -> Result<()> {
    let home = home(context)?;
    match action {
        GatewayRoot::Add { name, ceiling, ceiling_input, ceiling_output, label, key } => {
            let ceiling = limits_of("ceiling", &ceiling, [ceiling_input, ceiling_output])?;
            let given: Option<RootKey> = key.as_deref().map(root_key).transpose()?;
            let fresh = given.is_none().then(till::fresh_root);
            let made = fresh.as_ref().map(|fresh| fresh.chain().root);
            let Some(key) = given.or(made) else { return Ok(()) };
            add_root(&home, &name.parse()?, Root { key, label, ceiling }).await?;
            added(context, key, fresh.as_ref())
        }
        GatewayRoot::List { name } => {
            let all = accounts(&home, &name.parse()?).await?;
            all.iter().filter(|one| one.link.is_none()).try_for_each(|one| print(context, one, 0))
        }
        GatewayRoot::Remove { key, name } => {
            let key = root_key(&key)?;
            remove_root(&home, &name.parse()?, &key).await?;
            if context.json {
                return output::object("gateway_root", &json!({ "root": key, "removed": true }));
            }
            output::say(&format!("root {key} is registered no more"));
            Ok(())
        }
    }
}

/// Says which root there is, and its key when it was made here.
fn added(context: &Context, root: RootKey, fresh: Option<&SpendKey>) -> Result<()> {
    let text = fresh.map(SpendKey::text);
    if context.json {
        let key = text.as_ref().map(|text| text.as_str());
        return output::object("gateway_root", &json!({ "root": root, "key": key }));
    }
    output::say(&format!("root {root}"));
    let Some(text) = text else { return Ok(()) };
    output::say("its key, shown once; whoever has it may spend up to the ceiling:");
    output::line(&text)
}

fn key(context: &Context, from: String, limit: Allowance, ttl: &str) -> Result<()> {
    let from = if from == "-" { input::secret("key", "the key")? } else { Zeroizing::new(from) };
    let wrong = || Error::invalid("ttl", "expected a span such as 30s, 10m, 2h or 7d");
    let life: Duration = span(ttl).filter(|life| !life.is_zero()).ok_or_else(wrong)?;
    let issued = till::issue(&SpendKey::read(from.trim())?, limit, life)?;
    if !context.json {
        return output::line(&issued.text());
    }
    let link = issued.chain().links.last();
    output::object(
        "gateway_key",
        &json!({
            "key": issued.text().as_str(), "root": issued.chain().root,
            "link": link.map(|link| link.id.to_string()),
            "limitMicros": link.map(|link| link.limit.of(Component::CostMicros)),
            "limitInputTokens": link.map(|link| link.limit.of(Component::InputTokens)),
            "limitOutputTokens": link.map(|link| link.limit.of(Component::OutputTokens)),
            "untilMs": link.map(|link| link.until_ms),
        }),
    )
}

async fn show(context: &Context, name: &Name) -> Result<()> {
    let all = accounts(&home(context)?, name).await?;
    if all.is_empty() && !context.json {
        output::say("no root is registered; see hubless help gateway");
    }
    for root in all.iter().filter(|one| one.link.is_none()) {
        print(context, root, 0)?;
        below(context, &all, (root.root, None), 1)?;
    }
    Ok(())
}

/// Prints the links below one; a chain is never deeper than a key may be.
fn below(
    context: &Context,
    all: &[AccountView],
    (root, above): (RootKey, Option<LinkId>),
    depth: usize,
) -> Result<()> {
    let children = all.iter().filter(|one| {
        one.root == root && one.link.is_some() && one.parent == above && depth <= limits::KEY_LINKS
    });
    for child in children {
        print(context, child, depth)?;
        below(context, all, (root, child.link), depth + 1)?;
    }
    Ok(())
}

fn print(context: &Context, one: &AccountView, depth: usize) -> Result<()> {
    if context.json {
        return output::object("gateway_account", &shown(one));
    }
    let who = match one.link {
        Some(link) => format!("link {link}"),
        None => format!("root {} {}", one.root, one.label),
    };
    let mut parts = vec![
        format!("{}{}", "  ".repeat(depth), who.trim_end()),
        taken("spent", one, Component::CostMicros),
    ];
    for (word, component) in
        [("input", Component::InputTokens), ("output", Component::OutputTokens)]
    {
        let is_used = one.spent.plus_at_most(&one.reserved).of(component) > 0;
        let is_limited = one.limit.of(component).is_some();
        parts.extend((is_used || is_limited).then(|| taken(word, one, component)));
    }
    parts.extend(one.until_ms.map(|until_ms| format!("until {}", moment(until_ms))));
    parts.extend(one.stopped.then(|| "stopped: a provider took too much".to_owned()));
    parts.extend(one.ended.then(|| "ended: its call is over".to_owned()));
    output::line(&parts.join("  "))
}

/// What was paid and is set aside of a component, and of how much.
fn taken(word: &str, one: &AccountView, component: Component) -> String {
    let of = |amount: &Amount| amount.of(component);
    let all = format!("{word} {} + {}", of(&one.spent), of(&one.reserved));
    match one.limit.of(component) {
        Some(limit) => format!("{all} of {limit}"),
        None => all,
    }
}

fn shown(one: &AccountView) -> Value {
    let id = |id: LinkId| id.to_string();
    let mut all = json!({
        "root": one.root, "link": one.link.map(id), "parent": one.parent.map(id),
        "label": one.label, "untilMs": one.until_ms, "stopped": one.stopped, "ended": one.ended,
    });
    for (name, component) in [
        ("Micros", Component::CostMicros),
        ("InputTokens", Component::InputTokens),
        ("OutputTokens", Component::OutputTokens),
    ] {
        all[format!("limit{name}")] = one.limit.of(component).into();
        all[format!("spent{name}")] = one.spent.of(component).into();
        all[format!("reserved{name}")] = one.reserved.of(component).into();
    }
    all
}

fn root_key(text: &str) -> Result<RootKey> {
    text.parse().map_err(|error: Error| error.with_field("key"))
}

/// Limits of a cost and of tokens that models read and write, each named by its flag.
fn limits_of(flag: &str, cost: &str, [input, output]: [Option<String>; 2]) -> Result<Allowance> {
    let number = |field: &str, text: &str| {
        let read: Result<Micros> = text.parse();
        let wrong = || {
            let message = format!("expected an integer from 0 to {}", limits::AMOUNT_MAX);
            Error::invalid(field, message)
                .with_code("amount")
                .with_limit("AMOUNT_MAX", limits::AMOUNT_MAX)
        };
        read.map(Micros::value).map_err(|_| wrong())
    };
    let mut limits = Allowance::UNLIMITED.with(Component::CostMicros, Some(number(flag, cost)?));
    for (component, name, most) in
        [(Component::InputTokens, "input", input), (Component::OutputTokens, "output", output)]
    {
        let field = format!("{flag}_{name}");
        let most = most.as_deref().map(|most| number(&field, most)).transpose()?;
        limits = limits.with(component, most);
    }
    Ok(limits)
}

fn home(context: &Context) -> Result<Home> {
    Home::open(context.settings.home())
}
