/**
 * `plugins.lock` in the home: which plugins are installed, and what of them a person has approved. It is JSON that people can read, and sealed:
 * `runner/plugins.seal` has an Ed25519 signature over its bytes by the key of this runner. With another byte no plugin is started, so
 * that nobody widens rights in it unseen.
 */
import { createPublicKey, sign, verify } from 'node:crypto'
import { join } from 'node:path'
import { isObject, OxbowError, parseObject, writeWhole } from '../../base/index.ts'
import type { LockedPlugin } from '../../protocol/index.ts'
import { asOwner, readText } from '../file-owner.ts'
import { signingKey } from '../signing-key.ts'
import { type Home, hostFiles, lockPath } from '../home.ts'

export interface PluginLock {
  readonly plugins: readonly LockedPlugin[]
  /** Why it cannot be used, for people; there is no plugin in it then. Empty: it can. */
  readonly problem: string
}

const sealPath = (home: Home): string => join(home.runner, 'plugins.seal')

const signedBytes = (text: string): Buffer => Buffer.from(`oxbow-plugins-lock-1\n${text}`)

/** @returns the installed plugins; none, with the problem, where the file is damaged or not signed by this host */
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
  return asOwner(lockPath(home), 'the plugins', () => writeLock(home, change))
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
 * @param isProven a key of the person proves who has made the backup; otherwise all plugins are disabled, as nothing says who approved their rights
 * @returns how many are disabled for that
 */
export function sealRestoredLock(home: Home, isProven: boolean): number {
  const path = lockPath(home)
  return asOwner(path, 'the plugins', () => {
    const parsed = parseObject(hostFiles(() => readText(path)) ?? '')
    const plugins = (Array.isArray(parsed?.['plugins']) ? parsed['plugins'] : []) as readonly LockedPlugin[]
    const kept = isProven ? plugins : plugins.map((plugin) => ({ ...plugin, enabled: false }))
    const text = `${JSON.stringify({ plugins: kept }, null, 2)}\n`
    hostFiles(() => {
      writeWhole(sealPath(home), `${sign(null, signedBytes(text), signingKey(home)).toString('base64')}\n`)
      writeWhole(path, text)
    })
    return isProven ? 0 : plugins.filter(({ enabled }) => enabled).length
  })
}

export function damagedLock(home: Home, problem: string): OxbowError {
  return new OxbowError('bad_config', problem, {
    hint: `Restore it from a backup, or remove ${lockPath(home)} and add the plugins again.`,
  })
}
