//! What the unpacking process gives up before it reads the first byte of a package.
//!
//! It is started with the descriptors it needs and under an account that owns nothing; here it
//! gives up the system calls as well. It cannot open, connect, mount, start or signal anything:
//! all that is left is to read the package, and to read and write the devices that it was given.

use std::collections::BTreeMap;
use std::io;

use rustix::process::{
    DumpableBehavior, Pid, Resource, Rlimit, Signal, getpid, set_dumpable_behavior,
    set_parent_process_death_signal, setrlimit,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

/// Address space in bytes: several times what the largest chunks and windows take.
const ADDRESS_SPACE: u64 = 1 << 30;

/// The system calls that are left. Memory, time, and reading and writing what is open; threads by
/// [`threads`], signals by [`signals_to`], fcntl by [`of_descriptors`], and of clone3 only that
/// [`without_clone3`] sees it first.
const ALLOWED: &[i64] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_statx,
    libc::SYS_fadvise64,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_recvmsg,
    libc::SYS_recvfrom,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_poll,
    libc::SYS_ppoll,
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_clone3,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// What a C library asks clone(2) for beside [`libc::CLONE_THREAD`] when it starts a thread
/// (pthread_create of glibc and of musl; the last is `CLONE_DETACHED`, which the kernel ignores).
const OF_THREADS: i32 = libc::CLONE_VM
    | libc::CLONE_FS
    | libc::CLONE_FILES
    | libc::CLONE_SIGHAND
    | libc::CLONE_SYSVSEM
    | libc::CLONE_SETTLS
    | libc::CLONE_PARENT_SETTID
    | libc::CLONE_CHILD_CLEARTID
    | libc::CLONE_DETACHED;

/// Gives everything up. Cannot be undone.
///
/// # Errors
/// Something could not be given up; then nothing must be read.
pub fn enter() -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    rustix::thread::set_no_new_privs(true)?;
    limit(Resource::Core, 0)?;
    limit(Resource::As, ADDRESS_SPACE)?;
    // It opens nothing itself, but what it is given comes after this.
    limit(Resource::Nofile, 32)?;
    forbid(getpid()).map_err(io::Error::other)
}

fn limit(resource: Resource, most: u64) -> io::Result<()> {
    let limit = Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    Ok(setrlimit(resource, limit)?)
}

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Leaves the process `own` nothing but what is needed.
fn forbid(own: Pid) -> Outcome<()> {
    // In this order: the second leaves no system call that sets up another.
    seccompiler::apply_filter_all_threads(&without_clone3()?)?;
    let free = ALLOWED.iter().map(|call| (*call, Vec::new()));
    let some = [
        (libc::SYS_clone, vec![threads()?]),
        (libc::SYS_tgkill, vec![signals_to(own)?]),
        (libc::SYS_fcntl, of_descriptors()?),
    ];
    let rules = free.chain(some).collect();
    let program = filter(rules, SeccompAction::KillProcess, SeccompAction::Allow)?;
    seccompiler::apply_filter_all_threads(&program)?;
    Ok(())
}

/// clone(2) for a thread of this process, and with no other flag than one needs: no namespace, and
/// no other process, which would outlive it with its devices.
fn threads() -> Outcome<SeccompRule> {
    let others = !u64::from(OF_THREADS.cast_unsigned());
    let is_thread = SeccompCmpOp::MaskedEq(others);
    let thread = u64::from(libc::CLONE_THREAD.cast_unsigned());
    let flags = SeccompCondition::new(0, SeccompCmpArgLen::Qword, is_thread, thread)?;
    Ok(SeccompRule::new(vec![flags])?)
}

/// tgkill(2) to threads of the process `own`: how the C library ends it, abort(3).
fn signals_to(own: Pid) -> Outcome<SeccompRule> {
    let own = u64::from(own.as_raw_nonzero().get().cast_unsigned());
    let process = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, own)?;
    Ok(SeccompRule::new(vec![process])?)
}

/// fcntl(2) that tells of a descriptor, or makes another of it. Others would have the kernel signal
/// the owner of one (`F_SETOWN`), lease or lock the file behind it, or grow a pipe.
fn of_descriptors() -> Outcome<Vec<SeccompRule>> {
    let rule = |command: i32| {
        let command = u64::from(command.cast_unsigned());
        let asked = SeccompCondition::new(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, command)?;
        Ok(SeccompRule::new(vec![asked])?)
    };
    [libc::F_DUPFD_CLOEXEC, libc::F_GETFD, libc::F_GETFL]
        .map(rule)
        .into_iter()
        .collect()
}

/// What clone3(2) is asked for lies in memory, where no filter sees it: so it does not exist here,
/// and the C library asks clone(2) instead.
fn without_clone3() -> Outcome<BpfProgram> {
    let missing = SeccompAction::Errno(libc::ENOSYS as u32);
    let rules = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    filter(rules, SeccompAction::Allow, missing)
}

fn filter(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    others: SeccompAction,
    those: SeccompAction,
) -> Outcome<BpfProgram> {
    Ok(SeccompFilter::new(rules, others, those, TargetArch::x86_64)?.try_into()?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use super::*;

    /// Enters the sandbox and tries what the environment says; run by the test below.
    #[test]
    #[ignore = "a part of the test below, in a process of its own"]
    fn inside() {
        let attempt = std::env::var("ATTEMPT").unwrap_or_default();
        let mut buffer = [0; 16];
        let open = std::fs::File::open("/proc/self/exe").unwrap();
        if attempt == "signal another" {
            // The process that is signalled is always this one: so the filter is that of another.
            forbid(rustix::process::getppid().unwrap()).unwrap();
            std::process::abort();
        }
        enter().unwrap();
        match attempt.as_str() {
            "read" => std::os::unix::fs::FileExt::read_exact_at(&open, &mut buffer, 0).unwrap(),
            "thread" => std::thread::spawn(|| ()).join().unwrap(),
            "open" => drop(std::fs::File::open("/etc/passwd")),
            "connect" => drop(std::net::TcpStream::connect("127.0.0.1:9")),
            "socket" => drop(std::os::unix::net::UnixDatagram::unbound()),
            "start" => drop(Command::new("/bin/true").status()),
            "fork" => drop(fork::fork()),
            "unlink" => drop(std::fs::remove_file("/nowhere")),
            "signal itself" => std::process::abort(),
            "kill another" => drop(rustix::process::test_kill_process(
                rustix::process::getppid().unwrap(),
            )),
            "copy" => drop(open.try_clone().unwrap()),
            "change a file's flags" => {
                let _ = rustix::fs::fcntl_setfl(&open, rustix::fs::OFlags::NONBLOCK);
            }
            "ioctl" => drop(rustix::fs::ioctl_blksszget(&open)),
            other => panic!("{other}"),
        }
        // The harness itself would do what is forbidden.
        std::process::exit(0);
    }

    #[test]
    fn what_was_given_up_ends_the_process() {
        let me = std::env::current_exe().unwrap();
        const DONE: Option<i32> = None;
        const STOPPED: Option<i32> = Some(libc::SIGSYS);
        for (attempt, signal) in [
            ("read", DONE),
            ("thread", DONE),
            ("copy", DONE),
            ("open", STOPPED),
            ("connect", STOPPED),
            ("socket", STOPPED),
            ("start", STOPPED),
            ("fork", STOPPED),
            ("signal itself", Some(libc::SIGABRT)),
            ("signal another", STOPPED),
            ("kill another", STOPPED),
            ("change a file's flags", STOPPED),
            ("unlink", STOPPED),
            ("ioctl", STOPPED),
        ] {
            let mut command = Command::new(&me);
            command.args([
                "--exact",
                "apply::sandbox::tests::inside",
                "--ignored",
                "--nocapture",
            ]);
            let output = command.env("ATTEMPT", attempt).output().unwrap();
            assert_eq!(output.status.signal(), signal, "{attempt}: {output:?}");
            let done = output.status.success();
            assert_eq!(done, signal.is_none(), "{attempt}: {output:?}");
        }
    }
}
