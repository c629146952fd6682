/**
 * `plugins.lock` in the home: which plugins are installed, and what of them a person has approved. It is JSON that people can read, and sealed:
 * `runner/plugins.seal` has an Ed25519 signature over its bytes by the key of this runner. With another byte no plugin is started, so
 * that nobody widens rights in it unseen.
 *
 * Processes change it one after another: `plugins.lock.owner` names the one that does. One that a crash has left is removed by the next,
 * under a second file, so that nobody removes that of a process that lives.
 */
import { createPublicKey, randomUUID, sign, verify } from 'node:crypto'
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { isAlive, isObject, type LockedPlugin, OxbowError, parseObject, writeWhole } from '../../types/index.ts'
import { signingKey } from '../head-signing.ts'
import { type Home, hostFiles, lockPath } from '../home.ts'
import { lockPollMs, lockWaitMs } from '../limits.ts'

export interface PluginLock {
  readonly plugins: readonly LockedPlugin[]
  /** Why it cannot be used, for people; there is no plugin in it then. Empty: it can. */
  readonly problem: string
}

const sealPath = (home: Home): string => join(home.runner, 'plugins.seal')

const signedBytes = (text: string): Buffer => Buffer.from(`oxbow-plugins-lock-1\n${text}`)

export function readLock(home: Home): PluginLock {
  const text = readText(lockPath(home))
  if (text === null) return { plugins: [], problem: '' }
  const unusable = (why: string): PluginLock => ({
    plugins: [],
    problem: `${lockPath(home)} cannot be used, so no plugin is started: ${why}.`,
  })
  const key = createPublicKey(hostFiles(() => signingKey(home)))
  const seals = (readText(sealPath(home)) ?? '').split('\n').filter((line) => line !== '')
  if (!seals.some((seal) => verify(null, signedBytes(text), key, Buffer.from(seal, 'base64'))))
    return unusable('it is not as Oxbow has written it')
  const parsed: unknown = JSON.parse(text)
  return isObject(parsed) && Array.isArray(parsed['plugins'])
    ? { plugins: parsed['plugins'] as readonly LockedPlugin[], problem: '' }
    : unusable('it has no list of plugins')
}

/**
 * @param change throws to change nothing; others wait for it, so it must be quick
 * @returns what `change` returns, which is what is kept then
 * @throws OxbowError `bad_config` for a lock that cannot be used, `limit_reached` when another process changes it all the time
 */
export function changeLock(home: Home, change: (plugins: readonly LockedPlugin[]) => readonly LockedPlugin[]): readonly LockedPlugin[] {
  const owner = hostFiles(() => takeOwnership(`${lockPath(home)}.owner`))
  try {
    return writeLock(home, change)
  } finally {
    rmSync(owner, { force: true })
  }
}

/** Waits, blocking this thread. @returns the path of the file that the caller removes in the end */
function takeOwnership(path: string): string {
  const draft = `${path}.${randomUUID()}`
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  // Linked with its content, so that nobody reads it half written.
  writeFileSync(draft, String(process.pid), { flag: 'wx', mode: 0o600 })
  const pause = new Int32Array(new SharedArrayBuffer(4))
  try {
    for (let waitedMs = 0; waitedMs < lockWaitMs; waitedMs += lockPollMs) {
      if (linked(draft, path)) return path
      if (isLeft(path) && linked(draft, `${path}.removal`)) {
        // Nobody else removes it now: it is the same file, or the next owner's.
        if (isLeft(path)) rmSync(path, { force: true })
        rmSync(`${path}.removal`, { force: true })
      } else Atomics.wait(pause, 0, 0, lockPollMs)
    }
  } finally {
    rmSync(draft, { force: true })
  }
  throw new OxbowError('limit_reached', `Another process (${readText(path) ?? 'unknown'}) is changing the plugins.`, {
    hint: `Try again when it has ended. If no such command runs, remove ${path} and ${path}.removal.`,
  })
}

function linked(draft: string, path: string): boolean {
  try {
    linkSync(draft, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** Whether its owner has ended without removing it. */
function isLeft(path: string): boolean {
  const pid = Number(readText(path) ?? process.pid)
  return !(Number.isInteger(pid) && pid > 0 && isAlive(pid))
}

function writeLock(home: Home, change: (plugins: readonly LockedPlugin[]) => readonly LockedPlugin[]): readonly LockedPlugin[] {
  const { plugins, problem } = readLock(home)
  if (problem !== '') throw damagedLock(home, problem)
  const next = change(plugins).toSorted((a, b) => (a.manifest.name < b.manifest.name ? -1 : 1))
  const text = `${JSON.stringify({ plugins: next }, null, 2)}\n`
  hostFiles(() => {
    const seal = sign(null, signedBytes(text), signingKey(home)).toString('base64')
    // A crash between the two files leaves a lock that one of the seals fits.
    const before = readText(sealPath(home)) ?? ''
    writeWhole(sealPath(home), `${before.split('\n')[0] ?? ''}\n${seal}\n`)
    writeWhole(lockPath(home), text)
    writeWhole(sealPath(home), `${seal}\n`)
  })
  return next
}

/**
 * Seals the list of plugins that a restore has put in place.
 * @param isProven a key of the person has opened the backup; otherwise all plugins are disabled, as nothing says who approved their rights
 * @returns how many are disabled for that
 */
export function sealRestoredLock(home: Home, isProven: boolean): number {
  const path = lockPath(home)
  const parsed = parseObject(readText(path) ?? '')
  const plugins = (Array.isArray(parsed?.['plugins']) ? parsed['plugins'] : []) as readonly LockedPlugin[]
  const enabled = plugins.filter((plugin) => plugin.enabled).length
  const kept = isProven ? plugins : plugins.map((plugin) => ({ ...plugin, enabled: false }))
  const text = `${JSON.stringify({ plugins: kept }, null, 2)}\n`
  hostFiles(() => {
    writeWhole(sealPath(home), `${sign(null, signedBytes(text), signingKey(home)).toString('base64')}\n`)
    writeWhole(path, text)
  })
  return isProven ? 0 : enabled
}

export function damagedLock(home: Home, problem: string): OxbowError {
  return new OxbowError('bad_config', problem, {
    hint: `Restore it from a backup, or remove ${lockPath(home)} and add the plugins again.`,
  })
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}
