/**
 * `oxbow plugin add`, `update`, `enable`, `disable`, `reload` and `remove`. What is installed is shown before: files, author, rights. A person says
 * yes to exactly these files; running guests take over the change.
 */
import { existsSync, readdirSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import {
  alikeText,
  clearPlugin,
  grantPlugin,
  installPlugin,
  plainLine,
  plainText,
  pluginParts,
  pluginText,
  removePlugin,
} from '../../terminal/index.ts'
import { findGuest, grantRight, hasRight, type Home, loadPlugins, openHome, type StagedPlugin } from '../../runner/index.ts'
import { OxbowError, systemClock, toFailure, plural } from '../../base/index.ts'
import { type PluginExports, pluginRight } from '../../protocol/index.ts'
import { type GuestChoice, guestSetup, outputOf, withGuest } from '../guest-connection.ts'
import { isYes } from '../input.ts'
import { readNamed } from '../own-files.ts'
import { type CallOptions, showOutput } from '../kernel/call.ts'
import { isInteractive, printLine, printNotice, printPreview, printText, type Terminal } from '../terminal.ts'
import { syncGuests, type SyncProblem } from './plugin-guests.ts'
import { dropNew, leftoversOf, type Trial, tryLoading } from './plugin-trial.ts'
import { assertLoaded, infoOf, notGranted, whyNotLoaded } from './plugins.ts'

interface SwitchOptions extends GuestChoice {
  readonly json?: boolean | undefined
  readonly dryRun?: boolean | undefined
  /** Gives the agent the right to use it; absent: a person at a terminal who installs it is asked. */
  readonly grant?: boolean | undefined
  /** Approves the files with this hash. */
  readonly digest?: string | undefined
}

export interface AddOptions extends SwitchOptions {
  readonly manifest?: string | undefined
}

export async function pluginAdd(source: string, options: AddOptions, terminal: Terminal): Promise<number> {
  // Reports a bad configuration first, as every verb of a user does.
  guestSetup(options, terminal)
  return install(source, options, terminal)
}

/** @param source default: where the installed version is from, which for npm is another version only if it is named */
export async function pluginUpdate(name: string, source: string | undefined, options: AddOptions, terminal: Terminal): Promise<number> {
  const { home } = guestSetup(options, terminal)
  const { findPlugin } = await loadPlugins()
  const { source: from } = findPlugin(home, name)
  if (source === undefined && from.from === 'npm')
    throw new OxbowError('bad_input', `${name} is from npm, where a version never changes.`, {
      hint: `Name the version that you want: oxbow plugin update ${name} npm:${from.spec.replace(/@[^@]*$/, '')}@VERSION`,
    })
  return install(source ?? (from.from === 'npm' ? '' : from.path), options, terminal, name)
}

async function install(source: string, options: AddOptions, terminal: Terminal, expected?: string): Promise<number> {
  const home = openHome(terminal.env)
  const { manifest } = options
  const { stagePlugin, commitPlugin, discard, viewOfStaged } = await loadPlugins()
  const propose =
    manifest === undefined
      ? (folder: string) => proposeOne(folder, source, options, terminal)
      : () => readNamed(manifest, 'Name the file of a manifest, such as NAME.plugin.json.')
  const progress = options.json === true ? undefined : (line: string) => printNotice(terminal, plainLine(line, 200))
  const staged = await stagePlugin(source, {
    home,
    env: terminal.env,
    propose,
    onlyProposes: manifest === undefined,
    expected,
    report: progress,
  })
  const { name, version } = staged.manifest
  try {
    const view = viewOfStaged(home, staged)
    printText({ output: terminal.errors }, pluginText(pluginParts(view)))
    for (const other of view.alike) printNotice(terminal, `warning: ${alikeText(name, other)}`)
    if (options.dryRun === true) return printPreview({ would: `install ${name} ${version}`, target: shown(staged) }, options, terminal)
    if (view.same && (await isIntact(home, staged)))
      return await finish(
        { ...staged, leftovers: [], isSame: true },
        `${name} ${version} is installed already, with the same files.`,
        options,
        terminal,
      )
    if (!(await isApproved(staged, options, terminal))) return 0
    const trial = { ...staged, leftovers: leftoversOf(home, name), isSame: false }
    await commitPlugin(home, staged, userInfo().username, systemClock.now())
    return await finish(trial, `Installed ${name} ${version}.`, options, terminal)
  } finally {
    await discard(staged.folder)
  }
}

/** Whether the installed files are those that were approved; if not, they are installed anew. */
async function isIntact(home: Home, { before }: StagedPlugin): Promise<boolean> {
  if (before === null) return false
  const { verifyInstalled } = await loadPlugins()
  return verifyInstalled(home, before).then(
    () => true,
    () => false,
  )
}

/** Makes running guests use it; if one cannot, all keep the previous version. @throws OxbowError `tool_failed` for that */
async function finish(staged: StagedPlugin & Trial, text: string, options: AddOptions, terminal: Terminal): Promise<number> {
  const home = openHome(terminal.env)
  const { manifest, before } = staged
  const problems = await syncGuests(home, terminal)
  const refused = problems.find(({ plugin }) => plugin === manifest.name)
  if (refused !== undefined && before !== null && !staged.isSame) {
    await (await loadPlugins()).revertPlugin(home, staged)
    await syncGuests(home, terminal)
    throw new OxbowError('tool_failed', `${manifest.name} ${before.manifest.version} stays: ${refused.why}`, {
      hint: `Correct it and update again; oxbow plugin logs ${manifest.name} shows what it wrote. To install it all the same, disable the plugin first: oxbow plugin disable ${manifest.name}`,
    })
  }
  if (refused !== undefined && before === null) {
    const log = await infoOf(manifest.name, options, terminal).then(
      ({ state }) => state.log,
      () => '',
    )
    return dropNew(home, staged, options, terminal, { message: refused.why, log })
  }
  const enabled = before?.enabled ?? true
  // One that does not start is not kept, and is given no right.
  const parts = enabled ? await tryLoading(home, staged, options, terminal) : null
  const grant = await grantIfWanted(manifest.name, { ...options, asks: before === null }, terminal)
  if (grant.changed) problems.push(...(await syncGuests(home, terminal, { restart: true })))
  const lines = [text, ...partCounts(parts), ...(enabled ? [] : [`It is disabled: oxbow plugin enable ${manifest.name}`])]
  return report({ ...shown(staged), enabled }, lines.join('\n'), problems, { ...options, granted: grant.granted }, terminal)
}

/**
 * A package without a manifest is not installed: a person gets one to narrow, as a file in the current folder.
 * @throws OxbowError `approval_required`, always
 */
async function proposeOne(folder: string, source: string, { json, dryRun }: AddOptions, terminal: Terminal): Promise<never> {
  const { proposeManifest } = await loadPlugins()
  const { text, findings } = await proposeManifest(folder)
  const { name } = JSON.parse(text) as { readonly name: string }
  const file = `${name}.plugin.json`
  if (json === true) printLine(terminal, JSON.stringify({ proposed: JSON.parse(text) as object, findings }))
  else {
    const { bytes, files, builtins, packages, settings, secrets, hosts } = findings
    const lines = Object.entries({ builtins, packages, settings, secrets, hosts }).map(
      ([what, list]) => `${what}: ${list.join(', ') || 'none'}`,
    )
    printText(
      terminal,
      plainText([`${plural(files, 'file')}, ${Math.ceil(bytes / 1024)} KiB, without what it depends on`, ...lines, text].join('\n')),
    )
  }
  if (dryRun !== true && json !== true)
    await writeFile(file, text, { flag: 'wx' }).catch(() => printNotice(terminal, `notice: ${file} exists and stays as it is`))
  throw new OxbowError('approval_required', 'The package has no manifest; this is a proposal.', {
    hint: `Remove from ${file} what it does not need, then: oxbow plugin add ${source} --manifest ${file}`,
  })
}

function shown({ manifest, source, tree_hash, signer, files, bytes, packages, withScripts, changes, reasons }: StagedPlugin): object {
  return { manifest, source, tree_hash, signer, files: files.length, bytes, packages, with_scripts: withScripts, changes, reasons }
}

function partCounts(parts: PluginExports | null): readonly string[] {
  const counts = Object.entries(parts ?? {}).flatMap(([part, list]) => (list.length === 0 ? [] : [plural(list.length, part.slice(0, -1))]))
  return counts.length === 0 ? [] : [`It has ${counts.join(', ')}.`]
}

async function isApproved(staged: StagedPlugin, { digest }: AddOptions, terminal: Terminal): Promise<boolean> {
  const { reasons, tree_hash: hash } = staged
  if (reasons.length === 0) return true
  if (digest !== undefined) {
    if (digest === hash) return true
    throw (await loadPlugins()).otherFiles(hash)
  }
  if (!isInteractive(terminal))
    throw new OxbowError('approval_required', `Installing ${staged.manifest.name} needs approval: ${reasons.join(', ')}.`, {
      hint: `Run it in a terminal, or approve exactly these files: --digest ${hash}`,
    })
  const { question, declined } = installPlugin({ reasons })
  if (await isYes(question, terminal)) return true
  printNotice(terminal, declined)
  return false
}

export async function pluginSwitch(name: string, isOn: boolean, options: SwitchOptions, terminal: Terminal): Promise<number> {
  const { home } = guestSetup(options, terminal)
  const { switchPlugin } = await loadPlugins()
  const { manifest } = switchPlugin(home, name, isOn)
  const grant = isOn ? await grantIfWanted(name, options, terminal) : null
  const problems = await syncGuests(home, terminal, { restart: grant?.changed === true })
  if (isOn && problems.length === 0) await tryLoading(home, { manifest, before: null, leftovers: [], isSame: true }, options, terminal)
  const text = `${isOn ? 'Enabled' : 'Disabled'} ${name}.`
  return report({ plugin: name, enabled: isOn }, text, problems, { ...options, granted: grant?.granted }, terminal)
}

export async function pluginRemove(name: string, options: SwitchOptions, terminal: Terminal): Promise<number> {
  const { home, workspace } = guestSetup(options, terminal)
  const { findPlugin, removePlugin: removeInstalled } = await loadPlugins()
  const { manifest, tree_hash, source } = findPlugin(home, name)
  if (options.dryRun === true) {
    const target = { plugin: name, version: manifest.version, tree_hash, source }
    return printPreview({ would: removePlugin(name, manifest.version).would, target }, options, terminal)
  }
  await removeInstalled(home, name)
  // Another plugin of that name must not inherit it.
  grantRight(home, workspace, pluginRight(name), false)
  const isRunning = (await findGuest(workspace)) !== null
  const problems = await syncGuests(home, terminal, { removed: [name] })
  if (!isRunning) problems.push(...(await syncInGuest(name, { removed: [name] }, options, terminal)))
  const kept = join(workspace.root, 'internal', 'plugins', name)
  const text = [
    removePlugin(name, manifest.version).done,
    ...(existsSync(kept) && readdirSync(kept).length > 0
      ? [`What it has written stays in ${kept}; oxbow plugin clear ${name} empties it.`]
      : []),
  ].join('\n')
  return report({ plugin: name, removed: true }, text, problems, options, terminal)
}

/** Syncs a running guest, or one that is started for it. @returns what did not work */
async function syncInGuest(
  name: string,
  input: { readonly removed?: string[] },
  options: SwitchOptions,
  terminal: Terminal,
): Promise<readonly SyncProblem[]> {
  const why = (message: string): readonly SyncProblem[] => [{ plugin: name, why: `what it has in the guest stays: ${message}` }]
  try {
    const synced = await withGuest(options, terminal, ({ gateway }) => gateway.call('plugin.sync', input))
    return synced.status === 'ok' ? [] : why(synced.failure.message)
  } catch (error) {
    return why(toFailure(error, 'internal_failure', '').message)
  }
}

export async function pluginReload(name: string, options: CallOptions, terminal: Terminal): Promise<number> {
  const setup = guestSetup(options, terminal)
  await assertLoaded(name, setup)
  const { findPlugin, checkFolder } = await loadPlugins()
  const { source, tree_hash: hash } = findPlugin(setup.home, name)
  const now = source.from === 'folder' ? await checkFolder(source.path).catch(() => null) : null
  if (now !== null && now.tree_hash !== hash)
    printNotice(
      terminal,
      `notice: the files in ${plainLine(source.from === 'folder' ? source.path : '', 300)} have changed: oxbow plugin update ${name} takes them over`,
    )
  return showOutput(['plugin.reload', { plugin: name }], options, terminal, () => `Reloaded ${name}.`)
}

/** Clears also what a removed plugin has written. A name that no plugin has may be mistyped, so the answer says so. */
export async function pluginClear(name: string, options: SwitchOptions, terminal: Terminal): Promise<number> {
  const { home, workspace } = guestSetup(options, terminal)
  const { findPlugin } = await loadPlugins()
  const isName = /^[a-z0-9][a-z0-9-]{0,99}$/.test(name)
  const isKnown = isName && existsSync(join(workspace.root, 'internal', 'plugins', name))
  if (!isName || (!isKnown && options.dryRun === true)) findPlugin(home, name)
  if (options.dryRun === true) {
    return printPreview({ would: clearPlugin(name).would, target: { plugin: name } }, options, terminal)
  }
  return withGuest(options, terminal, async ({ gateway }) => {
    await outputOf(gateway, 'plugin.sync', { cleared: [name] })
    // One that never started has labels and no folder.
    if (!isKnown) findPlugin(home, name)
    return report({ plugin: name, cleared: true }, clearPlugin(name).done, [], options, terminal)
  })
}

interface ReportOptions extends SwitchOptions {
  /** Whether the agent may use the plugin; absent: it does not matter. */
  readonly granted?: boolean | undefined
}

function report(result: object, text: string, problems: readonly SyncProblem[], options: ReportOptions, terminal: Terminal): number {
  const { granted } = options
  const lines = problems.map(({ plugin, why }) => `${plugin === '' ? '' : `${plugin}: `}${why}`)
  for (const line of lines) printNotice(terminal, `warning: ${plainLine(line, 1_000)}`)
  if (options.json === true) printLine(terminal, JSON.stringify({ ...result, ...(granted !== undefined && { granted }), problems: lines }))
  else printText(terminal, text)
  return problems.length === 0 ? 0 : 1
}

interface GrantOptions extends SwitchOptions {
  /** Whether a person at a terminal is asked. */
  readonly asks?: boolean
}

/** Gives the agent the right to a plugin where a person wants so. @returns whether it has it, and whether the configuration was changed */
async function grantIfWanted(
  plugin: string,
  options: GrantOptions,
  terminal: Terminal,
): Promise<{ readonly granted: boolean; readonly changed: boolean }> {
  const setup = guestSetup(options, terminal)
  const loaded = await loadPlugins()
  const why = whyNotLoaded(loaded.findPlugin(setup.home, plugin), setup, loaded)
  if (why !== '') printNotice(terminal, `warning: ${plainText(why)}`)
  if (hasRight(setup.config, pluginRight(plugin))) return { granted: true, changed: false }
  const asks = options.asks === true && options.digest === undefined && options.json !== true && isInteractive(terminal)
  if (options.grant !== true && !(asks && (await isYes(grantPlugin, terminal)))) {
    printNotice(terminal, `notice: ${notGranted(plugin)}`)
    return { granted: false, changed: false }
  }
  const file = grantRight(setup.home, setup.workspace, pluginRight(plugin), true)
  if (file !== null) printNotice(terminal, `notice: added "plugin.${plugin}" to agent.rights in ${file}`)
  return { granted: true, changed: file !== null }
}
