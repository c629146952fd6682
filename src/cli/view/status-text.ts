/** The guest's status in words. */
import type { GuestStatus, SandboxStatus } from '../../types/index.ts'

/** @returns one line of what is on, then one for each thing that is off or not in force, with what to do. */
export function describeSandbox({ asked, tier, provider, files, shell, problem, limits, degraded }: SandboxStatus): readonly string[] {
  const on = (what: string, is: boolean): string => `${what} ${is ? 'on' : 'off'}`
  const weaker = tier === asked ? '' : `, WEAKER than ${asked}, which was asked for`
  const held = tier === 'none' ? 'missing' : tier === 'insecure' ? 'NONE (--insecure)' : `on (${tier} tier, ${provider}${weaker})`
  const lines = [`${held}, ${on('files', files)}, ${on('shell', shell)}`]
  if (problem !== null) lines.push(`${problem.message} ${problem.hint}`.trim())
  if (limits.length > 0) lines.push(`in force: ${limits.join('; ')}`)
  return [...lines, ...degraded.map((limit) => `not in force: ${limit}`)]
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
