/** Starts a change of versions for a program that the change itself ends: the daemon. */
import { spawn } from 'node:child_process'
import { closeSync, existsSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { OxbowError } from '../../base/index.ts'
import type { ControlTaken } from '../../protocol/index.ts'
import { readText } from '../file-owner.ts'
import { type Home, type HostEnv, hostFiles, makeFolder } from '../home.ts'
import { interruptedChange } from './change-version.ts'
import { readProgress } from './progress.ts'
import { failureIn } from './version-program.ts'
import { launcher } from './versions.ts'

type Wish = ControlTaken<'upgrade'>

/**
 * @param onFault why it did not come to a change, where the verb tells nothing
 * @returns the process, which does what the verb does
 * @throws OxbowError `workspace_busy` while another process works on one; `bad_input` for a checkout, and for what the verb has no option for
 */
export async function startChange(home: Home, env: HostEnv, wish: Wish, onFault: (why: string) => void): Promise<number> {
  if (wish.kind === 'downgrade' && wish.from !== undefined) {
    throw new OxbowError('bad_input', 'a downgrade goes to a version that is on this machine', { hint: 'Leave out `from`.' })
  }
  interruptedChange(home)
  const { root, node } = launcher(env)
  const logs = join(home.runner, 'logs')
  const path = join(logs, 'upgrade.log')
  const log = hostFiles(() => {
    makeFolder(logs)
    return openSync(path, 'w', 0o600)
  })
  const [file, ...args] = [...ownScope(env, existsSync), node, join(root, 'bin', 'oxbow.js'), ...wordsOf(wish)]
  const child = spawn(file!, args, { detached: true, stdio: ['ignore', log, log], env })
  closeSync(log)
  const { pid } = child
  const ended = new Promise<string | null>((resolve) => {
    child.once('error', ({ message }) => resolve(message))
    child.once('exit', (code) => resolve(code === 0 ? null : failureIn(readText(path) ?? '') || `exit code ${code}`))
  })
  child.unref()
  const begunAt = Date.now()
  if (pid === undefined) throw new OxbowError('tool_failed', `it cannot be started: ${await ended}`, { hint: 'oxbow upgrade' })
  void ended.then((why) => {
    // Else the verb has said it itself.
    if (why !== null && (readProgress(home).at(-1)?.at ?? 0) < begunAt) onFault(why)
  })
  return pid
}

function wordsOf({ kind, version, from, dry_run: isTrial, yes }: Wish): readonly string[] {
  return [
    kind,
    ...(version === undefined ? [] : [version]),
    ...(from === undefined ? [] : [`--from=${from}`]),
    ...(isTrial === true ? ['--dry-run'] : []),
    ...(yes === true && kind === 'downgrade' ? ['--yes'] : []),
    '--json',
  ]
}

/** systemd ends everything in the control group of a service together with it: the change leaves it. @returns the words in front of a command */
export function ownScope(env: HostEnv, exists: (path: string) => boolean): readonly string[] {
  if (env['INVOCATION_ID'] === undefined || !exists('/run/systemd/system')) return []
  return ['systemd-run', '--user', '--scope', '--collect', '--quiet', '--']
}
