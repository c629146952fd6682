/**
 * Starts a plugin that was installed, once, in its sandbox. A new one that does not start is not kept, and nothing of it stays behind; of an
 * update, the version before stays.
 */
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { plainLine, plainText } from '../../terminal/index.ts'
import { type Home, loadPlugins, openWorkspace, type StagedPlugin, usersOf } from '../../runner/index.ts'
import { OxbowError, toFailure } from '../../base/index.ts'
import type { PluginExports } from '../../protocol/index.ts'
import type { CallOptions } from '../kernel/call.ts'
import { printNotice, type Terminal } from '../terminal.ts'
import { syncGuests } from './plugin-guests.ts'
import { infoOf } from './plugins.ts'

/** A plugin that was installed a moment ago. */
export interface Trial extends Pick<StagedPlugin, 'manifest' | 'before'> {
  /** What its guests may keep of it from now on: paths that did not exist before. */
  readonly leftovers: readonly string[]
  /** It was installed before with the same files: then it stays, whatever it does. */
  readonly isSame: boolean
}

/** @returns paths of what guests keep of a plugin, as far as they do not exist yet */
export function leftoversOf(home: Home, name: string): readonly string[] {
  const folders = usersOf(home).map((user) => join(openWorkspace(home, user).root, 'internal', 'plugins'))
  return folders.flatMap((folder) => [join(folder, name), join(folder, '.logs', `${name}.log`)]).filter((path) => !existsSync(path))
}

/** Takes back what was installed. @param log what the plugin wrote @throws OxbowError `bad_config`, always */
export async function dropNew(
  home: Home,
  trial: Trial,
  options: CallOptions,
  terminal: Terminal,
  { message, hint = '', log }: { readonly message: string; readonly hint?: string; readonly log: string },
): Promise<never> {
  const { name } = trial.manifest
  const shown = ['It wrote:', ...log.trimEnd().split('\n').slice(-maxShownLogLines)].join('\n  ')
  if (log !== '' && options.json !== true) printNotice(terminal, plainText(shown))
  const { revertPlugin } = await loadPlugins()
  await revertPlugin(home, trial)
  await syncGuests(home, terminal)
  for (const path of trial.leftovers) rmSync(path, { recursive: true, force: true })
  if (trial.before !== null)
    throw new OxbowError('bad_config', `${name} ${trial.before.manifest.version} stays: ${message}`, {
      hint: `${hint === '' ? 'Correct it' : hint.replace(/\.$/, '')}, and add it again. To install it all the same, disable the plugin first: oxbow plugin disable ${name}`,
    })
  throw new OxbowError('bad_config', `${name} is not installed. ${message}`, {
    hint: `${hint === '' ? 'Correct it' : hint.replace(/\.$/, '')}, and add it again.`,
  })
}

const maxShownLogLines = 20

/**
 * A plugin that does not start is not kept: it was made for another version, say, or its code throws. It starts as approved, in its sandbox.
 * @returns what it has; null where no guest can tell @throws OxbowError `bad_config` with the reason
 */
export async function tryLoading(home: Home, trial: Trial, options: CallOptions, terminal: Terminal): Promise<PluginExports | null> {
  const { name, program } = trial.manifest
  const { exports, failure, log } = await infoOf(name, options, terminal).then(
    ({ state, ...info }) => ({ ...info, log: state.log }),
    (error: unknown) => ({ exports: null, failure: toFailure(error, 'internal_failure', ''), log: '' }),
  )
  if (failure === null) return exports
  const { code, message, hint } = failure
  const isOwn = program === 'eliza-host' ? doesNotLoad.test(message) : ownFailures.has(code)
  if (isOwn && !trial.isSame) return dropNew(home, trial, options, terminal, { message, hint, log })
  printNotice(terminal, `warning: ${name} did not start when it was tried: ${plainLine(message, 300)}`)
  return null
}

/** What a plugin of our own interface fails with; others are faults of the machine or of the guest. */
const ownFailures: ReadonlySet<string> = new Set(['tool_failed', 'bad_input', 'bad_config', 'timeout', 'sandbox_failed', 'limit_reached'])

/** How eliza-host begins what it says of a package that cannot work, whatever its settings are. */
const doesNotLoad = /^The plugin (?:imports `|does not load)|exports no plugin of elizaOS|does not contain @elizaos\/core/
