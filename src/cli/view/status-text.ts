/** The guest's status in words. */
import type { GuestStatus, SandboxStatus } from '../../types/index.ts'

export interface SandboxText {
  /** What holds what agents do, and what is on. */
  readonly held: string
  /** Limits in force; empty when there are none. */
  readonly limits: string
  /** One line for each thing that is off or not in force, with what to do. */
  readonly problems: readonly string[]
}

export function describeSandbox({ asked, tier, provider, files, shell, problem, limits, degraded }: SandboxStatus): SandboxText {
  const on = (what: string, is: boolean): string => `${what} ${is ? 'on' : 'off'}`
  const weaker = tier === asked ? '' : `, WEAKER than ${asked}, which was asked for`
  const held = tier === 'none' ? 'missing' : tier === 'insecure' ? 'NONE (--insecure)' : `on (${tier} tier, ${provider}${weaker})`
  return {
    held: `${held}, ${on('files', files)}, ${on('shell', shell)}`,
    limits: limits.length === 0 ? '' : `limits: ${limits.join('; ')}`,
    problems: [
      ...(problem === null ? [] : [`${problem.message} ${problem.hint}`.trim()]),
      ...degraded.map((limit) => `not in force: ${limit}`),
    ],
  }
}

/** The interpreter that needs no model has one name for itself. */
const offlineLabel = 'offline/offline'

export function isOffline({ model }: Pick<GuestStatus, 'model'>): boolean {
  return model === offlineLabel
}

/** @returns `provider/model` */
export function describeModel(status: Pick<GuestStatus, 'model'>): string {
  return isOffline(status) ? 'offline' : status.model
}

/** @returns the model, and in which order others are asked when it does not answer. */
export function describeChain(status: Pick<GuestStatus, 'model' | 'fallback'>): string {
  return [describeModel(status), ...status.fallback].join(', then ')
}

export function describeRecording(status: Pick<GuestStatus, 'model' | 'recording'>): string {
  if (isOffline(status)) return 'no exchanges: no model is asked'
  return status.recording === 'raw' ? 'raw exchanges, in the journal' : 'no raw exchanges, only what was understood of them'
}
