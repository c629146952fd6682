/* What abuse.c and its two lists of checks share. */
#pragma once
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the host has laid out as bait, told on standard input so that no process carries it in its command line. */
struct bait {
  char marker[128];   /* argument of a process of the host */
  char secret[128];   /* in the environment of a process of the host */
  char socket[256];   /* path of a listening unix socket of the host */
  char abstract[96];  /* name of a listening abstract socket of the host */
  char file[256];     /* path of a file of the host that anybody may read */
  int port;           /* listening on the host's loopback address */
  int pid;            /* the process with the marker */
  int memory_mb, file_mb, total_mb, inodes, forks;
};

enum verdict { BLOCKED = 0, ALLOWED = 1 };

struct check {
  int number;
  const char *name;
  enum verdict (*run)(const struct bait *);
};

/* One line about what was seen; the last one wins. */
void detail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ALLOWED when a call succeeded; notes errno when it did not. */
enum verdict told(long result);

extern const struct check file_checks[], kernel_checks[], network_checks[], floods[];
