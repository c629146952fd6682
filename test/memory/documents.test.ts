import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createFakeSandbox } from '../../src/sandbox/fake/fake-sandbox.ts'
import { openMemoryFixture } from './memory-fixture.ts'

interface Ingested {
  documents: { address: string; state: string; sections: number }[]
  failed: { path: string; code: string }[]
}
interface Hit {
  note_id: string
  text: string
  source: string
  author: string
  labels: string[]
}

const page = `<html><head><title>Trip</title></head><body><h1>Trip to Porto</h1><p>The train leaves at 9:40. ${'It is a long way. '.repeat(20)}</p><script>evil()</script></body></html>`

function statesOf(documents: Ingested['documents']): string[] {
  const states = documents.map(({ address, state }) => `${address.replace('/shared/docs/', '')} ${state}`)
  return states.sort((a, b) => a.localeCompare(b, 'en'))
}

function workspace() {
  const files = new Map([
    ['/shared/docs/handbook.md', '# Handbook\n\nBackups run every night at three.\n\n## Access\n\nAsk Miro for the key card.\n'],
    ['/shared/docs/trip.html', page],
    ['/shared/docs/start.ts', 'export function startEngine(): void {\n  ignite()\n}\n'],
    ['/shared/docs/picture.png', 'x'],
  ])
  return { files, sandbox: createFakeSandbox(files) }
}

describe('a document', () => {
  it('is found by its words and path, converted by its type, and untrusted', async () => {
    const { sandbox } = workspace()
    await using guest = await openMemoryFixture({ sandbox })
    const { documents, failed } = await guest.ask<Ingested>('memory.ingest', { path: 'docs' })
    assert.deepEqual(statesOf(documents), ['handbook.md new', 'start.ts new', 'trip.html new'])
    assert.deepEqual(failed, [])
    const [hit] = await guest.ask<Hit[]>('memory.search', { query: 'when leaves the train to Porto' })
    assert.deepEqual([hit?.source, hit?.author, hit?.labels], ['document', '/shared/docs/trip.html', ['untrusted']])
    assert.doesNotMatch(hit?.text ?? '', /evil|<p>/)
    const [code] = await guest.ask<Hit[]>('memory.search', { query: 'startEngine' })
    assert.equal(code?.author, '/shared/docs/start.ts')
  })

  it('whose beginning was forgotten is still recognized, replaced completely, and removable', async () => {
    const part = 'a long way to go. '.repeat(1_500)
    const files = new Map([['/shared/docs/book.txt', `The safe opens with 4711. ${part}`]])
    await using guest = await openMemoryFixture({ sandbox: createFakeSandbox(files) })
    const pass = async (): Promise<string[]> => statesOf((await guest.ask<Ingested>('memory.ingest', { path: 'docs/book.txt' })).documents)
    await pass()
    await guest.ask('memory.forget', { text: 'safe opens with 4711' })
    assert.deepEqual(await pass(), ['book.txt unchanged'])
    files.set('/shared/docs/book.txt', 'Nothing is left.')
    assert.deepEqual(await pass(), ['book.txt replaced'])
    assert.equal((await guest.store.memory.list({ kinds: ['document'] }, 10)).length, 1)
  })

  it('that is unchanged gets new tags and trust, which later passes keep', async () => {
    const { sandbox } = workspace()
    await using guest = await openMemoryFixture({ sandbox })
    const pass = async (input: object): Promise<string[]> =>
      statesOf((await guest.ask<Ingested>('memory.ingest', { path: 'docs/handbook.md', ...input })).documents)
    const labels = async (): Promise<string[] | undefined> =>
      (await guest.ask<Hit[]>('memory.search', { query: 'backups at night', tags: ['house'] }))[0]?.labels
    assert.deepEqual(await pass({}), ['handbook.md new'])
    assert.deepEqual(await pass({ tags: ['house'] }), ['handbook.md replaced'])
    assert.deepEqual(await labels(), ['untrusted'])
    assert.deepEqual(await pass({ trust: true }), ['handbook.md replaced'])
    assert.deepEqual(await labels(), [])
    assert.deepEqual(await pass({}), ['handbook.md unchanged'])
    assert.deepEqual(await labels(), [])
  })

  it('that is unchanged is skipped, a changed one is replaced, a missing one is removed', async () => {
    const { files, sandbox } = workspace()
    await using guest = await openMemoryFixture({ sandbox })
    await guest.ask('memory.ingest', { path: 'docs' })
    files.set('/shared/docs/handbook.md', '# Handbook\n\nBackups run every noon.\n')
    files.delete('/shared/docs/trip.html')
    const { documents } = await guest.ask<Ingested>('memory.ingest', { path: '/shared/docs' })
    assert.deepEqual(statesOf(documents), ['handbook.md replaced', 'start.ts unchanged', 'trip.html removed'])
    const hits = await guest.ask<Hit[]>('memory.search', { query: 'backups night noon train Porto', top_k: 20 })
    assert.deepEqual(
      hits.map(({ author }) => author),
      ['/shared/docs/handbook.md'],
    )
    assert.match(hits[0]?.text ?? '', /noon/)
    assert.doesNotMatch(hits[0]?.text ?? '', /night/)
  })

  it('is trusted only if a person says so', async () => {
    const { sandbox } = workspace()
    await using guest = await openMemoryFixture({ sandbox })
    await guest.ask('memory.ingest', { path: 'docs/handbook.md', trust: true })
    const [hit] = await guest.ask<Hit[]>('memory.search', { query: 'backups' })
    assert.deepEqual(hit?.labels, [])
  })

  it('of many sections is found in each of them, and shrinks when the file does', async () => {
    const { files, sandbox } = workspace()
    const long = Array.from({ length: 900 }, (_, i) => `Paragraph ${i} speaks of topic${i} at some length, for the sake of it.`).join(
      '\n\n',
    )
    files.set('/shared/long.txt', long)
    await using guest = await openMemoryFixture({ sandbox })
    const { documents } = await guest.ask<Ingested>('memory.ingest', { path: 'long.txt' })
    assert.ok((documents[0]?.sections ?? 0) > 3)
    for (const topic of ['topic0', 'topic450', 'topic899']) {
      const [hit] = await guest.ask<Hit[]>('memory.search', { query: topic })
      assert.match(hit?.text ?? '', new RegExp(`${topic}\\b`))
    }
    files.set('/shared/long.txt', 'Only topic0 is left.')
    await guest.ask('memory.ingest', { path: 'long.txt' })
    assert.equal((await guest.ask<{ entries: number }>('memory.stats', {})).entries, 1)
  })

  it('that does not exist, has no text or is in the vault is refused with advice', async () => {
    const { files, sandbox } = workspace()
    files.set('/shared/empty.md', '  \n')
    await using guest = await openMemoryFixture({ sandbox })
    for (const [path, code] of [
      ['nothing.md', 'not_found'],
      ['empty.md', 'tool_failed'],
      ['/vault/key.txt', 'path_refused'],
    ] as const) {
      const outcome = await guest.call('memory.ingest', { path })
      assert.equal(outcome.status !== 'ok' && outcome.failure.code, code, path)
    }
  })
})

describe('an export', () => {
  it('is the same again in another store, byte for byte, and a second import changes nothing', async () => {
    const { sandbox } = workspace()
    await using guest = await openMemoryFixture({ sandbox })
    await guest.ask('memory.ingest', { path: 'docs' })
    await guest.say('My sister Clara plays the cello, since 2019.')
    const { note_id: old } = await guest.ask<{ note_id: string }>('memory.save', { content: 'I live in Seoul.', tags: ['home'] })
    await guest.ask('memory.supersede', { note_id: old, content: 'I live in Busan.' })
    const { lines } = await guest.ask<{ lines: string[] }>('memory.export', { after: '' })
    await using other = await openMemoryFixture()
    const first = await other.ask<{ added: number; refused: unknown[] }>('memory.import', { lines })
    assert.deepEqual([first.added, first.refused], [lines.length, []])
    assert.deepEqual((await other.ask<{ lines: string[] }>('memory.export', { after: '' })).lines, lines)
    const again = await other.ask<{ unchanged: number; added: number }>('memory.import', { lines })
    assert.deepEqual([again.unchanged, again.added], [lines.length, 0])
    const [hit] = await other.ask<Hit[]>('memory.search', { query: 'where do I live' })
    assert.equal(hit?.text, 'I live in Busan.')
  })

  it('overwrites nothing silently, and a bad line does not affect others', async () => {
    await using guest = await openMemoryFixture()
    await guest.ask('memory.save', { content: 'I live in Seoul.' })
    const { lines } = await guest.ask<{ lines: string[] }>('memory.export', { after: '' })
    const changed = lines[0]!.replace('Seoul', 'Daegu')
    const fresh = lines[0]!.replace(/"id":"[^"]+"/, '"id":"note-other"')
    const bad = ['{', '[]', '{"oxbow_memory":2}', lines[0]!.replace('"warm"', '"boiling"'), 'null', '"x"']
    const result = await guest.ask<{ added: number; conflicts: string[]; refused: { line: number }[] }>('memory.import', {
      lines: [...bad, changed, fresh, ''],
    })
    assert.deepEqual([result.added, result.conflicts.length, result.refused.map(({ line }) => line)], [1, 1, [1, 2, 3, 4, 5, 6]])
    const replaced = await guest.ask<{ replaced: number }>('memory.import', { lines: [changed], overwrite: true })
    assert.equal(replaced.replaced, 1)
  })
})
