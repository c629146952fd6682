/**
 * Debian's dovecot and postfix on loopback, with folders, ports and processes of their own: mailboxes of the domain `oxbow.test`, and people of
 * `example.test`. Postfix delivers into the folders that dovecot shows.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'

// By its whole name, as the servers are: a test may run with a PATH of few programs.
const doveadm = '/usr/bin/doveadm'

/** Why it cannot be tried here; empty: it can. */
export const noMailServers: string =
  process.getuid?.() !== 0
    ? 'starting dovecot and postfix needs root'
    : ['/usr/sbin/dovecot', '/usr/sbin/postfix', doveadm].every((file) => existsSync(file))
      ? ''
      : 'dovecot and postfix are not there: apt-get install dovecot-imapd postfix'

export interface MailServers {
  readonly imapPort: number
  readonly smtpPort: number
  /** The password of each mailbox, until it is another one. */
  readonly password: string
  /** @returns the address of a mailbox that nobody has had */
  newBox(): string
  /** Returns when the server knows it. */
  setPassword(address: string, password: string): void
  /** Files of a mailbox, with their flags: all mails in it, by folder. */
  files(address: string): readonly string[]
  /** Puts a mail into a mailbox as a server that has received it would. */
  drop(address: string, mail: string): void
  /** Ends the connections of a mailbox. */
  kick(address: string): void
  stop(): void
}

const boxes = 80
const usualPassword = 'a password for tests'
/** Enough that none writes too much in a series of hundreds of mails. */
export const people: readonly string[] = ['ada', 'bob', 'eve', 'cy', ...Array.from({ length: 40 }, (_, index) => `person${index}`)]
const nobody = { uid: 65_534, gid: 65_534 }

/** Files of a certificate and its key: then nobody signs in without TLS. */
interface Certificate {
  readonly cert: string
  readonly key: string
}

export async function startMailServers(certificate?: Certificate): Promise<MailServers> {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-mail-'))
  chmodSync(root, 0o755)
  const [imapPort, smtpPort] = [await freePort(), await freePort()]
  const paths = { root, homes: join(root, 'homes'), users: join(root, 'users') }
  for (const folder of ['homes', 'dovecot', 'postfix', 'queue', 'data']) mkdirSync(join(root, folder))
  chownSync(paths.homes, nobody.uid, nobody.gid)
  const addresses = [
    ...Array.from({ length: boxes }, (_, index) => `ox${index}@oxbow.test`),
    ...people.map((name) => `${name}@example.test`),
  ]
  // The server notices another file only after a second.
  const passwords = new Map(addresses.map((address) => [address, usualPassword]))
  const writeUsers = (): void =>
    writeFileSync(paths.users, [...passwords].map(([name, password]) => `${name}:{PLAIN}${password}\n`).join(''))
  writeUsers()
  writeFileSync(join(root, 'boxes'), addresses.map((address) => `${address} ${address}/Maildir/\n`).join(''))
  writeFileSync(join(root, 'dovecot.conf'), dovecotConfig(root, imapPort, certificate))
  writeFileSync(join(root, 'postfix', 'main.cf'), postfixConfig(root, certificate))
  writeFileSync(join(root, 'postfix', 'master.cf'), postfixServices(smtpPort))
  execFileSync('chown', ['-R', 'postfix', join(root, 'data')])
  execFileSync('/usr/sbin/dovecot', ['-c', join(root, 'dovecot.conf')], { stdio: 'ignore' })
  execFileSync('/usr/sbin/postfix', ['-c', join(root, 'postfix'), 'start'], { stdio: 'ignore' })
  await Promise.all([imapPort, smtpPort].map(untilOpen))
  let made = 0
  return {
    imapPort,
    smtpPort,
    password: usualPassword,
    newBox() {
      const address = addresses[made]
      if (address === undefined || made >= boxes) throw new Error(`There are only ${boxes} mailboxes.`)
      made += 1
      return address
    },
    setPassword(address, changed) {
      const socket = join(root, 'dovecot', 'auth-client')
      const isTaken = (): boolean =>
        spawnSync(doveadm, ['-c', join(root, 'dovecot.conf'), 'auth', 'test', '-a', socket, address, changed], { stdio: 'ignore' })
          .status === 0
      passwords.set(address, changed)
      writeUsers()
      // It looks at the file once a second, and answers ever later where a password is wrong.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_100)
      if (!isTaken()) throw new Error('The server does not take another password.')
    },
    files: (address) => mailFiles(join(paths.homes, address, 'Maildir')),
    drop(address, mail) {
      const folder = join(paths.homes, address, 'Maildir')
      for (const place of [dirname(folder), folder, ...['new', 'cur', 'tmp'].map((name) => join(folder, name))]) {
        mkdirSync(place, { recursive: true })
        chownSync(place, nobody.uid, nobody.gid)
      }
      const file = join(folder, 'new', `${Date.now()}.${Math.random().toString(36).slice(2)}.test`)
      const draft = join(folder, 'tmp', basename(file))
      writeFileSync(draft, mail)
      chownSync(draft, nobody.uid, nobody.gid)
      renameSync(draft, file)
    },
    kick(address) {
      execFileSync(doveadm, ['-c', join(root, 'dovecot.conf'), 'kick', address], { stdio: 'ignore' })
    },
    stop() {
      spawnSync('/usr/sbin/postfix', ['-c', join(root, 'postfix'), 'abort'], { stdio: 'ignore' })
      const pid = join(root, 'dovecot', 'run', 'master.pid')
      if (existsSync(pid)) process.kill(Number(readFileSync(pid, 'utf8')), 'SIGTERM')
      rmSync(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
    },
  }
}

function mailFiles(folder: string): readonly string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /(?:^|\/)(?:cur|new)$/.test(entry.parentPath))
    .map(({ parentPath, name }) => join(parentPath, name))
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function untilOpen(port: number): Promise<void> {
  for (const late = Date.now() + 30_000; ;) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const probe = connect(port, '127.0.0.1')
      probe.once('connect', () => resolve(true)).once('error', () => resolve(false))
      probe.unref()
    })
    if (isOpen) return
    if (Date.now() > late) throw new Error(`Nothing listens on ${port}.`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

const dovecotConfig = (root: string, port: number, tls?: Certificate): string => `
base_dir = ${root}/dovecot/run
state_dir = ${root}/dovecot/state
log_path = ${root}/dovecot.log
protocols = imap
listen = 127.0.0.1
${tls === undefined ? 'ssl = no' : `ssl = required\nssl_cert = <${tls.cert}\nssl_key = <${tls.key}`}
disable_plaintext_auth = ${tls === undefined ? 'no' : 'yes'}
auth_mechanisms = plain login
auth_cache_size = 0
auth_failure_delay = 0
mail_location = maildir:${root}/homes/%u/Maildir
mail_max_userip_connections = 100
default_internal_user = nobody
default_login_user = nobody
default_internal_group = nogroup
first_valid_uid = 1
passdb {
  driver = passwd-file
  args = scheme=PLAIN ${root}/users
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=${root}/homes/%u
}
service imap-login {
  chroot =
  inet_listener imap {
    port = ${port}
  }
  inet_listener imaps {
    port = 0
  }
}
service anvil {
  chroot =
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service auth {
  unix_listener ${root}/dovecot/auth-client {
    mode = 0666
  }
}
namespace inbox {
  inbox = yes
  mailbox Sent {
    auto = create
    special_use = \\Sent
  }
}
`

const postfixConfig = (root: string, tls?: Certificate): string => `
compatibility_level = 3.6
queue_directory = ${root}/queue
data_directory = ${root}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = mail.oxbow.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
virtual_mailbox_domains = oxbow.test, example.test
virtual_mailbox_base = ${root}/homes
virtual_mailbox_maps = texthash:${root}/boxes
virtual_mailbox_limit = 0
message_size_limit = 200000000
header_size_limit = 2000000
virtual_uid_maps = static:${nobody.uid}
virtual_gid_maps = static:${nobody.gid}
virtual_minimum_uid = 1
alias_maps =
alias_database =
maillog_file = ${root}/data/log
maillog_file_prefixes = /
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = ${root}/dovecot/auth-client
smtpd_recipient_restrictions = permit_sasl_authenticated, permit_mynetworks, reject
smtpd_client_connection_rate_limit = 0
smtpd_error_sleep_time = 0
${tls === undefined ? '' : `smtpd_tls_security_level = encrypt\nsmtpd_tls_auth_only = yes\nsmtpd_tls_cert_file = ${tls.cert}\nsmtpd_tls_key_file = ${tls.key}\n`}`

const postfixServices = (port: number): string =>
  [
    `127.0.0.1:${port} inet n - n - - smtpd`,
    'cleanup unix n - n - 0 cleanup',
    'qmgr unix n - n 300 1 qmgr',
    'virtual unix - n n - - virtual',
    'postlog unix-dgram n - n - 1 postlogd',
    'tlsmgr unix - - n 1000? 1 tlsmgr',
    ...['rewrite trivial-rewrite', 'bounce bounce', 'defer bounce', 'trace bounce', 'verify verify', 'proxymap proxymap']
      .concat(['error error', 'retry error', 'discard discard', 'anvil anvil', 'scache scache', 'smtp smtp', 'relay smtp'])
      .map((each) => {
        const [name = '', program = ''] = each.split(' ')
        return `${name} unix - - n - - ${program}`
      }),
    '',
  ].join('\n')
