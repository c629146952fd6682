import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'
import { createFakeSandbox } from '../../sandbox/fake/fake-sandbox.ts'
import type { Attachment, Call, CallContext, Done } from '../../protocol/index.ts'
import { isOxbowError } from '../../base/index.ts'
import { attachmentSave, mediaSend } from './media-calls.ts'
import { createSeenFiles } from '../workspace-arguments.ts'

/** A turn with these attachments, whose pieces are texts. */
function turn(files: Record<string, string> = {}, attached: readonly (readonly string[])[] = []) {
  const map = new Map(Object.entries(files))
  const stored = new Map<string, Uint8Array>()
  const keep = async (bytes: Uint8Array): Promise<string> => {
    const hash = createHash('sha256').update(bytes).digest('hex')
    stored.set(hash, bytes)
    return hash
  }
  const attachments: Promise<Attachment[]> = Promise.all(
    attached.map(async (texts, index) => {
      const pieces = await Promise.all(texts.map((text) => keep(Buffer.from(text))))
      return { index, name: `${index}.txt`, media_type: 'text/plain', bytes: texts.join('').length, pieces }
    }),
  )
  const run = async <Input>(call: Call<Input>, input: object): Promise<Done<any>> => {
    const found = await attachments
    const context = {
      id: 'c.0',
      caller: { session: 's' },
      signal: new AbortController().signal,
      sandbox: createFakeSandbox(map),
      attachments: async () => found,
      blobs: { keep, read: async (hash: string) => stored.get(hash) ?? null },
    } as unknown as CallContext
    const done = await call.run(call.input.parse(input), context)
    call.output.parse(done.output)
    return done
  }
  const refusal = async <Input>(call: Call<Input>, input: object): Promise<string> => {
    const error = await run(call, input).then(
      () => assert.fail('it was not refused'),
      (thrown: unknown) => thrown,
    )
    assert.ok(isOxbowError(error))
    return `${error.code}: ${error.message} ${error.hint}`
  }
  return { run, refusal, files: map, stored }
}

const save = attachmentSave(createSeenFiles())

describe('attachment.save', () => {
  it('writes all pieces as one file and describes it', async () => {
    const { run, files } = turn({}, [['a'], ['one ', 'two']])
    const { output, text } = await run(save, { index: 1, path: 'notes/in.txt' })
    assert.equal(files.get('/shared/notes/in.txt'), 'one two')
    const { hash } = output as { hash: string }
    assert.deepEqual(output, {
      saved: true,
      path: '/shared/notes/in.txt',
      mime_type: 'text/plain',
      bytes_written: 7,
      created: true,
      hash,
      source_index: 1,
    })
    assert.equal(text, `Saved attachment 1 to /shared/notes/in.txt: 7 bytes, text/plain (hash ${hash}).`)
  })

  it('refuses an index that is not attached, and names those that are', async () => {
    assert.match(await turn().refusal(save, { index: 0, path: 'x' }), /^not_found: Nothing is attached/)
    assert.match(
      await turn({}, [['a'], ['b']]).refusal(save, { index: 2, path: 'x' }),
      /no attachment 2\. Attached are 0: "0\.txt", 1: "1\.txt"/,
    )
  })

  it('replaces a file only with overwrite', async () => {
    const { run, refusal, files } = turn({ '/shared/x': 'old' }, [['new']])
    assert.match(await refusal(save, { index: 0, path: 'x' }), /\/shared\/x already exists/)
    assert.equal(files.get('/shared/x'), 'old')
    const { text } = await run(save, { index: 0, path: 'x', overwrite: true })
    assert.match(text!, /replacing the existing file/)
    assert.equal(files.get('/shared/x'), 'new')
  })

  it('writes nothing into the vault or outside the workspace', async () => {
    const { refusal } = turn({}, [['a']])
    assert.match(await refusal(save, { index: 0, path: '/vault/x' }), /^path_refused: .*vault_copy_to/)
    assert.match(await refusal(save, { index: 0, path: '/etc/x' }), /^path_refused/)
  })
})

describe('media.send', () => {
  const gif = `GIF89a${'x'.repeat(20)}`

  it('stores the content in pieces and records what a terminal needs to show it', async () => {
    const { run, stored } = turn({ '/shared/out/pic.gif': gif })
    const done = await run(mediaSend, { path: 'out/pic.gif', media_type: 'photo', caption: 'an ox' })
    const { pieces, ...facts } = done.output
    assert.deepEqual(facts, { media_type: 'photo', name: 'pic.gif', mime_type: 'image/gif', bytes: 26, caption: 'an ox' })
    assert.equal(Buffer.from(stored.get(pieces[0])!).toString(), gif)
    assert.match(done.text!, /^Sent pic\.gif as photo: image\/gif, 26 bytes\. A text terminal shows only its name/)
    assert.deepEqual(mediaSend.recordOutput?.(done.output), { media: done.output })
    assert.equal(mediaSend.labels.sink, true)
  })

  it('splits a large file into pieces of at most 2 MiB, without loss', async () => {
    const whole = 'ox'.repeat(2_500_000)
    const { run, stored } = turn({ '/tmp/a.txt': whole })
    const { pieces } = (await run(mediaSend, { path: '/tmp/a.txt', media_type: 'document' })).output as { pieces: string[] }
    assert.equal(pieces.length, 3)
    assert.equal(Buffer.concat(pieces.map((piece) => stored.get(piece)!)).toString(), whole)
  })

  it('refuses empty files, files of another type, and the vault', async () => {
    const { refusal } = turn({ '/shared/e': '', '/shared/t': 'text' })
    assert.match(await refusal(mediaSend, { path: 'e', media_type: 'document' }), /^bad_input: \/shared\/e is empty/)
    assert.match(
      await refusal(mediaSend, { path: 't', media_type: 'video' }),
      /text\/plain and cannot be sent as video\. Send it as document/,
    )
    assert.match(await refusal(mediaSend, { path: '/vault/x', media_type: 'document' }), /^path_refused: .*vault_copy_to/)
    assert.match(await refusal(mediaSend, { path: 'none', media_type: 'document' }), /^not_found/)
  })

  it('refuses a file that changes while it is read', async () => {
    const sizes = [5_000_000, 5_000_001]
    const ask = async (_: string, { offset, maxBytes }: { offset: number; maxBytes: number }) => ({
      content: Buffer.alloc(maxBytes),
      offset,
      totalBytes: sizes.shift(),
    })
    const context = {
      signal: new AbortController().signal,
      sandbox: { hands: async () => ({ ask }) },
      blobs: { keep: async () => 'hash' },
    } as unknown as CallContext
    const sending = mediaSend.run({ path: 'growing', media_type: 'document', caption: '' }, context)
    await assert.rejects(sending, { code: 'tool_failed' })
  })

  it('refuses a file of more than 50 MB after its first piece', async () => {
    const offsets: number[] = []
    const context = {
      signal: new AbortController().signal,
      sandbox: {
        hands: async () => ({
          ask: async (_: string, { offset }: { offset: number }) => {
            offsets.push(offset)
            return { content: Buffer.from('x'), offset, totalBytes: 50_000_001 }
          },
        }),
      },
      blobs: { keep: async () => assert.fail('nothing is stored') },
    } as unknown as CallContext
    const sending = mediaSend.run({ path: 'big', media_type: 'document', caption: '' }, context)
    await assert.rejects(sending, { code: 'limit_reached' })
    assert.deepEqual(offsets, [0])
  })
})
