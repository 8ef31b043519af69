//! The status report, put together from what was last seen of each stage.

use std::collections::BTreeMap;
use std::sync::Arc;

use ebbd_core::alarm::Achieved;
use ebbd_core::model::{DeclaredPeriod, LedgerCounts, Minute, Reason, SourceMinute, StreamSpec, TimeUs};

use super::view::{Seen, View};
use crate::config::{LANE_BLOCKS, SourceConfig};
use crate::telemetry::{
    AlarmSummary, BudgetStatus, CalendarStatus, LaneCounters, LearningStatus, LedgerStatus, OriginStatus,
    QueueStatus, SendersStatus, SourceStatus, StatusReport, StreamStatus,
};

/// Learning ends at the latest after this many minutes of data.
const LEARNING_MINUTES: u64 = 8 * 1440;

impl View {
    /// How the daemon is doing.
    pub fn status(&self, boot: String) -> StatusReport {
        let telemetry = &self.telemetry;
        let seen = self.seen();
        StatusReport {
            v: 1,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            host: self.config.host.clone(),
            view: self.config.view.name().to_owned(),
            boot,
            state: if telemetry.daemon.ready.get() == 1 { "ready" } else { "recovering" }.to_owned(),
            now: self.now().to_rfc3339(),
            uptime_s: telemetry.started.elapsed().as_secs(),
            recovery_s: telemetry.journal.recovery.get(),
            streams: self.config.streams.iter().map(|spec| self.stream_status(spec, &seen)).collect(),
            sources: self.config.sources.iter().map(|source| self.source_status(source, &seen)).collect(),
            senders: self.senders_status(),
            ledger: LedgerStatus {
                kernel_datagrams_at_least: self
                    .config
                    .sources
                    .iter()
                    .any(|source| source.kind.joins_datagrams()),
                ..ledger_status(&seen)
            },
            queues: self.queues(),
            latencies: telemetry.latency_status(),
            budget: budget_status(self.config.detect.false_alarms_per_week, seen.achieved),
            alarms: seen.open.iter().map(alarm_summary).collect(),
            subscribers: u64::try_from(telemetry.alarm_socket.subscribers.get()).unwrap_or(0),
            degraded: self.degraded(),
            notes: notes(&seen),
            calendar: seen.declared.iter().map(calendar_status).collect(),
        }
    }

    fn source_status(&self, source: &SourceConfig, seen: &Seen) -> SourceStatus {
        let name = &source.spec.name;
        let counts = sum(seen.by_key(|of, _| of == name));
        let told = seen.told.get(name).copied().unwrap_or_default();
        let known: BTreeMap<&str, &SourceMinute> = seen
            .sources
            .values()
            .flat_map(BTreeMap::values)
            .filter(|minute| minute.source_name == *name)
            .map(|minute| (minute.origin.as_str(), minute))
            .collect();
        let state = known.values().find(|minute| minute.state.name() == "alive").or(known.values().next());
        let answers = self.telemetry.answers[source.spec.id.index()].1.get();
        SourceStatus {
            name: name.clone(),
            kind: source.kind.name().to_owned(),
            state: state.map_or("idle", |minute| minute.state.name()).to_owned(),
            lag_ms: seen.lag_us(source.spec.id).map(|lag_us| lag_us as f64 / 1e3),
            lines: told.lines(),
            rejected: counts.rejected_total(),
            connections: seen.connections.get(name).copied().unwrap_or(0) as u64,
            last: None,
            origins: known
                .values()
                .filter(|m| !m.origin.is_empty())
                .map(|minute| origin_status(source, minute, seen))
                .collect(),
            answers: answers.into_iter().map(|(status, count)| (status.to_owned(), count)).collect(),
        }
    }

    fn senders_status(&self) -> SendersStatus {
        let senders = &self.telemetry.senders;
        let errors = self.telemetry.protocol_errors.get().into_iter().filter(|(_, count)| *count > 0);
        SendersStatus {
            known: u64::try_from(senders.known.get()).unwrap_or(0),
            speaking: u64::try_from(senders.speaking.get()).unwrap_or(0),
            greeted: senders.greeted.get(),
            acked_lines: senders.lines.get(),
            errors: errors.map(|(error, count)| (error.to_owned(), count)).collect(),
        }
    }

    fn stream_status(&self, spec: &StreamSpec, seen: &Seen) -> StreamStatus {
        let counts = sum(seen.by_key(|_, stream| stream == spec.name));
        let pulse = seen.pulses.get(&spec.name);
        let (slices, learning) = seen.learning.get(&spec.name).copied().unwrap_or_default();
        let to_learn = seen.to_learn.get(&spec.name).copied().flatten().map(u64::from);
        let figures = self.telemetry.streams.iter().find(|(name, _)| *name == spec.name);
        StreamStatus {
            name: spec.name.clone(),
            counted: counts.counted,
            rejected: counts.rejected_total(),
            late: counts.late,
            complete_to: pulse.map(|pulse| pulse.minute.end().to_rfc3339()),
            completeness: pulse.map(|pulse| pulse.completeness),
            series: figures.map_or(0, |(_, f)| u64::try_from(f.series.get()).unwrap_or(0)),
            learning: LearningStatus {
                slices,
                learning,
                minutes: to_learn.map_or(LEARNING_MINUTES, |left| LEARNING_MINUTES.saturating_sub(left)),
                minutes_needed: LEARNING_MINUTES,
                until: pulse.zip(to_learn).map(|(pulse, left)| until(pulse.minute, left).to_rfc3339()),
            },
        }
    }

    fn queues(&self) -> Vec<QueueStatus> {
        let waits: u64 = self.telemetry.sources.iter().map(|(_, source)| source.waits.get()).sum();
        let depth = |lane: &LaneCounters| u64::try_from(lane.queued.get()).unwrap_or(0);
        let depth = self.telemetry.lanes.iter().map(|lane| depth(lane)).sum();
        let capacity = (LANE_BLOCKS * self.telemetry.lanes.len()) as u64;
        vec![QueueStatus { name: "lanes".to_owned(), depth, capacity, full: waits }]
    }

    pub(super) fn degraded(&self) -> Vec<String> {
        let mut words = Vec::new();
        if self.store.failing().is_some() {
            words.push(
                "Parquet cannot be written; see the log. Counting goes on, it is tried again".to_owned(),
            );
        }
        if self.telemetry.journal.degraded.get() == 1 {
            let words_on =
                "the journal cannot be written; see the log. Counting goes on, alarms say durable: false";
            words.push(words_on.to_owned());
        }
        words
    }
}

/// When the last slice is learnt if every minute has data.
fn until(last: Minute, minutes_left: u64) -> TimeUs {
    last.plus(i32::try_from(minutes_left).unwrap_or(i32::MAX)).end()
}

fn calendar_status(period: &DeclaredPeriod) -> CalendarStatus {
    let until = period.until.to_rfc3339();
    CalendarStatus { name: period.name.clone(), slice: period.slice.clone(), until }
}

/// What happened, and what sources tell that is worth a word.
fn notes(seen: &Seen) -> Vec<String> {
    let cut = seen.told.iter().filter(|(_, told)| told.cut_files > 0).map(|(source, told)| {
        format!(
            "source {source}: files were cut or rewritten in place {} times; {} bytes that had been seen were not \
             read, up to {} lines in all may be lost (rotate by renaming)",
            told.cut_files, told.cut_bytes, told.cut_lines_at_most
        )
    });
    seen.notes.iter().cloned().chain(cut).collect()
}

/// The budget, and how it is kept as far as that is known.
fn budget_status(per_week: f64, achieved: Option<Achieved>) -> BudgetStatus {
    let Some(Achieved { weeks, pages, unlabelled, per_week: [low, estimate, high] }) = achieved else {
        return BudgetStatus { per_week, ..BudgetStatus::default() };
    };
    let (achieved_per_week, achieved_interval) = (Some(estimate), Some([low, high]));
    BudgetStatus { per_week, achieved_per_week, achieved_interval, weeks, pages, unlabelled }
}

fn sum<'a>(counts: impl Iterator<Item = &'a LedgerCounts>) -> LedgerCounts {
    counts.fold(LedgerCounts::default(), |mut total, counts| {
        total.add(counts);
        total
    })
}

fn ledger_status(seen: &Seen) -> LedgerStatus {
    let total = sum(seen.by_key(|_, _| true));
    let rejected = Reason::ALL.iter().zip(total.rejected).filter(|(_, count)| *count > 0);
    LedgerStatus {
        received: total.received,
        counted: total.counted,
        control: total.control,
        duplicate: total.duplicate,
        rejected: rejected.map(|(reason, count)| (reason.name().to_owned(), count)).collect(),
        dropped_queue: total.dropped_queue,
        dropped_crash: total.dropped_crash,
        kernel_datagrams: total.kernel_datagrams,
        kernel_datagrams_at_least: false,
        sender_dropped: total.sender_dropped,
        balances: seen.unbalanced == 0,
    }
}

fn origin_status(source: &SourceConfig, minute: &SourceMinute, seen: &Seen) -> OriginStatus {
    let lag_us = seen.lags.get(&(source.spec.id, Arc::from(minute.origin.as_str())));
    OriginStatus {
        name: minute.origin.clone(),
        state: minute.state.name().to_owned(),
        expected: source.spec.expect.contains(&minute.origin),
        lag_ms: lag_us.map(|lag_us| *lag_us as f64 / 1e3),
        share: minute.share,
        last: minute.missing_since.map(|since| since.to_rfc3339()),
    }
}

fn alarm_summary(record: &ebbd_core::alarm::AlarmRecord) -> AlarmSummary {
    AlarmSummary {
        no: record.no,
        state: record.state.name().to_owned(),
        severity: record.severity.name().to_owned(),
        title: record.title.clone(),
        since: record.onset.as_ref().map(|onset| onset[1].clone()),
    }
}
