/** Tools of servers at the gate: who is offered them, who may call them, and how many there may be. */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, it } from 'node:test'
import { encode } from 'gpt-tokenizer'
import { z } from 'zod'
import type { Call, CallContext, CallOutcome, GenerateRequest } from '../../protocol/index.ts'
import { rankTools } from '../system/tool-search-call.ts'
import { toTools } from '../../kernel/calls/call-reference.ts'
import { manyTools, questions, searchCall, serverTool } from './server-tools-fixture.ts'
import { asks, done, inOrder, openFixture, says, testCall } from '../../kernel/kernel-fixture.ts'

/** A name that the compiler does not know: of a call that only this test has. */
const serverQuestionName: string = 'server.question'

const outputOf = (outcome: CallOutcome): unknown => (outcome.status === 'ok' ? outcome.output : assert.fail(outcome.text))

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
    tools = [serverTool('mcp.files.read'), serverTool('mcp.other.read')]
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
    const asking = serverTool('mcp.files.read', {
      timeoutMs: 50,
      run: async (_: unknown, context: CallContext) => {
        const answered = await context.call('program:mcp.files', serverQuestionName, { answer: '' })
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
    const tools = [serverTool('mcp.files.read', { run: async (input: unknown) => (received.push(input), done('read')) })]
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

describe('five hundred tools of servers', () => {
  const { offered, later } = toTools([...manyTools, searchCall])

  it('cost less than 3 000 tokens, as their names by server', () => {
    assert.equal(later.length, 500)
    const text = JSON.stringify(offered)
    assert.ok(encode(text).length <= 3_000, `${encode(text).length} tokens`)
    assert.match(text, /mcp_issues_\{create_issue,update_issue,/)
    assert.match(text, /mcp_releases_\{.*rate_release\}/, 'all of them')
  })

  it('are left to a search where the window is small', () => {
    const few = toTools([...manyTools.slice(0, 5), searchCall], 500)
    assert.deepEqual([few.offered.length, few.later.length], [1, 5])
    assert.equal(toTools([...manyTools.slice(0, 5), searchCall]).later.length, 0)
  })

  it('are found among the first five, by 95 % of two hundred questions', () => {
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
