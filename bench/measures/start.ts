/** Start times. */
import { readFileSync } from 'node:fs'
import type { BenchContext, Measure } from '../measure.ts'
import { bounded, ms, type Row, shown, times } from '../report.ts'
import { median } from '../statistics.ts'
import { repositoryPath, runToEnd } from '../subjects/child-process.ts'
import { makeWorkspace, startGuest, type Workspace } from '../subjects/guest.ts'
import { type BenchHome, commandLine, makeHome } from '../subjects/runner.ts'
import { deliveredRow, judgeDelivered } from '../talk/delivered.ts'
import { expectedFinds, fillLifelike } from '../talk/lifelike-memory.ts'
import { differentMessages, toldTalk } from '../talk/lifelike-talk.ts'

export const start: Measure = {
  name: 'start',
  title: 'Start',
  how: 'Interleaved cold starts of processes in a workspace that exists; the compile cache is warm as in normal use, unless it says "first ever". The first turn is one without tools in a new session, from the start of `oxbow serve` on; a fresh home is empty, without a compile cache. A cold run is `oxbow run` with a guest of its own, which ends with it, and a question whose answer the memory was told. The baseline of the issue, http + ws + SQLite bundled, is 81 ms.',
  async run(context) {
    const { plan, programs } = context
    using workspace = makeWorkspace()
    const command = shippedCommand()
    const samples: Record<'bare' | 'version' | 'bundle' | 'unbuilt', number[]> = { bare: [], version: [], bundle: [], unbuilt: [] }
    const firstTurns: Record<'fresh' | 'second', number[]> = { fresh: [], second: [] }
    // The first round fills the compile caches.
    for (let round = -1; round < plan.starts; round++) {
      const taken = {
        bare: await runToEnd(['-e', '0']),
        version: await runToEnd([command, '--version'], { NODE_COMPILE_CACHE: workspace.compileCache }),
        bundle: programs.bundle === null ? Number.NaN : await readyMs(programs.bundle, workspace, context),
        unbuilt: await readyMs(programs.unbuilt, workspace, context),
      }
      using home = await makeHome(context.modelUrl)
      const first = { fresh: await firstTurnMs(home), second: await firstTurnMs(home) }
      if (round < 0) continue
      for (const kind of ['fresh', 'second'] as const) firstTurns[kind].push(first[kind])
      for (const kind of ['bare', 'version', 'bundle', 'unbuilt'] as const) samples[kind].push(taken[kind])
    }
    const [fresh, second] = [median(firstTurns.fresh), median(firstTurns.second)]
    return [
      ...rows(samples),
      bounded('start to the end of the first turn, fresh home', ms(fresh), '', '≤ 260 ms', fresh <= 260),
      bounded('start to the end of the first turn, second start', ms(second), '', '≤ 220 ms', second <= 220),
      ...(await coldRuns(context)),
      await firstEver(context),
    ]
  },
}

async function readyMs(program: readonly string[], workspace: Workspace, { modelUrl }: BenchContext): Promise<number> {
  await using guest = await startGuest({ program, workspace, modelUrl })
  return guest.readyMs
}

/** A launcher with its guest, a connection, a session and one turn without tools. */
async function firstTurnMs(home: BenchHome): Promise<number> {
  const began = performance.now()
  await using pair = await home.start()
  using terminal = await pair.connect()
  await terminal.turn(await terminal.open(), firstMessage)
  return performance.now() - began
}

const firstMessage = 'I started to learn the cello last week, and my sister laughs at me.'

/** Each run starts a guest, asks one question and ends. */
async function coldRuns({ plan, model, modelUrl }: BenchContext): Promise<readonly Row[]> {
  const [passages] = plan.toldPassages
  using home = await makeHome(modelUrl, { fill: (database) => fillLifelike(database, passages) })
  const messages = differentMessages(toldTalk(passages), plan.coldRuns * questionsLookedAt).filter(({ answers }) => answers.length > 0)
  const finds = await expectedFinds(passages, messages)
  const asked = messages.filter(({ text }) => finds.has(text)).slice(0, plan.coldRuns)
  const run = (text: string): Promise<number> => runToEnd([commandLine(), 'run', '--user', 'bench', text], home.env)
  await run(firstMessage)
  await model.seen()
  const taken: number[] = []
  for (const { text } of asked) taken.push(await run(text))
  const seen = new Map((await model.seen()).map((each) => [each.text, each]))
  const delivered = await judgeDelivered({ passages, database: home.database, messages: asked, seen })
  return [
    shown('a cold `oxbow run`, p50', ms(median(taken)), `${asked.length} runs`),
    deliveredRow(delivered, ' of a cold `oxbow run`', 0.95),
  ]
}

/** Of a find each, so that enough of them are found. */
const questionsLookedAt = 6

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
function shippedCommand(): string {
  const manifest = JSON.parse(readFileSync(repositoryPath('package.json'), 'utf8')) as { bin: { oxbow: string } }
  return repositoryPath(manifest.bin.oxbow)
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
