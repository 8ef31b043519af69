//! An alarm's record: its life, its figures and its words put together.

use std::collections::BTreeMap;

use super::block;
use super::book::Memory;
use super::fall::{Fall, safe_title};
use super::late::LateNews;
use super::life::{Acked, Life, News};
use super::recent::Window;
use super::record::{
    AlarmRecord, Cause, Change, DataQuality, Kind, Losing, Lost, MissingPart, Notify, SinceOnsetPart, State,
};
use super::scene::{Scene, shortfall};
use super::silence::Silence;
use super::words::{self, Clock};
use crate::detect::SliceVerdict;
use crate::impact::{Baskets, METHOD, PerOrder};
use crate::model::{Completeness, Minute, Slice, StreamSpec, TimeUs, View};

/// Most missing origins in one record, those with the largest share.
const MOST_MISSING: usize = 20;

/// What all records of a daemon have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct BookContext {
    /// The daemon's host.
    pub host: String,
    /// What the daemon sees of the shop.
    pub view: View,
    /// Hash of the configuration.
    pub config_hash: String,
    /// Address of the dashboard, without a slash at its end: `http://127.0.0.1:7780`.
    pub http_url: Option<String>,
    /// What the declared days are called.
    pub calendar: Vec<String>,
}

/// A record with everything that does not depend on what the alarm is about.
pub(super) fn bare(
    context: &BookContext,
    life: &Life,
    news: &News,
    minute: Minute,
    now: TimeUs,
) -> AlarmRecord {
    AlarmRecord {
        record_type: "alarm".to_owned(),
        v: 1,
        seq: 0,
        no: life.no,
        id: life.id.clone(),
        key: life.key.clone(),
        rev: life.rev,
        at: now.to_rfc3339(),
        host: context.host.clone(),
        view: context.view.name().to_owned(),
        state: life.state,
        kind: life.kind,
        severity: life.severity,
        notify: if news.is_known { Notify::None } else { life.notify(news) },
        because: news.because,
        stream: life.stream.clone(),
        slice: life.root.clone(),
        title: String::new(),
        text: String::new(),
        minute: minute.to_string(),
        onset: (life.kind != Kind::Ebbd).then(|| life.onset.map(|minute| minute.to_string())),
        ended: life.ended.map(|minute| minute.to_string()),
        observed: None,
        observed_max: None,
        expected: None,
        low: None,
        high: None,
        since_onset: None,
        evidence: None,
        threshold: None,
        completeness: quality(&Completeness::whole()),
        losing: None,
        lost: None,
        causes: Vec::new(),
        unexplained: None,
        changes: Vec::new(),
        changes_note: None,
        early: false,
        late: false,
        durable: true,
        acked: life.acked.as_ref().map(Acked::words),
        silenced_until: life.silenced_until.map(TimeUs::to_rfc3339),
        label: life.label.map(|label| label.name().to_owned()),
        reason: news.reason.clone(),
        config: context.config_hash.clone(),
        url: context.http_url.as_ref().map(|url| format!("{url}/alarms/{}", life.no)),
    }
}

/// The record of a drop.
pub(super) fn of_fall(bare: AlarmRecord, life: &Life, fall: &Fall, scene: &Scene) -> AlarmRecord {
    let verdict = scene.verdict(&fall.shown);
    let per_order = scene.subject.baskets.per_order(scene.subject.priced, &fall.shown);
    let suspects = scene.marks.near(life.onset, &fall.shown);
    let open = matches!(life.state, State::Firing | State::Recovering);
    let mut record = AlarmRecord {
        slice: fall.shown.clone(),
        title: fall_title(&bare, life, fall, scene),
        since_onset: Some(since_onset(fall)),
        completeness: quality(&scene.sealed.completeness),
        losing: verdict.filter(|v| open && v.observed.is_some()).map(|v| losing(v, &per_order)),
        lost: Some(lost(life, fall, scene.minute(), (scene.subject.baskets, &per_order))),
        causes: fall.causes.iter().map(rounded).collect(),
        unexplained: Some(round(fall.unexplained, 3)),
        changes: suspects.changes,
        changes_note: Some(suspects.note),
        ..bare
    };
    if life.kind == Kind::Traffic {
        // What moved to other hosts is not lost, and this one can't tell.
        (record.losing, record.lost) = (None, None);
        (record.causes, record.unexplained) = (Vec::new(), None);
    }
    record.changes.extend(mended_by(life, fall, scene));
    if let Some(verdict) = verdict {
        figures(&mut record, verdict, strongest(fall, scene).unwrap_or(verdict));
    }
    finish(record)
}

fn since_onset(fall: &Fall) -> SinceOnsetPart {
    SinceOnsetPart {
        minutes: fall.loss.minutes,
        observed: fall.loss.observed.round() as i64,
        expected: round(fall.loss.usual(), 1),
    }
}

/// The record of a drop said again with what late data have changed: as of the last minute if it goes on,
/// else as of its end.
pub(super) fn of_late(
    told: AlarmRecord,
    life: &Life,
    fall: &Fall,
    spec: &StreamSpec,
    memory: &Memory,
    news: &LateNews,
) -> AlarmRecord {
    let minute = block::instant(&told.minute).map_or(news.last, TimeUs::minute);
    let per_order = memory.baskets.per_order(spec, &fall.shown);
    let lately = fall.until(&memory.recent, minute, life.onset);
    let latest = (news.latest)(&fall.shown).filter(|_| minute == news.last);
    let mut record = AlarmRecord {
        title: title(&told, life, (fall, spec), &lately, news.now),
        since_onset: Some(since_onset(fall)),
        lost: Some(lost(life, fall, minute, (&memory.baskets, &per_order))),
        ..told
    };
    record.completeness.late = round(news.fraction, 4);
    if let Some(verdict) = &latest {
        figures(&mut record, verdict, verdict);
    }
    let open = |verdict: &&SliceVerdict| life.is_open() && verdict.observed.is_some();
    record.losing = latest.as_ref().filter(open).map(|verdict| losing(verdict, &per_order));
    finish(record)
}

/// The record of a drop that is over by a minute that is not sealed yet, with its figures until its end. Not finished.
pub(super) fn of_early_end(
    told: AlarmRecord,
    (life, fall): (&Life, &Fall),
    spec: &StreamSpec,
    memory: &Memory,
    now: TimeUs,
) -> AlarmRecord {
    let per_order = memory.baskets.per_order(spec, &fall.shown);
    let ended = life.ended.map(|minute| minute.to_string());
    let minute = life.ended.unwrap_or_else(|| now.minute());
    AlarmRecord {
        title: title(&told, life, (fall, spec), &Window::default(), now),
        since_onset: Some(since_onset(fall)),
        lost: told.lost.is_some().then(|| lost(life, fall, minute, (&memory.baskets, &per_order))),
        ended,
        ..told
    }
}

/// The member with most evidence against its bar.
fn strongest<'a>(fall: &Fall, scene: &Scene<'a>) -> Option<&'a SliceVerdict> {
    let members = fall.members.iter().filter_map(|member| scene.verdict(&member.slice));
    let strength = |v: &SliceVerdict| if v.threshold > 0.0 { v.evidence / v.threshold } else { 0.0 };
    members.max_by(|a, b| strength(a).total_cmp(&strength(b)))
}

/// The figures of `verdict`; the evidence of the strongest member where the shown slice has less than its bar.
fn figures(record: &mut AlarmRecord, verdict: &SliceVerdict, strongest: &SliceVerdict) {
    let proof = if verdict.evidence >= verdict.threshold { verdict } else { strongest };
    record.observed = verdict.observed;
    record.observed_max = verdict.observed_max.map(|x| round(x, 1));
    record.expected = verdict.expected.map(|x| round(x, 1));
    record.low = verdict.low.map(|x| round(x, 1));
    record.high = verdict.high.map(|x| round(x, 1));
    record.evidence = Some(round(proof.evidence, 1));
    record.threshold = Some(round(proof.threshold, 1));
}

fn fall_title(bare: &AlarmRecord, life: &Life, fall: &Fall, scene: &Scene) -> String {
    title(bare, life, (fall, scene.spec), &fall.lately(scene, life.onset), scene.now)
}

/// What fell: `orders`, or of a funnel `shipments per orders`.
fn what(life: &Life, fall: &Fall) -> String {
    let stream = words::escape(&life.stream);
    fall.per.as_ref().map_or(stream.clone(), |per| format!("{stream} per {}", words::escape(per)))
}

fn title(
    bare: &AlarmRecord,
    life: &Life,
    (fall, spec): (&Fall, &StreamSpec),
    lately: &Window,
    now: TimeUs,
) -> String {
    // Of what is over its last minutes say nothing.
    let is_over = life.state == State::Resolved;
    let over = life.ended.filter(|_| is_over && !fall.stays);
    let (observed, expected) = match is_over {
        true => (fall.loss.observed, fall.loss.usual()),
        false => (lately.observed, lately.expected),
    };
    let percent = words::percent_down(observed, expected);
    let clock = Clock::utc(now);
    let mut since = clock.minute_zoned(life.onset[1].start());
    since.extend(over.map(|ended| format!(" until {}", clock.minute(ended.start()))));
    let only = match bare.view == View::Part.name() {
        true => format!("[{} only] ", words::escape(&bare.host)),
        false => String::new(),
    };
    if life.kind == Kind::Traffic {
        return format!(
            "{only}all slices {percent} alike since {since}: traffic moved away or everything is down; \
             this host can't tell"
        );
    }
    let slice = safe_title(&fall.shown, spec);
    format!("{only}{slice}: {} {percent} since {since}", what(life, fall))
}

fn losing(verdict: &SliceVerdict, per_order: &BTreeMap<String, PerOrder>) -> Losing {
    let orders = shortfall(verdict);
    let amount = per_order.iter().map(|(currency, each)| (currency.clone(), round(orders * each.mean, 2)));
    Losing { orders_per_min: round(orders, 1), amount_per_min: amount.collect() }
}

fn lost(
    life: &Life,
    fall: &Fall,
    minute: Minute,
    (baskets, per_order): (&Baskets, &BTreeMap<String, PerOrder>),
) -> Lost {
    let through = life.ended.map_or(minute, |ended| ended.plus(-1));
    let orders = fall.loss.orders();
    let customers = baskets.customers(orders, fall.loss.minutes);
    let amount = per_order
        .iter()
        .map(|(currency, each)| (currency.clone(), fall.loss.money(each).map(|money| round(money, 2))));
    let blind = match fall.loss.blind_minutes {
        0 => String::new(),
        minutes => format!("; {minutes} min without data are left out"),
    };
    Lost {
        through: through.to_string(),
        orders: Some(orders.map(|count| round(count, 0))),
        amount: amount.collect(),
        customers: customers.map(|customers| customers.map(|count| round(count, 0))),
        recovered_later: round(fall.recovered_later(), 0),
        method: format!("{METHOD}{blind}"),
    }
}

/// The last record of a drop that is over, with what is known by the minutes after it.
pub(super) fn of_delayed(
    told: AlarmRecord,
    bare: AlarmRecord,
    (life, fall): (&Life, &Fall),
    scene: &Scene,
) -> AlarmRecord {
    let per_order = scene.subject.baskets.per_order(scene.subject.priced, &fall.shown);
    let told_lost = told.lost.is_some();
    let record = AlarmRecord {
        since_onset: Some(since_onset(fall)),
        lost: told_lost.then(|| lost(life, fall, scene.minute(), (scene.subject.baskets, &per_order))),
        rev: bare.rev,
        at: bare.at,
        notify: bare.notify,
        because: bare.because,
        reason: bare.reason,
        early: false,
        late: false,
        durable: true,
        ..told
    };
    finish(record)
}

fn mended_by(life: &Life, fall: &Fall, scene: &Scene) -> Option<Change> {
    scene.marks.before_end(life.onset[1], life.ended?, &fall.shown)
}

fn rounded(cause: &Cause) -> Cause {
    Cause {
        explains: round(cause.explains, 3),
        observed: round(cause.observed, 1),
        expected: round(cause.expected, 1),
        effect: cause.effect.map(|x| round(x, 3)),
        ..cause.clone()
    }
}

/// The latest record said again because of what a person did: its figures stay.
pub(super) fn again(latest: &AlarmRecord, bare: AlarmRecord) -> AlarmRecord {
    finish(AlarmRecord {
        rev: bare.rev,
        at: bare.at,
        notify: bare.notify,
        because: bare.because,
        early: false,
        late: false,
        durable: true,
        acked: bare.acked,
        silenced_until: bare.silenced_until,
        label: bare.label,
        reason: bare.reason,
        config: bare.config,
        ..latest.clone()
    })
}

/// The record of missing data.
pub(super) fn of_silence(bare: AlarmRecord, silence: &Silence, scene: &Scene) -> AlarmRecord {
    let mut record = AlarmRecord {
        title: silence_title(&bare.stream, silence, scene.now),
        completeness: quality(&scene.sealed.completeness),
        ..bare
    };
    if let Some(verdict) = scene.verdict(&Slice::default()) {
        figures(&mut record, verdict, verdict);
        (record.evidence, record.threshold) = (None, None);
    }
    finish(record)
}

fn silence_title(stream: &str, silence: &Silence, now: TimeUs) -> String {
    let since = Clock::utc(now).minute_zoned(silence.since);
    let stream = words::escape(stream);
    if silence.whole {
        return format!(
            "NO DATA for {stream} since {since}: orders may be fine, check the shippers; no drop can be seen"
        );
    }
    let names: Vec<String> = silence.origins.iter().map(|o| words::escape(&o.origin)).collect();
    let share = silence.share();
    let of = if share > 0.0 { format!(" ({} of {stream})", words::share(share)) } else { String::new() };
    let shipper = if names.len() == 1 { "the shipper" } else { "the shippers" };
    format!("NO DATA from {} since {since}{of}: orders may be fine, check {shipper}", words::list(&names))
}

/// The record of a trouble: of ebbd's own it says so; whoever tells another one has made its text safe.
pub(super) fn of_trouble(bare: AlarmRecord, what: &str, text: &str) -> AlarmRecord {
    let title = match bare.kind {
        Kind::Ebbd => format!("EBBD {}: {}", words::escape(what), words::visible(text)),
        _ => text.to_owned(),
    };
    finish(AlarmRecord { title, ..bare })
}

pub(super) fn finish(mut record: AlarmRecord) -> AlarmRecord {
    record.text = block::of(&record, &block::record_clock(&record)).plain();
    record
}

pub(super) fn quality(completeness: &Completeness) -> DataQuality {
    let part = |m: &crate::model::MissingOrigin| MissingPart {
        origin: m.origin.clone(),
        since: m.since.to_rfc3339(),
        share: round(m.share, 4),
    };
    let mut missing: Vec<MissingPart> = completeness.missing.iter().map(part).collect();
    missing.sort_by(|a, b| b.share.total_cmp(&a.share).then_with(|| a.origin.cmp(&b.origin)));
    missing.truncate(MOST_MISSING);
    DataQuality {
        fraction: round(completeness.fraction, 4),
        late: round(completeness.late, 4),
        dropped: completeness.dropped,
        rejected: completeness.rejected,
        missing,
    }
}

/// `value` at so many decimals: what a record says beyond them would be noise.
pub(super) fn round(value: f64, decimals: i32) -> f64 {
    let scale = 10f64.powi(decimals);
    if value.is_finite() { (value * scale).round() / scale + 0.0 } else { 0.0 }
}
