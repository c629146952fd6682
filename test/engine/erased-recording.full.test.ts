/** A session that forgot something in its middle, exported by a real program and played again by a real guest. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { openConversation } from '../support/conversation.ts'
import { startGuest } from '../support/guest-process.ts'
import { readLedger } from '../support/ledger.ts'
import { openReady } from '../support/ready.ts'
import { makeWorkspace, type TestWorkspace } from '../support/workspace.ts'
import { chat, provider } from './answers.ts'
import { startEndpoint } from './plain-endpoint.ts'
import { program } from '../support/built.ts'

const secret = 'the safe opens with 4711-Quetzal'
const messages = ['How are you?', `Remember that ${secret}.`, 'And how is the weather?']
const answers = ['I am well.', 'I shall remember the Quetzal.', 'It rains.', 'What was said of the safe is gone.']

interface Line {
  readonly id: string
  readonly erased?: { readonly erased: string; readonly bytes: number; readonly reason: string }
  readonly request?: { readonly after?: { readonly erased?: boolean } }
}

async function exported(workspace: TestWorkspace, session: string): Promise<string> {
  const env = { PATH: process.env['PATH'], HOME: workspace.home, OXBOW_HOME: workspace.home }
  const args = [program, 'audit', 'recording', session, '--user', 'ada']
  return (await promisify(execFile)(process.execPath, args, { env, maxBuffer: 16 * 1024 * 1024 })).stdout
}

/** Says all messages, in order, and then perhaps something else before the last one. */
async function tell(
  workspace: TestWorkspace,
  config: object,
  between: (call: (name: string, input: object) => Promise<unknown>) => Promise<void>,
) {
  await using guest = startGuest({ workspace, config })
  using terminal = await openReady(guest, workspace)
  const conversation = await openConversation(terminal)
  const replies: string[] = []
  for (const text of messages) replies.push((await conversation.say(text)).reply)
  await between(async (name, input) => (await terminal.expect('result', 'call', { name, input })).result)
  replies.push((await conversation.say('What did I tell you?')).reply)
  await guest.stop()
  return { session: conversation.session, replies }
}

test('erased exchanges are named in their place, the rest is replayed unchanged, and nothing fails', { timeout: 120_000 }, async () => {
  using workspace = makeWorkspace()
  await using endpoint = await startEndpoint((_, place) => chat({ text: answers[place] ?? 'over' }))
  const config = { model: { name: 'mine/m' }, providers: { mine: provider(endpoint) }, memory: { embedder: 'none', recall: false } }
  const first = await tell(workspace, config, async (call) => {
    const forget = async () => ((await call('memory.forget', { text: secret })) as { output: { left: number } }).output.left
    // What was being indexed at that moment is met by asking again, as the answer says.
    let left = await forget()
    for (let again = 0; left > 0 && again < 5; again++) left = await forget()
    assert.equal(left, 0)
  })
  assert.deepEqual(first.replies, answers)
  const { entries } = await readLedger(workspace)
  assert.ok(!JSON.stringify(entries.filter(({ phase }) => phase === 'exchange')).includes(secret))

  const recording = await exported(workspace, first.session)
  const lines = recording
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)
  assert.deepEqual(
    lines.map(
      ({ erased, request }) =>
        erased?.reason ?? (request?.after === undefined ? 'whole' : request.after.erased === true ? 'beginning erased' : 'shared'),
    ),
    // The last is told whole: nothing that was erased is leant on.
    ['whole', 'forgotten by memory.forget', 'beginning erased', 'whole'],
  )

  using other = makeWorkspace()
  const file = join(other.home, 'session.jsonl')
  writeFileSync(file, recording)
  const second = await tell(other, { model: { provider: 'replay', replay: file } }, async () => {})
  assert.deepEqual(second.replies, [answers[0], '(erased)', answers[2], answers[3]])
})
