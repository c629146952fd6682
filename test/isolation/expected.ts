/** What each tier lets a hostile program do, and why that is no harm. Everything else must be blocked. */
import type { Observation } from './run-abuse.ts'

export type AbuseTier = 'process' | 'container' | 'container with gVisor' | 'micro_vm'

/** The checks that there are: one that is not observed is as bad as one that is allowed. */
export const checkNumbers: readonly number[] = Array.from({ length: 94 }, (_, i) => i + 1).filter(
  // The rest of the numbers are what the host must hold against: tests of their own.
  (number) => number <= 67 || [69, 73, 74, 76, 91, 92, 93, 94].includes(number),
)

const nestedRepository = 'a folder of the workspace is the agent’s to write; what would run on the person’s side is named by oxbow doctor'
const ownFiles = 'nosuid on the way in, and `no_new_privs`: the bit has no effect inside, and is named or dropped on the way out'
const noQuota = 'only with sandbox.disk_mb: the total is not limited by default, and the status says so'
const guestKernel = 'served by the kernel of the guest, which is inside the wall'

const onTheCopy =
  'the workspace is a copy: what git runs, and what says where it looks, is never brought to the person’s folder (src/sandbox/micro-vm)'

const guestDevice = 'its /dev/fuse is a device of the kernel of the guest; the machine’s is not there'
const ownPipe = 'the guest’s kernel makes it in the workspace; file calls refuse what is no file, and wait for none'

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
    17: guestDevice,
    21: guestKernel,
    22: guestKernel,
    26: guestKernel,
    34: guestKernel,
    50: guestKernel,
    53: guestKernel,
    56: ownPipe,
    92: guestKernel,
  },
  micro_vm: {
    6: onTheCopy,
    7: onTheCopy,
    8: onTheCopy,
    9: onTheCopy,
    55: ownFiles,
    56: guestKernel,
    65: nestedRepository,
    26: guestKernel,
    28: guestKernel,
    29: guestKernel,
    30: guestKernel,
    33: guestKernel,
    34: guestKernel,
    35: 'nobody sits at a terminal of the guest but the sessions of its own hands',
    52: guestKernel,
  },
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
