/**
 * Chooses what holds hands on this machine and keeps one hands process going. Nothing is started here: the first request
 * starts hands, and what goes wrong then is shown in the status from that moment on.
 */
import { OxbowError, isOxbowError, toFailure } from '../types/index.ts'
import type { Config, Failure, Hands, Sandbox, SandboxStatus } from '../types/index.ts'
import { createBubblewrapStarter, planBubblewrap } from './bubblewrap/bubblewrap-sandbox.ts'
import { findHandsEntry } from './bubblewrap/hands-program.ts'
import { ownSearchPath } from './bubblewrap/sandbox-tools.ts'
import { startHands } from './hands-process.ts'
import type { HandsProcess } from './hands-process.ts'
import { prepareFolders } from './workspace-folders.ts'
import type { WorkspaceFolders } from './workspace-folders.ts'

export interface SandboxOptions {
  /** Folder of the workspace; its `shared` and `tmp` become `/shared` and `/tmp`. */
  readonly workspaceRoot: string
  readonly limits: Config['sandbox']
  /** File tools without a sandbox, held by path policy alone; commands stay off. */
  readonly insecure: boolean
  /** Where the launcher's programs are looked for; the search path of this process when absent. */
  readonly searchPath?: string
  readonly logger?: (message: string) => void
}

/** Quick: looks at what is installed, starts nothing. @throws a system error when the workspace cannot be made. */
export async function createSandbox(options: SandboxOptions): Promise<Sandbox> {
  const folders = await prepareFolders(options.workspaceRoot)
  if (options.insecure) return keepHands(insecureStatus, startInsecure(folders), options)
  const plan = planBubblewrap(options.searchPath ?? ownSearchPath())
  if ('code' in plan) return withoutHands(plan)
  const status: SandboxStatus = { tier: 'process', files: true, shell: true, problem: null, degraded: plan.degraded }
  return keepHands(status, createBubblewrapStarter(plan, folders, options.limits), options)
}

const insecureStatus: SandboxStatus = {
  tier: 'insecure',
  files: true,
  shell: false,
  problem: {
    code: 'sandbox_missing',
    message: 'Started with --insecure: file tools run without a sandbox, commands are off.',
    hint: 'Install bubblewrap (apt-get install bubblewrap) and start without --insecure.',
  },
  degraded: ['everything: no sandbox; paths are checked, nothing else is limited'],
}

/** A process of its own also here: a hostile pattern or a huge file cannot hold up the kernel. It is told which folders it has. */
function startInsecure(folders: WorkspaceFolders): () => Promise<HandsProcess> {
  const args = ['--disable-warning=ExperimentalWarning', findHandsEntry(), '--mapped', folders.shared, folders.tmp]
  return () => startHands({ file: process.execPath, args, cwd: folders.shared, data: [] }, () => Promise.resolve())
}

function withoutHands(problem: Failure): Sandbox {
  return {
    status: { tier: 'none', files: false, shell: false, problem, degraded: [] },
    hands: () => Promise.reject(new OxbowError(problem.code, problem.message, { hint: problem.hint })),
    close: () => Promise.resolve(),
  }
}

/** One hands process at a time: started on need, started afresh after it ended. */
function keepHands(planned: SandboxStatus, start: () => Promise<HandsProcess>, options: SandboxOptions): Sandbox {
  let status = planned
  let current: Promise<HandsProcess> | null = null
  let closed = false

  const begin = async (): Promise<HandsProcess> => {
    try {
      const started = await start()
      status = planned
      return started
    } catch (error) {
      const problem = toFailure(error, 'sandbox_missing', 'Check the workspace folder.')
      // What cannot start now may start later (memory, processes): the next request tries again.
      status = { ...planned, tier: 'none', files: false, shell: false, problem }
      options.logger?.(problem.message)
      throw isOxbowError(error) ? error : new OxbowError(problem.code, problem.message, { hint: problem.hint, cause: error })
    }
  }
  const open = async (): Promise<Hands> => {
    const known = current
    const running = known === null ? null : await known.catch(() => null)
    if (closed) throw new OxbowError('sandbox_failed', 'The sandbox is closed.', { hint: 'Start again.' })
    if (running?.isOpen()) return running.hands
    // Another request may have begun a new one while this one waited.
    if (current === known) current = begin()
    return (await current!).hands
  }
  return {
    get status() {
      return status
    },
    hands: () => open(),
    async close() {
      closed = true
      const running = await current?.catch(() => null)
      await running?.kill()
    },
  }
}
