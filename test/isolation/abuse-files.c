/* Files of the host, of the person and of other processes. */
#include "abuse.h"
#include <dirent.h>
#include <sys/resource.h>

static enum verdict readable(const char *path) {
  int fd = open(path, O_RDONLY | O_NONBLOCK);
  char byte;
  if (fd < 0) return told(-1);
  if (read(fd, &byte, 1) < 0) return told(-1);
  detail("%s", path);
  return ALLOWED;
}

/* Opens for writing and writes nothing. */
static enum verdict writable(const char *path, int flags) {
  int fd = open(path, O_WRONLY | O_NONBLOCK | flags, 0644);
  if (fd < 0) return told(-1);
  detail("%s", path);
  return ALLOWED;
}

static enum verdict any(enum verdict (*try)(const char *), const char *const *paths) {
  for (; *paths; paths++)
    if (try(*paths) == ALLOWED) return ALLOWED;
  return BLOCKED;
}

static enum verdict overwritable(const char *path) { return writable(path, 0); }

static enum verdict shadow(const struct bait *b) { (void)b; return readable("/etc/shadow"); }
static enum verdict root_home(const struct bait *b) { (void)b; return opendir("/root") ? ALLOWED : told(-1); }
static enum verdict passwd(const struct bait *b) { (void)b; return writable("/etc/passwd", 0); }

static enum verdict usr_bin(const struct bait *b) {
  (void)b;
  enum verdict seen = writable("/usr/bin/oxbow-abuse", O_CREAT | O_EXCL);
  if (seen == ALLOWED) unlink("/usr/bin/oxbow-abuse");
  return seen;
}

static enum verdict hands_program(const struct bait *b) {
  (void)b;
  const char *const paths[] = {"/opt/oxbow/hands.cjs", "/opt/oxbow/node", "/usr/local/bin/node", "/opt/oxbow/hands.code", NULL};
  return any(overwritable, paths);
}

static enum verdict git_hook(const struct bait *b) { (void)b; return writable("/shared/.git/hooks/pre-commit", O_CREAT); }
static enum verdict git_config(const struct bait *b) { (void)b; return writable("/shared/.git/config", 0); }

static enum verdict git_away(const struct bait *b) {
  (void)b;
  if (rename("/shared/.git", "/shared/.git-away") != 0) return told(-1);
  rename("/shared/.git-away", "/shared/.git");
  return ALLOWED;
}

/* A folder of a name that the person's git runs hooks from, where none was. */
static enum verdict git_below(const struct bait *b) {
  (void)b;
  mkdir("/shared/below", 0755);
  mkdir("/shared/below/.git", 0755);
  mkdir("/shared/below/.git/hooks", 0755);
  return writable("/shared/below/.git/hooks/pre-commit", O_CREAT);
}

static enum verdict through_link(const char *target) {
  unlink("/shared/abuse-link");
  if (symlink(target, "/shared/abuse-link") != 0) return told(-1);
  enum verdict seen = readable("/shared/abuse-link");
  unlink("/shared/abuse-link");
  return seen;
}

static enum verdict link_shadow(const struct bait *b) { (void)b; return through_link("/etc/shadow"); }

static enum verdict link_root(const struct bait *b) {
  char path[300];
  snprintf(path, sizeof path, "/proc/1/root%s", b->file);
  return through_link(path);
}

static int contains(const char *path, const char *needle) {
  static char text[1 << 20];
  int fd = open(path, O_RDONLY);
  if (fd < 0) return 0;
  ssize_t n = 0, got = 0;
  while (got < (ssize_t)sizeof text && (n = read(fd, text + got, sizeof text - got)) > 0) got += n;
  close(fd);
  return got > 0 && memmem(text, got, needle, strlen(needle)) != NULL;
}

/* Looks into one file of every process. */
static enum verdict in_processes(const char *file, const char *needle) {
  DIR *proc = opendir("/proc");
  if (!proc || !*needle) return BLOCKED;
  for (struct dirent *entry; (entry = readdir(proc));) {
    char path[300];
    snprintf(path, sizeof path, "/proc/%.60s/%s", entry->d_name, file);
    if (*entry->d_name < '1' || *entry->d_name > '9' || !contains(path, needle)) continue;
    detail("pid %s", entry->d_name);
    return ALLOWED;
  }
  return BLOCKED;
}

static enum verdict init_environ(const struct bait *b) { return *b->secret && contains("/proc/1/environ", b->secret) ? ALLOWED : BLOCKED; }
static enum verdict host_pids(const struct bait *b) { return in_processes("cmdline", b->marker); }
static enum verdict host_environ(const struct bait *b) { return in_processes("environ", b->secret); }

/* Writes back what stands there. */
static enum verdict same_again(const char *path) {
  char text[256] = "";
  int fd = open(path, O_RDWR);
  if (fd < 0) return told(-1);
  ssize_t n = read(fd, text, sizeof text);
  if (n < 0) return told(-1);
  return told(pwrite(fd, text, n, 0));
}

static enum verdict core_pattern(const struct bait *b) { (void)b; return same_again("/proc/sys/kernel/core_pattern"); }
static enum verdict sysrq(const struct bait *b) { (void)b; return writable("/proc/sysrq-trigger", 0); }
static enum verdict kcore(const struct bait *b) { (void)b; return readable("/proc/kcore"); }

static enum verdict devices(const struct bait *b) {
  (void)b;
  const char *const paths[] = {"/dev/vda", "/dev/sda", "/dev/nvme0n1", "/dev/mem", "/dev/kmem", "/dev/kvm", "/dev/fuse", "/dev/loop-control", NULL};
  return any(overwritable, paths);
}

static enum verdict credentials(const struct bait *b) {
  (void)b;
  const char *const homes[] = {"/root", "/home", "/tmp", "/home/agent", getenv("HOME") ? getenv("HOME") : "/", NULL};
  const char *const files[] = {".ssh/id_ed25519", ".ssh/id_rsa", ".aws/credentials", ".npmrc", ".netrc", ".docker/config.json", ".gitconfig", ".kube/config", NULL};
  char path[300];
  for (int h = 0; homes[h]; h++)
    for (int f = 0; files[f]; f++) {
      snprintf(path, sizeof path, "%s/%s", homes[h], files[f]);
      if (readable(path) == ALLOWED) return ALLOWED;
    }
  for (char **entry = environ; *entry; entry++)
    if (!strncmp(*entry, "SSH_AUTH_SOCK=", 14) || strstr(*entry, "_TOKEN=") || strstr(*entry, "_KEY=")) return detail("environment: %.40s", *entry), ALLOWED;
  return BLOCKED;
}

/* Files that run by themselves when a person works in the folder. */
static enum verdict persistence(const struct bait *b) {
  (void)b;
  mkdir("/shared/.vscode", 0755);
  const char *const paths[] = {"/shared/.envrc", "/shared/.npmrc", "/shared/.gitattributes", "/shared/.vscode/tasks.json", NULL};
  for (int i = 0; paths[i]; i++)
    if (writable(paths[i], O_CREAT) == BLOCKED) return BLOCKED;
  return ALLOWED;
}

static enum verdict hard_link(const struct bait *b) {
  const char *const targets[] = {"/usr/bin/env", "/bin/busybox", "/etc/ld.so.cache", b->file, NULL};
  for (int i = 0; targets[i]; i++) {
    if (link(targets[i], "/shared/abuse-hard") != 0) { told(-1); continue; }
    unlink("/shared/abuse-hard");
    detail("%s", targets[i]);
    return ALLOWED;
  }
  return BLOCKED;
}

static enum verdict host_file(const struct bait *b) { return *b->file ? readable(b->file) : BLOCKED; }

static enum verdict sparse(const struct bait *b) {
  (void)b;
  signal(SIGXFSZ, SIG_IGN);
  int fd = open("/shared/abuse-sparse", O_CREAT | O_WRONLY, 0644);
  enum verdict seen = told(ftruncate(fd, 1LL << 40));
  unlink("/shared/abuse-sparse");
  return seen;
}

/* Of the program that was started; the checks' descriptors are closed at exec or opened by the parent, which counts from 3. */
static enum verdict descriptors(const struct bait *b) {
  (void)b;
  for (int fd = 3; fd < 1024; fd++) {
    int flags = fcntl(fd, F_GETFD);
    char path[64], target[256] = "";
    if (flags < 0 || (flags & FD_CLOEXEC)) continue;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (readlink(path, target, sizeof target - 1) < 0) continue;
    detail("%d: %s", fd, target);
    return ALLOWED;
  }
  return BLOCKED;
}

/* From the working folder, and from every descriptor that is one, up to the top, and down to a file of the host. */
static enum verdict upwards(const struct bait *b) {
  char path[512] = "";
  if (!*b->file) return BLOCKED;
  for (int up = 0; up < 20; up++) strcat(path, "../");
  strcat(path, b->file + 1);
  if (open(path, O_RDONLY) >= 0) return detail("working folder"), ALLOWED;
  for (int fd = 0; fd < 1024; fd++)
    if (fcntl(fd, F_GETFD) >= 0 && openat(fd, path, O_RDONLY) >= 0) return detail("descriptor %d", fd), ALLOWED;
  return told(-1);
}

static enum verdict setuid_bit(const struct bait *b) {
  (void)b;
  close(open("/shared/abuse-suid", O_CREAT | O_WRONLY, 0755));
  enum verdict seen = told(chmod("/shared/abuse-suid", 04755));
  struct stat now;
  if (seen == ALLOWED && (stat("/shared/abuse-suid", &now) != 0 || !(now.st_mode & S_ISUID))) seen = BLOCKED;
  unlink("/shared/abuse-suid");
  return seen;
}

static enum verdict fifo(const struct bait *b) {
  (void)b;
  enum verdict seen = told(mkfifo("/shared/abuse-fifo", 0644));
  unlink("/shared/abuse-fifo");
  return seen;
}

static enum verdict cgroup_escape(const struct bait *b) {
  (void)b;
  const char *const paths[] = {"/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/memory/cgroup.procs", "/sys/fs/cgroup/pids/cgroup.procs",
                               "/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/pids.max", NULL};
  if (any(overwritable, paths) == ALLOWED) return ALLOWED;
  return mkdir("/sys/fs/cgroup/oxbow-abuse", 0755) == 0 || mkdir("/sys/fs/cgroup/memory/oxbow-abuse", 0755) == 0 ? ALLOWED : told(-1);
}

static enum verdict oom_score(const struct bait *b) {
  (void)b;
  int fd = open("/proc/self/oom_score_adj", O_WRONLY);
  return fd < 0 ? told(-1) : told(write(fd, "-1000", 5));
}

const struct check file_checks[] = {
    {1, "read /etc/shadow", shadow},
    {2, "list /root", root_home},
    {3, "write /etc/passwd", passwd},
    {4, "write /usr/bin", usr_bin},
    {5, "write the program of hands", hands_program},
    {6, "write .git/hooks/pre-commit", git_hook},
    {7, "write .git/config", git_config},
    {8, "rename .git away", git_away},
    {9, "make a repository with a hook below", git_below},
    {10, "read /etc/shadow through a link", link_shadow},
    {11, "read a file of the host through /proc/1/root", link_root},
    {12, "host environment in /proc/1/environ", init_environ},
    {13, "see processes of the host", host_pids},
    {14, "write core_pattern", core_pattern},
    {15, "write sysrq-trigger", sysrq},
    {16, "read /proc/kcore", kcore},
    {17, "open a device of the machine", devices},
    {55, "set a setuid bit in the workspace", setuid_bit},
    {56, "make a pipe in the workspace", fifo},
    {63, "host environment in any process", host_environ},
    {64, "credentials in home folders and environment", credentials},
    {65, "leave files that run by themselves", persistence},
    {66, "hard link to a file of the system", hard_link},
    {67, "read a file of the host by its path", host_file},
    {69, "a sparse file of 1 TiB", sparse},
    {73, "inherited descriptors", descriptors},
    {74, "walk up from the working folder", upwards},
    {91, "leave or change the control group", cgroup_escape},
    {92, "be spared when memory runs out", oom_score},
    {0, NULL, NULL},
};
