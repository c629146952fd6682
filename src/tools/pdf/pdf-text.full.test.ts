import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { deflateSync } from 'node:zlib'
import fc from 'fast-check'
import { makePackedPdf, makePdf } from './pdf-fixture.ts'
import { pdfMarkdown, readPdf } from './pdf-text.ts'

const never = new AbortController().signal

describe('the text of a PDF', () => {
  it('is read page by page, with its title', async () => {
    const answer = await readPdf(makePdf([['Hello (you)', 'second line'], [], ['third']], 'A title'), never)
    assert.ok(answer.ok)
    assert.equal(answer.title, 'A title')
    assert.deepEqual(answer.pages, ['Hello (you)\nsecond line', '', 'third'])
    assert.equal(pdfMarkdown(answer), '## Page 1 of 3\n\nHello (you)\nsecond line\n\n## Page 2 of 3\n\n\n\n## Page 3 of 3\n\nthird')
  })

  it('ends at the limit of characters', async () => {
    const answer = await readPdf(makePdf([['one'], ['two'], ['three']]), never, { maxCharacters: 5 })
    assert.ok(answer.ok)
    assert.deepEqual([answer.pages, answer.totalPages, answer.cut], [['one', 'tw'], 3, true])
  })

  it('is refused for a file that is no PDF or needs a password', async () => {
    assert.deepEqual(await readPdf(Buffer.from('%PDF-1.4 nothing'), never), { ok: false, problem: 'unreadable' })
    const locked = makePdf([['x']])
      .toString('latin1')
      .replace('/Size', `/ID[(a)(a)]/Encrypt<</Filter/Standard/V 1/R 2/O(${'o'.repeat(32)})/U(${'u'.repeat(32)})/P -4>>/Size`)
    assert.deepEqual(await readPdf(Buffer.from(locked, 'latin1'), never), { ok: false, problem: 'locked' })
  })

  it('stays within its time and memory for a hostile document', async () => {
    // 400 MiB of operators in 400 KiB of file.
    const slow = makePackedPdf(deflateSync(Buffer.alloc(400 * 1024 * 1024, 'q Q '), { level: 9 }))
    const answer = await readPdf(slow, never, { timeoutMs: 1_500 })
    assert.ok(!answer.ok && (answer.problem === 'too_slow' || answer.problem === 'too_large'), JSON.stringify(answer))
  })

  it('is not decompressed beyond the memory limit', async () => {
    // 400 MiB of nothing in a kilobyte of file.
    const twice = deflateSync(deflateSync(Buffer.alloc(400 * 1024 * 1024, ' ')))
    assert.deepEqual(await readPdf(makePackedPdf(twice, '[/FlateDecode/FlateDecode]'), never), { ok: false, problem: 'too_large' })
  })

  it('ends when the call is cancelled', async () => {
    const cancel = new AbortController()
    const reading = readPdf(makePdf([['x']]), cancel.signal)
    cancel.abort(new Error('cancelled by a person'))
    await assert.rejects(reading, /cancelled by a person/)
  })

  it('never rejects, whatever the bytes are', async () => {
    const whole = makePdf([['one', 'two'], ['three']])
    const hurt = fc.tuple(fc.nat(whole.length - 1), fc.uint8Array({ minLength: 1, maxLength: 12 }), fc.nat(whole.length))
    await fc.assert(
      fc.asyncProperty(hurt, async ([at, bytes, end]) => {
        const broken = Buffer.from(whole)
        broken.set(bytes.subarray(0, whole.length - at), at)
        const answer = await readPdf(broken.subarray(0, Math.max(end, whole.length / 2)), never)
        assert.equal(typeof answer.ok, 'boolean')
      }),
      { numRuns: 8 },
    )
  })
})
