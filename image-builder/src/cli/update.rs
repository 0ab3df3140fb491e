//! The commands about update packages: `keygen`, `package`, `sign`, `index`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use image_builder::keys::{self, Made};
use image_builder::output;
use image_builder::package;
use image_builder::package::base::Base;
use image_builder::package::index;
use image_builder::package::offline::{self, Attach, ToSign, UNSIGNED};
use image_builder::progress::Reporter;
use image_builder::session::Session;
use vigie_update::index::{Index, NAME};
use vigie_update::package::make::Unsigned;

use super::{BuildArgs, say_file};

#[derive(Debug, Args)]
pub(super) struct KeygenArgs {
    /// What people call the key [default: the file's name]
    #[arg(long)]
    name: Option<String>,
    /// The secret half; FILE.pub beside it gets the public one. Neither may exist yet
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct SignArgs {
    /// The header, as `package --unsigned` or `index --unsigned` wrote it
    #[arg(long, value_name = "FILE")]
    header: PathBuf,
    /// Sign with this secret key (repeatable); without, the header is only shown
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
    /// The signatures; the file must not exist yet [default: the header's name and .sig]
    #[arg(long, value_name = "FILE", requires = "key")]
    out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct IndexArgs {
    /// The folder with the packages, as it is served; it gets a file named index
    folder: PathBuf,
    /// Sign with this secret key (repeatable) [default: the development key, where the image has no
    /// other]
    #[arg(long, value_name = "FILE", conflicts_with = "unsigned")]
    key: Vec<PathBuf>,
    /// Do not sign: write the bytes to sign, into a file named index.header
    #[arg(long)]
    unsigned: bool,
    /// Make the index out of index.header and signatures
    #[arg(long, requires = "signature", conflicts_with_all = ["key", "unsigned"])]
    attach: bool,
    /// A file of signatures, as `sign` wrote it (repeatable)
    #[arg(long, value_name = "FILE", requires = "attach")]
    signature: Vec<PathBuf>,
    /// A public key (FILE.pub) that older images trust and this one does not any more (repeatable)
    #[arg(long, value_name = "FILE")]
    old_key: Vec<PathBuf>,
    /// Refuse to sign for an image that trusts a development key
    #[arg(long)]
    release: bool,
}

#[derive(Debug, Args)]
pub(super) struct PackageArgs {
    #[command(flatten)]
    build: BuildArgs,
    /// Carry only what differs from this older full package, for machines that run its version
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,
    /// Sign with this secret key (repeatable)
    #[arg(long, value_name = "FILE", conflicts_with = "unsigned")]
    key: Vec<PathBuf>,
    /// Do not sign: write the package, and the bytes to sign beside it
    #[arg(long)]
    unsigned: bool,
    /// Put signatures into this package instead of making one
    #[arg(
        long,
        value_name = "FILE",
        requires = "signature",
        conflicts_with_all = ["base", "key", "unsigned", "image_version"]
    )]
    attach: Option<PathBuf>,
    /// A file of signatures, as `sign` wrote it (repeatable)
    #[arg(long, value_name = "FILE", requires = "attach")]
    signature: Vec<PathBuf>,
    /// A public key (FILE.pub) that older images trust and this one does not any more (repeatable)
    #[arg(long, value_name = "FILE")]
    old_key: Vec<PathBuf>,
    /// The package [default: its name, in target/image]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Makes a key; only its public half is ever shown.
pub(super) fn keygen(args: &KeygenArgs, reporter: Reporter) -> Result<()> {
    let name = match &args.name {
        Some(name) => name.clone(),
        None => {
            let stem = args.out.file_stem().context("--out names no file")?;
            stem.to_string_lossy().into_owned()
        }
    };
    let made = keys::generate(&name, &args.out)?;
    let (id, words) = (made.id.to_string(), key_words(&args.out, &made));
    reporter.say_of("key", &[("id", &id)], &words);
    Ok(())
}

fn key_words(secret: &Path, made: &Made) -> String {
    format!(
        "id {}\n\
         {} is the secret key: keep it off this network, with a copy elsewhere.\n\
         {} goes into the definition:\n\n{}",
        made.id,
        secret.display(),
        made.public_file.display(),
        made.fragment
    )
}

/// Says what is signed, then signs it.
pub(super) fn sign(args: &SignArgs, reporter: Reporter) -> Result<()> {
    let header = ToSign::read(&args.header)?;
    reporter.say("header", &header.words());
    if args.key.is_empty() {
        return Ok(());
    }
    let keys = args.key.iter().map(|file| keys::load(file));
    let keys = keys.collect::<Result<Vec<_>>>()?;
    let out = args.out.clone();
    let out = out.unwrap_or_else(|| output::with_suffix(&args.header, ".sig"));
    ensure!(
        !out.exists(),
        "{} exists already; name another file with --out, or remove it",
        out.display()
    );
    output::replace_file(&out, header.sign(&keys).as_bytes())?;
    let ids = keys
        .iter()
        .map(|key| keys::given(key).public.id().to_string());
    let ids = ids.collect::<Vec<_>>().join(", ");
    let said = format!("{} signs that, by the key {ids}", out.display());
    reporter.say("signatures", &said);
    Ok(())
}

/// Lists the packages of a folder, signed.
pub(super) fn index(args: &IndexArgs, session: &Session) -> Result<()> {
    let trust = session.trust(args.release)?;
    let old = keys::load_public(&args.old_key)?;
    let definition = &session.definition;
    if args.unsigned {
        let index = index::list(definition, &args.folder, &trust.known(old))?;
        return write_unsigned_index(&index, &args.folder, session.reporter);
    }
    let index = if args.attach {
        let order = Attach {
            to: &args.folder,
            signatures: &args.signature,
            ring: &trust.ring,
            known: &trust.known(old),
        };
        offline::attach_index(definition, &order)?
    } else {
        let signers = trust.signers(&args.key)?;
        ensure!(
            !signers.is_empty(),
            "nobody signs the index: name the secret keys with --key, or write it with --unsigned and sign it \
             where they are"
        );
        let given = signers.iter().map(keys::given);
        let known = trust.known(given.chain(old));
        index::publish(definition, &args.folder, &signers, &trust.ring, &known)?
    };
    say_index(&index, session.reporter);
    say_file(session.reporter, &args.folder.join(NAME))
}

fn say_index(index: &Index, reporter: Reporter) {
    let lines = index.packages.iter().map(|entry| {
        let from = entry.base.map(|base| format!(" from {base}"));
        let from = from.unwrap_or_default();
        format!(
            "\n{}{from}, {}, {} bytes",
            entry.version, entry.name, entry.length
        )
    });
    let said = format!("serial {}{}", index.serial, lines.collect::<String>());
    reporter.say("index", &said);
}

fn write_unsigned_index(index: &Index, folder: &Path, reporter: Reporter) -> Result<()> {
    let header = index::header(folder);
    output::replace_file(&header, &offline::index_to_sign(index)?)?;
    say_header(&header, "cargo image index --attach", reporter)
}

/// What is to be signed, and what takes the signatures.
fn say_header(header: &Path, then: &str, reporter: Reporter) -> Result<()> {
    let said = format!(
        "{} is to be signed, by `cargo image sign`; then `{then}`\n{}",
        header.display(),
        ToSign::read(header)?.words()
    );
    reporter.say("header", &said);
    Ok(())
}

/// Makes a package, or puts signatures into one.
pub(super) fn package(args: &PackageArgs, session: &Session) -> Result<()> {
    if let Some(package) = &args.attach {
        return attach(args, package, session);
    }
    let trust = session.trust(args.build.release)?;
    let signers = trust.signers(&args.key)?;
    ensure!(
        args.unsigned || !signers.is_empty(),
        "nobody signs the package: name the secret keys with --key, or write it with --unsigned and sign \
         it where they are"
    );
    let scratch = session.cache.scratch()?;
    let base = match &args.base {
        Some(file) => {
            let given = signers.iter().map(keys::given);
            let known = trust.known(given.chain(keys::load_public(&args.old_key)?));
            Some(Base::unpack(file, &known, scratch.path())?)
        }
        None => None,
    };
    let built = session.build(&args.build.order(&[]))?;
    let phase = session.reporter.phase("update package", None);
    let mut package = package::unsigned(
        &session.definition,
        &built.payload,
        base.as_ref(),
        scratch.path(),
    )?;
    phase.done();
    if args.unsigned {
        return write_unsigned(&mut package, args.out.as_deref(), session);
    }
    let name = package.header.file_name();
    let out = args.out.clone();
    let out = out.unwrap_or_else(|| session.workspace.out().join(name));
    output::write_file(&out, 0o644, |file| {
        package::write_signed(&mut package, &signers, &trust.ring, file)
    })?;
    published(&out, session.reporter)
}

fn write_unsigned(package: &mut Unsigned, out: Option<&Path>, session: &Session) -> Result<()> {
    let name = package.header.file_name();
    let out = out.map_or_else(
        || session.workspace.out().join(name + UNSIGNED),
        Path::to_owned,
    );
    let header = output::with_suffix(&signed_name(&out), ".header");
    output::write_file(&out, 0o644, |file| Ok(package.write(&[], file)?))?;
    output::replace_file(&header, &offline::to_sign(&package.header))?;
    say_file(session.reporter, &out)?;
    say_header(&header, "cargo image package --attach", session.reporter)
}

fn attach(args: &PackageArgs, package: &Path, session: &Session) -> Result<()> {
    let trust = session.trust(args.build.release)?;
    let known = trust.known(keys::load_public(&args.old_key)?);
    let out = args.out.clone().unwrap_or_else(|| signed_name(package));
    let order = Attach {
        to: package,
        signatures: &args.signature,
        ring: &trust.ring,
        known: &known,
    };
    offline::attach(&order, &out)?;
    published(&out, session.reporter)
}

/// The name of a package once it is signed.
fn signed_name(package: &Path) -> PathBuf {
    let name = package.to_string_lossy();
    match name.strip_suffix(UNSIGNED) {
        Some(stem) => PathBuf::from(stem),
        None => package.to_owned(),
    }
}

fn published(package: &Path, reporter: Reporter) -> Result<()> {
    output::note_sum(package)?;
    say_file(reporter, package)
}
