/** A guest that is killed with a conversation in its hands: the next one has all of it, and one summary where one was due. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chat, provider } from '../engine/answers.ts'
import { type Asked, type PlainEndpoint, startEndpoint } from '../engine/plain-endpoint.ts'
import { newId } from '../support/conversation.ts'
import { startGuest, type TestGuest } from '../support/guest-process.ts'
import { readLedger } from '../support/ledger.ts'
import { openReady } from '../support/ready.ts'
import type { Terminal } from '../support/terminal.ts'
import { makeWorkspace } from '../support/workspace.ts'
import { builtFile } from '../support/built.ts'

const faultyGuest = builtFile(new URL('./faulty-guest.ts', import.meta.url))

interface WireMessage {
  readonly role: string
  readonly content: string
}

const messagesOf = ({ body }: Asked): readonly WireMessage[] => (JSON.parse(body) as { messages: WireMessage[] }).messages
const isSummaryQuestion = (asked: Asked): boolean => messagesOf(asked)[0]?.content.startsWith('You keep the memory') === true

/** Keeps no bytes of exchanges and no rows of memory, so that the first recorded step is a summary's. */
function configFor(endpoint: PlainEndpoint, contextTokens: number): object {
  const given = provider(endpoint) as { readonly models: { readonly m: object } }
  const mine = { ...given, models: { m: { ...given.models.m, context_tokens: contextTokens } } }
  return {
    model: { name: 'mine/m', recording: 'parsed' },
    providers: { mine },
    memory: { embedder: 'none', recall: false, index_messages: false },
  }
}

async function begin(terminal: Terminal): Promise<string> {
  return ((await terminal.expect('result', 'create_session', {})).result as { id: string }).id
}

/** Sends a message and resolves when its turn has ended. Rejects when the guest goes before. */
async function say(terminal: Terminal, session: string, text: string, acknowledged = () => {}): Promise<void> {
  const turn = newId()
  const ended = terminal.record((record) => String(record.call) === turn && record.phase === 'outcome')
  ended.catch(() => {})
  await terminal.expect('ack', 'send_turn', { session, client_id: turn, text })
  acknowledged()
  await ended
}

const follow = (terminal: Terminal, session: string): Promise<unknown> => terminal.expect('snapshot', 'subscribe', { session, cursor: 0 })

test(
  'after a kill a session goes on with its whole context: nothing is lost, said twice or in another order',
  { timeout: 120_000 },
  async () => {
    using workspace = makeWorkspace()
    await using endpoint = await startEndpoint((_, place) => chat({ text: `Answer number ${place}.` }))
    const config = configFor(endpoint, 50_000)
    let session = ''
    {
      await using first = startGuest({ workspace, config })
      using terminal = await openReady(first, workspace)
      session = await begin(terminal)
      await follow(terminal, session)
      for (const text of ['My cat is Miro.', 'She is seven.', 'She likes tuna.']) await say(terminal, session, text)
      await first.kill()
    }
    await using second = startGuest({ workspace, config })
    using terminal = await openReady(second, workspace)
    await follow(terminal, session)
    await say(terminal, session, 'What do you know of her?')
    const shown = (at: number): readonly WireMessage[] => messagesOf(endpoint.asked[at]!).filter(({ role }) => role !== 'system')
    assert.deepEqual(
      shown(3).map(({ role, content }) => `${role}: ${content}`),
      [
        'user: My cat is Miro.',
        'assistant: Answer number 0.',
        'user: She is seven.',
        'assistant: Answer number 1.',
        'user: She likes tuna.',
        'assistant: Answer number 2.',
        'user: What do you know of her?',
      ],
    )
    assert.deepEqual(shown(3).slice(0, 5), shown(2), 'what was sent before is sent again as it was: a cache of the prompt holds')
  },
)

const filler = (turn: number): string => `Mark-${turn}. ${'the weather was mild and the neighbours walked along the canal. '.repeat(90)}`

/** Talks until the guest goes. @returns how many messages were acknowledged */
async function talkUntilGone(guest: TestGuest, terminal: Terminal, session: string): Promise<number> {
  let gone = false
  void guest.gone.then(() => (gone = true))
  let acknowledged = 0
  for (let turn = 0; turn < 60; turn++) {
    try {
      await say(terminal, session, filler(turn), () => (acknowledged = turn + 1))
    } catch {
      return acknowledged
    }
    if (gone) return acknowledged
  }
  throw new Error('no summary was made')
}

test(
  'a kill between the answer of the model and the writing of the summary costs the answer: the next guest makes it, once',
  { timeout: 240_000 },
  async () => {
    using workspace = makeWorkspace()
    await using endpoint = await startEndpoint((asked) =>
      chat({ text: isSummaryQuestion(asked) ? 'They spoke of the weather.' : 'I see.' }),
    )
    const config = configFor(endpoint, 30_000)
    let session = ''
    let said = 0
    {
      await using first = startGuest({ workspace, config, entry: faultyGuest, args: ['before:1:exchange'] })
      using terminal = await openReady(first, workspace)
      session = await begin(terminal)
      await follow(terminal, session)
      said = await talkUntilGone(first, terminal, session)
      assert.equal((await first.ended()).signal, 'SIGKILL')
    }
    assert.equal(endpoint.asked.filter(isSummaryQuestion).length, 1, 'the model had answered')
    const before = await readLedger(workspace)
    assert.deepEqual(
      before.entries.filter(({ name, phase }) => name === 'session.summarize' && phase === 'exchange'),
      [],
    )
    await using second = startGuest({ workspace, config })
    using terminal = await openReady(second, workspace)
    await follow(terminal, session)
    const summed = terminal.record(({ name, phase }) => name === 'session.summarize' && phase === 'outcome')
    await say(terminal, session, `Mark-${said}. And now?`)
    await summed
    await say(terminal, session, `Mark-${said + 1}. And then?`)

    // Whole: every message is in the window, or stands for itself behind the summary's ranges.
    const window = messagesOf(endpoint.asked.findLast((asked) => !isSummaryQuestion(asked))!)
      .map(({ content }) => content)
      .join('\n')
    assert.match(window, /They spoke of the weather\./)
    let originals = ''
    for (const [, from, to] of window.matchAll(/^- #(\d+) to #(\d+)/gmu)) {
      const range = { from: Number(from), to: Number(to) }
      for (let offset: number | null = 0; offset !== null;) {
        const { result } = await terminal.expect('result', 'call', { name: 'memory.expand', input: { ...range, offset }, session })
        const page = result as { text: string; output: { next_offset: number | null } }
        originals += page.text
        offset = page.output.next_offset
      }
    }
    for (let turn = 0; turn <= said + 1; turn++)
      assert.ok(`${window}\n${originals}`.includes(`Mark-${turn}.`), `message ${turn} of ${said}`)
    await second.stop()
    const after = await readLedger(workspace)
    const summaries = after.entries.filter((entry) => entry.name === 'session.summarize' && entry.phase === 'exchange')
    assert.deepEqual(
      summaries.map(({ body }) => [(body as { epoch?: number }).epoch, (body as { by?: string }).by, (body as { text?: string }).text]),
      [[1, 'model', 'They spoke of the weather.']],
    )
    assert.deepEqual(after.open, [])
  },
)
