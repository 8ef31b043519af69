//! `[outlet.NAME]`: where alarms are sent.

use hyper::Uri;

use super::checked::{OutletConfig, OutletKind};
use super::names;
use super::written::{Item, Section, suggestion};

/// All outlets in the order of the file.
pub(super) fn read_all(root: &Section<'_>) -> Vec<OutletConfig> {
    root.section("outlet").entries().iter().filter_map(read).collect()
}

fn read(entry: &Item<'_>) -> Option<OutletConfig> {
    names::check_name("outlet name", &entry.key, &entry.key_span, entry.findings);
    let outlet = entry.section(&format!("[outlet.{}]", entry.key));
    let kind = required(&outlet, "type", "alertmanager").and_then(|item| kind(&item));
    let url = required(&outlet, "url", "http://127.0.0.1:9093").and_then(|item| url(&item));
    outlet.finish();
    Some(OutletConfig { name: entry.key.clone(), kind: kind?, url: url? })
}

fn required<'d>(outlet: &Section<'d>, key: &'static str, example: &str) -> Option<Item<'d>> {
    let found = outlet.get(key);
    if found.is_none() {
        let message = format!("{} has no `{key}`", outlet.name);
        outlet.findings.error(&outlet.span, message, format!("add {key} = \"{example}\""));
    }
    found
}

fn kind(item: &Item<'_>) -> Option<OutletKind> {
    let kinds = [OutletKind::Alertmanager, OutletKind::Webhook];
    let text = item.text()?;
    let found = kinds.into_iter().find(|kind| kind.name() == text);
    if found.is_none() {
        item.error(format!("unknown outlet type {text:?}"), suggestion(text, &kinds.map(OutletKind::name)));
    }
    found
}

/// An address as `http://HOST[:PORT][/PATH]`.
fn url(item: &Item<'_>) -> Option<String> {
    let text = item.text()?;
    let uri = text.parse::<Uri>().ok();
    let uri = uri.filter(|uri| uri.authority().is_some_and(|authority| !authority.as_str().contains('@')));
    match uri.as_ref().and_then(Uri::scheme_str) {
        Some("http") => return Some(text.to_owned()),
        Some("https") => item.error(
            "outlets speak plain HTTP, not https",
            "send to a proxy on this host that speaks TLS (docs/outlets.md has one), or use `ebbd watch --exec`",
        ),
        _ => item.error(format!("{text:?} is no http address"), "write url = \"http://127.0.0.1:9093\""),
    }
    None
}
