/** A real sandbox over a temporary workspace, for tests. Fails, and says what to install, where there is none. */
import assert from 'node:assert/strict'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Config } from '../types/index.ts'
import { createSandbox } from './create-sandbox.ts'
import type { SandboxUnderTest } from './sandbox-contract.ts'

export const testLimits: Config['sandbox'] = { memory_mb: 384, max_processes: 96, max_file_mb: 16 }

export interface Workbench extends SandboxUnderTest {
  /** The workspace on the host. */
  readonly root: string
}

/** @param before prepares the workspace before the sandbox is made */
export async function makeWorkbench(insecure = false, before?: (root: string) => Promise<void>): Promise<Workbench> {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'oxbow-sandbox-')))
  await before?.(root)
  const sandbox = await createSandbox({ workspaceRoot: root, limits: testLimits, insecure })
  const { tier, problem } = sandbox.status
  assert.notEqual(tier, 'none', `${problem?.message} ${problem?.hint}`)
  return { root, sandbox, remove: () => rm(root, { recursive: true, force: true }) }
}
