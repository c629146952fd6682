/**
 * The configuration with which a guest of a user last started, and the one before it: a copy of the files, so that a fault in them never
 * keeps a person from starting Oxbow.
 */
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { type OxbowError, writeWhole } from '../base/index.ts'
import type { Config, GoodConfig } from '../config/index.ts'
import {
  checkConfigText,
  configFiles,
  type ConfigOverrides,
  loadConfig,
  mergeLayers,
  overrideLayer,
  readConfigFile,
} from './config-layers.ts'
import type { Home, Workspace } from './home.ts'

export interface ConfigPlace {
  readonly home: Home
  readonly workspace: Workspace
}

interface Kept extends GoodConfig {
  /** The file of all users; absent in what an earlier version kept. */
  readonly all_users?: string
}

interface Good {
  readonly current: Kept
  readonly previous: Kept | null
}

function goodFile({ home, workspace }: ConfigPlace): string {
  return join(home.runner, 'good-config', `${workspace.user}.json`)
}

const nothing: Good = { current: { text: '', at: 0 }, previous: null }

function readGood(place: ConfigPlace): Good {
  try {
    return { ...nothing, ...(JSON.parse(readConfigFile(goodFile(place)) ?? '{}') as Partial<Good>) }
  } catch {
    return nothing
  }
}

/** @param now the text of the user's file @returns the newest other text that worked, or null */
export function lastGood(place: ConfigPlace, now: string): GoodConfig | null {
  const { current, previous } = readGood(place)
  const kept = current.text !== now ? current : previous
  return kept && { text: kept.text, at: kept.at }
}

/** Call when a guest has started with the files as they are. Failing to keep them costs the way back, and must not cost the guest. */
export function rememberGood(place: ConfigPlace, at: number): void {
  try {
    const [all_users = '', text = ''] = configFiles(place.home, place.workspace).map(({ path }) => readConfigFile(path) ?? '')
    const { current, previous } = readGood(place)
    if (current.at !== 0 && current.text === text && current.all_users === all_users) return
    const isSameText = current.text === text
    const kept: Good = { current: { text, at, all_users }, previous: isSameText ? previous : current }
    writeWhole(goodFile(place), JSON.stringify(kept))
  } catch {
    // The next start tries again.
  }
}

/**
 * @returns the configuration that worked last, for a start while the files cannot be used. Null when none worked, when it is what the
 * files say now, when the command line names a model, which then is at fault, or when the files name another store: a person's
 * conversations would seem to be gone.
 */
export function loadLastGood(place: ConfigPlace, overrides: ConfigOverrides = {}): Config | null {
  const { current } = readGood(place)
  if (current.at === 0 || overrides.model !== undefined || overrides.baseUrl !== undefined) return null
  const files = configFiles(place.home, place.workspace).map(({ path }) => path)
  const texts = [current.all_users ?? textOf(files[0]!), current.text]
  if (files.every((path, layer) => textOf(path) === texts[layer])) return null
  try {
    const good = mergeLayers([...files.map((path, layer) => checkConfigText(path, texts[layer] ?? '')), overrideLayer(overrides)])
    return isDeepStrictEqual(storeNow(place) ?? good.store, good.store) ? good : null
  } catch {
    return null
  }
}

/** Null where the files cannot be read as a configuration at all. */
function storeNow({ home, workspace }: ConfigPlace): Config['store'] | null {
  try {
    return loadConfig(home, workspace).store
  } catch {
    return null
  }
}

/** Null for a file that cannot be read. */
function textOf(path: string): string | null {
  try {
    return readConfigFile(path) ?? ''
  } catch {
    return null
  }
}

/** For the person: what is wrong, what Oxbow does about it, and what to do. */
export function fallbackNotice({ message, hint }: Pick<OxbowError, 'message' | 'hint'>): string {
  const what = message.replace(/\.?$/, '.')
  return `${what} Oxbow runs with the last configuration that worked instead. ${hint}`
}
