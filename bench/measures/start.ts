/** Start times. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BenchContext, Measure } from '../measure.ts'
import { bounded, ms, type Row, shown, times } from '../report.ts'
import { median } from '../statistics.ts'
import { repositoryPath, runToEnd } from '../subjects/child-process.ts'
import { makeWorkspace, startGuest, type Workspace } from '../subjects/guest.ts'
import { prompts } from '../subjects/model-server.ts'

export const start: Measure = {
  name: 'start',
  title: 'Start',
  how: 'Interleaved cold starts of processes in a workspace that exists; the compile cache is warm as in normal use, unless it says "first ever". The first turn is one without tools in a new session. The baseline of the issue, http + ws + SQLite bundled, is 81 ms.',
  async run(context) {
    const { plan, programs } = context
    using workspace = makeWorkspace()
    const command = commandLine()
    const samples: Record<'bare' | 'version' | 'bundle' | 'unbuilt', number[]> = { bare: [], version: [], bundle: [], unbuilt: [] }
    const firstTurns: number[] = []
    // The first round fills the compile caches.
    for (let round = -1; round < plan.starts; round++) {
      const taken = {
        bare: await runToEnd(['-e', '0']),
        version: await runToEnd([command, '--version'], { NODE_COMPILE_CACHE: workspace.compileCache }),
        bundle: programs.bundle === null ? Number.NaN : await readyMs(programs.bundle, workspace, context),
        unbuilt: await readyMs(programs.unbuilt, workspace, context),
      }
      const firstTurn = await firstTurnMs(context, workspace)
      if (round < 0) continue
      firstTurns.push(firstTurn)
      for (const kind of ['bare', 'version', 'bundle', 'unbuilt'] as const) samples[kind].push(taken[kind])
    }
    const first = median(firstTurns)
    return [
      ...rows(samples),
      bounded('start to the end of the first turn', ms(first), 'the guest recalls from the starts before', '≤ 220 ms', first <= 220),
      await firstEver(context),
    ]
  },
}

async function readyMs(program: readonly string[], workspace: Workspace, { modelUrl }: BenchContext): Promise<number> {
  await using guest = await startGuest({ program, workspace, modelUrl })
  return guest.readyMs
}

/** A guest, a connection, a session and one turn without tools. */
async function firstTurnMs({ programs, modelUrl }: BenchContext, workspace: Workspace): Promise<number> {
  const began = performance.now()
  await using guest = await startGuest({ program: programs.usual, workspace, modelUrl })
  using terminal = await guest.connect()
  await terminal.turn(await terminal.open(), prompts.plain)
  return performance.now() - began
}

/** A new workspace and no compile cache: the first start after installation. */
async function firstEver(context: BenchContext): Promise<Row> {
  const taken: number[] = []
  for (let i = 0; i < Math.ceil(context.plan.starts / 2); i++) {
    using workspace = makeWorkspace()
    taken.push(await readyMs(context.programs.usual, workspace, context))
  }
  return shown('guest ready, first ever', ms(median(taken)))
}

/** The program that `oxbow` runs: the `bin` of package.json. */
function commandLine(): string {
  const manifest = JSON.parse(readFileSync(repositoryPath('package.json'), 'utf8')) as { bin?: Record<string, string> }
  const bin = manifest.bin?.['oxbow']
  const candidates = [...(bin === undefined ? [] : [bin]), join('dist', 'oxbow.js'), join('src', 'cli', 'main.ts')]
  return repositoryPath(candidates.find((path) => existsSync(repositoryPath(path))) ?? '')
}

function rows(samples: Record<'bare' | 'version' | 'bundle' | 'unbuilt', readonly number[]>): readonly Row[] {
  const bare = median(samples.bare)
  const bundle = median(samples.bundle)
  const unbuilt = median(samples.unbuilt)
  const ratio = median(samples.version) / bare
  const beside = `bare Node ${ms(bare)}`
  return [
    bounded('`oxbow --version`', `${ms(median(samples.version))}, ${times(ratio)}`, beside, '≤ 1.5 × bare Node', ratio <= 1.5),
    Number.isNaN(bundle)
      ? shown('guest ready, from the bundle', 'there is no bundle')
      : bounded(
          'guest ready, from the bundle',
          `${ms(bundle)}, ${times(bundle / bare)}`,
          beside,
          '≤ 150 ms (stretch 100 ms)',
          bundle <= 150,
        ),
    bounded('guest ready, unbuilt', `${ms(unbuilt)}, ${times(unbuilt / bare)}`, beside, '≤ 350 ms', unbuilt <= 350),
  ]
}
