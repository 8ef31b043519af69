//! HTTP over real sockets: every answer is what was counted.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use serde_json::{Value, json};

use super::acked::{Office, office_for};
use super::*;
use crate::config::Token;

/// A source that takes orders; `token` is what writers must present.
fn http(token: Option<&str>) -> SourceConfig {
    let (addr, token) = ("127.0.0.1:0".parse().expect("an address"), token.map(Token::new));
    let token_file = token.is_some().then(|| "token".into());
    let mut config = config(SourceKind::Http { addr, token_file, token });
    config.spec.format = Format::Influx;
    config.spec.route = StreamRoute::ByName([("orders".to_owned(), StreamId(0))].into());
    config
}

fn office() -> Office {
    office_for(10, http(None).spec)
}

fn start(office: &Office, config: &SourceConfig) -> SourceHandle {
    spawn(config, &office.intake, &mut Inherited::none(), Before::default()).expect("bound")
}

/// Says `text` and reads to the end: status, head, body.
fn say(source: &SourceHandle, text: &[u8]) -> (u16, String, String) {
    let mut to = TcpStream::connect(source.address.expect("bound")).expect("connected");
    to.set_read_timeout(Some(PATIENCE)).expect("set");
    // It may be turned down before all is sent.
    let _ = to.write_all(text);
    let mut said = String::new();
    let _ = to.read_to_string(&mut said);
    let (head, body) = said.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{said:?}"));
    (head[9..12].parse().expect("a status"), head.to_ascii_lowercase(), body.to_owned())
}

fn post(source: &SourceHandle, path: &str, headers: &str, body: &[u8]) -> (u16, String, String) {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
    );
    say(source, &[head.as_bytes(), body].concat())
}

fn parsed(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body:?}"))
}

/// Orders of this moment in line protocol, as seconds.
fn orders(count: usize) -> String {
    let second = NOW.0 / 1_000_000;
    let line = |at| format!("orders,marketplace=US,status=placed amount=1.5,customer=\"c{at}\" {second}\n");
    (0..count).map(line).collect()
}

#[test]
fn a_write_is_answered_when_it_is_counted() {
    let office = office();
    let source = start(&office, &http(None));
    let (status, head, body) =
        post(&source, "/api/v2/write?org=o&bucket=b&precision=s", "", orders(3).as_bytes());
    assert_eq!((status, body.as_str()), (204, ""));
    assert!(head.contains("x-influxdb-version: v2."));
    let mixed = format!("{}\n{}cpu x=1\norders x\n", orders(1), orders(1));
    let (status, _, body) = post(&source, "/api/v2/write?precision=s", "", mixed.as_bytes());
    let want = json!({
        "code": "invalid", "line": 4,
        "message": "partial write: 2 of 4 lines rejected: unknown_stream 1 (first in line 4), \
                    bad_syntax 1 (first in line 5) dropped=2",
    });
    assert_eq!((status, parsed(&body)), (400, want));
    let (status, _, body) = post(&source, "/write?db=x&precision=s", "", b"cpu x=1");
    let want = json!({"error": "partial write: 1 of 1 lines rejected: unknown_stream 1 (first in line 1) dropped=1"});
    assert_eq!((status, parsed(&body)), (400, want));
    assert_eq!(post(&source, "/write?precision=s", "", b"\n\r\n").0, 204, "there is nothing to count");
    let statuses: Vec<_> = source.counters.by_status().collect();
    assert_eq!(statuses, [("204", 2), ("400", 2)]);
    assert_eq!(office.finish(source), (8, 0));
}

#[test]
fn events_and_marks_are_answered_with_counts() {
    let office = office();
    let source = start(&office, &http(None));
    let good = "{\"ts\":1795352645,\"marketplace\":\"US\",\"status\":\"placed\"}\n";
    let beat = "{\"ebbd\":\"heartbeat\",\"origin\":\"web-01\"}\n";
    let (status, _, body) =
        post(&source, "/api/v1/events/orders", "", format!("{good}{{\n{beat}{{\"ts\":\"x\"}}").as_bytes());
    let want =
        json!({"received": 4, "counted": 2, "rejected": 2, "reasons": {"bad_syntax": 1, "bad_time": 1}});
    assert_eq!((status, parsed(&body)), (200, want));
    let (status, _, body) = post(&source, "/api/v1/events/orders", "", b"{");
    let want = json!({"received": 1, "counted": 0, "rejected": 1, "reasons": {"bad_syntax": 1}});
    assert_eq!((status, parsed(&body)), (400, want));
    let (status, _, body) = post(&source, "/api/v1/events/parcels", "", good.as_bytes());
    assert_eq!((status, parsed(&body)), (404, json!({"error": "no [stream.parcels] is declared"})));
    let mark = b"{\"kind\": \"deploy\",\n\"what\": \"v42\"}";
    let (status, _, body) = post(&source, "/api/v1/marks", "", mark);
    assert_eq!(
        (status, parsed(&body)),
        (200, json!({"received": 1, "counted": 1, "rejected": 0, "reasons": {}}))
    );
    let (status, _, body) =
        post(&source, "/api/v1/marks", "", b"{\"kind\":\"deploy\",\"at\":\"soon\",\"what\":\"x\"}");
    assert_eq!((status, parsed(&body)["reasons"].clone()), (400, json!({"bad_control": 1})));
    assert_eq!(post(&source, "/api/v1/marks", "", b"{\"what\":").0, 400);
    assert_eq!(office.finish(source), (7, 0));
}

#[test]
fn nothing_is_counted_of_what_is_turned_down() {
    let office = office();
    let source = start(&office, &http(Some("s3cret")));
    let body = orders(1);
    let body = body.as_bytes();
    let may = "Authorization: Token s3cret\r\n";
    for (path, headers, want) in [
        ("/api/v2/write", "", 401),
        ("/api/v2/write", "Authorization: Token s3cre\r\n", 401),
        ("/write?u=x&p=s3crets", "", 401),
        ("/api/v1/events/orders", "", 401),
        ("/api/v1/marks", "", 401),
        ("/query?q=CREATE+DATABASE+x", "", 401),
        ("/api/v2/write?precision=d", may, 400),
        ("/api/v2/write", "Authorization: Token s3cret\r\nContent-Encoding: gzip\r\n", 400),
        ("/api/v2/write", "Authorization: Token s3cret\r\nContent-Encoding: br\r\n", 415),
        ("/api/v2/query", may, 404),
        ("/query?q=SHOW+DATABASES", may, 400),
    ] {
        let (status, head, told) = post(&source, path, headers, body);
        assert_eq!(status, want, "{path} {headers}: {told}");
        let told = parsed(&told);
        assert!(told["error"].is_string() != (told["code"].is_string() && told["message"].is_string()));
        assert_eq!(head.contains("www-authenticate"), want == 401);
    }
    let told = |(status, _, body): (u16, String, String)| (status, body);
    let large = "POST /api/v2/write HTTP/1.1\r\nHost: x\r\nAuthorization: Token s3cret\r\nContent-Length: 25000001\r\n\r\n";
    assert_eq!(say(&source, large.as_bytes()).0, 413);
    let get = |path: &str| {
        told(say(&source, format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()))
    };
    assert_eq!(get("/api/v2/write").0, 405);
    assert_eq!(get("/ping"), (204, String::new()));
    assert!(get("/ping?verbose=true").1.contains("\"version\":\"v2."));
    assert_eq!(parsed(&get("/health").1)["status"], "pass");
    let (status, _, made) =
        post(&source, "/query", "Authorization: Basic eDpzM2NyZXQ=\r\n", b"q=CREATE+DATABASE+%22x%22");
    assert_eq!((status, parsed(&made)), (200, json!({"results": [{"statement_id": 0}]})));
    office.intake.desk.hold(true);
    let (status, head, _) = post(&source, "/api/v2/write?precision=s", may, body);
    assert!(status == 503 && head.contains("retry-after: 2"), "{head}");
    assert_eq!(get("/health").0, 503);
    office.intake.desk.hold(false);
    assert_eq!(post(&source, "/api/v2/write?precision=s", may, body).0, 204);
    assert_eq!(office.finish(source), (1, 0));
}

#[test]
fn many_at_once_are_each_told_their_own() {
    let office = office();
    let source = start(&office, &http(None));
    thread::scope(|scope| {
        for client in 1..40 {
            let source = &source;
            scope.spawn(move || {
                let head = |length| {
                    format!("POST /write?precision=s HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n")
                };
                let mut to = TcpStream::connect(source.address.expect("bound")).expect("connected");
                to.set_read_timeout(Some(PATIENCE)).expect("set");
                for round in 0..5 {
                    // As many lines as make several blocks, some of them refused.
                    let lines = orders(client * 37) + &"cpu x=1\n".repeat(round) + &orders(client);
                    to.write_all((head(lines.len()) + &lines).as_bytes()).expect("sent");
                    let told = answer(&mut to);
                    let want = match round {
                        0 => "HTTP/1.1 204".to_owned(),
                        _ => format!("partial write: {round} of {} lines", client * 38 + round),
                    };
                    assert!(told.contains(&want), "{want}\n{told}");
                }
            });
        }
    });
    let orders: u64 = (1..40).map(|client| client * 38 * 5 + 10).sum();
    assert_eq!(office.finish(source), (orders, 0));
}

/// Reads one answer.
fn answer(from: &mut TcpStream) -> String {
    let mut said = Vec::new();
    let mut byte = [0];
    while !said.ends_with(b"\r\n\r\n") {
        from.read_exact(&mut byte).expect("an answer");
        said.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&said).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
    let mut body = vec![0; length.parse().expect("a number")];
    from.read_exact(&mut body).expect("its body");
    String::from_utf8_lossy(&[said, body].concat()).into_owned()
}

#[test]
fn who_hangs_up_early_or_says_nothing_costs_nobody_anything() {
    let office = office();
    let source = start(&office, &SourceConfig { connections: 3, ..http(None) });
    let connect = || TcpStream::connect(source.address.expect("bound")).expect("connected");
    let mut silent = connect();
    let mut half = connect();
    write!(half, "POST /write HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{}", orders(1))
        .expect("sent");
    let third = connect();
    thread::sleep(Duration::from_millis(50));
    let (status, head, _) = say(&source, b"");
    assert!(status == 503 && head.contains("connection: close"), "{head}");
    drop(third);
    half.shutdown(Shutdown::Both).expect("shut down");
    drop(half);
    let deadline = Instant::now() + PATIENCE;
    while say(&source, b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").0 != 204 {
        assert!(Instant::now() < deadline, "there is no place");
    }
    let text = orders(2);
    let expecting = format!(
        "POST /write?precision=s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        text.len()
    );
    silent.set_read_timeout(Some(PATIENCE)).expect("set");
    silent.write_all(expecting.as_bytes()).expect("sent");
    assert!(answer(&mut silent).starts_with("HTTP/1.1 100"));
    silent.write_all(text.as_bytes()).expect("sent");
    assert!(answer(&mut silent).starts_with("HTTP/1.1 204"));
    assert!(source.counters.drain().refused_connections > 0);
    assert_eq!(office.finish(source), (2, 0));
}

#[test]
fn who_is_too_slow_is_let_go() {
    let office = office();
    let source = start(&office, &SourceConfig { partial_line_ms: 200, ..http(None) });
    let begun = Instant::now();
    assert!(say_and_wait(&source, "").is_empty(), "nobody waits for ever for a first letter");
    assert!(begun.elapsed() >= Duration::from_millis(600));
    assert!(say_and_wait(&source, "POST /write HTTP/1.1\r\nHost:").is_empty(), "nor for the rest of a head");
    let half = format!("POST /write HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{}", orders(1));
    let told = say_and_wait(&source, &half);
    assert!(told.starts_with("HTTP/1.1 408") && told.contains("nothing was counted"), "{told}");
    assert_eq!(office.finish(source), (0, 0));
}

/// Says `text`, and reads to the end without ever saying more.
fn say_and_wait(source: &SourceHandle, text: &str) -> String {
    let mut to = TcpStream::connect(source.address.expect("bound")).expect("connected");
    to.set_read_timeout(Some(PATIENCE)).expect("set");
    to.write_all(text.as_bytes()).expect("sent");
    let mut said = Vec::new();
    // Let go in whatever way, as long as it is not by our own patience.
    if let Err(error) = to.read_to_end(&mut said) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
    String::from_utf8_lossy(&said).into_owned()
}
