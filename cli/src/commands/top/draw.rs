//! The screen.

use email_queue::State;
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Block, Clear, Paragraph, Row, Sparkline, Table, TableState, Wrap},
};

use super::{
    failures::Failure,
    view::{Opened, View},
};
use crate::{
    context::Context,
    output::{
        text,
        time::{from_now, local},
    },
    view::Summary,
};

const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
const WARNING: Style = Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD);
const FAULT: Style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);

pub(super) fn draw(frame: &mut Frame<'_>, view: &View, context: &Context) {
    let feet = footer(view, frame.area().width.into());
    let workers = u16::try_from(view.workers.len().clamp(1, 6)).unwrap_or(6) + 3;
    let areas = [
        Constraint::Length(1),
        Constraint::Length(7),
        Constraint::Length(workers),
        Constraint::Min(4),
        Constraint::Length(u16::try_from(feet.len()).unwrap_or(2)),
    ];
    let [head, top, middle, bottom, foot] = Layout::vertical(areas).areas(frame.area());
    let [lanes, chart] = Layout::horizontal([Constraint::Length(56), Constraint::Min(10)]).areas(top);
    frame.render_widget(header(view, context), head);
    frame.render_widget(lanes_and_states(view), lanes);
    hour(frame, view, chart);
    frame.render_widget(table_of_workers(view), middle);
    failures(frame, view, bottom);
    frame.render_widget(Paragraph::new(feet), foot);
    if let Some(opened) = &view.opened {
        email(frame, opened);
    }
}

fn header(view: &View, context: &Context) -> Line<'static> {
    let mut spans = vec![Span::styled(format!("emailq {} ", context.shards.first().name()), BOLD)];
    if let Some([accepted, sent, failed]) = view.rates {
        spans.push(Span::raw(format!("{accepted:.1} accepted/s, {sent:.1} sent/s, {failed:.1} failed/s ")));
    }
    if let Some(stats) = &view.stats {
        let paused = stats.lanes.iter().filter(|lane| lane.paused.is_some());
        let paused = paused.map(|lane| match lane.lane.as_str() {
            name if stats.is_partly_paused(lane) => {
                format!("{name} in {} of {} shards", lane.paused_shards, stats.shards)
            }
            name => name.to_owned(),
        });
        let paused: Vec<_> = paused.collect();
        if !paused.is_empty() {
            spans.push(Span::styled(format!("PAUSED: {} ", paused.join(", ")), WARNING));
        }
    }
    for relay in view.stats.iter().flat_map(|stats| &stats.relays) {
        spans.push(Span::styled(text::line(&format!("{} is held off: {} ", relay.name, relay.error)), FAULT));
    }
    Line::from(spans)
}

fn lanes_and_states(view: &View) -> Table<'static> {
    let Some(stats) = &view.stats else { return Table::default() };
    let states = [("scheduled", stats.scheduled), ("delayed", stats.delayed), ("failed", stats.failed)];
    let rows = stats.lanes.iter().zip(states).map(|(lane, (state, count))| {
        let oldest = lane.oldest.map(|oldest| from_now(oldest, stats.time)).unwrap_or_default();
        let style = if lane.paused.is_some() { WARNING } else { Style::new() };
        let queued = match lane.other_entries {
            0 => lane.queued.to_string(),
            others => format!("{} +{others}", lane.queued),
        };
        Row::new([lane.lane.as_str().to_owned(), queued, oldest, state.to_owned(), count.to_string()]).style(style)
    });
    let sending =
        Row::new([String::new(), String::new(), String::new(), "sending".to_owned(), stats.sending.to_string()]);
    let widths = [7, 13, 12, 10, 8].map(Constraint::Length);
    Table::new(rows.chain([sending]), widths)
        .header(Row::new(["lane", "queued", "oldest", "state", "emails"]).style(BOLD))
        .block(Block::bordered().title("lanes"))
}

fn hour(frame: &mut Frame<'_>, view: &View, area: Rect) {
    let sent: Vec<u64> = view.minutes.iter().map(|minute| minute.sent).collect();
    let title = format!(
        "sent per minute, last hour: {} in all, {} at most",
        sent.iter().sum::<u64>(),
        sent.iter().max().unwrap_or(&0)
    );
    let width = usize::from(area.width.saturating_sub(2));
    let shown = sent[sent.len().saturating_sub(width)..].to_vec();
    frame.render_widget(
        Sparkline::default().data(shown).style(Color::Green).block(Block::bordered().title(title)),
        area,
    );
}

fn table_of_workers(view: &View) -> Table<'static> {
    let now = view.now();
    let rows = view.workers.iter().map(|worker| {
        let shown = |text: Option<String>| text::line(&text.unwrap_or_default());
        let style = if worker.lease_until < now { FAULT } else { Style::new() };
        let longest = worker.emails.first().map(|(_, since)| from_now(*since, now)).unwrap_or_default();
        Row::new([
            text::line(worker.host.as_deref().unwrap_or(&worker.id)),
            shown(worker.pid.map(|pid| pid.to_string())),
            format!("{}/{}", worker.in_flight, worker.concurrency.map(|most| most.to_string()).unwrap_or_default()),
            longest,
            from_now(worker.lease_until, now),
            shown(worker.relays.as_ref().map(|relays| relays.join(", "))),
        ])
        .style(style)
    });
    let widths = [20, 8, 10, 14, 12].map(Constraint::Length).into_iter().chain([Constraint::Min(10)]);
    let title = match view.stats.as_ref().map(|stats| (stats.unserved_shards, stats.shards)) {
        _ if view.workers.is_empty() => Line::raw("no worker is alive: nothing is sent"),
        Some((unserved @ 1.., shards)) => Line::styled(
            format!(
                "no worker serves {unserved} of {shards} shards: emails there wait; start the workers with --shards {shards}"
            ),
            FAULT,
        ),
        _ => Line::raw("workers"),
    };
    Table::new(rows, widths)
        .header(Row::new(["host", "pid", "in flight", "longest since", "lease ends", "relays"]).style(BOLD))
        .block(Block::bordered().title(title))
}

fn failures(frame: &mut Frame<'_>, view: &View, area: Rect) {
    let now = view.now();
    let rows = view.failures.iter().map(|Failure { id, record, at }| {
        let summary = Summary::new(*id, record);
        let next = record.due.filter(|_| record.state == State::Delayed);
        Row::new([
            // It may have failed while the others were looked at.
            at.map(|at| from_now(at.min(now), now)).unwrap_or_default(),
            record.state.to_string(),
            next.map(|next| from_now(next, now)).unwrap_or_default(),
            summary.error_class.unwrap_or_default().to_owned(),
            text::line(&summary.recipients()),
            text::line(record.error.as_deref().unwrap_or_default()),
        ])
        .style(if record.state == State::Failed { Color::Red } else { Color::Yellow })
    });
    let shown = view.failures.iter().filter(|failure| failure.record.state == State::Delayed).count();
    let delayed = view.stats.as_ref().map(|stats| stats.delayed).unwrap_or_default();
    let title = match delayed.saturating_sub(shown as u64) {
        0 => "newest failures".to_owned(),
        more => format!("newest failures, without {more} delayed further back: emailq list --status delayed"),
    };
    let widths = [12, 8, 11, 14, 28].map(Constraint::Length).into_iter().chain([Constraint::Min(10)]);
    let table = Table::new(rows, widths)
        .header(Row::new(["last failure", "state", "next try", "class", "to", "error"]).style(BOLD))
        .row_highlight_style(Modifier::REVERSED)
        .block(Block::bordered().title(title));
    frame.render_stateful_widget(table, area, &mut TableState::default().with_selected(view.row()));
}

/// What is asked, or was told last, and what keys there are.
fn footer(view: &View, width: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    lines.extend(view.lost.iter().map(|lost| Line::styled(text::line(lost), FAULT)));
    if let Some(question) = &view.asked {
        lines.push(Line::styled(question.text(width), WARNING));
        lines.push(Line::styled(format!("y: yes, any other key: no. {}", question.remark()), WARNING));
        return lines;
    }
    lines.extend(view.told.iter().map(|told| Line::raw(text::line(&told.text))));
    if lines.is_empty() {
        lines.push(Line::raw(""));
    }
    lines.push(Line::raw("q quit  p pause  u resume  ↑↓ choose  enter open  r retry  d discard"));
    lines
}

fn email(frame: &mut Frame<'_>, Opened { id, record, why }: &Opened) {
    let outer = frame.area();
    let area =
        Rect { x: outer.width / 10, y: outer.height / 8, width: outer.width * 8 / 10, height: outer.height * 6 / 8 };
    let summary = Summary::new(*id, record);
    let mut lines = vec![];
    if let Some(why) = why {
        lines.extend([Line::styled(text::line(&why.sentence), BOLD), Line::raw("")]);
    }
    let due = record.due.filter(|_| record.state == State::Delayed);
    let fields = [
        ("state", record.state.to_string()),
        ("accepted", local(record.created)),
        ("next try", due.map(local).unwrap_or_default()),
        ("attempts", record.attempts.to_string()),
        ("class", summary.error_class.unwrap_or_default().to_owned()),
        ("error", record.error.clone().unwrap_or_default()),
        ("from", summary.from.unwrap_or_default()),
        ("to", summary.to.join(", ")),
        ("cc", summary.cc.join(", ")),
        ("bcc", summary.bcc.join(", ")),
        ("subject", summary.subject.unwrap_or_default()),
    ];
    for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
        lines.push(Line::from(vec![Span::styled(format!("{name:<9} "), BOLD), Span::raw(text::line(&value))]));
    }
    let block = Block::bordered().title(format!("{id}")).title_bottom("esc close  r retry  d discard");
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }).block(block), area);
}
