//! A `[stream]` that would fit a sample's fields: guesses a person can mend in a minute.

use super::fields::{Profile, Profiles};
use super::raw::{NAME_PATH, RawKind};
use super::sample::Sample;

/// A field with more values than this is no dimension.
const MAX_DIMENSION_VALUES: u64 = 200;
/// Most dimensions suggested.
const MAX_DIMENSIONS: usize = 6;

const TIME_NAMES: [&str; 7] = ["ts", "time", "timestamp", "created_at", "created", "date", "at"];
const MONEY_NAMES: [&str; 8] = ["amount", "price", "total", "revenue", "value", "sum", "paid", "gross"];
const CUSTOMER_NAMES: [&str; 6] = ["customer", "user", "client", "buyer", "account", "session"];
const ORIGIN_NAMES: [&str; 5] = ["host", "hostname", "server", "node", "instance"];
const STATUS_NAMES: [&str; 3] = ["status", "state", "result"];

/// The suggestion as TOML; none if nothing looks like the time of an event.
pub(super) fn stream(sample: &Sample) -> Option<String> {
    let profiles = &sample.profiles;
    let timed_by_format = profiles.fields.contains_key(NAME_PATH);
    let time = time(profiles);
    if time.is_none() && !timed_by_format {
        return None;
    }
    let mut taken: Vec<&str> = time.into_iter().collect();
    let currency = pick(profiles, &taken, |_, p| p.mostly(p.currencies));
    taken.extend(currency);
    let sum = pick(profiles, &taken, |path, p| p.mostly(p.numbers) && is_called(path, &MONEY_NAMES));
    taken.extend(sum);
    let origin = pick(profiles, &taken, |path, _| is_called(path, &ORIGIN_NAMES));
    taken.extend(origin);
    let customer = pick(profiles, &taken, |path, p| is_called(path, &CUSTOMER_NAMES) && p.distinct().0 > 1);
    taken.extend(customer);
    let dimensions = dimensions(profiles, &taken);
    let status = dimensions.iter().find(|path| is_called(path, &STATUS_NAMES)).copied();

    let mut out = format!("[stream.{}]\n", name(profiles));
    if let Some(time) = time.filter(|_| !timed_by_format) {
        out.push_str(&format!("time       = {}\n", quoted(time)));
    }
    let listed: Vec<String> = dimensions.iter().map(|path| field(path)).collect();
    out.push_str(&format!("dimensions = [{}]\n", listed.join(", ")));
    out.push_str(&sums(profiles, sum, currency));
    let line = |key: &str, value: String| format!("{key:<10} = {value}\n");
    customer.iter().for_each(|path| out.push_str(&line("distinct", format!("[{}]", field(path)))));
    origin.iter().for_each(|path| out.push_str(&line("origin", quoted(path))));
    status.iter().for_each(|path| out.push_str(&watched(path, &profiles.fields[*path])));
    Some(out)
}

/// The measurement if there is only one, else `orders`.
fn name(profiles: &Profiles) -> String {
    let only = profiles.fields.get(NAME_PATH).and_then(Profile::all_values).filter(|names| names.len() == 1);
    only.map_or_else(|| "orders".to_owned(), |names| key(names[0]))
}

/// The field that is nearly always a time, those with a usual name first.
fn time(profiles: &Profiles) -> Option<&str> {
    let times = profiles.fields.iter().filter(|(_, p)| p.mostly(p.times) && profiles.fill(p) > 0.5);
    let rank =
        |path: &str| TIME_NAMES.iter().position(|name| last(path) == *name).unwrap_or(TIME_NAMES.len());
    let text = |p: &Profile| p.kinds.contains_key(&RawKind::Text);
    let usable = times.filter(|(path, p)| text(p) || rank(path) < TIME_NAMES.len() || path.contains("time"));
    usable.min_by_key(|(path, _)| (rank(path), path.len())).map(|(path, _)| path.as_str())
}

/// The first field, by how often it is filled, that is not taken and fits.
fn pick<'p>(
    profiles: &'p Profiles,
    taken: &[&str],
    fits: impl Fn(&str, &Profile) -> bool,
) -> Option<&'p str> {
    let free = profiles
        .fields
        .iter()
        .filter(|(path, p)| !taken.contains(&path.as_str()) && path.as_str() != NAME_PATH && fits(path, p));
    free.max_by_key(|(path, p)| (p.filled, std::cmp::Reverse(path.len()))).map(|(path, _)| path.as_str())
}

/// Texts and flags with a few values that most lines have; those with the fewest values first.
fn dimensions<'p>(profiles: &'p Profiles, taken: &[&str]) -> Vec<&'p str> {
    let mut found: Vec<(u64, &str)> = profiles
        .fields
        .iter()
        .filter(|(path, p)| !taken.contains(&path.as_str()) && is_dimension(path, p, profiles))
        .map(|(path, p)| (p.distinct().0, path.as_str()))
        .collect();
    found.sort_unstable();
    found.truncate(MAX_DIMENSIONS);
    found.into_iter().map(|(_, path)| path).collect()
}

fn is_dimension(path: &str, profile: &Profile, profiles: &Profiles) -> bool {
    let values = profile.distinct().0;
    let words = profile.kinds.keys().all(|kind| matches!(kind, RawKind::Text | RawKind::Flag));
    // As many values as lines: an id. A handful of lines can't tell, but a name can.
    let handful = profiles.lines < 20 && !last(path).to_ascii_lowercase().ends_with("id");
    let repeats = handful || values * 2 <= profile.filled;
    let usual = profiles.fill(profile) > 0.3;
    // A constant tells nothing apart.
    let varies = (2..=MAX_DIMENSION_VALUES).contains(&values);
    let time = profile.mostly(profile.times);
    words && repeats && usual && varies && !time && path != NAME_PATH
}

fn sums(profiles: &Profiles, sum: Option<&str>, currency: Option<&str>) -> String {
    let Some(path) = sum else { return String::new() };
    let scale = profiles.fields[path].digits.clamp(0, 9);
    // A sample of whole amounts says nothing about cents.
    let scale = if scale <= 2 { 2 } else { scale };
    let currency = currency.map_or_else(String::new, |path| format!(", currency = {}", quoted(path)));
    format!(
        "sums       = {{ {} = {{ field = {}, scale = {scale}{currency} }} }}\n",
        key(&column(path)),
        quoted(path)
    )
}

/// A comment: which values are orders is for a person to say.
fn watched(path: &str, profile: &Profile) -> String {
    let values: Vec<String> = profile.examples(5).into_iter().map(|(value, _)| quoted(value)).collect();
    let first = values.first().cloned().unwrap_or_default();
    let name = key(&column(path));
    format!(
        "# which events are orders that ought to come? values of {name}: {}\n# watched  = {{ {name} = [{first}] }}\n",
        values.join(", ")
    )
}

fn is_called(path: &str, names: &[&str]) -> bool {
    let last = last(path).to_ascii_lowercase();
    names.iter().any(|name| {
        last == *name || last.starts_with(&format!("{name}_")) || last.ends_with(&format!("_{name}"))
    })
}

fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

/// `"status"`, or `{ name = "feature", field = "cart.feature" }` where the path can't be a column's name.
fn field(path: &str) -> String {
    let name = column(path);
    if name == path {
        quoted(path)
    } else {
        format!("{{ name = {}, field = {} }}", quoted(&name), quoted(path))
    }
}

/// A column's name for a path: its last part, made plain, and not one of ebbd's own.
fn column(path: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = last(path).chars().map(plain).take(60).collect();
    crate::config::usable_dimension(&name)
}

/// A bare key where TOML allows it, else quoted.
fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if bare { name.to_owned() } else { quoted(name) }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
