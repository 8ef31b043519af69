//! EBBD/1, what is said on an acknowledged stream beside its lines: the sender's greeting, the daemon's
//! answers.
//!
//! In: a line without its end. Out: what it says; and the other way round (`Display`).
//! Must not know: sockets, who has which number.

use std::fmt;
use std::sync::Arc;

/// With this a greeting begins.
const GREETING: &[u8] = b"EBBD/1";
/// Characters of a sender's name at most.
const LONGEST_ID: usize = 64;

/// A sender's own lasting name: 1 to 64 letters, digits, `.`, `_`, `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SenderId(Arc<str>);

/// What a sender that wants acknowledgements says first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// Its name; without one there is nothing that it could go on from.
    pub id: Option<SenderId>,
    /// The number of the first line that follows, at least 1.
    pub from: u64,
}

/// What the first line of a connection is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FirstLine {
    /// A line like any other: its sender is a plain one.
    Data,
    /// A greeting.
    Greeting(Greeting),
    /// It asks for acknowledgements, but not in a way that can be understood.
    Crooked,
}

/// What the daemon says to a sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Lines up to this one are durable; those above it may be sent.
    Ok(u64),
    /// Lines up to this one are counted or refused, and safe.
    Ack(u64),
    /// This line was refused, by the name of the reason.
    Rejected(u64, String),
    /// All is done that came before the half-close.
    Bye(Bye),
    /// The connection ends, for this reason.
    Error(Refusal),
}

/// What became of a connection's lines, told at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bye {
    /// The highest number that is safe.
    pub number: u64,
    /// Lines of this connection that were taken and not refused.
    pub counted: u64,
    /// Lines of this connection that were refused.
    pub rejected: u64,
    /// Lines of this connection that were known already.
    pub duplicate: u64,
    /// Bytes behind the last LF, which were dropped.
    pub partial: u64,
}

/// Why the daemon ends an acknowledged connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The same sender greeted on another connection.
    Fenced,
    /// It would begin behind the line after this one.
    Gap(u64),
    /// There are too many senders' names to remember another one.
    TooManyIds,
    /// This source does not acknowledge.
    NotAcked,
    /// What it sent again up to this line is not what was acknowledged.
    Diverged(u64),
    /// The greeting is crooked.
    BadGreeting,
}

impl SenderId {
    /// The name, if it may be one.
    pub fn new(name: &str) -> Option<SenderId> {
        let fits = (1..=LONGEST_ID).contains(&name.len());
        let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
        (fits && name.bytes().all(plain)).then(|| SenderId(name.into()))
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SenderId {
    type Error = &'static str;

    fn try_from(name: String) -> Result<SenderId, &'static str> {
        SenderId::new(&name).ok_or("a sender's name is 1 to 64 of A-Z a-z 0-9 . _ -")
    }
}

impl From<SenderId> for String {
    fn from(id: SenderId) -> String {
        id.0.as_ref().to_owned()
    }
}

impl fmt::Display for SenderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FirstLine {
    /// Whether a connection that begins so, perhaps in the middle of its first line, surely sends plain data.
    pub fn is_data(begin: &[u8]) -> bool {
        !begin.iter().zip(GREETING).all(|(byte, greeting)| byte == greeting)
    }

    /// Reads the first line of a connection, with or without its CR and LF.
    pub fn read(line: &[u8]) -> FirstLine {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match line.strip_prefix(GREETING) {
            Some(rest) if rest.is_empty() || rest[0] == b' ' => {
                greeting(rest).map_or(FirstLine::Crooked, FirstLine::Greeting)
            }
            _ => FirstLine::Data,
        }
    }
}

/// Reads ` id=… from=…`, each of which may be left out.
fn greeting(rest: &[u8]) -> Option<Greeting> {
    let mut words = std::str::from_utf8(rest).ok()?.split(' ').skip(1).peekable();
    let id = match words.peek().and_then(|word| word.strip_prefix("id=")) {
        Some(name) => {
            words.next();
            Some(SenderId::new(name)?)
        }
        None => None,
    };
    let from = match words.next() {
        Some(word) => number(word.strip_prefix("from=")?).filter(|from| *from > 0)?,
        None => 1,
    };
    words.next().is_none().then_some(Greeting { id, from })
}

/// Plain digits.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|c| c.is_ascii_digit()).then(|| text.parse().ok())?
}

impl fmt::Display for Greeting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EBBD/1")?;
        if let Some(id) = &self.id {
            write!(f, " id={id}")?;
        }
        write!(f, " from={}", self.from)
    }
}

impl Answer {
    /// Reads a line, with or without its end; `None` if it is no answer. Words that a later daemon may add
    /// behind are passed over.
    pub fn read(line: &str) -> Option<Answer> {
        let mut words = line.trim_end_matches(['\r', '\n']).split(' ');
        let what = words.next()?;
        if what == "ERR" {
            return refusal(words.next()?, words.next()).map(Answer::Error);
        }
        let at = number(words.next()?)?;
        match what {
            "OK" => Some(Answer::Ok(at)),
            "ACK" => Some(Answer::Ack(at)),
            "REJ" => {
                let is_name = |word: &&str| {
                    !word.is_empty() && word.bytes().all(|c| c.is_ascii_lowercase() || c == b'_')
                };
                Some(Answer::Rejected(at, words.next().filter(is_name)?.to_owned()))
            }
            "BYE" => Some(Answer::Bye(bye(at, words))),
            _ => None,
        }
    }
}

fn refusal(name: &str, at: Option<&str>) -> Option<Refusal> {
    let at = || number(at?);
    Some(match name {
        "fenced" => Refusal::Fenced,
        "gap" => Refusal::Gap(at()?),
        "too_many_ids" => Refusal::TooManyIds,
        "not_acked" => Refusal::NotAcked,
        "diverged" => Refusal::Diverged(at()?),
        "bad_greeting" => Refusal::BadGreeting,
        _ => return None,
    })
}

fn bye<'a>(number_said: u64, words: impl Iterator<Item = &'a str>) -> Bye {
    let mut bye = Bye { number: number_said, ..Bye::default() };
    for (name, value) in words.filter_map(|word| word.split_once('=')) {
        let field = match name {
            "counted" => &mut bye.counted,
            "rejected" => &mut bye.rejected,
            "duplicate" => &mut bye.duplicate,
            "partial" => &mut bye.partial,
            _ => continue,
        };
        *field = number(value).unwrap_or(0);
    }
    bye
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Ok(number) => write!(f, "OK {number}"),
            Answer::Ack(number) => write!(f, "ACK {number}"),
            Answer::Rejected(number, reason) => write!(f, "REJ {number} {reason}"),
            Answer::Bye(Bye { number, counted, rejected, duplicate, partial }) => {
                write!(f, "BYE {number} counted={counted} rejected={rejected} duplicate={duplicate}")?;
                if *partial > 0 { write!(f, " partial={partial}") } else { Ok(()) }
            }
            Answer::Error(refusal) => write!(f, "ERR {refusal}"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Fenced => f.write_str("fenced"),
            Refusal::Gap(number) => write!(f, "gap {number}"),
            Refusal::TooManyIds => f.write_str("too_many_ids"),
            Refusal::NotAcked => f.write_str("not_acked"),
            Refusal::Diverged(number) => write!(f, "diverged {number}"),
            Refusal::BadGreeting => f.write_str("bad_greeting"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn greeting(id: Option<&str>, from: u64) -> FirstLine {
        FirstLine::Greeting(Greeting { id: id.map(|id| SenderId::new(id).unwrap()), from })
    }

    #[test]
    fn greetings_are_told_from_data_and_from_crooked_ones() {
        let long = "x".repeat(64);
        let cases = [
            ("EBBD/1", greeting(None, 1)),
            ("EBBD/1\r\n", greeting(None, 1)),
            ("EBBD/1 from=7\n", greeting(None, 7)),
            ("EBBD/1 id=shop-7", greeting(Some("shop-7"), 1)),
            ("EBBD/1 id=a.B_9- from=18446744073709551615\r\n", greeting(Some("a.B_9-"), u64::MAX)),
            (&format!("EBBD/1 id={long}"), greeting(Some(&long), 1)),
            ("EBBD/1x", FirstLine::Data),
            ("EBBD/10 id=x", FirstLine::Data),
            (" EBBD/1", FirstLine::Data),
            ("ebbd/1", FirstLine::Data),
            ("", FirstLine::Data),
            ("{\"ts\":1}", FirstLine::Data),
        ];
        for (line, want) in cases {
            assert_eq!(FirstLine::read(line.as_bytes()), want, "{line:?}");
        }
        for crooked in [
            "EBBD/1 ",
            "EBBD/1 id=",
            "EBBD/1 id=a/b",
            "EBBD/1 id=é",
            "EBBD/1  id=a",
            "EBBD/1 id=a ",
            "EBBD/1 from=0",
            "EBBD/1 from=",
            "EBBD/1 from=+1",
            "EBBD/1 from=18446744073709551616",
            "EBBD/1 from=1 id=a",
            "EBBD/1 id=a id=b",
            "EBBD/1 id=a from=1 more",
            &format!("EBBD/1 id={long}x"),
        ] {
            assert_eq!(FirstLine::read(crooked.as_bytes()), FirstLine::Crooked, "{crooked:?}");
        }
        assert_eq!(FirstLine::read(b"EBBD/1 id=\xff"), FirstLine::Crooked);
    }

    #[test]
    fn answers_read_as_they_are_written() {
        for said in [
            "OK 1200",
            "ACK 6200",
            "REJ 5310 bad_time",
            "BYE 9000 counted=7795 rejected=5 duplicate=1200",
            "BYE 9000 counted=7795 rejected=5 duplicate=1200 partial=17",
            "ERR fenced",
            "ERR gap 1200",
            "ERR too_many_ids",
            "ERR not_acked",
            "ERR diverged 812",
            "ERR bad_greeting",
        ] {
            assert_eq!(Answer::read(&format!("{said}\r\n")).unwrap().to_string(), said);
        }
        for strange in ["", "OK", "OK -1", "OK x", "REJ 1", "ERR", "ERR gap", "ERR whatever", "HELLO 1"] {
            assert_eq!(Answer::read(strange), None, "{strange:?}");
        }
        assert_eq!(Answer::read("ACK 5 and more"), Some(Answer::Ack(5)));
    }

    proptest! {
        #[test]
        fn a_greeting_reads_as_it_is_written(id in "([A-Za-z0-9._-]{1,64})?", from in 1_u64..) {
            let greeting = Greeting { id: SenderId::new(&id), from };
            let said = greeting.to_string();
            prop_assert_eq!(FirstLine::read(said.as_bytes()), FirstLine::Greeting(greeting));
        }

        #[test]
        fn what_begins_as_data_is_data(cut in 0_usize..7, rest in prop::collection::vec(any::<u8>(), 0..9)) {
            let line = [&GREETING[..cut.min(GREETING.len())], &rest].concat();
            for end in 0..=line.len() {
                prop_assert!(!FirstLine::is_data(&line[..end]) || FirstLine::read(&line) == FirstLine::Data);
            }
        }

        #[test]
        fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let mut line = b"EBBD/1".to_vec();
            line.extend_from_slice(&bytes);
            let _ = FirstLine::read(&line);
            let _ = Answer::read(&String::from_utf8_lossy(&bytes));
        }
    }
}
