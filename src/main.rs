//! Composition root: reads the flags, runs one command, exits with a code.

use std::{io::Write as _, process::ExitCode};

use anyhow::{Context as _, Result, anyhow};
use clap::Parser as _;
use mcp_gateway::{
    config::{Check, Cli, Command, Crds, Envoy},
    control,
    controller::crd,
    demo, envoy, serve, source,
};

fn main() -> ExitCode {
    // usage errors and --help end here, with 2 and 0
    let command = Cli::parse().command;
    match run(command) {
        Ok(code) => code,
        Err(error) => {
            say(&mut std::io::stderr(), &format!("mcp-gateway: {error:#}\n"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Serve(options) => block_on(serve::run(*options)).map(|()| ExitCode::SUCCESS),
        Command::Controller(options) => block_on(control::run(options)).map(|()| ExitCode::SUCCESS),
        Command::Envoy(options) => print_bootstrap(options),
        Command::Check(options) => Ok(check(&options)),
        Command::Crds(options) => print_crds(&options),
        Command::Demo(options) => block_on(demo::run(options)).map(|()| ExitCode::SUCCESS),
    }
}

fn block_on(work: impl Future<Output = Result<()>>) -> Result<()> {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_installed| anyhow!("TLS is set up already"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(work);
    // what did not end in time is not waited for
    runtime.shutdown_background();
    outcome
}

fn print_bootstrap(options: Envoy) -> Result<ExitCode> {
    let file = &options.configuration.file;
    let loaded = source::read(file, &options.configuration.public.overrides()).map_err(|problems| {
        anyhow!("the configuration is wrong\n{}", source::report(file, &problems).trim_end())
    })?;
    say(&mut std::io::stderr(), &source::warnings(file, &loaded.warnings));
    let listeners = envoy::Listeners {
        listen: options.listen,
        admin: options.admin,
        ext_proc: options.ext_proc_listen,
        broker: options.broker_listen,
        body_mode: options.body_mode.into(),
        ca_bundle: options.ca_bundle,
    };
    let bootstrap = envoy::to_yaml(&envoy::bootstrap(&loaded.spec, &listeners));
    std::io::stdout().write_all(bootstrap.as_bytes()).context("cannot print the bootstrap")?;
    Ok(ExitCode::SUCCESS)
}

fn check(options: &Check) -> ExitCode {
    let Some(file) = options.file.as_deref().filter(|_| !options.schema) else {
        say(&mut std::io::stdout(), &source::schema_text());
        return ExitCode::SUCCESS;
    };
    let checked = source::check(file, &source::Overrides::default());
    say(&mut std::io::stdout(), &checked.text);
    ExitCode::from(checked.code)
}

fn print_crds(options: &Crds) -> Result<ExitCode> {
    for definition in crd::definitions()? {
        let text = definition.to_yaml();
        match &options.dir {
            None => std::io::stdout().write_all(text.as_bytes()).context("cannot print the definitions")?,
            Some(folder) => {
                let file = folder.join(&definition.file);
                std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Nobody reading is no reason to fail.
fn say(to: &mut dyn std::io::Write, text: &str) {
    let _ = to.write_all(text.as_bytes());
}
