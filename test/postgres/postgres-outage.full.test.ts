/** A guest whose database stays away for longer than its store is patient takes itself up again when it is back. */
import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { startGuest } from '../../src/guest/guest.ts'
import { startLastingGuest } from '../../src/guest/lasting-guest.ts'
import { openPostgresStore } from '../../src/store/index.ts'
import { createDatabase, postgresSkip, startPostgres } from '../../src/store/postgres/postgres-fixture.ts'
import { chat, provider } from '../engine/answers.ts'
import { newId, openConversation } from '../support/conversation.ts'
import { envelopeFor } from '../support/guest-process.ts'
import { openTerminal } from '../support/terminal.ts'
import { makeWorkspace, tokenOf, user } from '../support/workspace.ts'

const skip = postgresSkip()
/** Long enough for a server on a busy machine, short enough for a test. */
const patienceMs = 500

test(
  'an outage that outlasts the store ends without a person: what was acknowledged is there, and the turn that it cut off goes on',
  { skip },
  async () => {
    await using server = await startPostgres()
    const database = await createDatabase(server)
    await using model = await startHeldModel()
    using workspace = makeWorkspace()
    const config = { model: { name: 'mine/m' }, providers: { mine: provider(model) } }
    const envelope = envelopeFor(workspace.root, config, false, { OXBOW_STORE_URL: database.url })
    const recovered = Promise.withResolvers<void>()
    const guest = await startLastingGuest(envelope, {
      openStore: () => openPostgresStore({ url: database.url, user, pool: 4, durability: 'normal', exclusive: true, patienceMs }),
      start: startGuest,
      recovered: recovered.resolve,
      checkMs: 50,
    })
    try {
      using before = await openTerminal(guest.url, workspace)
      const token = tokenOf(workspace)
      const conversation = await openConversation(before)
      model.release()
      assert.equal((await conversation.say('Remember the river.')).status, 'ok')
      model.hold()
      const cut = await conversation.send('And the sea?')
      await model.isAsked
      await server.stop('immediate')
      model.release()
      // Refused once the store's patience is over, with the journal at fault: nothing of it was taken in.
      const refused = await before.ask('send_turn', { session: conversation.session, client_id: newId(), text: 'Never.' })
      assert.equal(refused.type, 'error', JSON.stringify(refused))
      await server.start()
      await recovered.promise
      assert.equal(tokenOf(workspace), token)
      using after = await openTerminal(guest.url, workspace)
      assert.equal(after.status.read_only, null)
      assert.equal(after.status.store, database.url.replace(/\?.*/, '').replace(/:[^/@:]*@/, '@'))
      assert.equal(after.status.embedder, 'words-50k')
      await after.expect('snapshot', 'subscribe', { session: conversation.session, cursor: 0 })
      await after.record(({ body, phase }) => phase === 'outcome' && JSON.stringify(body).includes('I hear: Remember the river.'))
      const ended = await after.record(({ call, phase }) => String(call) === cut && phase === 'outcome')
      assert.equal((ended.body as { status?: string }).status, 'ok', JSON.stringify(ended.body))
      assert.ok(!after.frames.some((frame) => JSON.stringify(frame).includes('Never.')))
      assert.equal((await (await openConversation(after)).say('Anew.')).status, 'ok')
      assert.ok((await guest.head()).seq > 0)
    } finally {
      await guest.close()
    }
  },
)

/** A model that repeats what it was told, when it is let. */
async function startHeldModel() {
  let held = Promise.withResolvers<void>()
  const isAsked = Promise.withResolvers<void>()
  let count = 0
  const server = process.getBuiltinModule('node:http').createServer((request, response) => {
    void text(request).then(async (body) => {
      if ((count += 1) === 2) isAsked.resolve()
      await held.promise
      const { messages } = JSON.parse(body) as { messages: { role: string; content: unknown }[] }
      const said = messages.findLast(({ role }) => role === 'user')?.content
      const { body: answer } = chat({ text: `I hear: ${typeof said === 'string' ? said : JSON.stringify(said)}` })
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end(answer)
    })
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    isAsked: isAsked.promise,
    hold: () => void (held = Promise.withResolvers()),
    release: () => held.resolve(),
    async [Symbol.asyncDispose]() {
      held.resolve()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
