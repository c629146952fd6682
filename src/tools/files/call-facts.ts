/** What the file calls have in common. */
import type { Call } from '../../types/index.ts'
import { changeTimeoutMs } from '../limits.ts'

type Shared = 'tier' | 'right' | 'audience' | 'labels'

/** Looks and changes nothing. What it brings in was written by anybody. */
export const looking: Pick<Call, Shared | 'effect'> = {
  tier: 'read_only',
  right: 'file.read',
  effect: 'none',
  audience: ['model', 'terminal'],
  labels: { adds: ['untrusted'], sink: false },
}

export const changing: Pick<Call, Shared | 'timeoutMs'> = {
  tier: 'side_effecting',
  right: 'file.write',
  audience: ['model', 'terminal'],
  labels: { adds: [], sink: false },
  timeoutMs: changeTimeoutMs,
}
