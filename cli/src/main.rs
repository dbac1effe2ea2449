//! `emailq`: see and steer the queue from a shell.
//!
//! In reading order: [`cli`] has the flags, [`commands`] one file for each command; [`exit`] is what scripts learn of the result.
//! [`context`] is what each command works with: [`redis_client`] runs the calls of `email-queue` on the node that serves them,
//! [`advice`] says of an error what to do; [`output`] is what is printed, for people or for programs. [`pages`] reads the emails
//! that a [`filter`] means, [`bulk`] changes them, [`progress`] shows how far it has come, [`terminal`] asks, [`interrupt`] ends what is
//! blocked; [`view`] is an email as JSON, and [`state`] what there is in the queue. [`shards`] notices a `--shards` that leaves some out.

#![forbid(unsafe_code)]

mod advice;
mod bulk;
mod cli;
mod commands;
mod context;
mod exit;
mod filter;
mod interrupt;
mod output;
mod pages;
mod progress;
mod redis_client;
mod shards;
mod state;
mod terminal;
mod view;

use std::{io, process::ExitCode};

use program::USAGE;

use crate::{cli::Settings, context::Context, exit::Exit, output::text};

fn main() -> ExitCode {
    let Settings { config, command } = match cli::read() {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    let runtime =
        match interrupt::watch().and_then(|()| tokio::runtime::Builder::new_current_thread().enable_all().build()) {
            Ok(runtime) => runtime,
            Err(error) => {
                eprintln!("emailq: cannot start: {error}");
                return Exit::Failed.into();
            }
        };
    let outcome = runtime.block_on(async {
        let mut context = Context::new(config)?;
        tokio::select! {
            // A command may have something to say when it is broken off.
            biased;
            outcome = commands::run(&mut context, command) => outcome,
            () = interrupt::ctrl_c() => Ok(Exit::Interrupted),
        }
    });
    match outcome {
        Ok(exit) => exit.into(),
        // Whoever reads has enough.
        Err(error)
            if error.downcast_ref().is_some_and(|error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe) =>
        {
            Exit::Done.into()
        }
        Err(error) => {
            eprintln!("emailq: {}", text::lines(&advice::explained(&error)));
            if error.is::<context::Unusable>() { ExitCode::from(USAGE) } else { Exit::of(&error).into() }
        }
    }
}
