/** Tools of servers at the gate: who is offered them, who may call them, and how many there may be. */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, it } from 'node:test'
import { encode } from 'gpt-tokenizer'
import { z } from 'zod'
import type { Call, CallContext, CallOutcome, GenerateRequest } from '../types/index.ts'
import { rankTools } from './calls/tool-search-call.ts'
import { toTools } from './call-reference.ts'
import { asks, done, inOrder, openFixture, says, testCall } from './kernel-fixture.ts'

const outputOf = (outcome: CallOutcome): unknown => (outcome.status === 'ok' ? outcome.output : assert.fail(outcome.text))

const tool = (name: string, more: Partial<Call> = {}): Call =>
  testCall(name, async () => done('told by the server'), {
    right: name.split('.').slice(0, 2).join('.'),
    labels: { adds: ['untrusted'], sink: true },
    effect: 'once',
    rare: true,
    parameters: { type: 'object', properties: { x: { $ref: '#/$defs/x' } }, $defs: { x: { type: 'string', maxLength: 3 } } },
    ...more,
  })

describe('tools of servers', () => {
  it('come and go between the requests of a turn, for agents with the right of their server', async () => {
    let tools: readonly Call[] = []
    const requests: GenerateRequest[] = []
    const play = inOrder(
      asks(['mcp_files_read', {}]),
      asks(['mcp_other_read', {}]),
      says('done'),
      asks(['mcp_files_read', {}]),
      says('gone'),
    )
    await using guest = await openFixture({
      config: { agent: { rights: ['mcp.files'] } },
      servers: async () => ({ calls: [], tools: () => tools, close: async () => {} }),
      play: (request, signal) => {
        requests.push(request)
        return play(request, signal)
      },
    })
    tools = [tool('mcp.files.read'), tool('mcp.other.read')]
    await guest.turn('go')
    const offered = requests[0]!.tools
    assert.ok(offered.some(({ name }) => name === 'mcp_files_read') && !offered.some(({ name }) => name === 'mcp_other_read'))
    assert.deepEqual(offered.find(({ name }) => name === 'mcp_files_read')!.parameters, tools[0]!.parameters, 'the real schema')
    const results = requests[2]!.messages.flatMap(({ parts }) => parts.flatMap((part) => (part.type === 'tool_result' ? [part.text] : [])))
    assert.match(results[0]!, /told by the server/)
    assert.match(results[1]!, /Error \(denied\): mcp\.other\.read needs the right mcp\.other/)
    tools = []
    await guest.turn('again')
    assert.ok(!requests[3]!.tools.some(({ name }) => name.startsWith('mcp_')))
    const last = requests
      .at(-1)!
      .messages.at(-1)!
      .parts.map((part) => ('text' in part ? part.text : ''))
      .join('')
    assert.match(last, /unknown_call/)
  })
})

describe('a call that another call makes for a program', () => {
  it('asks the person in its session, whoever began it, and its answer may be another input; the time limit waits', async () => {
    const question = testCall('server.question', async ({ answer }: { answer: string }) => done(answer), {
      input: z.strictObject({ answer: z.string() }),
      output: z.any(),
      asks: () => 'the server files asks you',
      audience: ['runtime'],
      right: 'turn.run',
    } as Partial<Call>)
    const asking = tool('mcp.files.read', {
      timeoutMs: 50,
      run: async (_: unknown, context: CallContext) => {
        const answered = await context.call('program:mcp.files', 'server.question', { answer: '' })
        return done(answered.status === 'ok' ? answered.text : answered.status)
      },
    })
    await using guest = await openFixture({
      config: { agent: { rights: ['mcp.files'] }, approval: { mode: 'auto' } },
      servers: async () => ({ calls: [question], tools: () => [asking], close: async () => {} }),
      play: inOrder(asks(['mcp_files_read', {}]), says('done')),
    })
    const turn = guest.turn('go')
    const parked = await guest.record(({ phase }) => phase === 'parked')
    assert.equal((parked.body as { reason: string }).reason, 'the server files asks you')
    const [waiting] = outputOf(await guest.kernel.call('approval.list', {})) as { rules: unknown[] }[]
    assert.deepEqual(waiting!.rules, [], 'no rule answers it')
    await sleep(80)
    await guest.kernel.call('call.decide', { call: parked.call, allow: true, input: { answer: 'forty-two' } })
    await turn
    const read = await guest.record(({ name, phase }) => name === 'mcp.files.read' && phase === 'outcome')
    assert.match(JSON.stringify(read.body), /forty-two/)
    assert.equal((await guest.record(({ name, phase }) => name === 'server.question' && phase === 'intent')).actor, 'program:mcp.files')
  })
})

describe('a secret in the arguments of a tool of a server', () => {
  const secrets = new Map([['API_KEY', 'the value of the key']])
  const turn = async (config: object): Promise<{ received: unknown[]; text: string }> => {
    const received: unknown[] = []
    const tools = [tool('mcp.files.read', { run: async (input: unknown) => (received.push(input), done('read')) })]
    const answer = inOrder(asks(['mcp_files_read', { x: '[secret:API_KEY]' }]), says('done'))
    let text = ''
    await using guest = await openFixture({
      config: { agent: { rights: ['mcp.files'] }, ...config },
      secrets,
      servers: async () => ({ calls: [], tools: () => tools, close: async () => {} }),
      play: (request, signal) => {
        for (const { parts } of request.messages) for (const part of parts) if (part.type === 'tool_result') text += part.text
        return answer(request, signal)
      },
    })
    await guest.turn('go')
    return { received, text }
  }

  it('is not sent, unless a person allows that', async () => {
    const refused = await turn({})
    assert.deepEqual(refused.received, [])
    assert.match(refused.text, /Error \(denied\): mcp\.files\.read may not use the secret API_KEY/)
    const allowed = await turn({ secrets: { API_KEY: { calls: ['mcp.files.read'], hosts: ['*'] } } })
    assert.deepEqual(allowed.received, [{ x: 'the value of the key' }])
  })
})

const objects =
  'issue|branch|file|customer|invoice|payment|calendar event|message|channel|photo|playlist|device|ticket|dashboard|alert|database row|page|comment|task|contact|order|product|subscription|report|release'
const actions: Readonly<Record<string, string>> = {
  create: 'Creates a new OBJECT with a title and a text.',
  update: 'Changes fields of an existing OBJECT.',
  delete: 'Deletes an OBJECT for ever.',
  list: 'Lists every OBJECT, newest first, page by page.',
  search: 'Finds an OBJECT by words in it.',
  get: 'Reads one OBJECT with all its details.',
  archive: 'Moves an OBJECT to the archive.',
  share: 'Shares an OBJECT with a person or a group.',
  assign: 'Assigns an OBJECT to a person.',
  export: 'Exports an OBJECT as CSV or JSON.',
  import: 'Imports an OBJECT from a document.',
  watch: 'Subscribes to changes of an OBJECT.',
  tag: 'Adds a label to an OBJECT.',
  merge: 'Merges one OBJECT into another.',
  restore: 'Restores a deleted OBJECT.',
  duplicate: 'Copies an OBJECT under another name.',
  count: 'Counts how many OBJECT entries there are.',
  lock: 'Locks an OBJECT against changes.',
  translate: 'Translates the text of an OBJECT.',
  rate: 'Rates an OBJECT with stars.',
}

describe('five hundred tools of servers', () => {
  const tools = objects
    .split('|')
    .flatMap((object) =>
      Object.entries(actions).map(([verb, text]) =>
        tool(`mcp.${object.replace(' ', '-')}s.${verb}_${object.replace(' ', '_')}`, { summary: text.replace('OBJECT', object) }),
      ),
    )
  const search = tool('tool.search', { rare: undefined as never, summary: 'Finds further tools by what they do, and loads up to 10.' })
  const { offered, later } = toTools([...tools, search])

  it('cost less than 3 000 tokens, as their names by server', () => {
    assert.equal(later.length, 500)
    const text = JSON.stringify(offered)
    assert.ok(encode(text).length <= 3_000, `${encode(text).length} tokens`)
    assert.match(text, /mcp_issues_\{create_issue,update_issue,/)
    assert.match(text, /mcp_releases_\{create_release,.* more\}/)
  })

  it('are left to a search where the window is small', () => {
    const few = toTools([...tools.slice(0, 5), search], 500)
    assert.deepEqual([few.offered.length, few.later.length], [1, 5])
    assert.equal(toTools([...tools.slice(0, 5), search]).later.length, 0)
  })

  it('are found among the first five, by 95 % of two hundred questions', () => {
    const phrases: Readonly<Record<string, string>> = {
      create: 'create an OBJECT',
      update: 'change the fields of this OBJECT',
      delete: 'delete OBJECTs',
      list: 'which OBJECTs are there, list them',
      search: 'search OBJECTs by words',
      share: 'share the OBJECT with Ada',
      export: 'export every OBJECT to CSV',
      translate: 'translate an OBJECT',
    }
    const questions = objects.split('|').flatMap((object) =>
      Object.entries(phrases).map(([verb, text]) => ({
        question: text.replace('OBJECT', object),
        wanted: `mcp_${object.replace(' ', '-')}s_${verb}_${object.replace(' ', '_')}`,
      })),
    )
    const missed = questions.filter(
      ({ question, wanted }) =>
        !rankTools(question, later)
          .slice(0, 5)
          .some(({ name }) => name === wanted),
    )
    assert.equal(questions.length, 200)
    assert.ok(missed.length <= 10, JSON.stringify(missed))
  })
})
