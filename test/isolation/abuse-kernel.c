/* What the kernel offers to any process, and a sandbox should not. */
#include "abuse.h"
#include <linux/perf_event.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>

#define CHECK(name) static enum verdict name(const struct bait *b)
#define PLAIN(name, call) CHECK(name) { (void)b; return told(call); }

#ifndef SYS_userfaultfd
#define SYS_userfaultfd 323
#endif
#ifndef SYS_io_uring_setup
#define SYS_io_uring_setup 425
#endif

CHECK(device_node) {
  (void)b;
  enum verdict seen = told(mknod("/tmp/abuse-null", S_IFCHR | 0666, makedev(1, 3)));
  unlink("/tmp/abuse-null");
  return seen;
}

CHECK(mount_tmpfs) {
  (void)b;
  mkdir("/tmp/abuse-mount", 0755);
  enum verdict seen = told(mount("tmpfs", "/tmp/abuse-mount", "tmpfs", 0, NULL));
  if (seen == ALLOWED) umount("/tmp/abuse-mount");
  rmdir("/tmp/abuse-mount");
  return seen;
}

/* Of a folder that is no mount: EINVAL comes from a kernel that would have done it. */
CHECK(unmount) {
  (void)b;
  if (umount2("/proc/self", MNT_DETACH) == 0 || errno == EINVAL) return detail("would be done"), ALLOWED;
  return told(-1);
}

PLAIN(new_user_namespace, unshare(CLONE_NEWUSER))

CHECK(clone_user_namespace) {
  (void)b;
  long child = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
  if (child == 0) _exit(0);
  if (child > 0) waitpid(child, NULL, 0);
  return told(child);
}

CHECK(become_root) {
  (void)b;
  if (getuid() == 0) return detail("is root of its own world"), ALLOWED;
  return told(setuid(0));
}

PLAIN(change_root, chroot("/tmp"))

/* The same number inside may be a process of the sandbox's own. */
static int is_of_the_host(const struct bait *b) {
  char path[64], text[512] = "";
  snprintf(path, sizeof path, "/proc/%d/cmdline", b->pid);
  int fd = open(path, O_RDONLY);
  return fd >= 0 && read(fd, text, sizeof text - 1) > 0 && !strcmp(text, b->marker);
}

CHECK(trace_host) {
  if (ptrace(PTRACE_SEIZE, b->pid, 0, 0) != 0) return told(-1);
  return is_of_the_host(b) ? ALLOWED : BLOCKED;
}

CHECK(signal_host) {
  if (kill(b->pid, 0) != 0) return told(-1);
  return is_of_the_host(b) ? ALLOWED : BLOCKED;
}

PLAIN(trace_me, ptrace(PTRACE_TRACEME, 0, 0, 0))

CHECK(read_process) {
  (void)b;
  char from[8] = "abuse", to[8];
  struct iovec local = {to, sizeof to}, remote = {from, sizeof from};
  return told(syscall(SYS_process_vm_readv, getpid(), &local, 1, &remote, 1, 0));
}

PLAIN(keyring, syscall(SYS_keyctl, 0 /* KEYCTL_GET_KEYRING_ID */, -3, 1))
PLAIN(new_key, syscall(SYS_add_key, "user", "oxbow-abuse", "x", 1, -2 /* of this process */))

CHECK(load_bpf) {
  (void)b;
  long attributes[16] = {1 | 4L << 32, 4 | 1L << 32}; /* BPF_MAP_TYPE_HASH, keys and values of 4 bytes, one entry */
  return told(syscall(SYS_bpf, 0 /* BPF_MAP_CREATE */, attributes, sizeof attributes));
}

CHECK(perf) {
  (void)b;
  struct perf_event_attr attributes = {.type = PERF_TYPE_SOFTWARE, .size = sizeof attributes, .config = PERF_COUNT_SW_CPU_CLOCK, .exclude_kernel = 1};
  return told(syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0));
}

PLAIN(fault_handler, syscall(SYS_userfaultfd, 1 /* UFFD_USER_MODE_ONLY */))

CHECK(io_uring) {
  (void)b;
  char parameters[120] = {0};
  return told(syscall(SYS_io_uring_setup, 4, parameters));
}

CHECK(type_into_terminal) {
  (void)b;
  int master = posix_openpt(O_RDWR | O_NOCTTY);
  if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) return told(-1);
  setsid();
  int slave = open(ptsname(master), O_RDWR);
  if (slave < 0 || ioctl(slave, TIOCSCTTY, 0) != 0) return told(-1);
  return told(ioctl(slave, TIOCSTI, "x"));
}

CHECK(set_clock) {
  (void)b;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return told(clock_settime(CLOCK_REALTIME, &now));
}

CHECK(set_hostname) {
  (void)b;
  char name[256] = "";
  gethostname(name, sizeof name - 1);
  return told(sethostname(name, strlen(name)));
}

/* Each namespace has its own tables of System V shared memory: the host has put a segment into its own. */
CHECK(shared_memory_of_host) {
  (void)b;
  struct shm_info { int used; unsigned long total, resident, swapped, attempts, successes; } info = {0};
  if (shmctl(0, 14 /* SHM_INFO */, (struct shmid_ds *)&info) < 0) return told(-1);
  detail("%d segments", info.used);
  return info.used > 0 ? ALLOWED : BLOCKED;
}

CHECK(raise_limit) {
  (void)b;
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_max == RLIM_INFINITY) return ALLOWED;
  limit.rlim_max += 1;
  return told(setrlimit(RLIMIT_NOFILE, &limit));
}

CHECK(priority) {
  (void)b;
  errno = 0;
  int now = nice(-10);
  return now == -1 && errno != 0 ? told(-1) : ALLOWED;
}

CHECK(by_handle) {
  (void)b;
  struct { struct file_handle handle; char bytes[128]; } file = {.handle = {.handle_bytes = 128}};
  int mount;
  if (name_to_handle_at(AT_FDCWD, "/shared", &file.handle, &mount, 0) != 0) return told(-1);
  return told(open_by_handle_at(open("/", O_RDONLY), &file.handle, O_RDONLY));
}

PLAIN(execution_domain, personality(ADDR_NO_RANDOMIZE))

CHECK(kernel_log) {
  (void)b;
  char text[64];
  return told(syscall(SYS_syslog, 3, text, sizeof text));
}

PLAIN(enter_namespace, setns(open("/proc/self/ns/net", O_RDONLY), 0))

/* More open at once than the limit that is told to programs. */
CHECK(open_files) {
  (void)b;
  int count = 0;
  while (count < 4096 && open("/dev/null", O_RDONLY) >= 0) count++;
  detail("%d", count);
  return count > 1024 ? ALLOWED : BLOCKED;
}

CHECK(shared_memory_fill) {
  (void)b;
  static char block[1 << 20];
  char path[64];
  int written = 0;
  signal(SIGXFSZ, SIG_IGN);
  /* In files that are small enough for any limit of a single file. */
  for (int file = 0; file < 32; file++) {
    snprintf(path, sizeof path, "/dev/shm/abuse-%d", file);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    if (fd < 0) break;
    for (int i = 0; i < 4 && write(fd, block, sizeof block) == sizeof block; i++) written++;
    close(fd);
  }
  for (int file = 0; file < 32; file++) {
    snprintf(path, sizeof path, "/dev/shm/abuse-%d", file);
    unlink(path);
  }
  detail("%d of 128 MiB", written);
  return written >= 128 ? ALLOWED : BLOCKED;
}

const struct check kernel_checks[] = {
    {18, "make a device node", device_node},
    {19, "mount", mount_tmpfs},
    {20, "unmount", unmount},
    {21, "a new user namespace by unshare", new_user_namespace},
    {22, "a new user namespace by clone", clone_user_namespace},
    {23, "become root", become_root},
    {24, "chroot", change_root},
    {25, "trace a process of the host", trace_host},
    {26, "ask to be traced", trace_me},
    {27, "signal a process of the host", signal_host},
    {28, "read memory by process_vm_readv", read_process},
    {29, "keyctl", keyring},
    {30, "add a key", new_key},
    {31, "bpf", load_bpf},
    {32, "perf events", perf},
    {33, "userfaultfd", fault_handler},
    {34, "io_uring", io_uring},
    {35, "type into the terminal", type_into_terminal},
    {36, "set the clock", set_clock},
    {37, "set the host name", set_hostname},
    {48, "see shared memory of the host", shared_memory_of_host},
    {49, "raise a limit", raise_limit},
    {50, "raise its priority", priority},
    {51, "open a file by handle", by_handle},
    {52, "change the execution domain", execution_domain},
    {53, "read the kernel log", kernel_log},
    {54, "enter a namespace", enter_namespace},
    {93, "fill the shared memory", shared_memory_fill},
    {94, "open more files than its limit", open_files},
    {0, NULL, NULL},
};
