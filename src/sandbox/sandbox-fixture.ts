/** A real sandbox over a temporary workspace, for tests. Fails, and says what to install, where no sandbox is available. */
import assert from 'node:assert/strict'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { HostFolder } from '../protocol/index.ts'
import { type Config, parseConfig } from '../config/index.ts'
import { createSandbox } from './create-sandbox.ts'
import type { SandboxUnderTest } from './sandbox-contract.ts'
import type { EgressSocket } from './tier-plan.ts'

const defaults = parseConfig({}, 'the default configuration')
export const testLimits: Config['sandbox'] = { ...defaults.sandbox, memory_mb: 384, max_processes: 96, max_file_mb: 16 }
export const testBrowser: Config['browser'] = defaults.browser

/** Disposing of it closes the sandbox and removes the workspace, also where a test has done either already. */
export interface Workbench extends SandboxUnderTest, AsyncDisposable {
  /** The workspace on the host. */
  readonly root: string
}

export interface WorkbenchOptions {
  readonly insecure?: boolean
  readonly limits?: Partial<Config['sandbox']>
  readonly egressSocket?: EgressSocket
  readonly mounts?: readonly HostFolder[]
  /** See TierOptions. */
  readonly imageFolder?: string
  readonly searchPath?: string
  /** Prepares the workspace before the sandbox is made. */
  readonly before?: (root: string) => Promise<void>
}

export async function makeWorkbench({
  insecure = false,
  limits,
  egressSocket,
  mounts = [],
  imageFolder,
  searchPath,
  before,
}: WorkbenchOptions = {}): Promise<Workbench> {
  await using made = new AsyncDisposableStack()
  const root = await realpath(await mkdtemp(join(tmpdir(), 'oxbow-sandbox-')))
  const remove = (): Promise<void> => rm(root, { recursive: true, force: true })
  made.defer(remove)
  await before?.(root)
  const sandbox = await createSandbox({
    workspaceRoot: root,
    limits: { ...testLimits, ...limits },
    browser: defaults.browser,
    insecure,
    mounts,
    ...(egressSocket !== undefined && { egressSocket }),
    ...(imageFolder !== undefined && { imageFolder }),
    ...(searchPath !== undefined && { searchPath }),
  })
  made.defer(() => sandbox.close())
  const { tier, problem } = sandbox.status
  assert.notEqual(tier, 'none', `${problem?.message} ${problem?.hint}`)
  const kept = made.move()
  return { root, sandbox, remove, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}
