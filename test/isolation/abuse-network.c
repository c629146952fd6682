/* Ways out, and to services of the host. Nothing is sent but to the bait on the host's loopback address. */
#include "abuse.h"
#include <arpa/inet.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#define CHECK(name) static enum verdict name(const struct bait *b)

static enum verdict family(int domain, int type, int protocol) { return told(socket(domain, type, protocol)); }

CHECK(vsock) { (void)b; return family(40, SOCK_STREAM, 0); }
CHECK(packet) { (void)b; return family(17, SOCK_RAW, 0); }
CHECK(crypto) { (void)b; return family(38, SOCK_SEQPACKET, 0); }
CHECK(icmp) { (void)b; return family(AF_INET, SOCK_RAW, IPPROTO_ICMP); }

static struct sockaddr_in address(const char *ip, int port) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, ip, &to.sin_addr);
  return to;
}

/* A datagram socket that can be connected has a route; nothing is sent. */
static enum verdict route(const char *ip, int port) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0) return told(-1);
  struct sockaddr_in to = address(ip, port);
  return told(connect(fd, (struct sockaddr *)&to, sizeof to));
}

CHECK(metadata) { (void)b; return route("169.254.169.254", 80); }

CHECK(resolver) {
  (void)b;
  char line[256], server[128];
  FILE *file = fopen("/etc/resolv.conf", "r");
  while (file && fgets(line, sizeof line, file))
    if (sscanf(line, "nameserver %127s", server) == 1 && strncmp(server, "127.", 4) && route(server, 53) == ALLOWED) return detail("%s", server), ALLOWED;
  return route("192.0.2.53", 53);
}

CHECK(loopback) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0) return told(-1);
  struct sockaddr_in to = address("127.0.0.1", b->port);
  return told(connect(fd, (struct sockaddr *)&to, sizeof to));
}

static enum verdict unix_socket(const char *name, int abstract) {
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd < 0) return told(-1);
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  size_t length = strlen(name);
  if (length + 2 > sizeof to.sun_path) return detail("name too long"), BLOCKED;
  memcpy(to.sun_path + abstract, name, length);
  return told(connect(fd, (struct sockaddr *)&to, offsetof(struct sockaddr_un, sun_path) + abstract + length + !abstract));
}

CHECK(host_socket) { return unix_socket(b->socket, 0); }
CHECK(abstract_socket) { return unix_socket(b->abstract, 1); }

CHECK(engine_socket) {
  (void)b;
  const char *const paths[] = {"/run/docker.sock", "/var/run/docker.sock", "/run/podman/podman.sock", "/run/containerd/containerd.sock",
                               "/run/dbus/system_bus_socket", "/run/systemd/private", NULL};
  for (int i = 0; paths[i]; i++)
    if (unix_socket(paths[i], 0) == ALLOWED) return detail("%s", paths[i]), ALLOWED;
  return BLOCKED;
}

/* A question to every resolver there is; nobody must answer. */
CHECK(ask_resolver) {
  (void)b;
  const char question[] = "\x12\x34\x01\0\0\1\0\0\0\0\0\0\7example\3com\0\0\1\0\1";
  char line[256], server[128] = "127.0.0.53";
  FILE *file = fopen("/etc/resolv.conf", "r");
  while (file && fgets(line, sizeof line, file)) sscanf(line, "nameserver %127s", server);
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in to = address(server, 53);
  if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) return told(-1);
  if (send(fd, question, sizeof question - 1, 0) < 0) return told(-1);
  struct pollfd wait = {.fd = fd, .events = POLLIN};
  char answer[512];
  if (poll(&wait, 1, 1500) <= 0 || recv(fd, answer, sizeof answer, MSG_DONTWAIT) < 0) return detail("no answer"), BLOCKED;
  return detail("%s", server), ALLOWED;
}

const struct check network_checks[] = {
    {38, "AF_VSOCK", vsock},
    {39, "AF_PACKET", packet},
    {40, "AF_ALG", crypto},
    {41, "raw ICMP", icmp},
    {42, "a route to 169.254.169.254", metadata},
    {43, "a route to a resolver", resolver},
    {44, "connect to the host's loopback address", loopback},
    {45, "a unix socket of the host by path", host_socket},
    {46, "an abstract socket of the host", abstract_socket},
    {47, "the socket of a container engine or of the system", engine_socket},
    {76, "ask a resolver", ask_resolver},
    {0, NULL, NULL},
};
