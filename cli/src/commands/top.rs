mod draw;
mod failures;
mod keys;
mod question;
mod told;
mod view;

use std::{io, time::Duration};

use clap::Args;
use ratatui::{DefaultTerminal, crossterm::event};
use tokio::{
    sync::mpsc::{self, Receiver},
    time::{Instant, sleep_until},
};

use self::{keys::Done, view::View};
use crate::{
    context::{Context, Unusable},
    exit::Exit,
    shards,
};

/// Watch the queue in the terminal: rates, lanes, workers, newest failures; pause it, retry or open an email with a key.
///
/// Keys: p pauses what is not paused of the whole queue, u resumes what is paused; the arrows choose an email, enter opens it, r retries it,
/// d discards it; q quits. What changes something is asked first, and done as it was asked, also if somebody else was faster.
#[derive(Args)]
pub(crate) struct Top {
    /// How often to look.
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = humantime::parse_duration)]
    every: Duration,
}

/// Puts the terminal back as it was, however the command ends.
struct Screen(DefaultTerminal);

impl Top {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        use std::io::IsTerminal;

        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            return Err(Unusable("top needs a terminal; `emailq stats --json` is for programs".to_owned()).into());
        }
        let every = self.every.max(Duration::from_millis(100));
        let mut view = View::default();
        // Its keys pause and resume the queue.
        shards::require_all(context, &context.shards).await?;
        // What is wrong from the start is told as by any other command.
        view.look(context).await?;
        let mut screen = Screen(ratatui::try_init()?);
        let mut events = events();
        let mut next = Instant::now() + every;
        loop {
            view.forget(Instant::now());
            screen.0.draw(|frame| draw::draw(frame, &view, context))?;
            let told_until = view.told.as_ref().map_or(next, |told| told.until);
            tokio::select! {
                event = events.recv() => match event {
                    None => return Ok(Exit::Done),
                    Some(event) => if keys::obey(&mut view, context, &event).await == Done::Quit {
                        return Ok(Exit::Done);
                    },
                },
                () = sleep_until(next) => {
                    view.refresh(context).await;
                    next = Instant::now() + every;
                }
                // It is forgotten then.
                () = sleep_until(told_until), if told_until < next => {}
            }
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// What is typed. The thread that waits for it ends with the process.
fn events() -> Receiver<event::Event> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || {
        while let Ok(event) = event::read() {
            if sender.blocking_send(event).is_err() {
                break;
            }
        }
    });
    receiver
}
