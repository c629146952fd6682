/** The requirements of `requirements.ts`, each over each transport that it names, against one real guest in this process. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { type Guest, startGuest } from '../../src/guest/guest.ts'
import { isOxbowError, type JsonObject } from '../../src/base/index.ts'
import { envelopeFor } from '../support/guest-process.ts'
import { startModel, type TestModel } from '../support/model.ts'
import { makeWorkspace, type TestWorkspace } from '../support/workspace.ts'
import { type RequirementId, requirements, type TransportName, transports } from './requirements.ts'
import { drivers, type Terminal } from './transports.ts'

const scenario = {
  turns: [
    { match: 'stall', steps: [{ events: [{ text: 'One ' }, { stall: true as const }] }] },
    {
      match: 'note',
      steps: [{ events: [{ tool_call: { name: 'scratchpad_write', arguments: { items: ['x'] } } }] }, { events: [{ text: 'Noted.' }] }],
    },
    { steps: [{ events: [{ text: 'Hello ' }, { text: 'there.' }] }] },
  ],
}

interface Place {
  readonly workspace: TestWorkspace
  guest: Guest
  start(): Promise<void>
}

let model: TestModel
let place: Place
let poor: Place

async function open(config: object): Promise<Place> {
  const workspace = makeWorkspace()
  const start = (): Promise<Guest> => startGuest(envelopeFor(workspace.root, { model: model.config, ...config }))
  const opened: Place = {
    workspace,
    guest: await start(),
    async start() {
      opened.guest = await start()
    },
  }
  return opened
}

before(async () => {
  model = await startModel(scenario)
  place = await open({ approval: { calls: { 'scratchpad.write': 'ask' } } })
  poor = await open({ budget: { user: { tokens: 1 } } })
})
after(async () => {
  for (const { guest, workspace } of [place, poor]) {
    await guest.close()
    workspace[Symbol.dispose]()
  }
  await model[Symbol.asyncDispose]()
})

const output = async (name: string, input: JsonObject, { guest } = place): Promise<any> => {
  const outcome = await guest.kernel.call(name, input)
  assert.ok(outcome.status === 'ok', JSON.stringify(outcome))
  return outcome.output
}
const makeKey = async (...rights: string[]): Promise<{ readonly name: string; readonly key: string }> => {
  const name = `k${randomUUID().slice(0, 8)}`
  return { name, key: (await output('key.create', { name, rights })).key }
}
const codeOf = (error: unknown): string => (isOxbowError(error) ? error.code : String(error))
const failsWith = (action: Promise<unknown>, ...codes: readonly string[]): Promise<void> =>
  assert.rejects(action, (error) => {
    assert.ok(codes.includes(codeOf(error)), `${codeOf(error)}: ${String(error)}`)
    return true
  })
/** Messages that have begun a turn, or joined one. */
const sent = async (): Promise<number> => {
  const { records } = await output('audit.query', { name: 'turn.send', phase: 'started', limit: 200 })
  assert.ok(records.length < 200)
  return records.length
}
/** Where the events of the guest end now. */
const end = async (): Promise<number> => (await output('events.next', { wait_s: 0 })).cursor
/** @returns the first event of the kind behind the cursor, for which it waits */
async function next(kind: string, cursor: number): Promise<{ readonly seq: number; readonly fields: any }> {
  const { events } = await output('events.next', { kinds: [kind], after: cursor, wait_s: 10 })
  assert.ok(events.length > 0, `no ${kind}`)
  return events[0]
}

interface Trial {
  readonly on: TransportName
  readonly terminal: Terminal
  /** A terminal with another key. */
  readonly as: (key: string, at?: Place) => Promise<Terminal>
}

const picture = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
const yes = { text: 'Hi.' }

const trials: Readonly<Record<RequirementId, (trial: Trial) => Promise<void>>> = {
  async reply({ terminal }) {
    const earlier = await sent()
    assert.equal((await terminal.say(yes)).reply, 'Hello there.')
    assert.equal(await sent(), earlier + 1)
  },
  async stream({ terminal }) {
    let text = ''
    const { reply } = await terminal.say({ ...yes, onText: (piece) => (text += piece) })
    assert.equal(text, reply)
  },
  async session({ terminal }) {
    const { session } = await terminal.say({ text: 'My name is Ann.' })
    await terminal.say({ text: 'What is it?', session })
    assert.match(JSON.stringify(model.requests.at(-1)), /My name is Ann\.[^]*Hello there\.[^]*What is it\?/)
  },
  async once({ terminal }) {
    const earlier = await sent()
    const { session } = await terminal.say(yes)
    const again = { text: 'Once.', session, id: randomUUID() }
    const first = await terminal.say(again)
    assert.deepEqual(await terminal.say(again), first)
    assert.equal(await sent(), earlier + 2)
  },
  async order({ terminal, as }) {
    const earlier = await sent()
    const { session } = await terminal.say(yes)
    const others = await Promise.all([1, 2, 3].map(() => as(place.guest.token)))
    const replies = await Promise.all(others.map((other, n) => other.say({ text: `Number ${n}.`, session })))
    for (const { reply } of replies) assert.equal(reply, 'Hello there.')
    assert.equal(await sent(), earlier + 4)
    for (const other of others) await other.close()
  },
  async files({ terminal }) {
    await terminal.say({ text: 'Look at this.', file: { name: 'a.png', media_type: 'image/png', data: picture } })
    assert.ok(JSON.stringify(model.requests.at(-1)).includes(picture.slice(0, 60)))
  },
  async 'wrong-key'({ as }) {
    await failsWith(
      as('oxk_wrong').then((terminal) => terminal.say(yes)),
      'unauthenticated',
    )
  },
  async 'limited-key'({ as }) {
    const { name, key } = await makeKey('session.read', 'session.write')
    const terminal = await as(key)
    const earlier = await sent()
    await failsWith(terminal.say(yes), 'denied')
    const { records } = await output('audit.query', { actor: `key:${name}`, name: 'turn.send', phase: 'refused' })
    assert.equal(records.length, 1)
    assert.equal(await sent(), earlier)
    await terminal.close()
  },
  async 'revoked-key'({ as }) {
    const { name, key } = await makeKey('session.read', 'session.write', 'turn.send')
    const terminal = await as(key)
    await terminal.say(yes)
    await output('key.revoke', { key: name })
    // A connection that the key had opened has ended.
    await failsWith(terminal.say(yes), 'unauthenticated', 'guest_unreachable')
    await terminal.close()
  },
  async 'bad-input'({ on, terminal }) {
    const earlier = await sent()
    await failsWith(terminal.say({ text: '' }), 'bad_input')
    await failsWith(terminal.say({ ...yes, session: on === 'openai' ? 'resp_none' : randomUUID() }), 'bad_input', 'not_found')
    assert.equal(await sent(), earlier)
  },
  async budget({ as }) {
    const terminal = await as(poor.guest.token, poor)
    const asked = model.requests.length
    await failsWith(terminal.say(yes), 'budget_exhausted')
    assert.equal(model.requests.length, asked)
    await terminal.close()
  },
  async cancel({ terminal }) {
    const cursor = await end()
    const leaving = new AbortController()
    const begun = Promise.withResolvers<void>()
    let session = ''
    const said = terminal.say({ text: 'stall', leaving: leaving.signal, onStarted: (id) => (session = id), onText: () => begun.resolve() })
    await begun.promise
    if (terminal.cancel === undefined) leaving.abort()
    else await terminal.cancel(session)
    await failsWith(said, 'cancelled')
    assert.equal((await next('turn_ended', cursor)).fields.status, 'cancelled')
  },
  async approval({ terminal }) {
    const cursor = await end()
    const said = terminal.say({ text: 'note' })
    const { call } = (await next('approval_requested', cursor)).fields
    if (terminal.decide === undefined) await place.guest.kernel.approve(call, true)
    else await terminal.decide(call, true)
    assert.equal((await said).reply, 'Noted.')
  },
  async restart({ as }) {
    const terminal = await as(place.guest.token)
    const cursor = await end()
    const id = randomUUID()
    const started = Promise.withResolvers<string>()
    const cut = terminal.say({ text: 'note', id, onStarted: started.resolve }).catch(codeOf)
    const session = await started.promise
    const asked = await next('approval_requested', cursor)
    await place.guest.close()
    await terminal.close()
    await place.start()
    // It is asked again, for those who come back.
    const { call } = (await next('approval_requested', asked.seq)).fields
    await place.guest.kernel.approve(call, true)
    const back = await as(place.guest.token)
    assert.equal((await back.resume(session, id)).reply, 'Noted.')
    await back.close()
    void cut
  },
  async cursor({ terminal }) {
    const { session } = await terminal.say(yes)
    const all = await terminal.past!(session, 0)
    const seqs = all.map(({ seq }) => seq)
    assert.deepEqual(
      seqs,
      [...new Set(seqs)].sort((a, b) => a - b),
    )
    await terminal.say({ text: 'More.', session })
    const later = await terminal.past!(session, seqs.at(-1)!)
    // What the kernel does after a turn may add records behind these.
    const both = [...seqs, ...later.map(({ seq }) => seq)]
    const whole = (await terminal.past!(session, 0)).map(({ seq }) => seq)
    assert.deepEqual(whole.slice(0, both.length), both)
  },
  async list({ terminal }) {
    const [one, two] = [await terminal.say(yes), await terminal.say(yes)]
    assert.deepEqual(await terminal.sessions!(2), [two.session, one.session])
  },
}

for (const on of transports) {
  describe(`over ${on}`, () => {
    const as: Trial['as'] = (key, { guest } = place) => drivers[on](guest, key)
    for (const { id, sentence, on: where } of requirements) {
      if (!(where as readonly TransportName[]).includes(on)) continue
      it(`${id}: ${sentence}`, async () => {
        const terminal = await as(place.guest.token)
        await trials[id]({ on, terminal, as })
        await terminal.close()
      })
    }
  })
}
