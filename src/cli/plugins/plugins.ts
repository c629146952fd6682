/** Verbs of `oxbow plugin` that install nothing: what is installed and whether it is as it was approved, and those for who writes a plugin. */
import { existsSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { formatTime, mayPart, plainLine, plainText, pluginText, signedText, table } from '../../terminal/index.ts'
import { type GuestSetup, hasRight, type Home, loadPlugins, openHome, type PluginsOfHome, usersOf } from '../../runner/index.ts'
import type { OutputOf } from '../../client/index.ts'
import { type Failure, errorMessage, OxbowError, plural } from '../../base/index.ts'
import { actionCallName, type LockedPlugin, type PluginExports, pluginRight, type PluginSource } from '../../protocol/index.ts'
import { type CallOptions } from '../kernel/call.ts'
import { guestSetup, withGuest, outputOf } from '../guest-connection.ts'
import { printAnswer, printLine, printNotice, printText, type Terminal } from '../terminal.ts'
import { type UnstartedPlugin, unstartedPlugins } from './kept-plugins.ts'

/** How a list says where a plugin is from. */
function sourceText(source: PluginSource): string {
  return source.from === 'npm' ? `npm:${source.spec}` : source.path
}

interface JsonOption {
  readonly json?: boolean | undefined
}

/** Reads files only: no guest is started. */
export async function pluginList(options: JsonOption, terminal: Terminal): Promise<number> {
  const { readLock } = await loadPlugins()
  const { plugins, problem } = readLock(openHome(terminal.env))
  if (problem !== '') printNotice(terminal, `warning: ${plainText(problem)}`)
  if (options.json === true) printLine(terminal, JSON.stringify(plugins))
  else if (plugins.length === 0) printLine(terminal, 'There is no plugin. `oxbow plugin add` installs one.')
  else {
    const unstarted = await unstartedOf(openHome(terminal.env), terminal)
    for (const { says, fix } of unstarted) printNotice(terminal, plainText(`warning: ${says} ${fix}`))
    const stateOf = ({ manifest: { name }, enabled }: LockedPlugin): string => {
      if (!enabled) return 'off'
      return unstarted.some((plugin) => plugin.name === name) ? 'not started' : 'on'
    }
    const rows = plugins.map((plugin) => [
      plugin.manifest.name,
      plugin.manifest.version,
      stateOf(plugin),
      plugin.signer === '' ? 'unsigned' : 'signed',
      plainLine(sourceText(plugin.source), 60),
      plainLine(plugin.manifest.description, 60),
    ])
    printText(terminal, table([['NAME', 'VERSION', 'STATE', 'TRUST', 'FROM', 'DESCRIPTION'], ...rows]))
  }
  return problem === '' ? 0 : 1
}

/** In the workspace of any user. What is wrong with the configuration, other verbs say: it does not hide what is installed. */
async function unstartedOf(home: Home, terminal: Terminal): Promise<readonly UnstartedPlugin[]> {
  const found = new Map<string, UnstartedPlugin>()
  for (const user of usersOf(home)) {
    try {
      for (const plugin of await unstartedPlugins(guestSetup({ user }, terminal, false))) found.set(plugin.name, plugin)
    } catch {
      continue
    }
  }
  return [...found.values()]
}

const mib = 1024 * 1024

type Info = OutputOf<'plugin.info'>

export async function pluginInfo(name: string, options: CallOptions, terminal: Terminal): Promise<number> {
  const loaded = await loadPlugins()
  const setup = guestSetup(options, terminal)
  const plugin = loaded.findPlugin(setup.home, name)
  const granted = hasRight(setup.config, pluginRight(name))
  const problem = whyNotLoaded(plugin, setup, loaded)
  const info = problem === '' ? await infoOf(name, options, terminal) : null
  if (options.json === true)
    printLine(
      terminal,
      JSON.stringify({
        ...plugin,
        granted,
        exports: info?.exports ?? null,
        failure: info?.failure ?? null,
        state: info?.state ?? null,
        data: info?.data ?? null,
        counts: info?.counts ?? null,
      }),
    )
  else {
    const use = granted ? 'Your agent may use it.' : sentence(notGranted(name), '')
    printText(terminal, [`${aboutText(plugin, loaded)}\n${use}`, info === null ? plainText(problem) : partsText(name, info)].join('\n\n'))
    if (info?.failure) printNotice(terminal, doesNotStart(name, info.failure))
  }
  return info?.failure ? 1 : 0
}

function doesNotStart(name: string, { message }: Failure): string {
  return plainText(`warning: ${name} does not start: ${message}\noxbow plugin logs ${name} shows what it wrote.`)
}

/** What a person does when the agent lacks the right to a plugin. */
export function notGranted(name: string): string {
  return `your agent may not use it yet: oxbow plugin enable ${name} --grant`
}

/** @returns why guests do not have an installed plugin, for people; empty: they have it */
export function whyNotLoaded(
  { enabled, manifest: { name } }: LockedPlugin,
  { home, config }: Pick<GuestSetup, 'home' | 'config'>,
  { listPlugins }: PluginsOfHome,
): string {
  if (!enabled) return `The plugin ${name} is disabled: oxbow plugin enable ${name} turns it on.`
  const warnings: string[] = []
  if (listPlugins(home, config, (text) => warnings.push(text)).some((plugin) => plugin.name === name && plugin.unloadable === undefined))
    return ''
  return sentence(warnings.find((text) => text.includes(`plugin ${name} `)) ?? warnings.join('; '))
}

const sentence = (text: string, end = '.'): string => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}${text.endsWith(end) ? '' : end}`

/** @throws OxbowError `not_found`, or `bad_config` for one that guests do not have */
export async function assertLoaded(name: string, setup: GuestSetup): Promise<void> {
  const loaded = await loadPlugins()
  const problem = whyNotLoaded(loaded.findPlugin(setup.home, name), setup, loaded)
  if (problem !== '') throw new OxbowError('bad_config', problem, { hint: `oxbow plugin info ${name} shows what it is.` })
}

/** @throws OxbowError with what the guest has failed with; a plugin that fails says so in `failure` */
export function infoOf(name: string, options: CallOptions, terminal: Terminal): Promise<Info> {
  return withGuest(options, terminal, async ({ gateway }) => await outputOf(gateway, 'plugin.info', { plugin: name }))
}

/** @returns why each enabled plugin does not start, or its host has failed; empty: neither. Never rejects. */
export async function failuresOfPlugins(options: CallOptions, terminal: Terminal): Promise<ReadonlyMap<string, string>> {
  const { readLock } = await loadPlugins()
  const enabled = readLock(openHome(terminal.env)).plugins.filter((plugin) => plugin.enabled)
  const found = await Promise.all(
    enabled.map(async ({ manifest: { name } }) => {
      const problem = await infoOf(name, options, terminal).then(
        ({ failure, state }) => failure?.message ?? state.problem,
        (error: unknown) => errorMessage(error),
      )
      return [name, problem] as const
    }),
  )
  return new Map(found)
}

function aboutText({ manifest, source, tree_hash, signer, approved_by, approved_at }: LockedPlugin, loaded: PluginsOfHome): string {
  const lines = [
    `${manifest.name} ${manifest.version}: ${manifest.description}`,
    `From ${sourceText(source)}${source.from === 'npm' ? `, ${source.integrity}` : ''}`,
    `Files ${tree_hash}`,
    signedText(signer === '' ? '' : loaded.fingerprint(signer)),
    `Approved by ${approved_by} on ${formatTime(approved_at)}`,
    ...(manifest.dependencies.length === 0 ? [] : [`Needs ${manifest.dependencies.join(', ')}`]),
    pluginText([mayPart(loaded.rightLines(manifest.rights))]),
  ]
  return plainText(lines.join('\n'))
}

const noExports: PluginExports = {
  actions: [],
  providers: [],
  evaluators: [],
  services: [],
  models: [],
  routes: [],
  tasks: [],
  events: [],
  hooks: [],
}

function partsText(plugin: string, { exports, state, counts, data }: Info): string {
  const { actions, providers, evaluators, services, models, routes, tasks, events, hooks } = exports ?? noExports
  const parts: readonly (readonly [string, readonly string[]])[] = [
    ['Actions', actions.map(({ name, description }) => `${actionCallName(plugin, name)}  ${description}`.trimEnd())],
    ['Providers', providers.map(({ name, description }) => `${name}  ${description}`.trimEnd())],
    ['Evaluators', evaluators.map(({ name, description }) => `${name}  ${description}`.trimEnd())],
    ['Services', services.map(({ type }) => type)],
    ['Models', models.map(({ type, provider }) => `${type} by ${provider}`)],
    ['Routes', routes.map(({ method, path, public: isPublic }) => `${method} ${path}${isPublic ? ', public' : ''}`)],
    ['Tasks', tasks.map(({ name, every_s, cron }) => `${name}, ${cron ?? `every ${every_s} s`}`)],
    ['Events', events],
    ['Hooks', hooks.map(({ step, fail }) => `${step}, fails ${fail}`)],
  ]
  const shown = parts
    .filter(([, list]) => list.length > 0)
    .map(([title, list]) => `${title}\n${list.map((line) => `  ${line}`).join('\n')}`)
  const { phase, problem, crashes, withheld = [] } = state
  const host = `Host: ${phase}${crashes > 0 ? `, ${plural(crashes, 'crash', 'crashes')} in ten minutes` : ''}${problem === '' ? '' : `. ${problem}`}`
  const room = `Data: ${Math.ceil(data.bytes / mib)} of ${Math.floor(data.max_bytes / mib)} MB in /data`
  const { events: sent, states } = counts
  const delivered = `Events: ${sent.delivered} delivered, ${sent.failed} failed, ${sent.lost} lost`
  const cache = `State of messages: ${states.entries} kept, ${Math.ceil(states.bytes / 1024)} KiB, found in ${Math.round(states.hit_ratio * 100)} % of lookups`
  return plainText(
    [...shown, ...withheld.map((line) => `notice: ${line}`), host, room, ...(events.length > 0 ? [delivered] : []), cache].join('\n'),
  )
}

export async function pluginLogs(name: string, options: CallOptions, terminal: Terminal): Promise<number> {
  await assertLoaded(name, guestSetup(options, terminal))
  const { state, failure } = await infoOf(name, options, terminal)
  if (options.json === true) printLine(terminal, JSON.stringify({ log: state.log, problem: failure?.message ?? state.problem }))
  else if (state.log !== '') printText(terminal, plainText(state.log.trimEnd()))
  else if (failure === null) printNotice(terminal, `${name} has written nothing yet.`)
  if (failure !== null && options.json !== true) printNotice(terminal, plainText(`warning: ${name} does not start: ${failure.message}`))
  return 0
}

/** Where a person looks when a plugin does not start. @returns 1 if something is not as it was approved */
export async function pluginVerify(name: string | undefined, options: JsonOption, terminal: Terminal): Promise<number> {
  const home = openHome(terminal.env)
  const { readLock, findPlugin, checkFolder } = await loadPlugins()
  const isInstalled = readLock(home).plugins.some(({ manifest }) => manifest.name === name)
  if (name !== undefined && !isInstalled && existsSync(resolve(name, 'oxbow.plugin.json'))) {
    const { manifest, tree_hash, signer } = await checkFolder(resolve(name))
    return printAnswer(
      { manifest, tree_hash, signer },
      `${basename(resolve(name))}: ${manifest.name} ${manifest.version} can be added. Files ${tree_hash}`,
      options,
      terminal,
    )
  }
  if (name !== undefined && !isInstalled && /^[.~]|\//.test(name)) {
    const fault = existsSync(resolve(name)) ? `${resolve(name)} has no oxbow.plugin.json.` : `There is no folder ${resolve(name)}.`
    throw new OxbowError('not_found', fault, {
      hint: '`oxbow plugin new FOLDER` makes a plugin; `oxbow plugin list` lists those installed.',
    })
  }
  const { plugins, problem } = readLock(home)
  const wanted = name === undefined ? plugins : [findPlugin(home, name)]
  const results = await Promise.all(wanted.map((plugin) => verifyOne(home, plugin)))
  const isGood = problem === '' && results.every((result) => result.problem === '')
  if (options.json === true) printLine(terminal, JSON.stringify({ ok: isGood, lock: problem, plugins: results }))
  else {
    if (problem !== '') printNotice(terminal, plainText(problem))
    for (const result of results)
      printLine(terminal, `${result.plugin}: ${result.problem === '' ? 'as approved' : plainText(result.problem)}`)
    if (results.length === 0 && problem === '') printLine(terminal, 'There is no plugin.')
  }
  return isGood ? 0 : 1
}

async function verifyOne(home: Home, plugin: LockedPlugin): Promise<{ readonly plugin: string; readonly problem: string }> {
  const { name } = plugin.manifest
  const { verifyInstalled } = await loadPlugins()
  const problem = await verifyInstalled(home, plugin).then(
    () => '',
    (error: unknown) => errorMessage(error),
  )
  return { plugin: name, problem }
}

// For who writes a plugin.

/** A folder as `oxbow plugin add` takes it in a shell. */
function shellPath(folder: string): string {
  const path = /^[./~]/.test(folder) ? folder : `./${folder}`
  return /^[\w./~-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`
}

export async function pluginNew(folder: string, { json }: JsonOption, terminal: Terminal): Promise<number> {
  const { newPlugin } = await loadPlugins()
  const name = await newPlugin(resolve(folder))
  if (json === true) printLine(terminal, JSON.stringify({ plugin: name, folder: resolve(folder) }))
  else {
    const steps = [
      `oxbow plugin add ${shellPath(folder)} --grant`,
      `oxbow plugin test ${name}`,
      `oxbow call ${name}.hello '{"who": "Ann"}'`,
    ]
    printText(
      terminal,
      [`Made the plugin ${name} in ${resolve(folder)}. Install it and try it:`, ...steps.map((step) => `  ${step}`)].join('\n'),
    )
  }
  return 0
}

export async function pluginSign(folder: string, key: string, { json }: JsonOption, terminal: Terminal): Promise<number> {
  const { fingerprint, signFolder } = await loadPlugins()
  const { signer, madeKey } = await signFolder(resolve(folder), key)
  if (madeKey) printNotice(terminal, `Made the key ${resolve(key)}. Keep it: updates that another key has signed ask each person again.`)
  return printAnswer({ signer, fingerprint: fingerprint(signer) }, `Signed by the key ${fingerprint(signer)}`, { json }, terminal)
}

/** @returns 1 if a test fails */
export async function pluginTest(name: string, options: CallOptions, terminal: Terminal): Promise<number> {
  await assertLoaded(name, guestSetup(options, terminal))
  return withGuest(options, terminal, async ({ gateway }) => {
    const { results } = await outputOf(gateway, 'plugin.test', { plugin: name })
    const failed = results.filter(({ ok }) => !ok)
    if (options.json === true) printLine(terminal, JSON.stringify({ results }))
    else {
      for (const { suite, name: title, ok, problem } of results)
        printText(terminal, `${ok ? 'passed' : 'failed'}  ${plainLine(`${suite} › ${title}`, 200)}${ok ? '' : `\n  ${plainText(problem)}`}`)
      printLine(
        terminal,
        results.length === 0 ? `${name} has no tests.` : `${results.length - failed.length} passed, ${failed.length} failed.`,
      )
    }
    return failed.length === 0 ? 0 : 1
  })
}
