//! The demo's configuration: the documentation's stream, everything under one directory.

use std::path::Path;

use crate::config::{Config, Surroundings};

/// The configuration of the demo below `dir`, with HTTP at `http`.
///
/// # Errors
/// A directory whose name cannot stand in a configuration.
pub(super) fn config(dir: &Path, http: &str) -> Result<Config, String> {
    let text = text(dir, http);
    let checked = Config::check(&text, None, &Surroundings::here());
    let told: Vec<String> = checked.errors.iter().map(|problem| problem.render("demo", "error")).collect();
    checked.config.ok_or_else(|| told.concat())
}

/// In accelerated time a minute is a second: lines get a while longer to come in, rolls come sooner.
fn text(dir: &Path, http: &str) -> String {
    let quoted = |name: &str| toml::Value::String(dir.join(name).display().to_string()).to_string();
    format!(
        r#"
data_dir = {data}
lanes = 1
host = "demo"
http = "{http}"

[stream.orders]
time       = "ts"
dimensions = ["marketplace", "feature", "payment", "status"]
sums       = {{ amount = {{ field = "amount", scale = 2, currency = "currency" }} }}
distinct   = ["customer"]
origin     = "host"
watched    = {{ status = ["placed"] }}
watch      = [[], ["marketplace"], ["feature"], ["marketplace", "feature"]]
timezone   = {{ default = "UTC", by = "marketplace", zones = {{ US = "America/New_York", DE = "Europe/Berlin", UK = "Europe/London", JP = "Asia/Tokyo" }} }}
seal       = "20s"

[source.shop]
type   = "unix"
listen = {events}
format = "ndjson"
stream = "orders"

[alarms]
listen = {alarms}
[control]
listen = {control}
[parquet]
roll = "2m"
"#,
        data = quoted(""),
        events = quoted("events.sock"),
        alarms = quoted("alarms.sock"),
        control = quoted("control.sock"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_is_valid_wherever_it_lies() {
        let config = config(Path::new("some dir/\"demo\""), "127.0.0.1:7780").expect("valid");
        assert_eq!(config.streams.len(), 1);
        assert!(config.alarms.path.ends_with("some dir/\"demo\"/alarms.sock"));
        assert!(config.warnings().is_empty(), "{:?}", config.warnings());
    }
}
