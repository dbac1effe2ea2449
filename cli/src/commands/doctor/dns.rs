//! What DNS says of the domain that emails are sent from.

use std::{net::SocketAddr, time::Duration};

use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolverConfig},
    net::{NetError, runtime::TokioRuntimeProvider},
    proto::rr::RData,
};

use super::finding::Finding;

const MX: &str = "dns-mx";
const SPF: &str = "dns-spf";
const DMARC: &str = "dns-dmarc";

pub(super) async fn check(domain: &str, server: Option<SocketAddr>) -> Vec<Finding> {
    let resolver = match resolver(server) {
        Ok(resolver) => resolver,
        Err(error) => return vec![Finding::warning("dns", error.to_string(), "name a DNS server by --dns-server")],
    };
    let name = format!("{}.", domain.trim_end_matches('.'));
    let (mx, spf) = (resolver.mx_lookup(name.as_str()).await, texts(&resolver, &name).await);
    let dmarc = texts(&resolver, &format!("_dmarc.{name}")).await;
    if let Err(error) = &spf
        && !error.is_no_records_found()
    {
        let way_out = "is a DNS server reachable? --dns-server names another";
        return vec![Finding::warning("dns", format!("{domain} cannot be looked up: {error}"), way_out)];
    }
    vec![
        of_mx(domain, mx.is_ok_and(|found| found.answers().iter().any(|record| matches!(record.data, RData::MX(_))))),
        of_spf(domain, &spf.unwrap_or_default()),
        of_dmarc(domain, &dmarc.unwrap_or_default()),
    ]
}

/// Whether it is this machine, of which DNS says nothing (RFC 6761 section 6.3).
pub(super) fn is_local(domain: &str) -> bool {
    domain.rsplit('.').next().is_some_and(|last| last.eq_ignore_ascii_case("localhost"))
}

/// Without a `--default-from` workers send emails that say no sender from this machine.
pub(super) fn unknown() -> Finding {
    Finding::good(
        "dns",
        "no domain is known that emails are sent from: --domain names one, or --default-from of the workers",
    )
}

fn of_mx(domain: &str, is_there: bool) -> Finding {
    if is_there {
        return Finding::good(MX, format!("{domain} takes answers and bounces"));
    }
    let way_out = "publish an MX record: many servers refuse senders to whom nobody can answer";
    Finding::warning(MX, format!("{domain} has no MX record"), way_out)
}

/// [RFC 7208](https://www.rfc-editor.org/rfc/rfc7208).
fn of_spf(domain: &str, texts: &[String]) -> Finding {
    let records: Vec<_> = texts.iter().filter(|text| *text == "v=spf1" || text.starts_with("v=spf1 ")).collect();
    match records.as_slice() {
        [] => Finding::fault(
            SPF,
            format!("{domain} has no SPF record"),
            "publish a TXT record like \"v=spf1 include:RELAY ~all\", which names your relay",
        ),
        [record] if record.contains("+all") => Finding::fault(
            SPF,
            format!("the SPF record of {domain} lets everybody send: {record}"),
            "end it in ~all or -all",
        ),
        [record] => Finding::good(SPF, format!("{domain}: {record}")),
        // Section 4.5.
        _ => Finding::fault(SPF, format!("{domain} has more than one SPF record, so none counts"), "make one of them"),
    }
}

/// [RFC 7489](https://www.rfc-editor.org/rfc/rfc7489).
fn of_dmarc(domain: &str, texts: &[String]) -> Finding {
    match texts.iter().find(|text| text.starts_with("v=DMARC1")) {
        Some(record) => Finding::good(DMARC, format!("{domain}: {record}")),
        None => Finding::warning(
            DMARC,
            format!("{domain} has no DMARC record"),
            format!(
                "publish a TXT record at _dmarc.{domain} like \"v=DMARC1; p=none; rua=mailto:…\": Gmail and Yahoo want one"
            ),
        ),
    }
}

async fn texts(resolver: &TokioResolver, name: &str) -> Result<Vec<String>, NetError> {
    let found = resolver.txt_lookup(name).await?;
    let text = |data: &RData| match data {
        RData::TXT(text) => Some(String::from_utf8_lossy(&text.txt_data.concat()).into_owned()),
        _ => None,
    };
    Ok(found.answers().iter().filter_map(|record| text(&record.data)).collect())
}

fn resolver(server: Option<SocketAddr>) -> Result<TokioResolver, NetError> {
    let mut builder = match server {
        None => TokioResolver::builder_tokio()?,
        Some(server) => {
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                connection.port = server.port();
                connection
            });
            let server = NameServerConfig::new(server.ip(), true, connections.into());
            let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
    };
    builder.options_mut().timeout = Duration::from_secs(3);
    builder.build()
}
