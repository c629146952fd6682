/** What the tests inside the machine of package-main.ts share; they are there without this repository. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

export const listBefore = '/opt/rig/before.txt'
/** Of whom the machine's daemon keeps guests. */
export const users = { ada: 1_000, bob: 1_001 } as const
/** She has a daemon of her own. */
export const carol = { name: 'carol', uid: 1_002 }
export type User = keyof typeof users

export interface Said {
  readonly exit: number | null
  readonly text: string
}

export function sh(script: string): Said {
  const { status, stdout, stderr, error } = spawnSync('bash', ['-c', script], { encoding: 'utf8', maxBuffer: 1 << 26 })
  return { exit: status, text: error === undefined ? stdout + stderr : error.message }
}

/** @returns what it said. */
export function must(script: string): string {
  const { exit, text } = sh(script)
  assert.equal(exit, 0, `${script}: ${text}`)
  return text
}

export const as = (name: string, script: string): string => `cd /home/${name} && runuser -u ${name} -- ${script}`
export const asCarol = (script: string): string =>
  as(
    carol.name,
    `env HOME=/home/carol XDG_RUNTIME_DIR=/run/user/${carol.uid} DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/${carol.uid}/bus ${script}`,
  )

export interface Status {
  readonly state: string
  readonly pid: number | null
  readonly url: string
  readonly limits?: string
}

export function statusOf(user: User): Status {
  return JSON.parse(must(`oxbow status --user ${user} --json`)) as Status
}

/** An emulated processor starts two guests in more than the half minute that a guest has, and then one after the other. */
export async function until(isSo: () => boolean, what: () => string, seconds = 400): Promise<void> {
  for (const end = performance.now() + seconds * 1_000; performance.now() < end; await sleep(500)) if (isSo()) return
  assert.fail(`${seconds} s have passed: ${what()}`)
}

/** Processes of the package that a user runs, by what their command lines say. */
export function guestsOf(uid: number): readonly number[] {
  return globSync('/proc/[0-9]*/cmdline')
    .filter((path) => textOf(path).includes('/usr/lib/oxbow/dist/guest.js'))
    .filter((path) => textOf(path.replace('cmdline', 'status')).includes(`\nUid:\t${uid}\t`))
    .map((path) => Number(path.split('/')[2]))
}

export function textOf(path: string): string {
  try {
    return existsSync(path) ? readFileSync(path, 'utf8') : ''
  } catch {
    return ''
  }
}

/** Files of the machine, but those that other programs make as time goes by. */
export function allFiles(): readonly string[] {
  const left = [
    'proc',
    'sys',
    'dev',
    'run',
    'tmp',
    'root',
    'home',
    'opt/rig',
    'var/log',
    'var/tmp',
    'var/cache',
    'var/lib/dpkg',
    'var/lib/apt',
    'var/lib/systemd',
  ]
  const skipped = left.map((path) => `-path /${path}`).join(' -o ')
  return must(`find / \\( ${skipped} \\) -prune -o -print`).split('\n').toSorted()
}
