/** `oxbow config`: reads and changes the configuration. A change is checked as a whole before the file is replaced. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import {
  changeText,
  checkConfigChange,
  checkConfigText,
  checkStartOf,
  configFiles,
  draftConfig,
  loadConfig,
  openHome,
  openWorkspace,
  parseUser,
  readConfigFile,
  readLayer,
  replaceConfig,
  valueOf,
} from '../../runner/index.ts'
import { isObject, OxbowError } from '../../base/index.ts'
import { type Config, configJsonSchema, modelKeys } from '../../config/index.ts'
import { printAnswer, printLine, printList, printNotice, printText, type Terminal } from '../terminal.ts'
import { defaultUser, suggestion } from '../verb-parts.ts'
import { plainText, table } from '../../terminal/index.ts'
import { configSchema } from '../../services/index.ts'

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
  const shown = {
    text: (): string => table(rows.map(([key, value]) => [key, plainText(JSON.stringify(value))])),
    empty: `Everything is as by default. \`oxbow config set KEY VALUE\` changes ${files[0]!.path}; --all lists every key.`,
  }
  return printList(
    rows.map(([key, value]) => ({ key, value })),
    shown,
    options,
    terminal,
  )
}

export function configGet(key: string, options: ConfigOptions, terminal: Terminal): number {
  const { home, workspace } = placeOf(options, terminal)
  const config = loadConfig(home, workspace)
  const found = valueAt(config, partsOf(key))
  if (found === undefined)
    throw unknownKey(
      key,
      Array.from(flat(config), ([name]) => name),
    )
  const isPlain = options.json !== true && typeof found === 'string'
  printLine(terminal, isPlain ? plainText(found) : JSON.stringify(found, null, isObject(found) ? 2 : undefined))
  return 0
}

/** @param words keys and values in turn, which are saved together or not at all */
export async function configSet(words: readonly string[], options: ConfigOptions, terminal: Terminal): Promise<number> {
  const place = placeOf(options, terminal)
  if (words.length % 2 === 1)
    throw new OxbowError('bad_input', `The key ${words.at(-1)} has no value.`, {
      hint: 'Give pairs: oxbow config set model.provider anthropic model.name claude-sonnet-4-5',
    })
  const set = words.flatMap((key, at) => (at % 2 === 1 ? [] : [settingOf(key, words[at + 1]!, options, place)]))
  const before = new Map(set.map(({ file }) => [file, readConfigFile(file) ?? '']))
  const texts = new Map(before)
  for (const { file, path, value } of set) texts.set(file, changeText(file, texts.get(file)!, [{ key: [...path], value }]))
  for (const [file, text] of texts) checkConfigChange(file, before.get(file)!, text)
  await assertStarts(texts, options, terminal)
  const provider = providerOf(place)
  for (const [file, text] of texts) if (text !== before.get(file)) replaceConfig(file, text)
  if (providerOf(place) !== provider) warnOfKept(set, place, terminal)
  await warnOfRules(set, options, terminal)
  for (const { key, value, file } of set) {
    const changed = texts.get(file) !== before.get(file)
    if (options.json === true) printLine(terminal, JSON.stringify({ file, key, value, changed }))
    else
      printText(
        terminal,
        `${key} = ${plainText(JSON.stringify(value))} in ${file}${changed ? '. It takes effect when a guest starts next.' : ' already.'}`,
      )
  }
  return 0
}

function providerOf({ home, workspace }: ReturnType<typeof placeOf>): string | undefined {
  return configOf(() => loadConfig(home, workspace))?.model.provider
}

/** An address or a window of another provider's model is wrong for the next; keys are set one by one, so none is removed unasked. */
function warnOfKept(set: readonly { readonly path: readonly string[] }[], { files }: ReturnType<typeof placeOf>, terminal: Terminal): void {
  for (const { path: file, found } of files) {
    const layer = found ? readLayer(file) : {}
    const kept = modelKeys
      .filter((name) => name !== 'provider' && valueAt(layer, ['model', name]) !== undefined)
      .filter((name) => !set.some(({ path }) => path.join('.') === `model.${name}`))
    if (kept.length === 0) continue
    const names = kept.map((name) => `model.${name}`).join(', ')
    printNotice(terminal, `warning: ${file} still sets ${names}. If that is for the provider before, remove it: oxbow config edit`)
  }
}

/** A rule for a call that there is not is saved: a plugin may bring the call later. */
async function warnOfRules(
  set: readonly { readonly path: readonly string[] }[],
  options: ConfigOptions,
  terminal: Terminal,
): Promise<void> {
  if (set.some(({ path: [section] }) => section === 'approval' || section === 'flow' || section === 'agent'))
    await warnOfUnknown(options, terminal)
}

async function warnOfUnknown(options: ConfigOptions, terminal: Terminal): Promise<void> {
  const { home, workspace } = placeOf(options, terminal)
  const config = configOf(() => loadConfig(home, workspace))
  const { version, env, program } = terminal
  if (config === null) return
  const { warnOfNames } = await import('./known-names.ts')
  await warnOfNames({ home, workspace, config, insecure: false, version, env, ...(program !== undefined && { program }) }, terminal)
}

function settingOf(key: string, text: string, { user }: ConfigOptions, { files, file: asked }: ReturnType<typeof placeOf>) {
  const path = partsOf(key)
  // The last file that has the key wins: a change of another one would have no effect.
  const winner = files.findLast(({ path: each, found }) => found && valueAt(readLayer(each), path) !== undefined)
  return { key, path, value: valueOf(path, text), file: (user === undefined ? winner?.path : undefined) ?? asked }
}

/**
 * Tries a start with files that are about to be saved. What does not start now either may be saved: a person mends one key after the other.
 * @throws OxbowError `bad_config`
 */
async function assertStarts(texts: ReadonlyMap<string, string>, options: ConfigOptions, terminal: Terminal): Promise<void> {
  const { home, workspace } = placeOf(options, terminal)
  const now = configOf(() => loadConfig(home, workspace))
  const next = configOf(() => draftConfig(home, workspace, texts))
  // Null: another file has a fault of its own, which every start names.
  if (next === null || (now !== null && isDeepStrictEqual(startSections(now), startSections(next)))) return
  const { version, env, program } = terminal
  const setup = { home, workspace, insecure: false, version, env, ...(program !== undefined && { program }) }
  const faultOf = async (config: Config): Promise<OxbowError | null> => {
    try {
      await checkStartOf({ ...setup, config })
      const ofPlugins = [config.model.name, ...config.model.fallback].filter((name) => name.startsWith('plugin:'))
      if (ofPlugins.length > 0) {
        const { assertServed } = await import('../plugins/kept-plugins.ts')
        for (const name of ofPlugins) await assertServed(name, { ...setup, config })
      }
      return null
    } catch (error) {
      return error as OxbowError
    }
  }
  const fault = await faultOf(next)
  if (fault === null) return
  if (now !== null && (await faultOf(now)) === null) {
    const hint = `${fault.hint} Nothing was changed; several keys can be set at once: oxbow config set KEY VALUE KEY VALUE.`
    throw new OxbowError(
      fault.code,
      `${fault.code === 'not_found' ? 'Oxbow would not answer' : 'Oxbow would not start'}: ${fault.message}`,
      { hint, cause: fault },
    )
  }
  printNotice(terminal, `warning: Oxbow does not start with this yet: ${plainText(fault.message)}`)
}

/** What a start opens by the configuration; see the check of the guest. */
const startSections = ({ model, providers, web, egress, gateway, store, sandbox }: Config): object => {
  return { model, providers, web, egress, gateway, store, isIsolated: sandbox.isolate_guest }
}

function configOf(load: () => Config): Config | null {
  try {
    return load()
  } catch {
    return null
  }
}

export async function configValidate(options: ConfigOptions, terminal: Terminal): Promise<number> {
  const { home, workspace, files } = placeOf(options, terminal)
  loadConfig(home, workspace)
  await warnOfUnknown(options, terminal)
  const shown = files.map(({ path, found }) => `${path}${found ? '' : ' (not there: defaults)'}`)
  return printAnswer(
    { valid: true, files },
    `The configuration can be used.\n${shown.map((line) => `  ${line}`).join('\n')}`,
    options,
    terminal,
  )
}

export function configSchemaText(terminal: Terminal): number {
  printLine(terminal, JSON.stringify(configJsonSchema(configSchema), null, 2))
  return 0
}

/** Edits a copy, which replaces the file only if it can be used. */
export async function configEdit(options: ConfigOptions, terminal: Terminal): Promise<number> {
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
      checkConfigText(file, text)
      await assertStarts(new Map([[file, text]]), options, terminal)
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

function unknownKey(key: string, keys: readonly string[] = []): OxbowError {
  return new OxbowError('bad_input', `There is no key ${JSON.stringify(key)}${suggestion(key, keys) || '.'}`, {
    hint: '`oxbow config list --all` lists the keys; docs/configuration.md explains them.',
  })
}
