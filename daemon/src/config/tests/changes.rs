//! What depends on the machine, and what changes from one configuration to another.

use super::*;

#[test]
fn lanes_shrink_until_memory_suffices_unless_written() {
    let many = Surroundings { host: "h".to_owned(), cores: 128, secrets: Secrets::default() };
    let checked = Config::check("", None, &many);
    let lanes = checked.config.expect("valid").lanes;
    assert!((4..128).contains(&lanes), "{lanes}");
}

#[test]
fn the_hash_stands_for_counts_and_verdicts() {
    let base = config(WHOLE);
    assert_eq!(base.hash().len(), 16);
    assert_eq!(base.hash(), config(WHOLE).hash());
    assert_eq!(base.hash(), config(&WHOLE.replace("/run/ebbd", "/tmp")).hash());
    assert_ne!(base.hash(), config(&WHOLE.replace("min_loss   = 5", "min_loss   = 6")).hash());
    assert_ne!(base.hash(), config(&WHOLE.replace("1 per week", "2 per week")).hash());
    assert_eq!(config("").hash(), "db112b1e617598f8", "the hash of the defaults is the same for ever");
}

#[test]
fn diffs_say_what_would_relearn() {
    let old = config(WHOLE);
    assert!(old.diff(&config(WHOLE)).is_empty());
    let new = WHOLE
        .replace("min_loss   = 5", "min_loss   = 6")
        .replace("[stream.shipments]\n", "[stream.returns]\n[stream.shipments]\nwatch = [[]]\n")
        .replace("scale = 2", "scale = 3")
        .replace("127.0.0.1:8125", "127.0.0.1:8126")
        .replace("/var/lib/ebbd", "/srv/ebbd");
    let diff = config(&new).diff(&old);
    insta::assert_snapshot!(serde_json::to_string_pretty(&diff).expect("plain"), @r#"
    {
      "streams": [
        {
          "stream": "orders",
          "change": "keeps_state",
          "details": [
            "sums: [amount scale 2 currency currency] -> [amount scale 3 currency currency]",
            "min_loss: 5 -> 6",
            "scale of `amount`: 2 -> 3: older files keep decimal(18, 2), newer have decimal(18, 3); give the sum a new name unless every reader copes"
          ]
        },
        {
          "stream": "returns",
          "change": "added",
          "details": []
        },
        {
          "stream": "shipments",
          "change": "relearns",
          "details": [
            "watch: [[], [\"marketplace\"]] -> [[]]"
          ]
        }
      ],
      "sources": [
        "source.metrics.address: 127.0.0.1:8125 -> 127.0.0.1:8126",
        "source.metrics.stream: by name: orders, shipments -> by name: orders, returns, shipments"
      ],
      "others": [
        "data_dir: /var/lib/ebbd -> /srv/ebbd"
      ]
    }
    "#);
}

#[test]
fn a_named_file_that_cannot_be_read_is_an_error() {
    let missing = Config::load(Some(Path::new("/nonexistent/ebbd.toml"))).expect_err("it is not there");
    assert!(missing.to_string().starts_with("/nonexistent/ebbd.toml: can't read"), "{missing}");
    let directory = Config::load(Some(Path::new("/"))).expect_err("no file");
    assert!(matches!(directory, ConfigError::Unreadable { .. }));
}

#[test]
fn this_machine_has_a_name_and_cores() {
    let here = Surroundings::here();
    assert!(!here.host.is_empty() && here.cores > 0);
}
