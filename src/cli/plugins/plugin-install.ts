/**
 * `oxbow plugin add`, `update`, `enable`, `disable`, `reload` and `remove`. What is installed is shown before: files, author, rights. A person says
 * yes to exactly these files; running guests take over the change.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { createInterface } from 'node:readline/promises'
import { plainLine, plainText } from '../../terminal/index.ts'
import { connect } from '../../client/index.ts'
import { findGuest, type Home, loadPlugins, openHome, openWorkspace, type StagedPlugin, usersOf } from '../../runner/index.ts'
import { type LockedPlugin, OxbowError, type PluginExports, systemClock, toError, toFailure } from '../../types/index.ts'
import { type GuestChoice, guestSetup } from '../guest-connection.ts'
import { type CallOptions, outputOf, showOutput } from '../kernel/call.ts'
import { isInteractive, printLine, printNotice, printPreview, printText, type Terminal } from '../terminal.ts'
import { defaultUser } from '../verb-parts.ts'
import { infoOf, rightsText } from './plugins.ts'

interface InstallOptions {
  readonly json?: boolean | undefined
  readonly dryRun?: boolean | undefined
}

export interface AddOptions extends InstallOptions, GuestChoice {
  readonly manifest?: string | undefined
  readonly digest?: string | undefined
}

export async function pluginAdd(source: string, options: AddOptions, terminal: Terminal): Promise<number> {
  // First of all, as in every verb of a user: a bad configuration.
  guestSetup(options, terminal)
  return install(source, options, terminal)
}

/** @param source default: where the installed version is from, which for npm is another version only if it is named */
export async function pluginUpdate(name: string, source: string | undefined, options: AddOptions, terminal: Terminal): Promise<number> {
  const { findPlugin } = await loadPlugins()
  const { source: from } = findPlugin(openHome(terminal.env), name)
  if (source === undefined && from.from === 'npm')
    throw new OxbowError('bad_input', `${name} is from npm, which never updates a version.`, {
      hint: `Name the one that you want: oxbow plugin update ${name} npm:${from.spec.replace(/@[^@]*$/, '')}@VERSION`,
    })
  return install(source ?? (from.from === 'npm' ? '' : from.path), options, terminal, name)
}

async function install(source: string, options: AddOptions, terminal: Terminal, expected?: string): Promise<number> {
  const home = openHome(terminal.env)
  const { manifest } = options
  const { stagePlugin, commitPlugin, discard } = await loadPlugins()
  const propose =
    manifest === undefined ? (folder: string) => proposeOne(folder, source, options, terminal) : () => readFile(manifest, 'utf8')
  const progress = options.json === true ? undefined : (line: string) => printNotice(terminal, plainLine(line, 200))
  const staged = await stagePlugin(source, {
    home,
    env: terminal.env,
    propose,
    onlyProposes: manifest === undefined,
    expected,
    report: progress,
  })
  try {
    printText({ output: terminal.errors }, await stagedText(staged))
    if (options.dryRun === true) {
      const { name, version } = staged.manifest
      return printPreview({ would: `install ${name} ${version}`, target: shown(staged) }, options, terminal)
    }
    if (!(await isApproved(staged, options, terminal))) return 0
    const locked = await commitPlugin(home, staged, userInfo().username, systemClock.now())
    const problems = await syncGuests(home, terminal)
    const parts = locked.enabled && locked.manifest.program === 'eliza-host' ? await tryLoading(home, staged, options, terminal) : null
    if (options.json === true) printLine(terminal, JSON.stringify({ ...shown(staged), problems }))
    else printText(terminal, doneText(locked, parts))
    return problems.length === 0 ? 0 : 1
  } finally {
    await discard(staged.folder)
  }
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
      plainText([`${files} files, ${Math.ceil(bytes / 1024)} KiB, without what it depends on`, ...lines, text].join('\n')),
    )
  }
  if (dryRun !== true && json !== true)
    await writeFile(file, text, { flag: 'wx' }).catch(() => printNotice(terminal, `notice: ${file} exists and stays as it is`))
  throw new OxbowError('approval_required', 'The package has no manifest; this is a proposal.', {
    hint: `Remove from ${file} what it does not need, then: oxbow plugin add ${source} --manifest ${file}`,
  })
}

function shown({ manifest, source, tree_hash, signer, files, bytes, packages, withScripts, changes, reasons }: StagedPlugin): object {
  return { manifest, source, tree_hash, signer, files, bytes, packages, with_scripts: withScripts, changes, reasons }
}

/**
 * Plugins of elizaOS are made for a version of its core, and may need what their scripts would have built: one that does not load is not kept.
 * It loads as approved, in its sandbox. @returns what it has; null where no guest can tell @throws OxbowError `bad_config` with the reason
 */
async function tryLoading(
  home: Home,
  staged: Pick<StagedPlugin, 'manifest' | 'before'>,
  options: AddOptions,
  terminal: Terminal,
): Promise<PluginExports | null> {
  const { name } = staged.manifest
  try {
    return (await infoOf(name, { ...options, user: options.user ?? defaultUser }, terminal)).exports
  } catch (error) {
    const { message, hint } = toFailure(error, 'internal_failure', '')
    if (!doesNotLoad.test(message)) {
      printNotice(terminal, `notice: ${name} was not loaded to try it: ${plainLine(message, 300)}`)
      return null
    }
    const { revertPlugin } = await loadPlugins()
    await revertPlugin(home, staged)
    await syncGuests(home, terminal)
    throw new OxbowError('bad_config', `${name} is not installed. ${message}`, { hint, cause: error })
  }
}

/** How eliza-host begins what it says of a package that cannot work, whatever its settings are. */
const doesNotLoad = /^The plugin (?:imports `|does not load)|exports no plugin of elizaOS|does not contain @elizaos\/core/

function doneText({ manifest: { name, version }, enabled }: LockedPlugin, parts: PluginExports | null): string {
  const counts = Object.entries(parts ?? {}).flatMap(([part, list]) => (list.length === 0 ? [] : [`${part} ${list.length}`]))
  return [
    `Installed ${name} ${version}.${enabled ? '' : ` It is disabled: oxbow plugin enable ${name}`}`,
    ...(counts.length === 0 ? [] : [`It has ${counts.join(', ')}.`]),
    `Agents need the right for it: "plugin.${name}" in rights under [agent] in config.toml.`,
  ].join('\n')
}

async function stagedText({ manifest, source, before, ...staged }: StagedPlugin): Promise<string> {
  const { fingerprint, rightLines } = await loadPlugins()
  const { signer, files, bytes, packages, withScripts, changes, tree_hash: hash } = staged
  const list = (title: string, lines: readonly string[]): readonly string[] =>
    lines.length === 0 ? [] : [title, ...lines.map((line) => `  ${line}`)]
  const rights =
    before === null
      ? [rightsText(rightLines(manifest.rights))]
      : [
          ...list('It may do more than the installed version:', changes.added),
          ...list('It may no longer:', changes.removed),
          ...(changes.added.length + changes.removed.length === 0 ? ['It may do what the installed version may.'] : []),
        ]
  const lines = [
    `${manifest.name} ${manifest.version}${before === null ? '' : `, now ${before.manifest.version}`}${manifest.description === '' ? '' : `: ${manifest.description}`}`,
    `${files} files, ${Math.ceil(bytes / 1024)} KiB, hash ${hash}`,
    ...(source.from === 'npm' ? [`npm integrity ${source.integrity}, with ${packages} other packages`] : []),
    ...list('Scripts of these packages are not run:', withScripts),
    signer === '' ? 'Nobody has signed it.' : `Signed by the key ${fingerprint(signer)}`,
    ...(manifest.dependencies.length === 0 ? [] : [`It needs ${manifest.dependencies.join(', ')}`]),
    ...rights,
  ]
  return plainText(lines.join('\n'))
}

async function isApproved(staged: StagedPlugin, { digest }: AddOptions, terminal: Terminal): Promise<boolean> {
  const { reasons, tree_hash: hash } = staged
  if (reasons.length === 0) return true
  if (digest !== undefined) {
    if (digest === hash) return true
    throw new OxbowError('denied', 'These are not the files that were shown with that hash.', { hint: `Their hash is now ${hash}.` })
  }
  if (!isInteractive(terminal))
    throw new OxbowError('approval_required', `Installing it needs your yes: ${reasons.join(', ')}.`, {
      hint: `At a terminal you are asked; the same with --digest ${hash} installs exactly these files.`,
    })
  const lines = createInterface({ input: terminal.input, output: terminal.errors })
  try {
    const answer = await lines.question(`You are asked because ${reasons.join(', ')}. Install it? [y/N] `)
    if (/^y(es)?$/i.test(answer.trim())) return true
    printNotice(terminal, 'Nothing was installed.')
    return false
  } finally {
    lines.close()
  }
}

export async function pluginSwitch(name: string, isOn: boolean, options: InstallOptions, terminal: Terminal): Promise<number> {
  const home = openHome(terminal.env)
  const { switchPlugin } = await loadPlugins()
  switchPlugin(home, name, isOn)
  return report({ plugin: name, enabled: isOn }, `${isOn ? 'Enabled' : 'Disabled'} ${name}.`, home, options, terminal)
}

export async function pluginRemove(name: string, options: InstallOptions, terminal: Terminal): Promise<number> {
  const home = openHome(terminal.env)
  const { findPlugin, removePlugin } = await loadPlugins()
  if (options.dryRun === true) {
    const { manifest, tree_hash, source } = findPlugin(home, name)
    const target = { plugin: name, version: manifest.version, tree_hash, source }
    return printPreview({ would: `remove ${name} ${manifest.version} and its files`, target }, options, terminal)
  }
  await removePlugin(home, name)
  return report({ plugin: name, removed: true }, `Removed ${name}.`, home, options, terminal)
}

export async function pluginReload(name: string, options: CallOptions, terminal: Terminal): Promise<number> {
  const { findPlugin } = await loadPlugins()
  findPlugin(guestSetup(options, terminal).home, name)
  return showOutput(['plugin.reload', { plugin: name }], options, terminal, () => `Reloaded ${name}.`)
}

async function report(result: object, text: string, home: Home, options: InstallOptions, terminal: Terminal): Promise<number> {
  const problems = await syncGuests(home, terminal)
  printLine(terminal, options.json === true ? JSON.stringify({ ...result, problems }) : text)
  return problems.length === 0 ? 0 : 1
}

/** Has every guest that runs take over the change; the others read it when they start. @returns what did not work, which is also printed */
async function syncGuests(home: Home, terminal: Terminal): Promise<readonly string[]> {
  const problems: string[] = []
  for (const user of usersOf(home)) {
    const guest = await findGuest(openWorkspace(home, user))
    if (guest === null) continue
    try {
      const gateway = await connect({ url: guest.url, token: guest.token, client: `oxbow-cli ${terminal.version}` })
      try {
        const synced = await gateway.call('plugin.sync', {})
        // A guest without plugins has loaded nothing of them: it starts anew inside of its process, and its turns go on.
        if (synced.status !== 'ok' && synced.failure.code === 'unknown_call') await outputOf(gateway, 'guest.restart', {})
        else if (synced.status !== 'ok') throw toError(synced.failure)
        else {
          const { problems: kept } = synced.output as { readonly problems: Readonly<Record<string, string>> }
          problems.push(...Object.entries(kept).map(([plugin, why]) => `${plugin}: ${why}`))
        }
      } finally {
        await gateway.close()
      }
    } catch (error) {
      problems.push(`the guest of ${user}: ${toFailure(error, 'internal_failure', '').message}`)
    }
  }
  for (const problem of problems) printNotice(terminal, `warning: ${plainLine(problem, 500)}; oxbow restart makes it take over the change`)
  return problems
}
