/** Questions that need no running guest: the guest program answers them from the workspace and exits. */
import type { GuestQuestion } from '../types/index.ts'
import { asReport, fatalError, ownGuestProgram, spawnGuest } from './guest-process.ts'
import { envelopeFor } from './guest.ts'
import type { GuestSetup } from './guest.ts'
import { readSeal } from './head-signing.ts'

/** The runner's seal is put to it here. */
type OfflineQuestion = Exclude<GuestQuestion, { command: 'audit-verify' }> | { readonly command: 'audit-verify' }

/** What is asked without a look into the store: it needs no passphrase, and must not wait for a key that is made of one. */
const withoutStore: ReadonlySet<string> = new Set<OfflineQuestion['command']>(['calls', 'catalog', 'doctor', 'image-build', 'wasm-run'])

/**
 * @param masterKeys in place of those that the user has
 * @returns the answer, one JSON document at a time. Leaving early stops the guest. @throws OxbowError what the guest reports
 * as fatal, or `guest_unreachable` when it ends badly without a word.
 */
export async function* askOffline(
  options: Omit<GuestSetup, 'warn'>,
  asked: OfflineQuestion,
  masterKeys?: readonly string[],
): AsyncGenerator {
  const { home, workspace, env } = options
  const question = asked.command === 'audit-verify' ? { ...asked, ...readSeal(home, workspace.user) } : asked
  const masters = withoutStore.has(asked.command) ? [] : masterKeys
  const envelope = { ...envelopeFor(options, masters), question }
  const guest = await spawnGuest({ home, workspace, envelope, program: options.program ?? ownGuestProgram(), env })
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
