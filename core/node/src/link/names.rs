//! Names of relays, looked up by the system.
//!
//! Owns: that a name which somebody else said leads to no address that its own text could not
//! lead to, and that nobody is asked but whom this machine asks for every name. Must not know:
//! what is done with the addresses.

use iroh::dns::{BoxIter, DnsError, DnsResolver, Resolver, TxtRecordData};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::Pin;
use std::sync::Arc;

type Answer<T> = Pin<Box<dyn Future<Output = Result<BoxIter<T>, DnsError>> + Send>>;

/// True for an address that a name may lead to which somebody else said.
pub(crate) type MayReach = fn(IpAddr) -> bool;

/// Looks names up.
#[derive(Debug, Clone)]
struct Names {
    /// Hosts that this node's own operator named: they may be anywhere.
    named: Arc<BTreeSet<String>>,
    may_reach: MayReach,
}

/// A resolver that asks the system, and lets names that are not among `named` lead only where
/// `may_reach` says.
pub(super) fn resolver(named: BTreeSet<String>, may_reach: MayReach) -> DnsResolver {
    DnsResolver::custom(Names { named: Arc::new(named), may_reach })
}

impl Names {
    /// None: it is not known, or leads nowhere that may be reached.
    async fn addresses(self, host: String) -> Vec<IpAddr> {
        let found = match tokio::net::lookup_host((host.as_str(), 0)).await {
            Ok(found) => found.map(|address| address.ip()),
            Err(error) => {
                tracing::debug!(host, %error, "the name of a relay is not known");
                return Vec::new();
            }
        };
        let is_named = self.named.contains(&host);
        found.filter(|ip| is_named || (self.may_reach)(*ip)).collect()
    }
}

impl Resolver for Names {
    fn lookup_ipv4(&self, host: String) -> Answer<Ipv4Addr> {
        let names = self.clone();
        Box::pin(async move {
            let four = |ip| if let IpAddr::V4(ip) = ip { Some(ip) } else { None };
            let found = names.addresses(host).await.into_iter().filter_map(four);
            Ok(Box::new(found) as BoxIter<Ipv4Addr>)
        })
    }

    fn lookup_ipv6(&self, host: String) -> Answer<Ipv6Addr> {
        let names = self.clone();
        Box::pin(async move {
            let six = |ip| if let IpAddr::V6(ip) = ip { Some(ip) } else { None };
            let found = names.addresses(host).await.into_iter().filter_map(six);
            Ok(Box::new(found) as BoxIter<Ipv6Addr>)
        })
    }

    fn lookup_txt(&self, _: String) -> Answer<TxtRecordData> {
        Box::pin(async { Ok(Box::new(std::iter::empty()) as BoxIter<TxtRecordData>) })
    }

    fn clear_cache(&self) {}

    fn reset(&self) -> Box<dyn Resolver> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_leads_to_this_machine_only_where_the_operator_named_it() {
        for (named, is_found) in [(&["localhost"][..], true), (&["other.example"][..], false)] {
            let named = named.iter().map(|name| (*name).to_owned()).collect();
            let names = Names { named: Arc::new(named), may_reach: |ip| !ip.is_loopback() };
            let found = names.addresses("localhost".to_owned()).await;
            assert_eq!(!found.is_empty(), is_found, "{found:?}");
        }
    }
}
