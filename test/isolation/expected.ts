/** What each tier lets a hostile program do, and why that is no harm. Everything else must be blocked. */
import type { Observation } from './run-abuse.ts'

export type AbuseTier = 'process' | 'container' | 'container with gVisor' | 'micro_vm'

/** The checks that there are: one that is not observed is as bad as one that is allowed. */
export const checkNumbers: readonly number[] = Array.from({ length: 94 }, (_, i) => i + 1).filter(
  // The rest of the numbers are what the host must hold against: tests of their own.
  (number) => number <= 67 || [69, 73, 74, 76, 91, 92, 93, 94].includes(number),
)

const nestedRepository = 'a folder of the workspace is the agent’s to write; what would run on the person’s side is named in the status'
const ownFiles = 'nosuid on the way in, and `no_new_privs`: the bit has no effect inside, and is named or dropped on the way out'
const noQuota = 'only with sandbox.disk_mb: the total is not limited by default, and the status says so'
const guestKernel = 'served by the kernel of the guest, which is inside the wall'

type Reasons = Readonly<Record<number, string>>

const process: Reasons = {
  9: nestedRepository,
  55: ownFiles,
  59: noQuota,
  60: noQuota,
  65: nestedRepository,
}

export const allowed: Readonly<Record<AbuseTier, Reasons>> = {
  process,
  container: process,
  'container with gVisor': {
    ...process,
    21: guestKernel,
    22: guestKernel,
    26: guestKernel,
    34: guestKernel,
    50: guestKernel,
    53: guestKernel,
  },
  micro_vm: { 9: nestedRepository, 55: ownFiles, 56: guestKernel, 65: nestedRepository, 21: guestKernel, 22: guestKernel, 26: guestKernel },
}

/** @returns what is not as the table says; empty when all is. */
export function surprises(tier: AbuseTier, seen: readonly Observation[]): readonly string[] {
  const byNumber = new Map(seen.map((observation) => [observation.number, observation]))
  return checkNumbers.flatMap((number) => {
    const observation = byNumber.get(number)
    if (observation === undefined) return [`${number} was not observed in ${tier}`]
    const expected = number in allowed[tier] ? 'allowed' : 'blocked'
    if (observation.verdict === expected) return []
    const what = `${number} ${observation.name} (${observation.detail}) in ${tier}`
    return expected === 'blocked'
      ? [`worse: ${what} is allowed`]
      : [`better: ${what} is blocked; take it out of test/isolation/expected.ts`]
  })
}
