//! `[outlet.NAME]`: where alarms are sent.

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

fn url(item: &Item<'_>) -> Option<String> {
    let text = item.text()?;
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let fits = rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
        && !text.contains(|c: char| c.is_whitespace() || c.is_control());
    if !fits {
        item.error(format!("{text:?} is no http address"), "write url = \"http://127.0.0.1:9093\"");
    }
    fits.then(|| text.to_owned())
}
