/*
 * A hostile program: each check tries one thing that a sandbox should not let it do and prints
 *
 *     number<TAB>name<TAB>allowed|blocked<TAB>detail
 *
 * Without arguments all harmless checks run, each in a child of its own with a time limit, so that one that crashes or hangs
 * takes nothing down. Floods (processes, memory, files) run one at a time, by name: `abuse forks`. Nothing here does harm when it
 * succeeds: values are written back as they were, signals are 0, packets go nowhere. What is allowed and should not be is known
 * by the number in the table of docs/isolation.md.
 */
#include "abuse.h"

static char *note;
static size_t note_room;

void detail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(note, note_room, format, arguments);
  va_end(arguments);
  for (char *at = note; *at; at++)
    if (*at == '\n' || *at == '\t') *at = ' ';
}

enum verdict told(long result) {
  if (result >= 0) return ALLOWED;
  detail("%s", strerror(errno));
  return BLOCKED;
}

static void set(struct bait *bait, const char *key, const char *value) {
#define TEXT(name) if (!strcmp(key, #name)) snprintf(bait->name, sizeof bait->name, "%s", value)
#define NUMBER(name) if (!strcmp(key, #name)) bait->name = atoi(value)
  TEXT(marker); TEXT(secret); TEXT(socket); TEXT(abstract); TEXT(file);
  NUMBER(port); NUMBER(pid); NUMBER(memory_mb); NUMBER(file_mb); NUMBER(total_mb); NUMBER(inodes); NUMBER(forks);
}

static void read_bait(struct bait *bait) {
  char line[512];
  while (fgets(line, sizeof line, stdin)) {
    line[strcspn(line, "\n")] = 0;
    char *equals = strchr(line, '=');
    if (!equals) continue;
    *equals = 0;
    set(bait, line, equals + 1);
  }
}

/* Runs a check in a child; what it noted comes back through a pipe. */
static void run(const struct check *check, const struct bait *bait, int seconds) {
  int ends[2];
  if (pipe(ends) != 0) exit(3);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    char text[200] = "";
    note = text;
    note_room = sizeof text;
    close(ends[0]);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    alarm(seconds);
    enum verdict verdict = check->run(bait);
    if (write(ends[1], text, strlen(text)) < 0) _exit(2);
    _exit(verdict == ALLOWED ? 42 : 0);
  }
  close(ends[1]);
  char text[256] = "";
  size_t got = 0;
  for (ssize_t n; got < sizeof text - 1 && (n = read(ends[0], text + got, sizeof text - 1 - got)) > 0;) got += n;
  close(ends[0]);
  int status = 0;
  if (child < 0) snprintf(text, sizeof text, "no process: %s", strerror(errno));
  else waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) snprintf(text, sizeof text, "ended by signal %d", WTERMSIG(status));
  const char *verdict = child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 42 ? "allowed" : "blocked";
  printf("%d\t%s\t%s\t%s\n", check->number, check->name, verdict, text);
}

int main(int argc, char **argv) {
  struct bait bait = {0};
  /* What a daemon does. */
  if (argc > 1 && !strcmp(argv[1], "sleep"))
    for (;;) pause();
  read_bait(&bait);
  signal(SIGPIPE, SIG_IGN);
  if (argc > 1) {
    for (const struct check *check = floods; check->name; check++)
      if (!strcmp(argv[1], check->name)) return run(check, &bait, 120), 0;
    return 3;
  }
  const struct check *lists[] = {file_checks, kernel_checks, network_checks};
  for (int i = 0; i < 3; i++)
    for (const struct check *check = lists[i]; check->name; check++) run(check, &bait, 5);
  return 0;
}
