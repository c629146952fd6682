/** What the journal keeps of the exchanges with models, that it holds no key, and that a session can be played again from it. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { readRecording } from '../../src/engine/replay/recording.ts'
import type { RecordView } from '../../src/protocol/index.ts'
import { openConversation } from '../support/conversation.ts'
import { startGuest } from '../support/guest-process.ts'
import { readLedger } from '../support/ledger.ts'
import { openReady } from '../support/ready.ts'
import type { Terminal } from '../support/terminal.ts'
import { makeWorkspace, type TestWorkspace } from '../support/workspace.ts'
import { chat, provider } from './answers.ts'
import { type PlainAnswer, type PlainEndpoint, startEndpoint } from './plain-endpoint.ts'
import { program, builtFile } from '../support/built.ts'

const impatientGuest = builtFile(new URL('../bad-input/impatient-guest.ts', import.meta.url))
const key = 'private.0123456789abcdef'
/** Memory leaves exchanges, too. */
const isExchange = ({ name, phase }: Pick<RecordView, 'name' | 'phase'>): boolean => name === 'model.generate' && phase === 'exchange'

/** Fails with the key in its mouth, asks for a tool, and answers; then it repeats the key in its answer. */
const story: readonly PlainAnswer[] = [
  { status: 503, body: JSON.stringify({ error: { message: `busy, ${key}` } }) },
  chat({ text: 'I look. ', call: ['time_now', '{}'] }),
  chat({ text: `It is time. ${'Long is the answer. '.repeat(400)}` }),
  chat({ text: `Your key is ${key}.` }),
]

const startStory = (): Promise<PlainEndpoint> => startEndpoint((_, place) => story[place] ?? chat({ text: 'The end.' }))

interface Told {
  readonly session: string
  readonly replies: readonly string[]
  /** Tool calls by name and arguments, as the journal has them. */
  readonly calls: readonly string[]
}

async function tell(workspace: TestWorkspace, config: object, keys: Record<string, string>): Promise<Told> {
  await using guest = startGuest({ workspace, config, keys, entry: impatientGuest })
  using terminal = await openReady(guest, workspace)
  const conversation = await openConversation(terminal)
  const replies: string[] = []
  for (const text of ['What time is it?', 'What is my key?']) replies.push((await conversation.say(text)).reply)
  const calls = toolCalls(terminal)
  const { stderr } = await guest.stop()
  assert.equal(stderr.includes(key), false, 'the key is in the log')
  return { session: conversation.session, replies, calls }
}

function toolCalls({ frames }: Terminal): readonly string[] {
  const isTool = ({ phase, name }: RecordView): boolean => phase === 'intent' && name === 'time.now'
  return frames.flatMap((frame) =>
    frame.type === 'record' && isTool(frame.payload.record) ? [JSON.stringify(frame.payload.record.body)] : [],
  )
}

/** All bytes that a user's folders hold. */
function* filesOf(root: string): Generator<readonly [path: string, bytes: Buffer]> {
  for (const entry of readdirSync(root, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isFile()) yield [path, readFileSync(path)]
  }
}

async function exportRecording(workspace: TestWorkspace, session: string): Promise<string> {
  const env = { PATH: process.env['PATH'], HOME: workspace.home, OXBOW_HOME: workspace.home }
  const args = [program, 'audit', 'recording', session, '--user', 'ada']
  const { stdout } = await promisify(execFile)(process.execPath, args, { env, maxBuffer: 16 * 1024 * 1024 })
  return stdout
}

interface Exchange {
  readonly id: string
  readonly status: number
  readonly url: string
  readonly request: { readonly text: string; readonly after?: { readonly bytes: number } }
}

test('each exchange is in the journal without the key, and the session replays from it without a network', async () => {
  using workspace = makeWorkspace()
  await using endpoint = await startStory()
  const config = { model: { name: 'mine/m' }, providers: { mine: provider(endpoint, { keyEnv: 'MINE_KEY' }) } }
  const first = await tell(workspace, config, { MINE_KEY: key })
  assert.match(first.replies[0] ?? '', /It is time/)
  assert.equal(first.replies[1], 'Your key is [secret:MINE_KEY].')
  assert.equal(endpoint.asked.length, 4)
  assert.ok(endpoint.asked.every(({ headers }) => headers.authorization === `Bearer ${key}`))

  // The journal holds every request and answer, byte for byte but for the key.
  const { entries } = await readLedger(workspace)
  const exchanges = entries.filter(isExchange).map(({ body }) => body as unknown as Exchange)
  assert.deepEqual(
    exchanges.map(({ status }) => status),
    [503, 200, 200, 200],
  )
  assert.equal(new Set(exchanges.map(({ id }) => id.split('#')[0])).size, 3, 'a failed try belongs to its generation')
  assert.equal(exchanges[0]?.request.text, endpoint.asked[0]?.body)
  assert.ok((exchanges[2]?.request.after?.bytes ?? 0) > 0, 'what a request repeats is not kept again')
  const answers = readRecording(exchanges.map((each) => JSON.stringify(each)).join('\n'), 'the journal').map(({ response }) =>
    String(response),
  )
  assert.deepEqual(
    answers,
    story.map(({ body }) => body?.replaceAll(key, '[secret:MINE_KEY]')),
  )
  assert.equal(JSON.stringify(entries).includes(key), false)
  for (const [path, bytes] of filesOf(workspace.home)) assert.equal(bytes.includes(key), false, `the key is in ${path}`)

  // Exported and played in a house of its own, with neither key nor endpoint.
  const recording = await exportRecording(workspace, first.session)
  assert.equal(recording.includes(key), false)
  using other = makeWorkspace()
  const file = join(other.home, 'session.jsonl')
  writeFileSync(file, recording)
  await endpoint[Symbol.asyncDispose]()
  const second = await tell(other, { model: { provider: 'replay', replay: file } }, {})
  assert.deepEqual([second.replies, second.calls], [first.replies, first.calls])
  assert.equal(second.calls.length, 1)
})

test('with recording = "parsed" no bytes are kept, and there is nothing to export', async () => {
  using workspace = makeWorkspace()
  await using endpoint = await startStory()
  const model = { name: 'mine/m', recording: 'parsed' }
  const { session } = await tell(workspace, { model, providers: { mine: provider(endpoint, { keyEnv: 'MINE_KEY' }) } }, { MINE_KEY: key })
  const { entries } = await readLedger(workspace)
  assert.equal(entries.filter(isExchange).length, 0)
  assert.ok(entries.some(({ name, phase }) => name === 'model.generate' && phase === 'outcome'))
  await assert.rejects(exportRecording(workspace, session), /has no recorded exchanges/)
})
