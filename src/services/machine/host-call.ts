/** What calls about the host have in common. */
import type { HostPort } from '../../config/index.ts'
import type { Call } from '../../protocol/index.ts'

/** @throws OxbowError `denied` where no runner listens */
export type Port = () => HostPort

export const reads = {
  tier: 'read_only',
  right: 'config.read',
  effect: 'none',
  audience: ['terminal'],
  labels: { adds: [], sink: false },
  timeoutMs: 20_000,
} as const satisfies Partial<Call>
export const writes = { ...reads, tier: 'privileged', right: 'config.write', effect: 'idempotent' } as const satisfies Partial<Call>
/** A package of npm comes over a slow line with all that it needs. */
export const fetchMs = 600_000
