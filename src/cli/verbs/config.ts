/** `oxbow config list`, `get`, `explain`, `diff`, `history`, `validate` and `schema`: what shows the configuration and changes nothing. */
import {
  checkConfigText,
  chosenWorkspace,
  configFileIn,
  configFiles,
  configOfKept,
  configVersion,
  fallbackNotice,
  fileSchema,
  type Home,
  type KeptConfig,
  keptConfigs,
  type Layer,
  lineOfKey,
  loadConfig,
  loadLastGood,
  mergeLayers,
  movesIn,
  openHome,
  openWorkspace,
  parseUser,
  quotedKey,
  readConfigFile,
  readLayer,
  readLayers,
  type Workspace,
} from '../../runner/index.ts'
import { asSentence, isObject, isOxbowError, OxbowError } from '../../base/index.ts'
import { type Config, configDifferences, flatConfig, keyParts, keyText, schemaAt, valueIn } from '../../config/index.ts'
import { printAnswer, printLine, printList, printNotice, type Terminal } from '../terminal.ts'
import { defaultUser, suggestion } from '../verb-parts.ts'
import { formatTime, plainText, table } from '../../terminal/index.ts'
import { configSchema, services } from '../../services/index.ts'

export interface ConfigOptions {
  /** Absent: the file of all users. */
  readonly user?: string | undefined
  readonly json?: boolean | undefined
}

export interface Place {
  readonly home: Home
  readonly workspace: Workspace
  /** Lowest first. */
  readonly files: ReturnType<typeof configFiles>
  /** The one that a change without another place goes into. */
  readonly file: string
}

export function configPlace({ user }: ConfigOptions, terminal: Pick<Terminal, 'env'>): Place {
  const home = openHome(terminal.env)
  const workspace = openWorkspace(home, parseUser(user ?? chosenWorkspace(terminal.env, defaultUser)))
  const files = configFiles(home, workspace)
  return { home, workspace, files, file: configFileIn(user === undefined ? home : workspace) }
}

/** What can be read of the files, and what a guest would start with: a fault in a file keeps nobody from looking at the rest. */
function shownConfig(
  { home, workspace, files }: Place,
  terminal: Terminal,
): { readonly config: Config; readonly layers: readonly Layer[] } {
  try {
    const layers = readLayers(home, workspace)
    const config = mergeLayers(layers)
    for (const { path } of files) warnOfVersion(path, readable(path) ?? '', terminal)
    for (const line of layers.flatMap(({ unknown }) => unknown))
      printNotice(terminal, `warning: ${plainText(asSentence(line))} It has no effect.`)
    return { config, layers }
  } catch (error) {
    if (!isOxbowError(error, 'bad_config')) throw error
    const good = loadLastGood({ home, workspace })
    const what = good === null ? `${asSentence(error.message)} Shown is what applies without it. ${error.hint}` : fallbackNotice(error)
    printNotice(terminal, `warning: ${plainText(what)}`)
    const layers = files.flatMap(({ source, path }) => {
      try {
        return [{ source, where: path, ...readLayer(path) }]
      } catch {
        return []
      }
    })
    return { config: good ?? mergeLayers(layers), layers }
  }
}

function warnOfVersion(path: string, text: string, terminal: Terminal): void {
  if (movesIn(path, text).length === 0) return
  const what = `${path} is of an older version of the configuration: it works, and is moved to version ${configVersion} when it is written next`
  printNotice(terminal, `notice: ${plainText(what)}; \`oxbow config migrate\` does it now.`)
}

export function configList(options: ConfigOptions & { readonly all?: boolean | undefined }, terminal: Terminal): number {
  const { config } = shownConfig(configPlace(options, terminal), terminal)
  const usual = new Map(flatConfig(configSchema.parse({})).map(([key, value]) => [keyText(key), JSON.stringify(value)]))
  const rows = flatConfig(config)
    .map(([key, value]) => ({ key: keyText(key), value }))
    .filter(({ key, value }) => options.all === true || usual.get(key) !== JSON.stringify(value))
  const { file } = configPlace(options, terminal)
  const shown = {
    text: (): string => table(rows.map(({ key, value }) => [key, plainText(JSON.stringify(value))])),
    empty: `Everything is as by default. \`oxbow config set KEY VALUE\` changes ${file}; --all lists every key.`,
  }
  return printList(rows, shown, options, terminal)
}

export function configGet(key: string, options: ConfigOptions, terminal: Terminal): number {
  const { config } = shownConfig(configPlace(options, terminal), terminal)
  const found = knownValue(key, config)
  const isPlain = options.json !== true && typeof found === 'string'
  printLine(terminal, isPlain ? plainText(found) : JSON.stringify(found, null, isObject(found) ? 2 : undefined))
  return 0
}

/** Where a value comes from: each layer that names it, and which one counts. */
export function configExplain(key: string, options: ConfigOptions, terminal: Terminal): number {
  const { config, layers } = shownConfig(configPlace(options, terminal), terminal)
  const [path, value] = [partsOf(key), knownValue(key, config)]
  const usual = valueIn(configSchema.parse({}), path) ?? null
  const named = layers.filter(({ table: each }) => valueIn(each, path) !== undefined)
  const rows = named.map((layer, at) => ({
    source: layer.source,
    where: layer.where,
    line: lineIn(layer, path),
    value: valueIn(layer.table, path) ?? null,
    counts: isObject(value) || at === named.length - 1,
  }))
  const fixed = layers.filter(({ table: each }) => locksOf(each).some((lock) => lock.every((name, at) => path[at] === name)))
  const report = { key: keyText(path), value, default: usual, layers: rows, only_tightened_after: fixed.map(({ where }) => where) }
  const text = (shown: unknown): string => plainText(JSON.stringify(shown))
  const lines = [
    `${report.key} = ${text(value)}`,
    table([
      ['default', text(usual), rows.length === 0 ? 'counts' : ''],
      ...rows.map((row) => [row.line === null ? row.where : `${row.where}:${row.line}`, text(row.value), row.counts ? 'counts' : '']),
    ]),
    ...fixed.map(({ where }) => `${where} lets later files, variables and options only tighten it.`),
  ]
  return printAnswer(report, lines.join('\n'), options, terminal)
}

const locksOf = ({ only_tighten: locks }: Layer['table']): readonly (readonly string[])[] =>
  Array.isArray(locks) ? locks.map((lock) => keyParts(String(lock))) : []

function lineIn({ source, where }: Layer, path: readonly string[]): number | null {
  return source === 'environment' || source === 'command' ? null : lineOfKey(readConfigFile(where) ?? '', path)
}

/** The configurations with which guests of the user have worked, the newest first. */
export function configHistory(options: ConfigOptions, terminal: Terminal): number {
  const place = configPlace(options, terminal)
  const kept = keptConfigs(place)
  const rows = kept.map((each, at) => ({
    number: at + 1,
    at: each.at,
    changed: kept[at + 1] === undefined ? null : changesBetween(place, kept[at + 1]!, each).map(({ key }) => key),
  }))
  const shown = {
    text: (): string =>
      table(
        rows.map(({ number, at, changed }) => [
          String(number),
          formatTime(at),
          plainText(changed?.join(', ') || (changed === null ? 'the oldest that is kept' : 'comments only')),
        ]),
      ),
    empty: 'No guest of this user has worked for 30 seconds yet, so no configuration is kept.',
  }
  return printList(rows, shown, options, terminal)
}

/** What changes from a kept configuration to the one of the files now. */
export function configDiff(number: string | undefined, options: ConfigOptions, terminal: Terminal): number {
  const place = configPlace(options, terminal)
  const kept = keptNumber(place, number)
  const changes = configDifferences(configOfKept(place, kept), loadConfig(place.home, place.workspace))
  const text = (value: unknown): string => (value === null ? '(not there)' : plainText(JSON.stringify(value)))
  const shown = {
    text: (): string => table(changes.map(({ key, before, after }) => [key, text(before), '→', text(after)])),
    empty: `The files give what worked on ${formatTime(kept.at)}.`,
  }
  return printList(changes, shown, options, terminal)
}

function changesBetween(place: Place, before: KeptConfig, after: KeptConfig) {
  try {
    return configDifferences(configOfKept(place, before), configOfKept(place, after))
  } catch {
    // A version of Oxbow that knew other keys has kept them.
    return []
  }
}

/** @param number as `config history` counts, or the newest whose files differ from those now @throws OxbowError `bad_input`, `not_found` */
export function keptNumber(place: Place, number: string | undefined): KeptConfig {
  const kept = keptConfigs(place)
  const differs = ({ texts }: KeptConfig): boolean =>
    place.files.some(({ source, path }) => (texts[source] ?? '') !== (readable(path) ?? ''))
  const found = number === undefined ? (kept.find(differs) ?? kept[0]) : kept[Number(number) - 1]
  if (found !== undefined) return found
  throw new OxbowError(
    number === undefined ? 'not_found' : 'bad_input',
    number === undefined ? 'No configuration is kept yet.' : `There is no kept configuration ${number}.`,
    {
      hint: kept.length === 0 ? 'One is kept when a guest has worked with it for 30 seconds.' : '`oxbow config history` lists them.',
    },
  )
}

function readable(path: string): string | null {
  try {
    return readConfigFile(path)
  } catch {
    return null
  }
}

export async function configValidate(options: ConfigOptions, terminal: Terminal): Promise<number> {
  const place = configPlace(options, terminal)
  const { home, workspace, files } = place
  // A start would only warn of a key that nobody knows.
  for (const { path } of files) checkConfigText(path, readConfigFile(path) ?? '')
  const config = loadConfig(home, workspace)
  for (const service of services) {
    const fault = (await service.configFault?.(config)) ?? ''
    if (fault !== '') throw new OxbowError('bad_config', fault, { hint: 'Correct it: oxbow config edit. A guest starts without it.' })
  }
  await warnOfUnknown(options, terminal)
  const variables = Object.keys(home.variables).toSorted()
  const shown = [
    ...files.map(({ path, found }) => `${path}${found ? '' : ' (not there)'}`),
    ...variables.map((name) => `${name} (a variable)`),
  ]
  return printAnswer(
    { valid: true, files, variables },
    `The configuration can be used.\n${shown.map((line) => `  ${line}`).join('\n')}`,
    options,
    terminal,
  )
}

/** Of rules and rights that name a call which there is not. */
export async function warnOfUnknown(options: ConfigOptions, terminal: Terminal): Promise<void> {
  const { home, workspace } = configPlace(options, terminal)
  const config = configOrNull(() => loadConfig(home, workspace))
  const { version, env, program } = terminal
  if (config === null) return
  const { warnOfNames } = await import('./known-names.ts')
  await warnOfNames({ home, workspace, config, insecure: false, version, env, ...(program !== undefined && { program }) }, terminal)
}

export function configOrNull(load: () => Config): Config | null {
  try {
    return load()
  } catch {
    return null
  }
}

export function configSchemaText(terminal: Terminal): number {
  printLine(terminal, JSON.stringify(fileSchema(), null, 2))
  return 0
}

/** @throws OxbowError `bad_input` for a key that does not exist */
export function partsOf(key: string): readonly string[] {
  const parts = keyParts(key)
  if (parts.length === 0 || parts.some((part) => part === '__proto__')) throw unknownKey(key)
  return parts
}

/** @returns whether there is such a key, though nothing may stand there: any call may have an entry */
export function isKnown(config: Config, key: readonly string[]): boolean {
  return valueIn(config, key) !== undefined || schemaAt(fileSchema(), key) !== undefined
}

function knownValue(key: string, config: Config): unknown {
  const path = partsOf(key)
  const found = valueIn(config, path)
  if (found !== undefined) return found
  if (isKnown(config, path)) return null
  throw unknownKey(key, config)
}

/** @param config whose keys may be meant */
export function unknownKey(key: string, config?: Config): OxbowError {
  const keys = config === undefined ? [] : flatConfig(config).map(([name]) => keyText(name))
  const quoted = quotedKey(keyParts(key))
  return new OxbowError('bad_input', `There is no key ${JSON.stringify(key)}${(quoted === null && suggestion(key, keys)) || '.'}`, {
    hint:
      quoted === null
        ? '`oxbow config list --all` lists the keys; docs/configuration.md explains them.'
        : `A name with a dot stands in quotes: '${quoted}'`,
  })
}
