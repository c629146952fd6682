/** Notes of a persona: it alone recalls them, whatever is asked; and its person has all. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DefinitionText, HostPort } from '../../src/config/index.ts'
import type { GenerateRequest } from '../../src/protocol/index.ts'
import { textOf } from '../../src/protocol/index.ts'
import { asks, type FixtureOptions, says } from '../../src/kernel/kernel-fixture.ts'
import { openMemoryFixture } from './memory-fixture.ts'

type Play = NonNullable<FixtureOptions['play']>

const canary = 'marigold'
const secretNote = `The launch word of the harbour project is ${canary}.`
const texts = new Map<string, string>()
const define = (name: string, toml: string): void => void texts.set(name, `description = "${name}"\nrights = []\n${toml}`)
const host = {
  definitions: async () => [...texts].map(([name, toml]): DefinitionText => ({ kind: 'agents', name, toml, text: '', problem: '' })),
} as unknown as HostPort
const nameOf = ({ system }: GenerateRequest): string => /You are ([\w-]+)/.exec(system)![1]!

/** Each does what its message says, as a line of JSON: a call with its input. */
const obeys: Play = ({ messages }) => {
  const last = messages.at(-1)!
  const said = textOf(last)
  return last.role === 'user' && said.includes('{"call"') ? asks(callOf(said)) : says('done')
}
function callOf(said: string): readonly [string, unknown] {
  const { call, input } = JSON.parse(said.slice(said.lastIndexOf('{"call"'), said.lastIndexOf('}') + 1)) as { call: string; input: unknown }
  return [call, input]
}

test('no other agent recalls a note of a persona, by search, before a turn, by id, or in what tidying merges', async () => {
  define('keeper', 'memory = "persona"\nid = "keeper01"')
  define('other', 'memory = "persona"\nid = "other001"')
  define('reader', 'memory = "read"')
  await using guest = await openMemoryFixture({ play: obeys, host })
  const { kernel, memory, asked } = guest
  /** What a model sees and gets in a conversation of its own, all together. */
  const seenBy = async (agent: string, call: string, input: object): Promise<string> => {
    const { id: session } = await kernel.createSession(agent || 'usual')
    if (agent !== '') assert.equal((await kernel.call('session.agent', { agent }, session)).status, 'ok')
    const from = asked.length
    const ended = Promise.withResolvers<void>()
    const stop = await kernel.follow(session, 0, (event) => {
      if (event.type === 'record' && event.record.name === 'turn.send' && event.record.phase === 'outcome') ended.resolve()
    })
    const { newCallId } = await import('../../src/kernel/kernel-fixture.ts')
    await kernel.sendTurn({ session, clientId: newCallId(), text: `What about the harbour project? ${JSON.stringify({ call, input })}` })
    await ended.promise
    stop()
    const requests = asked.slice(from)
    assert.ok(requests.every((request) => agent === '' || nameOf(request) === agent))
    return JSON.stringify(requests.map(({ system, messages }) => [system, messages]))
  }
  await seenBy('keeper', 'memory_save', { content: secretNote, tags: ['harbour'] })
  await memory.caughtUp()
  const [note] = await guest.store.memory.list({ kinds: ['note'] }, 10)
  assert.equal(note?.author, 'persona:keeper01')
  const { id } = note
  const search = { query: 'launch word of the harbour project', include_conversation: true }
  // The message of the person that asked to note it is the person's, and known to all; forget it, to look for the note alone.
  for (const message of await guest.store.memory.list({ kinds: ['message'] }, 100))
    await guest.store.memory.change([{ change: 'erase', id: message.id }])
  const words = canary
  assert.match(await seenBy('keeper', 'memory_search', search), new RegExp(words), 'it recalls it itself')
  for (const agent of ['', 'other', 'reader']) {
    assert.ok(!(await seenBy(agent, 'memory_search', search)).includes(words), `${agent} searches`)
    assert.ok(!(await seenBy(agent, 'memory_search', { ...search, tags: ['harbour'] })).includes(words), `${agent} searches by tag`)
    for (const call of ['memory_delete', 'memory_update', 'memory_supersede']) {
      const seen = await seenBy(agent, call, { note_id: id, content: 'It is another.' })
      assert.ok(!seen.includes(words), `${agent} ${call}`)
    }
  }
  assert.equal((await guest.store.memory.items([id])).length, 1, 'nobody else has changed it')
  assert.equal((await guest.store.memory.items([id]))[0]?.entry.supersededBy, '')

  // The same text noted by others stays theirs, and tidying merges and compares nothing across.
  await guest.ask('memory.save', { content: secretNote.replace(canary, 'begonia'), tags: [] })
  await seenBy('other', 'memory_save', { content: secretNote, tags: [] })
  const tidied = await guest.call('memory.tidy', {})
  assert.equal(tidied.status, 'ok', tidied.text)
  const notes = await guest.store.memory.list({ kinds: ['note'] }, 10)
  assert.equal(notes.length, 3)
  for (const each of notes) assert.deepEqual([each.supersededBy, each.contradicts, each.confirmedBy], ['', [], []])

  // The person has all of it.
  const found = await guest.ask<readonly { text: string; author: string }[]>('memory.search', { query: search.query })
  assert.deepEqual(
    found
      .filter(({ text }) => text.includes(words))
      .map(({ author }) => author)
      .toSorted(),
    ['persona:keeper01', 'persona:other001'],
  )
  const { lines } = await guest.ask<{ lines: readonly string[] }>('memory.export', { after: '' })
  assert.ok(lines.some((line) => line.includes('persona:keeper01') && line.includes(words)))
})

test('the key of the notes is not the name: one that is renamed has its notes, and a new one of the old name has none', async () => {
  define('keeper', 'memory = "persona"\nid = "keeper01"')
  await using guest = await openMemoryFixture({ play: obeys, host })
  const { kernel } = guest
  const found = async (agent: string, call: string, input: object): Promise<string> => {
    const from = guest.asked.length
    assert.equal((await kernel.call('session.agent', { agent }, guest.session)).status, 'ok')
    await guest.turn(JSON.stringify({ call, input }))
    return JSON.stringify(guest.asked.slice(from).map(({ messages }) => messages.at(-1)))
  }
  await found('keeper', 'memory_save', { content: secretNote, tags: [] })
  texts.delete('keeper')
  define('warden', 'memory = "persona"\nid = "keeper01"')
  define('keeper', 'memory = "persona"\nid = "keeper02"')
  // Definitions are held for a moment.
  await new Promise((resolve) => setTimeout(resolve, 300))
  const search = { query: 'launch word harbour' }
  assert.match(await found('warden', 'memory_search', search), /marigold/)
  assert.doesNotMatch(await found('keeper', 'memory_search', search), /marigold/)
})
