/* Floods: each is `allowed` when it got as much as it asked for. They clean up what they can. */
#include "abuse.h"
#include <sys/mman.h>

#define CHECK(name) static enum verdict name(const struct bait *b)

static char block[1 << 20];

CHECK(forks) {
  static pid_t born[10000];
  int count = 0, wanted = b->forks;
  while (count < wanted && count < 10000) {
    pid_t child = fork();
    if (child == 0) for (;;) pause();
    if (child < 0) break;
    born[count++] = child;
  }
  for (int i = 0; i < count; i++) kill(born[i], SIGKILL);
  detail("%d of %d", count, wanted);
  return count >= wanted ? ALLOWED : BLOCKED;
}

CHECK(memory) {
  for (int i = 0; i < b->memory_mb; i++) {
    char *piece = mmap(NULL, sizeof block, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (piece == MAP_FAILED) return detail("%d of %d MiB", i, b->memory_mb), BLOCKED;
    memset(piece, i + 1, sizeof block);
  }
  detail("%d MiB", b->memory_mb);
  return ALLOWED;
}

/* @returns mebibytes that were written. */
static int fill(const char *path, int mebibytes) {
  int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0644), written = 0;
  if (fd < 0) return 0;
  while (written < mebibytes && write(fd, block, sizeof block) == (ssize_t)sizeof block) written++;
  close(fd);
  return written;
}

CHECK(big_file) {
  signal(SIGXFSZ, SIG_IGN);
  int written = fill("/shared/abuse-big", b->file_mb);
  unlink("/shared/abuse-big");
  detail("%d of %d MiB", written, b->file_mb);
  return written >= b->file_mb ? ALLOWED : BLOCKED;
}

CHECK(many_files) {
  int total = 0, files = 0;
  char path[64];
  for (; total < b->total_mb; files++) {
    snprintf(path, sizeof path, "/shared/abuse-part-%d", files);
    int written = fill(path, 8);
    total += written;
    if (written < 8) break;
  }
  for (int i = 0; i <= files; i++) {
    snprintf(path, sizeof path, "/shared/abuse-part-%d", i);
    unlink(path);
  }
  detail("%d of %d MiB", total, b->total_mb);
  return total >= b->total_mb ? ALLOWED : BLOCKED;
}

CHECK(many_names) {
  int count = 0;
  char path[64];
  mkdir("/shared/abuse-names", 0755);
  for (; count < b->inodes; count++) {
    snprintf(path, sizeof path, "/shared/abuse-names/%d", count);
    int fd = open(path, O_CREAT | O_WRONLY, 0644);
    if (fd < 0) break;
    close(fd);
  }
  for (int i = 0; i < count; i++) {
    snprintf(path, sizeof path, "/shared/abuse-names/%d", i);
    unlink(path);
  }
  rmdir("/shared/abuse-names");
  detail("%d of %d", count, b->inodes);
  return count >= b->inodes ? ALLOWED : BLOCKED;
}

/* Left running on purpose, in a session of its own and without a mark: whoever started it must end it. */
CHECK(daemon_of_its_own) {
  (void)b;
  pid_t first = fork();
  if (first == 0) {
    setsid();
    if (fork() != 0) _exit(0);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    alarm(0);
    char *const arguments[] = {"abuse-daemon", "sleep", NULL};
    char *const nothing[] = {NULL};
    int program = open("/proc/self/exe", O_RDONLY);
    for (int fd = 0; fd < 1024; fd++)
      if (fd != program) close(fd);
    fexecve(program, arguments, nothing);
    _exit(1);
  }
  return told(first);
}

const struct check floods[] = {
    {57, "forks", forks},
    {58, "big-file", big_file},
    {59, "many-files", many_files},
    {60, "many-names", many_names},
    {61, "daemon", daemon_of_its_own},
    {62, "memory", memory},
    {0, NULL, NULL},
};
