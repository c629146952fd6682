/**
 * The configurations with which a guest of a user has worked: a copy of the files, so that a fault in them never keeps a person from
 * starting Oxbow, and so that a change can be looked at and taken back.
 */
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { isObject, type OxbowError, writeWhole } from '../../base/index.ts'
import type { Config, GoodConfig } from '../../config/index.ts'
import { configSchema } from '../../services/index.ts'
import { type ConfigFile, configFiles, type ConfigOverrides, loadConfig, mergeLayers, readLayers } from './config-layers.ts'
import { readConfigFile, readText } from './config-text.ts'
import type { Home, Workspace } from '../home.ts'

export interface ConfigPlace {
  readonly home: Home
  readonly workspace: Workspace
}

/** The texts of the files, empty for a file that was not there. One is absent where an earlier version did not keep it. */
export interface KeptConfig {
  /** Unix milliseconds. */
  readonly at: number
  readonly texts: Readonly<Partial<Record<ConfigFile['source'], string>>>
}

const maxKept = 10

function goodFile({ home, workspace }: ConfigPlace): string {
  return join(home.runner, 'good-config', `${workspace.user}.json`)
}

/** @returns those that are kept, the newest first */
export function keptConfigs(place: ConfigPlace): readonly KeptConfig[] {
  try {
    const found = JSON.parse(readConfigFile(goodFile(place)) ?? '{}') as {
      kept?: KeptConfig[]
      current?: EarlierKept
      previous?: EarlierKept
    }
    if (found.kept !== undefined) return found.kept
    return [found.current, found.previous].filter((each) => isObject(each) && each.at !== 0).map((each) => ofEarlier(each!))
  } catch {
    return []
  }
}

/** As versions before 2026-11-26 kept it. */
interface EarlierKept {
  readonly text: string
  readonly at: number
  readonly all_users?: string
}

function ofEarlier({ text, at, all_users: allUsers }: EarlierKept): KeptConfig {
  return { at, texts: { ...(allUsers !== undefined && { all_users: allUsers }), user: text } }
}

/**
 * @param now the text of the user's file
 * @param running what a guest runs with, which may not be kept yet
 * @returns the newest other text that worked, or null
 */
export function lastGood(place: ConfigPlace, now: string, running: KeptConfig | null): GoodConfig | null {
  const kept = [...(running === null ? [] : [running]), ...keptConfigs(place)].find(({ texts }) => (texts.user ?? '') !== now)
  return kept === undefined ? null : { text: kept.texts.user ?? '', at: kept.at }
}

/** @returns the files as they are, for `rememberGood`; null where one cannot be read */
export function textsNow({ home, workspace }: ConfigPlace): KeptConfig['texts'] | null {
  try {
    return Object.fromEntries(configFiles(home, workspace).map(({ source, path }) => [source, readConfigFile(path) ?? '']))
  } catch {
    return null
  }
}

/** Call when a guest has worked with these texts. Failing to keep them costs the way back, and must not cost the guest. */
export function rememberGood(place: ConfigPlace, { texts, at }: KeptConfig): void {
  try {
    const kept = keptConfigs(place)
    if (isDeepStrictEqual(kept[0]?.texts, texts)) return
    writeWhole(goodFile(place), JSON.stringify({ kept: [{ at, texts }, ...kept].slice(0, maxKept) }))
  } catch {
    // The next guest tries again.
  }
}

/** @returns what a guest had with it. @throws OxbowError `bad_config` where it cannot be used any more */
export function configOfKept({ home, workspace }: ConfigPlace, { texts }: KeptConfig, overrides: ConfigOverrides = {}): Config {
  const sources = new Map(configFiles(home, workspace).map(({ source, path }) => [path, source]))
  const read = (path: string) => readText(path, texts[sources.get(path)!] ?? readConfigFile(path) ?? '')
  return mergeLayers(readLayers(home, workspace, overrides, read))
}

/**
 * @returns the configuration that worked last, for a start while the files cannot be used. Null when none worked, when it is what the
 * files say now, when the command line names a model, which then is at fault, or when the files name another store: a person's
 * conversations would seem to be gone.
 */
export function loadLastGood(place: ConfigPlace, overrides: ConfigOverrides = {}): Config | null {
  if (overrides.model !== undefined || overrides.baseUrl !== undefined) return null
  const [newest] = keptConfigs(place)
  if (newest === undefined) return null
  const isNow = ({ source, path }: ConfigFile): boolean => (newest.texts[source] ?? textOf(path)) === textOf(path)
  if (configFiles(place.home, place.workspace).every(isNow)) return null
  try {
    const good = configOfKept(place, newest, overrides)
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

/**
 * For a start when no configuration has worked yet: no rights, the offline model, loopback. A person can look at the page and mend the files.
 * @returns null where a file names another store, since a person's conversations would seem to be gone
 */
export function safeConfig({ home, workspace }: ConfigPlace): Config | null {
  const namesStore = ({ path }: ConfigFile): boolean => /^\s*(?:\[\s*store\b|store\s*[.=])/m.test(textOf(path) ?? '')
  if (configFiles(home, workspace).some(namesStore)) return null
  return configSchema.parse({ model: { provider: 'offline' }, agent: { rights: [] }, egress: { mode: 'strict' } })
}

/** For the person, where it runs with `safeConfig`. */
export function safeNotice({ message, hint }: Pick<OxbowError, 'message' | 'hint'>): string {
  return `${message.replace(/\.?$/, '.')} No configuration has worked yet, so Oxbow runs in safe mode: agents have no rights, and the offline model answers. ${hint}`
}

/** For the person: what is wrong, what Oxbow does about it, and what to do. */
export function fallbackNotice({ message, hint }: Pick<OxbowError, 'message' | 'hint'>): string {
  const what = message.replace(/\.?$/, '.')
  return `${what} Oxbow runs with the last configuration that worked instead. ${hint}`
}
