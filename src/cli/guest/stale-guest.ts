/** What a guest that another terminal has started does not have: it read its configuration, and was given keys, as it began. */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { builtinProviders, type GuestStatus } from '../../types/index.ts'
import type { HostEnv } from '../../runner/index.ts'
import { isOffline } from '../view/status-text.ts'

interface Stale {
  readonly choice: { readonly insecure?: boolean | undefined; readonly baseUrl?: string | undefined }
  /** Folder in which the guest has left its address, as it began. */
  readonly ipc: string
  /** Files that configure it. */
  readonly files: readonly string[]
  readonly status: Pick<GuestStatus, 'model'>
  readonly env: HostEnv
}

/** @returns what has no effect on the guest that runs, in words; empty when there is nothing. */
export function describeStale({ choice, ipc, files, status, env }: Stale): string {
  const began = changedAt(join(ipc, 'gateway.json')) ?? Infinity
  const key = Object.values(builtinProviders)
    .flatMap(({ keyEnv }) => keyEnv)
    .find((name) => (env[name] ?? '').trim() !== '')
  return [
    ...(choice.insecure === true ? ['--insecure'] : []),
    ...(choice.baseUrl !== undefined ? ['--base-url'] : []),
    ...files.filter((path) => (changedAt(path) ?? 0) > began).map((path) => `what was changed in ${path}`),
    ...(key !== undefined && isOffline(status) ? [key] : []),
  ].join(' and ')
}

function changedAt(path: string): number | null {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? null
}
