/** A Debian with systemd and two people, for machines of rigs: debootstrap makes it once, in a folder that is kept. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { appendFile, mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { people } from './systemd-situations.ts'

export const run = async (file: string, args: readonly string[]): Promise<void> =>
  void (await promisify(execFile)(file, args, { maxBuffer: 64 * 1024 * 1024 }))

const debianRelease = 'bookworm'
const include = [
  ['systemd', 'systemd-sysv', 'dbus', 'dbus-user-session', 'libpam-systemd', 'login', 'util-linux-extra'],
  ['bubblewrap', 'git', 'procps', 'busybox-static', 'perl-base', 'ca-certificates', 'quota'],
].flat()
/** What would only take time: one waits for a terminal that nobody has for a minute and a half. */
const masked = ['apt-daily.timer', 'apt-daily-upgrade.timer', 'getty@tty1.service', 'serial-getty@ttyS0.service']
/** Not needed for anything here, and half of it. */
const leftOut = ['var/cache/apt', 'var/lib/apt/lists', 'usr/share/doc', 'usr/share/locale', 'usr/share/man', 'usr/share/perl']

/** @returns its folder */
export async function debian(kept: string): Promise<string> {
  await mkdir(kept, { recursive: true })
  const tree = join(kept, debianRelease)
  if (existsSync(tree)) return tree
  const draft = `${tree}.draft`
  await rm(draft, { recursive: true, force: true })
  process.stdout.write(`debootstrap into ${tree}\n`)
  await run('debootstrap', ['--variant=minbase', `--include=${include.join(',')}`, debianRelease, draft, 'http://deb.debian.org/debian'])
  for (const [name, uid] of Object.entries(people)) {
    await run('chroot', [draft, 'useradd', '--create-home', '--shell', '/bin/bash', '--uid', String(uid), name])
  }
  for (const name of leftOut) await rm(join(draft, name), { recursive: true, force: true })
  await rename(draft, tree)
  return tree
}

/** Lets a copy of it start a service, and nothing that nobody waits for. */
export async function startWith(tree: string, service: string): Promise<void> {
  await run('chroot', [tree, 'systemctl', 'enable', service])
  await run('chroot', [tree, 'systemctl', 'mask', ...masked])
  await appendFile(join(tree, 'etc/hosts'), '127.0.0.1 localhost\n')
}
