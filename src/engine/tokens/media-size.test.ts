import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { deflateSync } from 'node:zlib'
import fc from 'fast-check'
import { countPdfPages } from './media-size.ts'
import { mediaTokens } from './media-tokens.ts'

const page = '<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]>>'
const padding = `%${'x'.repeat(20_000)}\n`
const plain = (pages: number): string =>
  `%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type /Pages /Count ${pages} /Kids[]>>endobj\n${`4 0 obj ${page} endobj\n`.repeat(pages)}${padding}`
const objectStream = (content: string): Buffer =>
  Buffer.concat([
    Buffer.from('5 0 obj<</Type /ObjStm/N 9/Filter/FlateDecode>>stream\r\n'),
    deflateSync(content),
    Buffer.from('\nendstream endobj\n'),
  ])
const count = (...parts: readonly (string | Buffer)[]): number =>
  countPdfPages(Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part))))

void describe('the pages of a PDF', () => {
  void it('are counted where they stand in the file, in any spacing', () => {
    assert.equal(count(plain(7)), 7)
    assert.equal(count(plain(3).replaceAll('/Type/Page/', '/Type\r\n  /Page /')), 3)
  })

  void it('are counted in compressed object streams', () => {
    assert.equal(count('%PDF-1.5\n', padding, objectStream(page.repeat(4)), objectStream(page), objectStream('<</Type/Pages>>')), 5)
  })

  void it('are as many as the file claims when its objects cannot be read', () => {
    assert.equal(count('%PDF-1.5\n1 0 obj<</Linearized 1/L 9000/O 3/E 5/N 12/T 99>>endobj\n', padding), 12)
    assert.equal(count('%PDF-1.4\n2 0 obj<</Count 9/Type/Pages/Kids[1 0 R]>>endobj\n', padding), 9)
  })

  void it('are bounded by the length of an unreadable file, and by what vendors accept', () => {
    assert.equal(count('%PDF-1.7 all of it encrypted', Buffer.alloc(20_000, 0xa7)), 11)
    assert.equal(count(''), 1)
    assert.equal(count(plain(1_200)), 1_000)
  })

  void it('are not believed when a short file claims millions', () => {
    assert.ok(count('%PDF-1.4\n<</Type/Pages/Count 999999999>>') <= 3)
    assert.ok(count('%PDF-1.4\n<</Linearized 1/N 999999999>>') <= 3)
  })

  void it('are found without inflating a bomb', () => {
    const bomb = objectStream(' '.repeat(12 * 1024 * 1024))
    assert.equal(count('%PDF-1.5\n', bomb, objectStream(page.repeat(2)), padding), 2)
  })

  void it('are counted soon in a file that is nothing but beginnings of object streams', () => {
    assert.ok(count('/Type /ObjStm stream\n'.repeat(200_000), 'endstream') >= 1)
    assert.ok(count('/Type /ObjStm '.repeat(200_000)) >= 1)
  })

  void it('may be any bytes: nothing throws', () => {
    const shards = [
      '/Type/Page',
      '/Type /Pages',
      '/Count 12',
      '/Type/ObjStm',
      'stream\r\n',
      'endstream',
      '/Linearized 1 /N 3',
      '>>',
      '<<',
      ' ',
    ]
    const part = fc.oneof(
      fc.constantFrom(...shards).map((text) => Buffer.from(text)),
      fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
    )
    fc.assert(
      fc.property(fc.array(part, { maxLength: 20 }), (parts) => {
        const pages = countPdfPages(Buffer.concat(parts))
        assert.ok(Number.isSafeInteger(pages) && pages >= 1 && pages <= 1_000)
      }),
    )
  })

  void it('cost what a page costs at the vendor, text and picture', () => {
    const data = Buffer.from(plain(10)).toString('base64')
    const cost = (wire: string, model: string): number =>
      mediaTokens({ type: 'media', mediaType: 'application/pdf', name: 'a.pdf', data }, wire, model)
    assert.equal(cost('gemini', 'gemini-2.5-pro'), 2_580)
    assert.equal(cost('gemini', 'gemini-3-pro-preview'), 5_600)
    assert.equal(cost('anthropic', 'claude-opus-4-1'), 10 * (3_000 + 1_496))
    assert.equal(cost('openai-responses', 'gpt-4o'), 10 * (3_000 + 765))
  })
})
