/**
 * The configurations with which a guest of a user has worked: a copy of the files, so that a fault in them never keeps a person from
 * starting Oxbow, and so that a change can be looked at and taken back.
 */
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { asSentence, isObject, type OxbowError, parseObject, writeWhole } from '../../base/index.ts'
import { type Config, type GoodConfig, tightenedTo } from '../../config/index.ts'
import { configSchema } from '../../services/index.ts'
import {
  clampedConfig,
  type ConfigFile,
  configFiles,
  type ConfigOverrides,
  type Layer,
  loadConfig,
  mergeLayers,
  readLayers,
} from './config-layers.ts'
import { fileSchema, readConfigFile, readLayer, readText } from './config-text.ts'
import { usableBase, usableConfig } from './usable-config.ts'
import type { Home, Workspace } from '../home.ts'
import { maxKeptConfigBytes } from '../limits.ts'

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

/** @returns those that are kept, the newest first; what has another shape is no configuration that was kept */
export function keptConfigs(place: ConfigPlace): readonly KeptConfig[] {
  const found = readKept(goodFile(place))
  const kept = Array.isArray(found['kept']) ? found['kept'] : [found['current'], found['previous']].map(ofEarlier)
  return kept.filter(isKept).slice(0, maxKept)
}

function readKept(path: string): Readonly<Record<string, unknown>> {
  try {
    return parseObject(readConfigFile(path, maxKeptConfigBytes) ?? '') ?? {}
  } catch {
    return {}
  }
}

function isKept(value: unknown): value is KeptConfig {
  if (!isObject(value) || typeof value['at'] !== 'number' || !isObject(value['texts'])) return false
  return value['at'] > 0 && Object.values(value['texts']).every((text) => typeof text === 'string')
}

/** As versions before 2026-11-26 kept it. */
function ofEarlier(value: unknown): unknown {
  if (!isObject(value)) return null
  const { at, text, all_users: allUsers } = value
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
    const before = keptConfigs(place)
    if (isDeepStrictEqual(before[0]?.texts, texts)) return
    const kept = [{ at, texts }, ...before].slice(0, maxKept)
    // The oldest make room: a history that is too long to be read would be none.
    while (kept.length > 1 && Buffer.byteLength(JSON.stringify({ kept })) > maxKeptConfigBytes) kept.pop()
    writeWhole(goodFile(place), JSON.stringify({ kept }))
  } catch {
    // The next guest tries again.
  }
}

/** The layers with texts that were kept. The file of the machine is always as it is now: its administrator has the last word. */
function layersOfKept({ home, workspace }: ConfigPlace, { texts }: KeptConfig, overrides: ConfigOverrides): readonly Layer[] {
  const own = configFiles(home, workspace).filter(({ source }) => source !== 'machine')
  const kept = new Map(own.map(({ source, path }) => [path, texts[source]]))
  return readLayers(home, workspace, overrides, (path) => {
    const text = kept.get(path)
    return text === undefined ? readLayer(path) : readText(path, text)
  })
}

/** @returns what a guest would have with it now. @throws OxbowError `bad_config` where it cannot be used any more */
export function configOfKept(place: ConfigPlace, kept: KeptConfig, overrides: ConfigOverrides = {}): Config {
  return mergeLayers(layersOfKept(place, kept, overrides))
}

/**
 * @returns the configuration that worked last, for a start while the files cannot be used, or do a guest no good. It is nowhere looser than
 * what the file of the machine allows, and no wall of it is looser than the files have it now. Null when none worked, when it would be what
 * the files say now, when the command line names a model, which then is at fault, or when the files name another store: a person's
 * conversations would seem to be gone.
 */
export function loadLastGood(place: ConfigPlace, overrides: ConfigOverrides = {}): Config | null {
  if (overrides.model !== undefined || overrides.baseUrl !== undefined) return null
  const [newest] = keptConfigs(place)
  if (newest === undefined) return null
  const isNow = ({ source, path }: ConfigFile): boolean => source === 'machine' || (newest.texts[source] ?? textOf(path)) === textOf(path)
  if (configFiles(place.home, place.workspace).every(isNow)) return null
  try {
    const kept = clampedConfig(layersOfKept(place, newest, overrides))
    const wanted = usableConfig(place.home, place.workspace, overrides)
    const good = configSchema.parse(tightenedTo(fileSchema(), kept, wanted))
    return isDeepStrictEqual(wanted.store, good.store) && !isDeepStrictEqual(good, configNow(place, overrides)) ? good : null
  } catch {
    return null
  }
}

/** Null where the files cannot be used. */
function configNow({ home, workspace }: ConfigPlace, overrides: ConfigOverrides): Config | null {
  try {
    return loadConfig(home, workspace, overrides)
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
 * For a start when no configuration has worked yet: no rights, the offline model, loopback, and otherwise what the file of the machine and the
 * variables say, as far as they can be used. A person can look at the page and mend the files.
 * @returns null where another file or a variable names a store, since a person's conversations would seem to be gone
 */
export function safeConfig({ home, workspace }: ConfigPlace): Config | null {
  const namesStore = ({ path }: ConfigFile): boolean => /^\s*(?:\[\s*store\b|store\s*[.=])/m.test(textOf(path) ?? '')
  const own = configFiles(home, workspace).filter(({ source }) => source !== 'machine')
  if (own.some(namesStore) || Object.keys(home.variables).some((name) => /^OXBOW__STORE(?:__|$)/i.test(name))) return null
  const base = usableBase(home)
  const { model, web, mcp, acp, a2a, browser, plugins } = configSchema.parse({})
  const quiet = { ...base, schedule: [] }
  return {
    ...quiet,
    web,
    mcp,
    acp,
    a2a,
    browser,
    plugins,
    model: { ...model, provider: 'offline' },
    agent: { ...base.agent, rights: [] },
    egress: { ...base.egress, mode: 'strict', allow: [] },
    gateway: { ...base.gateway, host: '127.0.0.1', tls_cert: '', tls_key: '', public_url: '', allow_plain: false },
  }
}

/** For the person, where it runs with `safeConfig`. */
export function safeNotice({ message, hint }: Pick<OxbowError, 'message' | 'hint'>): string {
  return `${asSentence(message)} No configuration has worked yet, so Oxbow runs in safe mode: agents have no rights, and the offline model answers. ${hint}`
}

/** For the person: what is wrong, what Oxbow does about it, and what to do. */
export function fallbackNotice({ message, hint }: Pick<OxbowError, 'message' | 'hint'>): string {
  return `${asSentence(message)} Oxbow runs with the last configuration that worked instead. ${hint}`
}
