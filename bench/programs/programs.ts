/** Programs: from the call that runs one until its script makes its first call, what a call of a script costs, and going on after a kill. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { JsonObject } from '../../src/base/index.ts'
import type { BenchContext, Measure } from '../measure.ts'
import { bounded, figure, ms, type Row } from '../report.ts'
import { median } from '../statistics.ts'
import type { GatewayClient } from '../subjects/gateway-client.ts'
import { makeWorkspace, startGuest, type Workspace } from '../subjects/guest.ts'

const rounds = 25
/** Between two runs a person does something else: the next thread is ready then. */
const restMs = 1_500
const loopCalls = 2_000
const recordedCalls = 10_000

const scripts: Readonly<Record<string, string>> = {
  first: 'export default () => oxbow.now()',
  loop: `export default ({ n }) => { const began = oxbow.now(); for (let i = 0; i < n; i++) oxbow.call('program.list', {}); return oxbow.now() - began }`,
  long: `export default ({ n }) => { for (let i = 0; i < n; i++) oxbow.now(); return oxbow.question('Go on?', ['yes']) }`,
}

interface Run {
  readonly id: string
  readonly status: string
  readonly result: unknown
  readonly failure: { readonly message: string } | null
}

export const programs: Measure = {
  name: 'programs',
  title: 'Programs',
  how: `Scripts in a guest, with a terminal that runs them. To the first call: from the request that runs a program until its script's first call is made, ${rounds} times ${figure(restMs / 1000)} s apart; cold is the first of a guest. A script's call is compared with the same call of the terminal. Going on: the guest is killed when a script has made ${figure(recordedCalls)} calls and waits for a person, who answers as soon as the next guest is ready; until the run has ended.`,
  async run(context) {
    using workspace = makeWorkspace()
    for (const [name, script] of Object.entries(scripts)) write(workspace.root, name, script)
    const start = () => openGuest(context, workspace)
    const rows = await measureFirst(start)
    return [...rows, ...(await measureCalls(start)), await measureResume(start)]
  },
}

function openGuest({ programs: { usual }, modelUrl }: BenchContext, workspace: Workspace): ReturnType<typeof startGuest> {
  return startGuest({ program: usual, workspace, modelUrl, definitions: join(workspace.root, 'definitions') })
}

type Start = () => ReturnType<typeof startGuest>

function write(root: string, name: string, script: string): void {
  const folder = join(root, 'definitions', 'programs', name)
  mkdirSync(folder, { recursive: true })
  const calls = name === 'loop' ? 'calls = ["program.list"]\n' : ''
  writeFileSync(
    join(folder, 'program.toml'),
    `[program]\nname = "${name}"\nversion = "1.0.0"\ndescription = "Of the bench."\n[rights]\n${calls}`,
  )
  writeFileSync(join(folder, 'SKILL.md'), 'Of the bench.')
  writeFileSync(join(folder, 'main.js'), script)
}

async function ask<Output>(terminal: GatewayClient, name: string, input: JsonObject): Promise<Output> {
  const outcome = await terminal.call(name, input)
  if (outcome.status !== 'ok') throw new Error(outcome.text)
  return outcome.output as Output
}

async function run(terminal: GatewayClient, program: string, input: JsonObject = {}): Promise<number> {
  const { status, result, failure } = await ask<Run>(terminal, 'program.run', { program, input })
  if (status !== 'success') throw new Error(`${program} ended with ${status}: ${failure?.message ?? ''}`)
  return result as number
}

async function measureFirst(start: Start): Promise<readonly Row[]> {
  await using guest = await start()
  using terminal = await guest.connect()
  // What a person has looked at before.
  await ask(terminal, 'program.list', {})
  const once = async (): Promise<number> => {
    const began = Date.now()
    return (await run(terminal, 'first')) - began
  }
  const cold = await once()
  const took: number[] = []
  for (let round = 0; round < rounds; round++) {
    await pause(restMs)
    took.push(await once())
  }
  const p50 = median(took)
  return [bounded('run → first call, p50', ms(p50), `cold ${ms(cold)}`, '< 30 ms', p50 < 30)]
}

async function measureCalls(start: Start): Promise<readonly Row[]> {
  await using guest = await start()
  using terminal = await guest.connect()
  const began = performance.now()
  for (let i = 0; i < loopCalls; i++) await ask(terminal, 'program.list', {})
  const plain = (performance.now() - began) / loopCalls
  const inScript = (await run(terminal, 'loop', { n: loopCalls })) / loopCalls
  const more = inScript - plain
  return [bounded('a call of a script, more than the call', ms(Math.max(0, more)), `the call ${ms(plain)}`, '≤ 0.5 ms', more <= 0.5)]
}

async function measureResume(start: Start): Promise<Row> {
  const first = await start()
  let id = ''
  {
    using terminal = await first.connect()
    id = (await ask<Run>(terminal, 'program.run', { program: 'long', input: { n: recordedCalls }, wait: false })).id
    for (;;) {
      const { status, failure } = await ask<Run>(terminal, 'program.show', { run: id })
      if (status === 'waiting') break
      if (status !== 'running') throw new Error(`the run ended with ${status}: ${failure?.message ?? ''}`)
      await pause(100)
    }
  }
  first.signal('SIGKILL')
  await first[Symbol.asyncDispose]()
  await using second = await start()
  using terminal = await second.connect()
  const began = performance.now()
  const answered = await answer(terminal)
  let view = await ask<Run>(terminal, 'program.show', { run: id, wait_s: 30 })
  while (view.status === 'running' || view.status === 'waiting') view = await ask<Run>(terminal, 'program.show', { run: id, wait_s: 30 })
  const took = performance.now() - began
  if (view.status !== 'success') throw new Error(`the run ended with ${view.status}: ${view.failure?.message ?? ''}`)
  return bounded(
    `going on over ${figure(recordedCalls)} recorded calls, to its end`,
    ms(took),
    `it asks again after ${ms(answered - began)}`,
    '< 2 s',
    took < 2_000,
  )
}

/** @returns when the person has answered */
async function answer(terminal: GatewayClient): Promise<number> {
  for (;;) {
    const waiting = await ask<readonly { readonly call: string }[]>(terminal, 'approval.list', {})
    for (const { call } of waiting) await ask(terminal, 'call.decide', { call, allow: true })
    if (waiting.length > 0) return performance.now()
    await pause(10)
  }
}
