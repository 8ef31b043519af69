//! `[outlet.NAME]`: where alarms are sent.

use std::path::PathBuf;

use hyper::Uri;

use super::checked::{OutletConfig, OutletKind};
use super::names;
use super::token::Secrets;
use super::written::{Item, Section, suggestion};

/// All outlets in the order of the file.
pub(super) fn read_all(root: &Section<'_>, secrets: &Secrets) -> Vec<OutletConfig> {
    root.section("outlet").entries().iter().filter_map(|entry| read(entry, secrets)).collect()
}

fn read(entry: &Item<'_>, secrets: &Secrets) -> Option<OutletConfig> {
    names::check_name("outlet name", &entry.key, &entry.key_span, entry.findings);
    let outlet = entry.section(&format!("[outlet.{}]", entry.key));
    let kind = required(&outlet, "type", "alertmanager").and_then(|item| kind(&item));
    let url = required(&outlet, "url", "http://127.0.0.1:9093").and_then(|item| url(&item));
    let ca_file = outlet.get("ca_file").and_then(|item| ca_file(&item, url.as_deref(), secrets));
    outlet.finish();
    Some(OutletConfig { name: entry.key.clone(), kind: kind?, url: url?, ca_file })
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
    let text = item.text()?;
    let found = OutletKind::ALL.into_iter().find(|kind| kind.name() == text);
    if found.is_none() {
        item.error(
            format!("unknown outlet type {text:?}"),
            suggestion(text, &OutletKind::ALL.map(OutletKind::name)),
        );
    }
    found
}

/// A file with certificate authorities; it is looked into where the configuration is for use.
fn ca_file(item: &Item<'_>, url: Option<&str>, secrets: &Secrets) -> Option<PathBuf> {
    let path = PathBuf::from(item.text()?);
    if url.is_some_and(|url| !url.starts_with("https://")) {
        item.error("`ca_file` says whom to trust, but `url` is plain http", "write url = \"https://…\"");
    }
    if let Err(why) = secrets.authorities(&path) {
        let hint = "name a file with the certificates of the authorities to trust, as PEM";
        item.error(why, hint);
    }
    Some(path)
}

/// An address as `http://HOST[:PORT][/PATH]`, or `https`.
fn url(item: &Item<'_>) -> Option<String> {
    let text = item.text()?;
    let uri = text.parse::<Uri>().ok();
    let uri = uri.filter(|uri| uri.authority().is_some_and(|authority| !authority.as_str().contains('@')));
    match uri.as_ref().and_then(Uri::scheme_str) {
        Some("http" | "https") => return Some(text.to_owned()),
        _ => item.error(format!("{text:?} is no http address"), "write url = \"http://127.0.0.1:9093\""),
    }
    None
}
