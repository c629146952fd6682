/**
 * `plugins.lock` in the home: which plugins are installed, and what of them a person has approved. It is JSON that people can read, and sealed:
 * `runner/plugins.seal` has an Ed25519 signature over its bytes by the key of this runner. With another byte no plugin is started, so
 * that nobody widens rights in it unseen.
 */
import type { OxbowError } from '../../base/index.ts'
import type { LockedPlugin } from '../../protocol/index.ts'
import { type Home, lockPath } from '../home.ts'
import { changeSealed, damagedList, readSealed, sealAnew, type SealedList } from '../packages/sealed-list.ts'

export interface PluginLock {
  readonly plugins: readonly LockedPlugin[]
  /** Why it cannot be used, for people; there is no plugin in it then. Empty: it can. */
  readonly problem: string
}

const list: SealedList = {
  path: lockPath,
  seal: 'plugins.seal',
  heading: 'oxbow-plugins-lock-1',
  key: 'plugins',
  effect: 'no plugin is started',
  hint: 'add the plugins again',
}

/** @returns the installed plugins; none, with the problem, where the file is damaged or not signed by this host */
export function readLock(home: Home): PluginLock {
  const { items, problem } = readSealed<LockedPlugin>(home, list)
  return { plugins: items, problem }
}

/**
 * @param change throws to change nothing; others wait for it, so it must be quick
 * @returns what `change` returns, which is what is kept then
 * @throws OxbowError `bad_config` for a lock that cannot be used, `limit_reached` when another process changes it all the time
 */
export function changeLock(home: Home, change: (plugins: readonly LockedPlugin[]) => readonly LockedPlugin[]): readonly LockedPlugin[] {
  return changeSealed<LockedPlugin>(home, list, (plugins) =>
    change(plugins).toSorted((a, b) => (a.manifest.name < b.manifest.name ? -1 : 1)),
  )
}

/**
 * Seals the list of plugins that a restore has put in place.
 * @param isProven a key of the person proves who has made the backup; otherwise all plugins are disabled, as nothing says who approved their rights
 * @returns how many are disabled for that
 */
export function sealRestoredLock(home: Home, isProven: boolean): number {
  let disabled = 0
  sealAnew<LockedPlugin>(home, list, (plugins) => {
    disabled = isProven ? 0 : plugins.filter(({ enabled }) => enabled).length
    return isProven ? plugins : plugins.map((plugin) => ({ ...plugin, enabled: false }))
  })
  return disabled
}

export const damagedLock = (home: Home, problem: string): OxbowError => damagedList(home, list, problem)
