/**
 * The daemon of a home (`oxbowd`) is a program of one version: it ends before a change, and its guests with it, and comes back as the other one. A
 * service of the system starts it again by itself, and its launcher waits until the versions are changed; where nobody does, it is started here.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isAlive, OxbowError, parseObject } from '../../base/index.ts'
import { readText } from '../file-owner.ts'
import type { Home, HostEnv } from '../home.ts'
import { asPartOfChange } from './change.ts'
import { changePollMs, daemonMs, serviceMs } from './limits.ts'
import { launcher } from './versions.ts'

/** @returns the process of the daemon; null where none runs */
export function daemonOf({ runner }: Pick<Home, 'runner'>): number | null {
  const { pid } = parseObject(readText(join(runner, 'daemon.json')) ?? '') ?? {}
  return typeof pid === 'number' && isAlive(pid) ? pid : null
}

/** @throws OxbowError `timeout` when it does not end */
export async function stopDaemon(home: Pick<Home, 'runner'>): Promise<void> {
  const pid = daemonOf(home)
  if (pid === null) return
  process.kill(pid, 'SIGTERM')
  if (await within(daemonMs, () => !isAlive(pid))) return
  throw new OxbowError('timeout', `The daemon, process ${pid}, has not stopped within ${daemonMs / 1_000} s.`, {
    hint: `End it: kill -9 ${pid}. Nothing that was acknowledged is lost.`,
  })
}

/** @throws OxbowError `guest_unreachable` when it does not come */
export async function startDaemon(home: Pick<Home, 'root' | 'runner'>, env: HostEnv): Promise<void> {
  const isHere = (): boolean => daemonOf(home) !== null
  if (await within(serviceMs, isHere)) return
  const { root, node } = launcher(env)
  const program = join(root, 'bin', 'oxbowd.js')
  if (!existsSync(program)) return
  spawn(node, [program], { detached: true, stdio: 'ignore', env: asPartOfChange(env) }).unref()
  if (await within(daemonMs, isHere)) return
  throw new OxbowError('guest_unreachable', 'The daemon did not start.', { hint: 'Start it in the foreground to see why: oxbowd' })
}

async function within(ms: number, isSo: () => boolean): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < ms; waitedMs += changePollMs) {
    if (isSo()) return true
    await sleep(changePollMs)
  }
  return isSo()
}
