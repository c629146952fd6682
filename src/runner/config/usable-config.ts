/**
 * What a person wants, as far as files that cannot be used say it: the lines and keys in which nothing is wrong. It is nothing to run with; what
 * runs in its place must not be looser than it. So of a wall whose value is wrong, the tightest value is taken, and a mistyped wall is read as
 * the one that it resembles.
 */
import { parse, TomlError } from 'smol-toml'
import { ownValue, setOwn } from '../../base/index.ts'
import { type Config, isWall, orderOf, schemaAt } from '../../config/index.ts'
import {
  clampedConfig,
  type ConfigOverrides,
  configFiles,
  type Layer,
  mergedTable,
  overrideLayer,
  variableTables,
} from './config-layers.ts'
import { faultsOf, fileSchema, isTable, type KeyError, parseToml, readConfigFile, seemsWall, type Table } from './config-text.ts'
import type { Home, Workspace } from '../home.ts'

/** Lines of a file that are left out, and rounds of faults that are mended, before nothing of it counts. */
const maxTries = 50

/** @returns what can be used of all layers together */
export function usableConfig(home: Home, workspace: Pick<Workspace, 'root'>, overrides: ConfigOverrides = {}): Config {
  const files = configFiles(home, workspace).map(({ source, path }): Layer => {
    return { source, where: path, table: usableTable(textOf(path)), unknown: [] }
  })
  return clampedConfig([...files, ...upperLayers(home, overrides)])
}

/** What can be used of the file of the machine and of the variables. */
export function usableBase(home: Home): Config {
  const machine: Layer = { source: 'machine', where: home.machineConfig, table: usableTable(textOf(home.machineConfig)), unknown: [] }
  return clampedConfig([machine, ...upperLayers(home, {})])
}

function upperLayers(home: Home, overrides: ConfigOverrides): readonly Layer[] {
  const variables = variableTables(home.variables).map(([, table]) => mended(table))
  return [
    { source: 'environment', where: 'the environment', table: mergedTable(variables), unknown: [] },
    { source: 'command', where: 'the command line', table: overrideLayer(overrides), unknown: [] },
  ]
}

function textOf(path: string): string {
  try {
    return readConfigFile(path) ?? ''
  } catch {
    return ''
  }
}

/** @returns the table of a text, without what is wrong in it */
function usableTable(text: string): Table {
  const table = salvaged(text)
  // Also of a newer version what can be used of it.
  delete table['config_version']
  return mended(table)
}

/** A value that no wall can have. */
const unreadable = '[[0]]'

/** The text without lines that are no TOML. Of a header its name is kept, as far as it can be read; of a key that it has some value. */
function salvaged(text: string): Table {
  const lines = text.split('\n')
  for (let tries = 0; tries < maxTries; tries += 1) {
    try {
      return parseToml('', lines.join('\n'))
    } catch (error) {
      const { cause } = error as Error
      const at = cause instanceof TomlError ? Math.min(cause.line, lines.length) - 1 : -1
      const line = lines[at]
      if (line === undefined) return {}
      lines[at] = [lineAnew(line), ''].find((each) => each !== line) ?? ''
      // The value of a line before may not have ended.
      if (line === '')
        for (let before = at; before >= 0 && lines[before] === ''; before -= 1)
          if (before > 0) lines[before - 1] = lineAnew(lines[before - 1]!)
    }
  }
  return {}
}

function lineAnew(line: string): string {
  const [, name] = /^\s*\[+\s*([\w."-]*\w)/.exec(line) ?? []
  if (name !== undefined && isToml(`[${name}]`)) return `[${name}]`
  const [, key] = /^\s*([\w."-]*\w)\s*=/.exec(line) ?? []
  return key !== undefined && isToml(`${key} = ${unreadable}`) && !line.includes(unreadable) ? `${key} = ${unreadable}` : ''
}

function isToml(line: string): boolean {
  try {
    parse(line)
    return true
  } catch {
    return false
  }
}

function mended(table: Table): Table {
  for (let round = 0; round < maxTries; round += 1) {
    const { faults } = faultsOf(table)
    if (faults.length === 0) return table
    for (const fault of faults) mend(table, fault)
  }
  return {}
}

function mend(table: Table, fault: KeyError): void {
  const { key, nearest } = fault
  const parent = key
    .slice(0, -1)
    .reduce<unknown>((at, name) => (typeof at === 'object' && at !== null ? ownValue(at as Table, name) : undefined), table)
  const name = key.at(-1) ?? ''
  if (Array.isArray(parent)) parent.splice(Number(name), 1)
  if (!isTable(parent)) return dropAround(table, key)
  const value = ownValue(parent, name)
  delete parent[name]
  if (fault.isUnknown === true) {
    if (nearest !== undefined && seemsWall(fault) && !Object.hasOwn(parent, nearest)) setOwn(parent, nearest, value)
    return
  }
  const tightest = isWall(key) ? tightestOf(key, value) : undefined
  if (tightest !== undefined && tightest !== value) setOwn(parent, name, tightest)
}

/** Something on the way is no table: it is wrong as a whole. */
function dropAround(table: Table, key: readonly string[]): void {
  let at: Table = table
  for (const name of key) {
    const inner = ownValue(at, name)
    if (!isTable(inner)) return void delete at[name]
    at = inner
  }
}

/** Undefined where none can be named: the key is left out. */
function tightestOf(key: readonly string[], value: unknown): unknown {
  const order = orderOf(schemaAt(fileSchema(), key))
  if (order === undefined || order === 'more') return undefined
  if (order === 'lower') return typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : undefined
  return typeof order === 'string' ? [] : order.at(-1)
}
