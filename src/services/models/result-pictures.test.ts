import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openMemoryStore } from '../../store/index.ts'
import {
  type Call,
  type CallContext,
  conversationItem,
  type Done,
  type GenerateRequest,
  type KeptFile,
  type Message,
  type ModelEvent,
  toolResult,
} from '../../protocol/index.ts'
import { createFileShower } from './shown-files.ts'
import { verifyJournal } from '../audit/audit-verify.ts'
import { asks, type FixtureOptions, openFixture, says, testCall, user } from '../../kernel/kernel-fixture.ts'

const bytesOf = (name: string): Buffer => Buffer.from(`\x89PNG ${name}`, 'latin1')

async function keep(name: string, { blobs }: Pick<CallContext, 'blobs'>): Promise<KeptFile> {
  return { name, media_type: 'image/png', bytes: bytesOf(name).length, pieces: [await blobs.keep(bytesOf(name))] }
}

/** Gives one more picture with each call: `0.png`, `1.png` … */
function lookCall(): Call {
  let given = 0
  const run = async (_: unknown, context: CallContext): Promise<Done<unknown>> => {
    const file = await keep(`${given++}.png`, context)
    return { output: null, text: `${file.name}: the picture is attached to this result.`, files: [file] }
  }
  return testCall('test.look', run, { labels: { adds: ['untrusted'], sink: false } })
}

/** A model that looks so often, then answers, and what it was asked. */
function looker(times: number) {
  const seen: GenerateRequest[] = []
  const play: FixtureOptions['play'] = (request) => {
    seen.push(request)
    return seen.length <= times ? asks(['test_look']) : says('done')
  }
  return { seen, play }
}

const results = (messages: readonly Message[] | undefined) =>
  (messages ?? []).flatMap((message) => (message.role === 'tool' ? [message.parts[0]] : []))

describe('a picture of a result', () => {
  it('is shown with the marked text, and recorded by its hash only', async () => {
    const { seen, play } = looker(1)
    await using fixture = await openFixture({ play, calls: [lookCall()] })
    await fixture.turn('look')
    const [result] = results(seen[1]?.messages)
    assert.deepEqual(result?.media, [{ type: 'media', mediaType: 'image/png', name: '0.png', data: bytesOf('0.png').toString('base64') }])
    assert.match(result?.text ?? '', /^<<data (\S+)\n0\.png: the picture is attached to this result\.\n\1>>$/)
    assert.match(seen[1]?.system ?? '', /and pictures with them, were made by others/)
    const { body } = await fixture.record((record) => record.name === 'test.look' && record.phase === 'outcome')
    const { files, labels } = body as unknown as { files: KeptFile[]; labels: string[] }
    assert.deepEqual([files[0]?.name, files[0]?.pieces.length, labels], ['0.png', 1, ['untrusted']])
    assert.deepEqual(Buffer.from((await fixture.store.blob(files[0]!.pieces[0]!))!), bytesOf('0.png'))
  })

  it('that the service refuses is reported with a way out, because each later request of the session repeats it', async () => {
    const failure = { code: 'model_refused', message: 'Could not process image.', hint: 'Its message says why.' } as const
    let asked = 0
    async function* play(): AsyncGenerator<readonly ModelEvent[]> {
      if (asked++ === 1) yield [{ type: 'error', failure, usage: { inputTokens: 0, outputTokens: 0, estimated: false } }]
      else yield* asks(['test_look'])
    }
    await using fixture = await openFixture({ play, calls: [lookCall()] })
    const outcome = await fixture.turn('look')
    assert.equal(outcome['status'], 'failed')
    assert.match(outcome['reply'] as string, /Its message says why\. If it refuses a picture or file, .*`\/fork N`/)
  })

  it('is shown again when the conversation is reread, under the same text', async () => {
    const store = await openMemoryStore({ user })
    const keepOpen = Object.assign(Object.create(store), { close: async () => {} }) as typeof store
    const before = looker(1)
    const first = await openFixture({ play: before.play, calls: [lookCall()], store: keepOpen })
    await first.turn('look')
    await first.kernel.close()
    const after = looker(0)
    await using second = await openFixture({ play: after.play, calls: [lookCall()], store, session: first.session })
    await second.turn('and now?')
    assert.deepEqual(results(after.seen[0]?.messages), results(before.seen[1]?.messages))
  })

  it('is replaced by newer ones, and its result says so', async () => {
    const { seen, play } = looker(10)
    await using fixture = await openFixture({ play, calls: [lookCall()] })
    await fixture.turn('look')
    const shown = results(seen.at(-1)?.messages)
    assert.deepEqual(
      shown.map(({ media = [] }) => media.map(({ name }) => name).join()),
      ['', '', ...[2, 3, 4, 5, 6, 7, 8, 9].map((i) => `${i}.png`)],
    )
    const left = shown.filter(({ text }) => text.endsWith('[picture not shown: newer files took its place; repeat the call to see it]'))
    assert.equal(left.length, 2)
  })

  it('counts in a window', () => {
    const asked = { id: 't', name: 'test_look' }
    const file: KeptFile = { name: 'a.png', media_type: 'image/png', bytes: 10, pieces: ['0'.repeat(64)] }
    const sizeOf = (files?: readonly KeptFile[]) => toolResult('c.0' as never, asked, { ok: true, text: 'x', files }).bytes
    assert.ok(sizeOf([file]) > sizeOf() + 1_000)
    assert.equal(conversationItem('c' as never, { role: 'assistant', parts: [] }).bytes, 0)
  })

  it('fails audit verify when its content is lost or changed', async () => {
    const store = await openMemoryStore({ user })
    const keepOpen = Object.assign(Object.create(store), { close: async () => {} }) as typeof store
    const { play } = looker(1)
    const guest = await openFixture({ play, calls: [lookCall()], store: keepOpen })
    await guest.turn('look')
    await guest.kernel.close()
    assert.equal((await verifyJournal(store, { seal: null })).first_bad, null)
    const blob = async (hash: string) => ((await store.blob(hash))?.length === bytesOf('0.png').length ? null : store.blob(hash))
    const { first_bad: bad } = await verifyJournal(Object.assign(Object.create(store), { blob }) as typeof store, { seal: null })
    const [record] = await store.records({ after: bad!.seq - 1, order: 'oldest_first', limit: 1, hydrate: false })
    assert.deepEqual([record?.name, record?.phase], ['test.look', 'outcome'])
    await store.close()
  })
})

describe('a model that does not accept pictures', () => {
  it('reads that there is one, and its content is not read', async () => {
    const file: KeptFile = { name: 'a.png', media_type: 'image/png', bytes: 10, pieces: ['0'.repeat(64)] }
    const { message } = toolResult('c.0' as never, { id: 't', name: 'test_look' }, { ok: true, text: 'seen', files: [file] })
    const show = createFileShower({ read: () => assert.fail('it was read') })
    const once = await show([message], { input: ['text'] })
    assert.deepEqual(results(once)[0]?.text, 'seen\n[picture not shown: this model does not take files of its kind]')
    assert.equal((await show([message], { input: ['text'] }))[0], once[0], 'the same object, so that no wire writes it again')
    assert.notEqual((await show([message], { input: ['text', 'image'] }).catch(() => []))[0], once[0])
  })
})
