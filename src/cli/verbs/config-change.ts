/** `oxbow config set`, `unset`, `edit`, `rollback` and `reload`. A change is checked as a whole before the file is replaced. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import {
  assertKnownVersion,
  changeText,
  checkConfigChange,
  checkConfigText,
  checkStartOf,
  chosenWorkspace,
  configFileIn,
  configOfKept,
  configVersion,
  type ConfigWrite,
  draftConfig,
  fileSchema,
  findGuest,
  loadConfig,
  movedText,
  openWorkspace,
  readConfigFile,
  readLayer,
  readLayers,
  uncheckedLayer,
  usersOf,
  replaceConfigs,
  valueOf,
} from '../../runner/index.ts'
import { asSentence, isOxbowError, OxbowError } from '../../base/index.ts'
import {
  type Config,
  type ConfigChange,
  configDifferences,
  effectOf,
  keyParts,
  keyText,
  modelKeys,
  type TomlValue,
  valueIn,
} from '../../config/index.ts'
import { editorOf, printAnswer, printLine, printNotice, printPreview, printText, type Terminal } from '../terminal.ts'
import { defaultUser } from '../verb-parts.ts'
import { formatTime, plainText } from '../../terminal/index.ts'
import {
  type ConfigOptions,
  configOrNull,
  configPlace,
  isKnown,
  keptNumber,
  partsOf,
  type Place,
  unknownKey,
  warnOfUnknown,
} from './config.ts'

interface Setting extends ConfigChange {
  /** As typed. */
  readonly name: string
  readonly file: string
}

/** @param words keys and values in turn, which are saved together or not at all */
export async function configSet(words: readonly string[], options: ChangeOptions, terminal: Terminal): Promise<number> {
  if (words.length % 2 === 1)
    throw new OxbowError('bad_input', `The key ${words.at(-1)} has no value.`, {
      hint: 'Give pairs: oxbow config set model.provider anthropic model.name claude-sonnet-4-5',
    })
  const place = configPlace(options, terminal)
  const settings = words.flatMap((name, at) => {
    if (at % 2 === 1) return []
    const key = [...partsOf(name)]
    return [{ name, key, value: valueOf(key, words[at + 1]!), file: fileFor(key, options, place) }]
  })
  return change(settings, place, options, terminal)
}

/** Removes keys, so that what is below applies: another file, or the default. */
export async function configUnset(names: readonly string[], options: ChangeOptions, terminal: Terminal): Promise<number> {
  const place = configPlace(options, terminal)
  const config = configOrNull(() => loadConfig(place.home, place.workspace))
  const settings = names.map((name) => {
    const key = [...partsOf(name)]
    const file = fileFor(key, options, place)
    if (valueIn(uncheckedLayer(file), key) === undefined && config !== null && !isKnown(config, key)) throw unknownKey(name, config)
    return { name, key, value: null, file }
  })
  return change(settings, place, options, terminal)
}

/** The last file of a person that has the key: a change of another one would have no effect. */
function fileFor(key: readonly string[], { user }: ConfigOptions, { files, file: asked }: Place): string {
  const winner = files.findLast(
    ({ source, path, found }) => found && source !== 'machine' && valueIn(uncheckedLayer(path), key) !== undefined,
  )
  return (user === undefined ? winner?.path : undefined) ?? asked
}

type ChangeOptions = ConfigOptions & { readonly dryRun?: boolean | undefined }

/** Others may change the files at the same time: their changes stay. */
const maxTries = 5

async function change(settings: readonly Setting[], place: Place, options: ChangeOptions, terminal: Terminal): Promise<number> {
  const provider = providerOf(place)
  let writes = writesOf(settings)
  for (let tries = 1; ; tries += 1) {
    for (const { file, before, text } of writes) checkConfigChange(file, before, text)
    await assertStarts(textsOf(writes), options, terminal)
    if (options.dryRun === true) break
    try {
      replaceConfigs(place.home, writes)
      break
    } catch (error) {
      if (!isOxbowError(error, 'edit_mismatch') || tries === maxTries) throw error
      writes = writesOf(settings)
    }
  }
  const changed = new Map(writes.map(({ file, before, text }) => [file, before !== text]))
  if (options.dryRun === true) return previewOf(settings, changed, options, terminal)
  if (providerOf(place) !== provider) warnOfKept(settings, place, terminal)
  await warnOfRules(settings, options, terminal)
  for (const { name, value, file, key } of settings) {
    const isChanged = changed.get(file) === true
    if (options.json === true) printLine(terminal, JSON.stringify({ file, key: name, value, changed: isChanged }))
    else printText(terminal, plainText(changeLine(name, value, file, isChanged)))
    warnOfHigher(key, value, file, place, terminal)
  }
  warnOfFaults(place, terminal)
  return 0
}

const textsOf = (writes: readonly ConfigWrite[]): ReadonlyMap<string, string> => new Map(writes.map(({ file, text }) => [file, text]))

/** The files as they are now, and with the settings. */
function writesOf(settings: readonly Setting[]): readonly ConfigWrite[] {
  return [...new Set(settings.map(({ file }) => file))].map((file) => {
    const before = readConfigFile(file) ?? ''
    const changes = settings.filter((each) => each.file === file)
    return { file, before, text: changeText(file, movedText(file, before), changes) }
  })
}

function previewOf(
  settings: readonly Setting[],
  changed: ReadonlyMap<string, boolean>,
  options: ConfigOptions,
  terminal: Terminal,
): number {
  const target = settings.map(({ name, value, file }) => ({ file, key: name, value, changed: changed.get(file) === true }))
  const said = settings.map(({ name, value, file }) =>
    value === null ? `remove ${name} from ${file}` : `set ${name} = ${JSON.stringify(value)} in ${file}`,
  )
  const nothing = target.some((each) => each.changed) ? {} : { nothing: 'The files have that already.' }
  return printPreview({ would: said.join(' and '), target, ...nothing }, options, terminal)
}

function changeLine(name: string, value: TomlValue | null, file: string, changed: boolean): string {
  const when = 'It takes effect when a guest starts next, or with `oxbow config reload`.'
  if (value === null) return changed ? `${name} is removed from ${file}. ${when}` : `${name} is not in ${file}.`
  return `${name} = ${JSON.stringify(value)} in ${file}${changed ? `. ${when}` : ' already.'}`
}

/** A variable, or the file of the machine below a removed key, may be what counts. */
function warnOfHigher(key: readonly string[], value: TomlValue | null, file: string, { home, workspace }: Place, terminal: Terminal): void {
  const layers = layersNow(home, workspace)
  const counts = layers.findLast(({ table }) => valueIn(table, key) !== undefined)
  if (counts === undefined || counts.where === file) return
  const what = `${keyText(key)} is ${JSON.stringify(valueIn(counts.table, key))} by ${counts.where}`
  printNotice(terminal, `notice: ${plainText(value === null ? `now ${what}` : `${what}, which takes precedence`)}`)
}

/** None where another fault stands, which is said apart. */
function layersNow(...place: Parameters<typeof readLayers>): ReturnType<typeof readLayers> {
  try {
    return readLayers(...place)
  } catch {
    return []
  }
}

/** A person mends one fault after the other. */
function warnOfFaults({ home, workspace }: Place, terminal: Terminal): void {
  try {
    loadConfig(home, workspace)
  } catch (error) {
    if (!isOxbowError(error)) throw error
    printNotice(terminal, `warning: ${plainText(`${asSentence(error.message)} ${error.hint}`)}`)
  }
}

function providerOf({ home, workspace }: Place): string | undefined {
  return configOrNull(() => loadConfig(home, workspace))?.model.provider
}

/** An address or a window of another provider's model is wrong for the next; keys are set one by one, so none is removed unasked. */
function warnOfKept(settings: readonly Setting[], { files }: Place, terminal: Terminal): void {
  for (const { path: file, found } of files) {
    const layer = found ? readLayer(file).table : {}
    const kept = modelKeys
      .filter((name) => name !== 'provider' && valueIn(layer, ['model', name]) !== undefined)
      .filter((name) => !settings.some(({ key }) => keyText(key) === `model.${name}`))
    if (kept.length === 0) continue
    const names = kept.map((name) => `model.${name}`).join(', ')
    printNotice(terminal, `warning: ${file} still sets ${names}. If that is for the provider before, remove it: oxbow config edit`)
  }
}

/** A rule for a call that there is not is saved: a plugin may bring the call later. */
async function warnOfRules(settings: readonly Setting[], options: ConfigOptions, terminal: Terminal): Promise<void> {
  const named = new Set(['access', 'agent', 'approval', 'flow'])
  if (settings.some(({ key: [section = ''] }) => named.has(section))) await warnOfUnknown(options, terminal)
}

/**
 * Tries a start with files that are about to be saved. What does not start now either may be saved: a person mends one key after the other.
 * @throws OxbowError `bad_config`
 */
async function assertStarts(texts: ReadonlyMap<string, string>, options: ConfigOptions, terminal: Terminal): Promise<void> {
  const { home, workspace } = configPlace(options, terminal)
  const now = configOrNull(() => loadConfig(home, workspace))
  // Another file may have a fault of its own, which every start names.
  const next = now === null ? configOrNull(() => draftConfig(home, workspace, texts)) : draftConfig(home, workspace, texts)
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

/** Edits a copy, which replaces the file only if it can be used. */
export async function configEdit(options: ConfigOptions, terminal: Terminal): Promise<number> {
  const editor = editorOf(terminal, 'a key: oxbow config set KEY VALUE')
  const { home, file } = configPlace(options, terminal)
  const found = readConfigFile(file)
  const before = found ?? '# docs/configuration.md lists every key.\n'
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-config-'))
  const draft = join(folder, 'config.toml')
  writeFileSync(draft, before, { mode: 0o600 })
  // As git does: the variable may have arguments.
  const { status, error } = spawnSync('/bin/sh', ['-c', `${editor} "$1"`, 'sh', draft], { stdio: 'inherit' })
  if (error !== undefined || status !== 0)
    throw new OxbowError('bad_input', `The editor ${editor} failed.`, { hint: 'Set EDITOR to the editor that you use.' })
  const text = readFileSync(draft, 'utf8')
  if (text !== before) {
    try {
      checkConfigText(file, text)
      await assertStarts(new Map([[file, text]]), options, terminal)
      replaceConfigs(home, [{ file, before: found ?? '', text }])
    } catch (cause) {
      const { code, message } = cause as OxbowError
      const stands = code === 'edit_mismatch' ? 'has what somebody else has written' : 'is as before'
      throw new OxbowError(code, message, { hint: `${file} ${stands}; your text is in ${draft}.`, cause })
    }
  }
  if (options.json === true) printLine(terminal, JSON.stringify({ file, changed: text !== before }))
  else
    printText(
      terminal,
      text === before
        ? 'Nothing was changed.'
        : `Saved ${file}. It takes effect when a guest starts next, or with \`oxbow config reload\`.`,
    )
  rmSync(folder, { recursive: true })
  return 0
}

/** Replaces the files by what a kept configuration has; the file of the machine is its administrator's. */
export async function configRollback(
  number: string | undefined,
  options: ConfigOptions & { readonly dryRun?: boolean | undefined },
  terminal: Terminal,
): Promise<number> {
  const place = configPlace(options, terminal)
  const kept = keptNumber(place, number)
  const own = place.files.filter(({ source }) => source === 'user' || (source === 'all_users' && options.user === undefined))
  const now = new Map(own.map(({ path }) => [path, readConfigFile(path) ?? '']))
  const texts = new Map(
    own.flatMap(({ source, path }) => {
      const text = kept.texts[source]
      return text === undefined || text === now.get(path) ? [] : [[path, text] as const]
    }),
  )
  const paths = [...texts.keys()]
  const when = formatTime(kept.at)
  const nothing = paths.length === 0 ? `The files are as they were on ${when}.` : undefined
  const loaded = loadNow(place)
  // Files that cannot be used have no values to compare with.
  const changes = nothing === undefined && loaded !== null ? configDifferences(loaded, configOfKept(place, kept)) : []
  const target = { at: kept.at, files: paths, changes }
  if (options.dryRun === true) {
    const would = `make ${paths.join(' and ')} as on ${when}${changes.length === 0 ? '' : `, which changes ${changes.map(({ key }) => key).join(', ')}`}`
    return printPreview({ would, target, ...(nothing !== undefined && { nothing }) }, options, terminal)
  }
  if (nothing === undefined) {
    for (const [file, text] of texts) checkConfigText(file, text)
    await assertStarts(texts, options, terminal)
    replaceConfigs(
      place.home,
      Array.from(texts, ([file, text]) => ({ file, before: now.get(file)!, text })),
    )
  }
  const said = changes.map(({ key, before, after }) => `  ${key}: ${JSON.stringify(before)} → ${JSON.stringify(after)}`)
  const head = `${paths.join(' and ')} ${paths.length === 1 ? 'is' : 'are'} as on ${when}. It takes effect when a guest starts next, or with \`oxbow config reload\`.`
  return printAnswer({ ...target, changed: paths.length > 0 }, plainText(nothing ?? [head, ...said].join('\n')), options, terminal)
}

/** Moves the files of a home to another version of the configuration, or to the newest; what they were stays next to them. */
export function configMigrate(to: number | undefined, options: ChangeOptions, terminal: Terminal): number {
  if (to !== undefined && to > configVersion)
    throw new OxbowError('bad_input', `This Oxbow knows versions 1 to ${configVersion} of the configuration.`, {
      hint: 'Upgrade it: oxbow upgrade',
    })
  const { home, file: asked } = configPlace(options, terminal)
  const files = options.user === undefined ? [asked, ...usersOf(home).map((user) => configFileIn(openWorkspace(home, user)))] : [asked]
  const writes = files.flatMap((file) => {
    assertKnownVersion(file, uncheckedLayer(file))
    const before = readConfigFile(file) ?? ''
    const text = movedText(file, before, to)
    return text === before ? [] : [{ file, before, text }]
  })
  const target = { version: to ?? configVersion, files: writes.map(({ file }) => file) }
  const nothing = writes.length === 0 ? 'No file says anything of another version.' : undefined
  const would = `move ${target.files.join(' and ')} to version ${target.version} of the configuration`
  if (options.dryRun === true) return printPreview({ would, target, ...(nothing !== undefined && { nothing }) }, options, terminal)
  replaceConfigs(home, writes)
  const text = nothing ?? `Moved ${target.files.join(' and ')} to version ${target.version}; what they were is next to them.`
  return printAnswer({ ...target, changed: writes.length > 0 }, plainText(text), options, terminal)
}

const loadNow = ({ home, workspace }: Place): Config | null => configOrNull(() => loadConfig(home, workspace))

/** A running guest takes up the files as they are now: what counts at once, and the rest when no turn runs, since a restart would come into it. */
export async function configReload(options: ConfigOptions & { readonly now?: boolean | undefined }, terminal: Terminal): Promise<number> {
  const { home, workspace } = configPlace(options, terminal)
  loadConfig(home, workspace)
  if ((await findGuest(workspace)) === null)
    return printAnswer({ reloaded: false }, 'No guest is running; the next one starts with the files as they are.', options, terminal)
  const { outputOf, withGuest } = await import('../guest-connection.ts')
  return withGuest({ user: options.user ?? chosenWorkspace(terminal.env, defaultUser) }, terminal, async ({ gateway }) => {
    const { applied, waiting, generation } = await outputOf(gateway, 'config.reload', {})
    const schema = waiting.length === 0 ? {} : fileSchema()
    const ofProcess = waiting.filter((key) => effectOf(schema, keyParts(key)) === 'process')
    const restarts = waiting.length > ofProcess.length
    const running = async (): Promise<number> => (await outputOf(gateway, 'system.now', {})).turns.length
    if (restarts && options.now !== true && (await running()) > 0)
      printNotice(terminal, 'notice: turns are running; the guest restarts when they have ended (--now: at once)')
    if (restarts && options.now !== true) while ((await running()) > 0) await sleep(turnPollMs)
    if (restarts) await outputOf(gateway, 'guest.restart', {})
    const changed = [...applied, ...waiting.filter((key) => !ofProcess.includes(key))]
    const lines = [
      changed.length === 0
        ? 'The running guest has the configuration of the files already.'
        : `The running guest takes up ${changed.join(', ')}.`,
      ...(ofProcess.length === 0 ? [] : [`Only \`oxbow restart\` makes these count: ${ofProcess.join(', ')}.`]),
    ]
    const report = { reloaded: changed.length > 0, changed, restarted: restarts, waiting: ofProcess, generation }
    return printAnswer(report, plainText(lines.join('\n')), options, terminal)
  })
}

/** Turns take seconds. */
const turnPollMs = 200
