/** Questions that need no running guest: the guest program answers them from the workspace and exits. */
import type { CatalogQuestion, ImageQuestion, KeyQuestion, StoreQuestion, ToolQuestion } from '../types/index.ts'
import { asReport, fatalError, ownGuestProgram, startGuest } from './guest-process.ts'
import type { GuestCommand } from './guest-process.ts'
import { envelopeFor } from './guest.ts'
import type { GuestOptions } from './guest.ts'
import { readSeal } from './head-signing.ts'

export interface OfflineQuestion {
  readonly command: Exclude<GuestCommand, 'serve'>
  readonly session?: string
  readonly after?: number
  readonly limit?: number
  readonly question?: CatalogQuestion
  readonly tool?: ToolQuestion
  readonly image?: ImageQuestion
  readonly store?: StoreQuestion
  readonly keyQuestion?: KeyQuestion
  /** In place of those that the user has. */
  readonly masterKeys?: readonly string[]
}

/**
 * @returns the answer, one JSON document at a time. Leaving early stops the guest. @throws OxbowError what the guest reports
 * as fatal, or `guest_unreachable` when it ends badly without a word.
 */
export async function* askOffline(options: Omit<GuestOptions, 'warn'>, question: OfflineQuestion): AsyncGenerator {
  const { home, workspace, env } = options
  const { command, ...filter } = question
  const seal = command === 'audit-verify' ? readSeal(home, workspace.user) : {}
  const envelope = { ...envelopeFor(options), ...seal, ...filter }
  const guest = await startGuest({ home, workspace, command, envelope, program: options.program ?? ownGuestProgram(), env })
  try {
    for await (const line of guest.lines) {
      const report = asReport(line)
      if (report?.type === 'fatal') throw fatalError(report)
      yield line
    }
    const { exitCode, signal } = await guest.gone
    if (exitCode === 0) return
    throw fatalError({
      type: 'fatal',
      code: 'guest_unreachable',
      message: `the guest ended with ${signal ?? `exit code ${exitCode}`}`,
      hint: `Its log is ${workspace.logs}/guest.log.`,
    })
  } finally {
    await guest.stop()
  }
}
