/**
 * The work that crashes interrupt: jobs, each a message whose turn makes three tool calls, one of each effect kind, and
 * what must be true of a job afterwards, whatever happened on the way.
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Scenario } from '../../src/engine/index.ts'
import type { Ledger } from '../support/ledger.ts'
import { startModel, type WireMessage } from '../support/model.ts'
import type { TestWorkspace } from '../support/workspace.ts'

/** A job's message: its number is in no other's text. */
export const jobText = (job: number): string => `Do job ${job}.`
const reply = (job: number): string => `Job ${job} is done.`
const log = 'log.txt'

/** The model's part. What it answers follows from the request alone, so that it does not notice a guest's death. */
function scenario(jobs: number, pauseMs: number): Scenario {
  const pause = { delay_ms: pauseMs }
  const turns = Array.from({ length: jobs }, (_, job) => ({
    match: jobText(job),
    steps: [
      {
        events: [
          pause,
          { tool_call: { name: 'file_read', arguments: { path: 'source.txt' } } },
          { tool_call: { name: 'file_write', arguments: { path: `out/${job}.txt`, text: `job ${job}\n` } } },
        ],
        usage: { input: 100, output: 20 },
      },
      {
        events: [{ text: 'Now the log. ' }, pause, { tool_call: { name: 'shell_exec', arguments: { command: `echo ${job} >> ${log}` } } }],
      },
      { events: [{ text: reply(job), chunk: 3 }, pause] },
    ],
  }))
  return { turns }
}

export interface Jobs extends AsyncDisposable {
  readonly config: object
  /** The messages of the newest request that the model was sent. */
  lastRequest(): readonly WireMessage[]
  prepare(workspace: TestWorkspace): void
}

interface JobOptions {
  /** How long the model thinks at each step: time in which a crash can come. */
  readonly pauseMs?: number
  /** Policy for commands. */
  readonly shell?: 'allow' | 'ask'
}

export async function startJobs(count: number, { pauseMs = 0, shell = 'allow' }: JobOptions = {}): Promise<Jobs> {
  const model = await startModel(scenario(count, pauseMs))
  return {
    config: {
      // Priced, so that budgets have something to add up.
      model: { ...model.config, input_price: 1_000_000, output_price: 2_000_000, max_output_tokens: 1_000 },
      approval: { privileged: shell },
    },
    lastRequest: () => model.requests.at(-1) ?? [],
    prepare: ({ shared }) => writeFileSync(join(shared, 'source.txt'), 'what a job reads\n'),
    [Symbol.asyncDispose]: () => model[Symbol.asyncDispose](),
  }
}

/** What must be true once a job's turn has ended. @returns how its `once` effect ended. */
export function assertJobDone(job: number, turn: string, { of, entries }: Ledger, workspace: TestWorkspace): 'ran' | 'unknown' {
  const told = (entry: { readonly body: unknown }) => entry.body as { status?: string; reply?: string; text?: string; code?: string }
  const message = of(turn)
  const phases = (phase: string) => message.filter((entry) => entry.phase === phase)
  assert.equal(phases('intent').length, 1, `job ${job}: its message is on record once`)
  assert.equal(phases('started').length, 1, `job ${job}: its message is in the conversation once`)
  assert.deepEqual(
    phases('outcome')
      .map(told)
      .map(({ status, reply: said }) => [status, said]),
    [['ok', reply(job)]],
  )

  const ends = entries.filter((entry) => entry.turn === turn && entry.call !== turn && /outcome|reconciled|refused/.test(entry.phase))
  const ended = (name: string) => ends.filter((entry) => entry.name === name).map(told)
  for (const name of ['file.read', 'file.write'])
    assert.deepEqual(
      ended(name).map(({ status }) => status),
      ['ok'],
      `job ${job}: ${name}`,
    )
  assert.deepEqual(workspace.lines(`out/${job}.txt`), [`job ${job}`])

  const [shell, ...more] = ended('shell.exec')
  assert.deepEqual(more, [], `job ${job}: one end of its once effect`)
  const ran = workspace.lines(log).filter((line) => line === String(job)).length
  if (shell?.status === 'ok') {
    assert.equal(ran, 1, `job ${job}: its once effect ran once`)
    return 'ran'
  }
  assert.equal(shell?.code, 'outcome_unknown', `job ${job}: ${JSON.stringify(shell)}`)
  assert.match(shell?.text ?? '', /a crash hid how .* ended. It was not repeated/i)
  assert.ok(ran <= 1, `job ${job}: its once effect ran ${ran} times`)
  return 'unknown'
}

/** The model has been told each message once and the result of each tool call once. */
export function assertToldOnce(messages: readonly WireMessage[], jobs: number): void {
  const said = messages.filter((message) => message.role === 'user').map((message) => message.content)
  assert.deepEqual(
    said,
    Array.from({ length: jobs }, (_, job) => jobText(job)),
  )
  assert.equal(messages.filter((message) => message.role === 'tool').length, jobs * 3)
}
