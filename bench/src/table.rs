//! The report as a table for people.

use crate::report::{Ratio, Report, Row, Target};

const TITLES: [&str; 5] = ["", "figure", "ratio", "target", "met"];

/// The table, with what it is about above it, and what failed below it.
pub(crate) fn render(report: &Report) -> String {
    let mut text = heading(report);
    let mut lines = vec![TITLES.map(str::to_owned)];
    let mut measurement = "";
    for row in &report.rows {
        if row.measurement != measurement {
            measurement = &row.measurement;
            lines.push([format!("[{measurement}]"), String::new(), String::new(), String::new(), String::new()]);
        }
        lines.push(cells(row));
    }
    text.push_str(&align(&lines));
    for failure in &report.failures {
        text.push_str(&format!("\nERROR  {}: {}", failure.measurement, failure.error));
    }
    let judged: Vec<bool> = report.rows.iter().filter_map(|row| row.met).collect();
    let met = judged.iter().filter(|met| **met).count();
    text.push_str(&format!("\n{met} of {} targets met, {} measurements failed\n", judged.len(), report.failures.len()));
    text
}

fn heading(report: &Report) -> String {
    let machine = &report.machine;
    let load = machine.load_before.map(|load| format!(", load before {load}")).unwrap_or_default();
    let commit = machine.commit.as_ref().map(|commit| format!(", commit {commit}")).unwrap_or_default();
    let counts = if report.quick { "small counts (--quick)" } else { "full counts" };
    format!(
        "\n{} cores, {}, Linux {}, {}{commit}{load}\n{counts}; Redis without persistence unless said otherwise\n\n",
        machine.cores, machine.cpu, machine.kernel, machine.redis
    )
}

fn cells(row: &Row) -> [String; 5] {
    let ratio = row.ratio.as_ref().map(|Ratio { value, of }| format!("{value:.2} of {of}")).unwrap_or_default();
    let target = row.target.map(target).unwrap_or_default();
    let met = row.met.map(|met| if met { "yes" } else { "NO" }.to_owned()).unwrap_or_default();
    let what = match &row.note {
        Some(note) => format!("  {} ({note})", row.what),
        None => format!("  {}", row.what),
    };
    [what, format!("{} {}", number(row.value), row.unit).trim().to_owned(), ratio, target, met]
}

fn target(target: Target) -> String {
    match target {
        Target::AtLeast(least) => format!(">= {least}"),
        Target::AtMost(most) => format!("<= {most}"),
        Target::Between(least, most) => format!("{least} to {most}"),
    }
}

/// Three significant digits at least; thousands in groups.
fn number(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude >= 100.0 {
        return grouped(value);
    }
    let decimals = match magnitude {
        0.0 => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = if value < 0.0 { "-".to_owned() } else { String::new() };
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn align(lines: &[[String; 5]]) -> String {
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 5] = std::array::from_fn(width);
    let mut text = String::new();
    for [what, figure, ratio, target, met] in lines {
        let line = format!(
            "{what:<0$}  {figure:>1$}  {ratio:<2$}  {target:<3$}  {met}",
            widths[0], widths[1], widths[2], widths[3]
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine;
    use crate::report::Failure;

    #[test]
    fn numbers_are_as_long_as_they_say_something() {
        for (value, text) in [
            (0.0, "0"),
            (0.0456, "0.046"),
            (3.456, "3.46"),
            (34.56, "34.6"),
            (345.6, "346"),
            (1_234_567.8, "1,234,568"),
            (-12_345.0, "-12,345"),
            (-0.5, "-0.500"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn a_figure_stands_with_its_ratio_its_target_and_the_verdict() {
        let row = Row::new("one worker", 40_000.0, "emails/s").over(100_000.0, "RPOP").target(Target::AtLeast(0.5));
        assert_eq!(cells(&row), ["  one worker", "40,000 emails/s", "0.40 of RPOP", ">= 0.5", "NO"]);
        let row = Row::new("p50", 0.5, "ms").note("idle");
        assert_eq!(cells(&row), ["  p50 (idle)", "0.500 ms", "", "", ""]);
    }

    #[test]
    fn a_failure_is_a_line_below_the_figures() {
        let machine = machine::describe(std::path::Path::new("echo")).unwrap();
        let mut report = Report::new(true, machine);
        for (measurement, value) in [("drain", 1.0), ("drain", 2.0), ("idle", 3.0)] {
            report.rows.push(Row { measurement: measurement.to_owned(), ..Row::new("x", value, "") });
        }
        report.failures.push(Failure { measurement: "api".to_owned(), error: "no wrk".to_owned() });
        let text = render(&report);
        assert_eq!(text.matches("[drain]").count(), 1);
        assert!(text.contains("[idle]") && text.contains("ERROR  api: no wrk"), "{text}");
        assert!(text.ends_with("0 of 0 targets met, 1 measurements failed\n"), "{text}");
    }
}
