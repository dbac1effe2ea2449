//! `cargo xtask bench`: builds and finds the programs, and runs `bench`.

use std::process::{Command, ExitCode, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;

use crate::compile::{self, Part};
use crate::console::complain;
use crate::install::bench_tools::{find_or_install_postfix, find_or_install_redis_benchmark, find_or_install_wrk};
use crate::install::redis;
use crate::other_commit;
use crate::process;
use crate::signals::{Interrupted, Signals};
use crate::workspace::{DEV_HOST, NATIVE_API, Profile, WASIP2_MANIFEST, WORKER, Workspace};

/// The program that measures.
const BENCH: &str = "bench";

/// Options of `cargo xtask bench`: all are the measuring program's.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// `--help` says what can be measured.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    args: Vec<String>,
}

/// Measures.
///
/// # Errors
/// A build fails, or there is no Redis; interrupted. A missing tool is only reported: measurements that need it fail
/// alone.
pub(crate) fn bench(workspace: &Workspace, signals: &Signals, options: &Options) -> anyhow::Result<ExitCode> {
    compile::build(workspace, signals, &[Part::Native(BENCH, Profile::Release)])?;
    let program = || {
        let mut program = Command::new(workspace.binary(BENCH, Profile::Release));
        program.args(&options.args);
        program
    };
    if options.args.iter().any(|arg| arg == "--help" || arg == "-h") {
        return Ok(exit_code(process::run(signals, &mut program())?));
    }
    let needs: Arc<Mutex<Vec<String>>> = Arc::default();
    let reader = Arc::clone(&needs);
    let status = process::run_by_line(signals, program().arg("--needs"), move |line| {
        reader.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned());
    })?;
    if !status.success() {
        // It has said which argument it does not understand.
        return Ok(exit_code(status));
    }
    let needs = needs.lock().unwrap_or_else(PoisonError::into_inner).clone();

    let mut measuring = program();
    measuring.env("REDIS_SERVER", redis::find_or_install_server(signals)?);
    for tool in &needs {
        if let Some(commit) = tool.strip_prefix("commit ") {
            measuring.env("BENCH_AGAINST_DIR", other_commit::build(workspace, signals, commit)?);
            continue;
        }
        let (variable, found) = match tool.as_str() {
            "redis-benchmark" => ("REDIS_BENCHMARK", find_or_install_redis_benchmark(signals)),
            "wrk" => ("WRK", find_or_install_wrk(signals)),
            "smtp-sink" => ("SMTP_SINK", find_or_install_postfix(workspace, signals, "smtp-sink")),
            "smtp-source" => ("SMTP_SOURCE", find_or_install_postfix(workspace, signals, "smtp-source")),
            _ => continue,
        };
        match found {
            Ok(path) => measuring.env(variable, path),
            Err(error) if error.is::<Interrupted>() => return Err(error),
            Err(error) => {
                complain(&format!("{error:#}"));
                continue;
            }
        };
    }
    compile::for_benches(workspace, signals)?;
    measuring
        .env("NATIVE_WORKER", workspace.binary(WORKER, Profile::Release))
        .env("DEV_HOST", workspace.binary(DEV_HOST, Profile::Release))
        .env("NATIVE_API", workspace.binary(NATIVE_API, Profile::Release))
        .env("SPIN_MANIFEST", workspace.manifest(WASIP2_MANIFEST))
        .env("API_WASM_WASIP3", workspace.wasm_wasip3())
        .env("CEILING_MANIFEST", workspace.ceiling_manifest())
        .env("BENCH_PEERS_DIR", workspace.bench_tool("peers"));
    Ok(exit_code(process::run(signals, &mut measuring)?))
}

fn exit_code(status: ExitStatus) -> ExitCode {
    status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}
