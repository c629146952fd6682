/**
 * The composition root: builds one user's guest from its parts. Nothing else names implementations.
 *
 * Order matters for the time until the gateway accepts: the store's worker starts first and opens the database while the
 * rest is loaded and wired; the sandbox and the model wire start on first need.
 */
import { chmodSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createEngine, type ModelLimits } from '../engine/index.ts'
import { createToken, startGateway } from '../gateway/index.ts'
import { createKernel, type Kernel } from '../kernel/index.ts'
import { createSandbox } from '../sandbox/index.ts'
import { openSqliteStore, type Store } from '../store/index.ts'
import { builtinCalls } from '../tools/index.ts'
import { type ChainHead, type GuestEnvelope, systemClock, systemRandom } from '../types/index.ts'

export interface Guest {
  readonly url: string
  readonly token: string
  readonly kernel: Kernel
  /** The newest record, for the runner to sign. */
  head(): Promise<ChainHead>
  /** Stops turns where they stand and releases the workspace. */
  close(): Promise<void>
}

export interface GuestOptions {
  /** Lets a test put faults between the kernel and its store. */
  readonly wrapStore?: (store: Store) => Store
  /** Lets a test lose patience with a model sooner. */
  readonly modelLimits?: Partial<ModelLimits>
}

/** @throws OxbowError `workspace_busy`, `store_corrupt`, `bad_config`, … */
export async function startGuest(envelope: GuestEnvelope, options: GuestOptions = {}): Promise<Guest> {
  const { user, workspaceRoot, config } = envelope
  const opened = await openSqliteStore({
    path: join(workspaceRoot, 'internal', 'oxbow.db'),
    user,
    durability: config.store.durability,
    exclusive: true,
  })
  const sandbox = await createSandbox({ workspaceRoot, limits: config.sandbox, insecure: envelope.insecure })
  const engine = createEngine({
    config: config.model,
    env: envelope.keys,
    clock: systemClock,
    random: systemRandom,
    limits: options.modelLimits ?? {},
  })
  const store = options.wrapStore?.(opened) ?? opened
  try {
    await opened.opened()
    const kernel = await createKernel({
      user,
      version: envelope.version,
      config,
      store,
      engine,
      sandbox,
      calls: builtinCalls(sandbox.status),
      workspaceRoot,
      secrets: new Map(Object.entries(envelope.keys).filter(([name]) => name === config.model.api_key_env)),
      clock: systemClock,
      random: systemRandom,
    })
    const token = createToken(systemRandom)
    const gateway = await startGateway({ kernel, ...config.gateway, token })
    const announcement = announce(workspaceRoot, gateway.url, token)
    return {
      url: gateway.url,
      token,
      kernel,
      head: () => store.head(),
      async close() {
        announcement.withdraw()
        await gateway.close()
        await kernel.close()
      },
    }
  } catch (error) {
    await store.close()
    throw error
  }
}

/** Leaves address and token where only the owner's programs can read them. */
function announce(workspaceRoot: string, url: string, token: string): { withdraw(): void } {
  const write = (name: string, text: string): string => {
    const path = join(workspaceRoot, 'ipc', name)
    writeFileSync(path, text, { mode: 0o600 })
    // An older file keeps its mode when it is written again.
    chmodSync(path, 0o600)
    return path
  }
  write('token', token)
  const path = write('gateway.json', JSON.stringify({ url, pid: process.pid }))
  return { withdraw: () => rmSync(path, { force: true }) }
}
