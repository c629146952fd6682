/** The outbox of the Chat page: what a reload or a guest that is gone must not lose, nor send twice. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { OxbowError } from '../../src/base/index.ts'
import { createOutbox } from '../../web/src/pages/chat/outbox.ts'

type Client = Parameters<typeof createOutbox>[0]
type Storage = Parameters<typeof createOutbox>[1]

function makeStorage(): Storage {
  const kept = new Map<string, string>()
  return { getItem: (key) => kept.get(key) ?? null, setItem: (key, text) => void kept.set(key, text) }
}

const message = { session: 's', isNew: true, text: 'Hello', model: '', files: [] }
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('the outbox', () => {
  it('makes a new session before its first message, and forgets what was acknowledged', async () => {
    const made: string[] = []
    const client = {
      createSession: async (_: unknown, id: string) => void made.push(`session ${id}`),
      sendTurn: async ({ text }: { text: string }) => void made.push(text),
    } as unknown as Client
    const outbox = createOutbox(client, makeStorage())
    outbox.send(message)
    outbox.send({ ...message, isNew: false, text: 'Again' })
    assert.equal(outbox.messages().length, 2)
    await settled()
    assert.deepEqual(made, ['session s', 'Hello', 'Again'])
    assert.deepEqual(outbox.messages(), [])
  })

  it('gives a new session to the agent that was chosen, before its first message', async () => {
    const made: string[] = []
    const client = {
      createSession: async () => void made.push('session'),
      call: async (name: string, input: object, session: string) => {
        made.push(`${name} ${JSON.stringify(input)} ${session}`)
        return made.length > 4
          ? { status: 'failed', failure: { code: 'not_found', message: 'gone', hint: '' }, text: '' }
          : { status: 'ok', output: {}, text: '' }
      },
      sendTurn: async ({ text }: { text: string }) => void made.push(text),
    } as unknown as Client
    const outbox = createOutbox(client, makeStorage())
    outbox.send({ ...message, agent: 'alfred' })
    await settled()
    assert.deepEqual(made, ['session', 'session.agent {"agent":"alfred"} s', 'Hello'])
    outbox.send({ ...message, session: 't', agent: 'nobody' })
    await settled()
    assert.equal(outbox.refused()[0]?.failure.message, 'gone')
    assert.equal(made.length, 5)
  })

  it('sends what was not acknowledged again after a reload, with the same id', async () => {
    const ids: string[] = []
    const storage = makeStorage()
    const gone = { createSession: () => new Promise(() => {}), sendTurn: () => new Promise(() => {}) } as unknown as Client
    const before = createOutbox(gone, storage)
    before.send(message)
    const client = {
      createSession: async () => {},
      sendTurn: async ({ clientId }: { clientId: string }) => void ids.push(clientId),
    } as unknown as Client
    const after = createOutbox(client, storage)
    assert.equal(after.messages()[0]?.text, 'Hello')
    await settled()
    assert.deepEqual(ids, [before.messages()[0]?.id])
    assert.deepEqual(createOutbox(gone, storage).messages(), [])
  })

  it('gives a refused message back, with the reason', async () => {
    const refusal = new OxbowError('limit_reached', 'Too long.', { hint: 'Send less.' })
    const client = { createSession: async () => {}, sendTurn: () => Promise.reject(refusal) } as unknown as Client
    const outbox = createOutbox(client, makeStorage())
    outbox.send(message)
    await settled()
    assert.deepEqual(
      outbox.refused().map(({ text, failure }) => [text, failure.message]),
      [['Hello', 'Too long.']],
    )
    assert.deepEqual(outbox.messages(), [])
  })

  it('starts empty where the kept text is damaged', () => {
    const storage = makeStorage()
    storage.setItem('oxbow.outbox', '[{"id":1}, nonsense')
    assert.deepEqual(createOutbox({} as Client, storage).messages(), [])
  })
})
