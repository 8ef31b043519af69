//! The figures of a trial as tables: goals against what is reached, and one line per judge.

use ebbd_bench::lab::{Figures, Found};
use ebbd_core::simulate::trial::Kind;

use super::{FamilyReport, Reached};

/// From this width on, lines have more columns.
const WIDE: usize = 150;

/// Prints everything about the shops of one family.
pub fn print(report: &FamilyReport, width: usize) {
    let seeds: Vec<String> = report.seeds.iter().map(u64::to_string).collect();
    let (weeks, seeds) = (report.ebbd.slice_weeks, seeds.join(" "));
    println!("\nShops {} the model, seeds {seeds}, {weeks:.0} slice-weeks", report.family);
    goals(&report.ebbd, report.family == "like");
    not_wanted(&report.ebbd);
    let ebbd = Reached { name: "ebbd".to_owned(), figures: report.ebbd.clone() };
    if report.others.len() + report.without.len() > 0 {
        head(width);
        line(&ebbd, width);
        report.others.iter().chain(&report.without).for_each(|reached| line(reached, width));
    }
    for (budget, figures) in &report.budgets {
        let (reached, ratio) = (figures.false_alarms[0], figures.false_alarms[0] / budget);
        let expected = budget * figures.slice_weeks;
        println!(
            "D11 budget {budget:<5} a slice-week: {reached:.3}, {ratio:.2} of it (expected {expected:.0} in all)"
        );
    }
}

/// A share with two digits, or a dash.
fn share(value: f64) -> String {
    if value.is_nan() { "–".to_owned() } else { format!("{value:.2}") }
}

fn minutes(value: f64) -> String {
    if value.is_nan() { "–".to_owned() } else { format!("{value:.0}") }
}

fn row(what: &str, must: &str, aim: &str, reached: &str) {
    println!("  {what:<38} {must:>8} {aim:>8}   {reached}");
}

fn found(what: &str, limits: [[&str; 2]; 2], found: Found) {
    let [[must, aim], [must_min, aim_min]] = limits;
    row(what, must, aim, &format!("{} of {}", share(found.recall), found.findable));
    let [median, late] = found.delay_min.map(minutes);
    row("    delay in minutes: median, p95", must_min, aim_min, &format!("{median}, {late}"));
}

fn goals(of: &Figures, like: bool) {
    row("goal", "must", "aim", "reached");
    let (d1, recall, alarms) = match like {
        true => ("D1  found of what is findable", ["≥ .91", "≥ .95"], ["≤ .10", "≤ .10"]),
        false => ("D1b found of what is findable", ["≥ .80", "≥ .86"], ["≤ .25", "≤ .08"]),
    };
    row(d1, recall[0], recall[1], &format!("{} of {}", share(of.all.recall), of.all.findable));
    let pages = format!("{:.3} (pages {:.3})", of.false_alarms[0], of.false_pages);
    row("    false alarms a slice-week", alarms[0], alarms[1], &pages);
    found("D2  ≥ 50/min, outage and −50 %", [["≥ .99", "1.00"], ["≤ 4", "≤ 3"]], of.deep);
    row("    false alarms a slice-week", "≤ .10", "≤ .01", &format!("{:.3}", of.false_alarms[1]));
    found("D3  ≥ 50/min, −20 %", [["≥ .97", "≥ .99"], ["≤ 5", "≤ 4"]], of.busy(Kind::Fifth));
    found("D4  ≥ 50/min, −10 %", [["≥ .45", "≥ .65"], ["", ""]], of.busy(Kind::Tenth));
    found("D5  ≥ 50/min, ramp to −50 %", [["1.00", "1.00"], ["≤ 27", "≤ 20"]], of.busy(Kind::Ramp));
    let slow = |found: Found| format!("{}, {}", share(found.slowness[0]), share(found.slowness[1]));
    let kinds = [("outage, −50 %", of.deep, "1.0", "1.0"), ("−20 %", of.busy(Kind::Fifth), "1.4", "1.2")];
    let more = [("ramp", of.busy(Kind::Ramp), "1.5", "1.3"), ("−10 %", of.busy(Kind::Tenth), "7", "3")];
    for (what, found, must, aim) in kinds.into_iter().chain(more) {
        row(&format!("D6  delay ÷ bound, {what}"), must, aim, &slow(found));
    }
    row("D7  unwanted alarms a slice-week", "≤ .02", "≤ .005", &format!("{:.3}", of.unwanted));
    let inside = format!("{} of {}", share(of.inside_told), of.inside);
    row("D9  told inside an open alarm", "≥ .9", "≥ .98", &inside);
    let stuck = format!("{:.2} %, {} masked", 100.0 * of.time_in_alarm, of.masked);
    row("    in alarm while calm", "", "", &stuck);
    let bands = |values: &[f64]| values.iter().map(|v| share(*v)).collect::<Vec<_>>().join(" ");
    row("    found, by rate", "", "", &bands(&of.recall_by_band));
    row("    false alarms, by rate", "", "", &bands(&of.false_by_band));
}

fn not_wanted(of: &Figures) {
    let words = of.others.iter().filter(|(_, _, times)| *times > 0);
    let words: Vec<String> = words.map(|(name, alarms, times)| format!("{name} {alarms}/{times}")).collect();
    let (half, shift) = (words.len().div_ceil(2), of.any.iter().find(|(name, _)| *name == "shift"));
    println!("  alarms of: {}", words[..half].join(", "));
    println!("             {}", words[half..].join(", "));
    if let Some((_, found)) = shift.filter(|(_, found)| found.findable > 0) {
        println!("  lasting falls told: {} of {}", share(found.recall), found.findable);
    }
}

fn head(width: usize) {
    println!("\n{:<31} all slices    at 50 orders a minute or more", "");
    let more = "   delay: out  −20 %  −10 %   ramp   −20 % p95   inside  in alarm  masked  holiday";
    let more = if width >= WIDE { more } else { "" };
    println!("{:<31} FA/wk found   FA/wk  out −50 % −20 % −10 % ramp  unw.{more}", "");
}

fn line(of: &Reached, width: usize) {
    let (figures, kinds) = (&of.figures, [Kind::Outage, Kind::Half, Kind::Fifth, Kind::Tenth, Kind::Ramp]);
    let [all, busy] = figures.false_alarms;
    let recalls: Vec<String> = kinds.iter().map(|k| share(figures.busy(*k).recall)).collect();
    let recalls = format!(
        "{:>4}  {:>4}  {:>4}  {:>4} {:>4}",
        recalls[0], recalls[1], recalls[2], recalls[3], recalls[4]
    );
    let found = share(figures.all.recall);
    print!("{:<31} {all:>5.2}  {found:>4}  {busy:>6.3} {recalls} {:>5.2}", of.name, figures.unwanted);
    if width >= WIDE {
        let delay = |kind| minutes(figures.busy(kind).delay_min[0]);
        let late = minutes(figures.busy(Kind::Fifth).delay_min[1]);
        let holiday = figures.others.iter().find(|(name, ..)| *name == "holiday").map_or(0, |(_, n, _)| *n);
        print!(
            "  {:>10} {:>6} {:>6} {:>6}  {late:>10} {:>8}  {:>7.2} % {:>6} {holiday:>8}",
            delay(Kind::Outage),
            delay(Kind::Fifth),
            delay(Kind::Tenth),
            delay(Kind::Ramp),
            share(figures.inside_told),
            100.0 * figures.time_in_alarm,
            figures.masked
        );
    }
    println!();
}
