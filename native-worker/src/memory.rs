//! The memory limit for emails.

use std::{fs, path::Path, sync::Arc};

use email_queue::transition::ByteBudget;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The default limit, in bytes.
const DEFAULT: u64 = 256_000_000;

/// How many bytes of memory a byte of JSON costs while its email is sent: the reply that brings it, the parsed email, and the
/// message.
const FOOTPRINT: usize = 3;

/// No email is larger.
pub(crate) const ANY_SIZE: usize = usize::MAX >> 16;

/// A permit is a KiB: a semaphore cannot count the bytes of large machines.
const KIB: usize = 1024;

/// The memory for emails, and how much of it is free.
pub(crate) struct Memory {
    free: Arc<Semaphore>,
    all: usize,
}

/// A part of the memory. It is free again when this is dropped.
pub(crate) struct Room {
    permit: OwnedSemaphorePermit,
    /// Whether no other email was in memory.
    is_all: bool,
}

impl Memory {
    pub(crate) fn new(bytes: u64) -> Self {
        let all = usize::try_from(bytes / KIB as u64).unwrap_or(usize::MAX).clamp(1, u32::MAX as usize >> 4);
        Self { free: Arc::new(Semaphore::new(all)), all }
    }

    /// As much as so many bytes of JSON need, or all that is free; `None` where nothing is.
    pub(crate) fn take(&self, json: usize) -> Option<Room> {
        let kib = footprint(json).min(self.free.available_permits()).min(self.all);
        let permit = (kib > 0).then(|| self.acquire(kib)).flatten()?;
        Some(Room { permit, is_all: false })
    }

    /// All that is free. If that is all of the memory, an email of any size may use it. `None` where nothing is free.
    pub(crate) fn take_free(&self) -> Option<Room> {
        let kib = self.free.available_permits();
        let permit = (kib > 0).then(|| self.acquire(kib)).flatten()?;
        Some(Room { permit, is_all: kib == self.all })
    }

    /// Waits until there is room for so many bytes of JSON, or all memory is free, and takes as much more of what is free then:
    /// with room for only that email, each claim would bring one, and find no room for the next. Others get none meanwhile.
    pub(crate) async fn wait(&self, json: usize, more: usize) -> Option<Room> {
        let permits = u32::try_from(footprint(json).min(self.all)).ok()?;
        // The semaphore is never closed.
        let mut permit = Arc::clone(&self.free).acquire_many_owned(permits).await.ok()?;
        if let Some(more) = self.take(more) {
            permit.merge(more.permit);
        }
        let is_all = permit.num_permits() == self.all;
        Some(Room { permit, is_all })
    }

    fn acquire(&self, kib: usize) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.free).try_acquire_many_owned(u32::try_from(kib).ok()?).ok()
    }
}

impl Room {
    /// How many bytes of JSON fit in, if no more than `all` are wanted at once.
    pub(crate) fn budget(&self, all: usize) -> ByteBudget {
        let room = self.permit.num_permits() * KIB / FOOTPRINT;
        ByteBudget { all: all.min(room), first: if self.is_all { ANY_SIZE } else { room } }
    }

    /// The part that an email of so many bytes of JSON needs: all that is left, if that is less.
    pub(crate) fn split(&mut self, json: usize) -> Option<Room> {
        let kib = footprint(json).min(self.permit.num_permits());
        self.permit.split(kib).map(|permit| Room { permit, is_all: false })
    }
}

fn footprint(json: usize) -> usize {
    json.saturating_mul(FOOTPRINT).div_ceil(KIB).max(1)
}

/// The default limit in bytes: 256 MB, or a quarter of what the control groups of the process allow, whichever is less.
#[must_use]
pub fn default_max() -> u64 {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    limit(&groups, Path::new("/sys/fs/cgroup")).map_or(DEFAULT, |limit| DEFAULT.min(limit / 4))
}

/// The least that a control group of the process, or one above it, is limited to
/// ([version 2](https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files),
/// [version 1](https://docs.kernel.org/admin-guide/cgroup-v1/memory.html)). `groups` is what `/proc/self/cgroup` says.
fn limit(groups: &str, root: &Path) -> Option<u64> {
    let limits = groups.lines().filter_map(|line| {
        let mut columns = line.splitn(3, ':');
        let (_, controllers, path) = (columns.next()?, columns.next()?, columns.next()?);
        let (top, file) = match controllers {
            "" => (root.to_owned(), "memory.max"),
            controllers if controllers.split(',').any(|name| name == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes")
            }
            _ => return None,
        };
        // In a container the path may be that of the machine, of which only the top is visible.
        let groups = top.join(path.trim_start_matches('/'));
        let above = groups.ancestors().take_while(|group| group.starts_with(&top));
        above.filter_map(|group| fs::read_to_string(group.join(file)).ok()?.trim().parse::<u64>().ok()).min()
    });
    limits.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * KIB;

    #[test]
    fn no_more_is_held_than_there_is_but_one_email_of_any_size() {
        let memory = Memory::new(30 * MIB as u64);
        let mut room = memory.take_free().unwrap();
        assert_eq!(room.budget(MIB), ByteBudget { all: MIB, first: ANY_SIZE });
        let large = room.split(ANY_SIZE).unwrap();
        drop(room);
        assert!(memory.take(1).is_none(), "it has it all");
        drop(large);
        let mut room = memory.take(4 * MIB).unwrap();
        let held = room.split(4 * MIB).unwrap();
        drop(room);
        let room = memory.take_free().unwrap();
        assert_eq!(room.budget(16 * MIB), ByteBudget { all: 6 * MIB, first: 6 * MIB });
        drop((held, room));
        assert!(memory.take_free().unwrap().is_all);
    }

    #[tokio::test]
    async fn what_finds_no_room_waits_for_it_and_for_no_more_than_all() {
        let memory = Memory::new(30 * MIB as u64);
        let held = memory.take(MIB).unwrap();
        let waits = memory.wait(ANY_SIZE, 0);
        tokio::pin!(waits);
        let waiting = tokio::time::timeout(std::time::Duration::from_millis(10), &mut waits).await;
        assert!(waiting.is_err());
        assert!(memory.take(1).is_none(), "nobody overtakes");
        drop(held);
        assert_eq!(waits.await.unwrap().budget(MIB).first, ANY_SIZE);
    }

    #[tokio::test]
    async fn whoever_has_waited_for_room_gets_all_that_is_free() {
        let memory = Memory::new(30 * MIB as u64);
        let held = memory.take(4 * MIB).unwrap();
        let room = memory.wait(MIB, ANY_SIZE).await.unwrap();
        assert_eq!(room.budget(16 * MIB), ByteBudget { all: 6 * MIB, first: 6 * MIB });
        drop((held, room));
        assert_eq!(memory.wait(MIB, ANY_SIZE).await.unwrap().budget(16 * MIB).first, ANY_SIZE);
    }

    #[test]
    fn the_least_limit_of_a_control_group_counts_in_either_version() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, limit: &str| {
            let file = root.path().join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, limit).unwrap();
        };
        write("memory.max", "max\n");
        write("pod/memory.max", "268435456\n");
        write("pod/worker/memory.max", "max\n");
        write("memory/memory.limit_in_bytes", "9223372036854771712\n");
        write("memory/docker/memory.limit_in_bytes", "134217728\n");
        assert_eq!(limit("0::/pod/worker\n", root.path()), Some(268_435_456));
        assert_eq!(limit("0::/\n", root.path()), None);
        assert_eq!(limit("5:cpu,cpuacct:/x\n4:memory:/docker\n", root.path()), Some(134_217_728));
        assert_eq!(limit("4:memory:/of/the/machine\n", root.path()), Some(9_223_372_036_854_771_712));
        assert_eq!(limit("nonsense", root.path()), None);
    }
}
