/** `oxbow config`: reads and changes the configuration. A change is checked as a whole before the file is replaced. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  configFiles,
  loadConfig,
  openHome,
  openWorkspace,
  parseUser,
  readConfigFile,
  readLayer,
  replaceConfig,
  setInFile,
  valueOf,
} from '../../runner/index.ts'
import { configJsonSchema, configSchema, isObject, OxbowError } from '../../types/index.ts'
import { printLine, printNotice, printText, type Terminal } from '../terminal.ts'
import { defaultUser } from '../verb-parts.ts'
import { plainText, table } from '../../terminal/index.ts'

interface ConfigOptions {
  /** Absent: the file of all users. */
  readonly user?: string | undefined
  readonly json?: boolean | undefined
}

function placeOf({ user }: ConfigOptions, terminal: Terminal) {
  const home = openHome(terminal.env)
  const workspace = openWorkspace(home, parseUser(user ?? defaultUser))
  const files = configFiles(home, workspace)
  return { home, workspace, files, file: files[user === undefined ? 0 : 1]!.path }
}

/** Values by dotted key, of the whole configuration. */
function flat(value: unknown, path: readonly string[] = []): readonly (readonly [key: string, value: unknown])[] {
  if (!isObject(value) || (Object.keys(value).length === 0 && path.length > 0)) return [[path.join('.'), value]]
  return Object.entries(value).flatMap(([name, inner]) => flat(inner, [...path, name]))
}

export function configList(options: ConfigOptions & { readonly all?: boolean | undefined }, terminal: Terminal): number {
  const { home, workspace, files } = placeOf(options, terminal)
  const usual = new Map(flat(configSchema.parse({})).map(([key, value]) => [key, JSON.stringify(value)]))
  const rows = flat(loadConfig(home, workspace)).filter(([key, value]) => options.all === true || usual.get(key) !== JSON.stringify(value))
  if (options.json === true) for (const [key, value] of rows) printLine(terminal, JSON.stringify({ key, value }))
  else if (rows.length > 0) printText(terminal, table(rows.map(([key, value]) => [key, plainText(JSON.stringify(value))])))
  else
    printNotice(terminal, `Everything is as by default. \`oxbow config set KEY VALUE\` changes ${files[0]!.path}; --all lists every key.`)
  return 0
}

export function configGet(key: string, options: ConfigOptions, terminal: Terminal): number {
  const { home, workspace } = placeOf(options, terminal)
  const found = valueAt(loadConfig(home, workspace), partsOf(key))
  if (found === undefined) throw unknownKey(key)
  const isPlain = options.json !== true && typeof found === 'string'
  printLine(terminal, isPlain ? plainText(found) : JSON.stringify(found, null, isObject(found) ? 2 : undefined))
  return 0
}

export function configSet(key: string, text: string, options: ConfigOptions, terminal: Terminal): number {
  const { files, file: asked } = placeOf(options, terminal)
  const path = partsOf(key)
  const value = valueOf(path, text)
  // The last file that has the key wins: a change of another one would have no effect.
  const winner = files.findLast(({ path: each, found }) => found && valueAt(readLayer(each), path) !== undefined)
  const file = (options.user === undefined ? winner?.path : undefined) ?? asked
  const changed = setInFile(file, path, value)
  if (options.json === true) printLine(terminal, JSON.stringify({ file, key, value, changed }))
  else
    printText(
      terminal,
      `${key} = ${plainText(JSON.stringify(value))} in ${file}${changed ? '. It takes effect when a guest starts next.' : ' already.'}`,
    )
  return 0
}

export function configValidate(options: ConfigOptions, terminal: Terminal): number {
  const { home, workspace, files } = placeOf(options, terminal)
  loadConfig(home, workspace)
  const shown = files.map(({ path, found }) => `${path}${found ? '' : ' (not there: defaults)'}`)
  if (options.json === true) printLine(terminal, JSON.stringify({ valid: true, files }))
  else printText(terminal, `The configuration can be used.\n${shown.map((line) => `  ${line}`).join('\n')}`)
  return 0
}

export function configSchemaText(terminal: Terminal): number {
  printLine(terminal, JSON.stringify(configJsonSchema(), null, 2))
  return 0
}

/** Edits a copy, which replaces the file only if it can be used. */
export function configEdit(options: ConfigOptions, terminal: Terminal): number {
  const { file } = placeOf(options, terminal)
  const before = readConfigFile(file) ?? '# docs/configuration.md lists every key.\n'
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-config-'))
  const draft = join(folder, 'config.toml')
  writeFileSync(draft, before, { mode: 0o600 })
  const editor = terminal.env['VISUAL'] || terminal.env['EDITOR'] || 'vi'
  // As git does: the variable may have arguments.
  const { status, error } = spawnSync('/bin/sh', ['-c', `${editor} "$1"`, 'sh', draft], { stdio: 'inherit' })
  if (error !== undefined || status !== 0)
    throw new OxbowError('bad_input', `The editor ${editor} failed.`, { hint: 'Set EDITOR to the editor that you use.' })
  const text = readFileSync(draft, 'utf8')
  if (text !== before) {
    try {
      replaceConfig(file, text)
    } catch (cause) {
      const { code, message } = cause as OxbowError
      throw new OxbowError(code, message, { hint: `${file} is as before; your text is in ${draft}.`, cause })
    }
  }
  if (options.json === true) printLine(terminal, JSON.stringify({ file, changed: text !== before }))
  else printText(terminal, text === before ? 'Nothing was changed.' : `Saved ${file}. It takes effect when a guest starts next.`)
  rmSync(folder, { recursive: true })
  return 0
}

function valueAt(config: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((at, name) => (isObject(at) && Object.hasOwn(at, name) ? at[name] : undefined), config)
}

/** Parts of a dotted key; a quoted part may hold dots, as in TOML. */
function partsOf(key: string): readonly string[] {
  const parts = [...key.matchAll(/"([^"]*)"|([^."]+)/g)].map((match) => match[1] ?? match[2] ?? '')
  if (parts.length === 0 || parts.some((part) => part === '__proto__')) throw unknownKey(key)
  return parts
}

function unknownKey(key: string): OxbowError {
  return new OxbowError('bad_input', `There is no key ${JSON.stringify(key)}.`, {
    hint: '`oxbow config list --all` lists the keys; docs/configuration.md explains them.',
  })
}
