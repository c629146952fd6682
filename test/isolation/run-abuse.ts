/** Runs the hostile program in a sandbox: once with all harmless checks, then each flood by itself. */
import { asker } from '../../src/sandbox/sandbox-contract.ts'
import type { HandsOps, Sandbox } from '../../src/protocol/index.ts'
import { insidePath } from './abuse-program.ts'

export interface Observation {
  readonly number: number
  readonly name: string
  readonly verdict: 'allowed' | 'blocked'
  readonly detail: string
}

/**
 * How much a flood requests. A test sandbox has far less: see `testLimits`. Few inodes, because ext4 without a journal does not reuse
 * an inode for a minute and more after it was deleted, and checks all of those for each new file (`recently_deleted` in
 * fs/ext4/ialloc.c): 20 000 files took 2 s, and 20 s in each run that followed.
 */
const sizes = 'forks=600\nmemory_mb=900\nfile_mb=40\ntotal_mb=100\ninodes=2500\n'

/** Floods and the numbers under which they stand in the table. */
const floods = { forks: 57, 'big-file': 58, 'many-files': 59, 'many-names': 60, memory: 62 } as const
const survivor = { number: 61, name: 'a daemon that outlives its command' }

/** A check takes at most 5 s; an emulated machine is fifty times slower than this one. */
const timeoutMs = 180_000

/** @param bait what is told to the program, see host-bait.ts */
export async function runAbuse(sandbox: Sandbox, bait: string): Promise<readonly Observation[]> {
  const run = async (args: string): Promise<HandsOps['exec']['output']> =>
    asker(sandbox)(
      'exec',
      { command: `${insidePath} ${args}`, cwd: '/shared', stdin: bait + sizes, timeoutMs, maxOutputBytes: 1_000_000 },
      { timeoutMs: timeoutMs + 10_000 },
    )
  const seen = [...parseObservations((await run('')).stdout)]
  for (const [name, number] of Object.entries(floods)) {
    const [observation] = await run(name).then(
      ({ stdout, exitCode, signal }) => {
        const parsed = parseObservations(stdout)
        return parsed.length > 0 ? parsed : [ended(number, name, `ended with ${signal ?? exitCode}`)]
      },
      // Hands may go down with a flood; the next request has new ones.
      (error: unknown) => [ended(number, name, String(error))],
    )
    if (observation !== undefined) seen.push(observation)
  }
  await run('daemon')
  const { stdout } = await asker(sandbox)('exec', {
    command: 'for p in /proc/[0-9]*; do cat $p/cmdline 2>/dev/null | tr "\\0" " "; echo; done',
    cwd: '/shared',
    stdin: '',
    timeoutMs,
    maxOutputBytes: 1_000_000,
  })
  seen.push({ ...survivor, verdict: /^abuse-daemon/m.test(stdout) ? 'allowed' : 'blocked', detail: '' })
  return seen.toSorted((a, b) => a.number - b.number)
}

function ended(number: number, name: string, detail: string): Observation {
  return { number, name, verdict: 'blocked', detail }
}

/** Leaves out lines that are not the program's. */
export function parseObservations(text: string): readonly Observation[] {
  return text.split('\n').flatMap((line) => {
    const [number, name, verdict, detail = ''] = line.split('\t')
    if (name === undefined || (verdict !== 'allowed' && verdict !== 'blocked')) return []
    return [{ number: Number(number), name, verdict, detail }]
  })
}
