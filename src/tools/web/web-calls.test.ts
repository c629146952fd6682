import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { z } from 'zod'
import type { Fetched } from '../../sandbox/index.ts'
import { isOxbowError } from '../../base/index.ts'
import type { CallContext, Done } from '../../protocol/index.ts'
import { builtinCalls } from '../index.ts'
import { makePdf } from '../pdf/pdf-fixture.ts'
import { pngOf } from '../media/picture-fixture.ts'
import { webFetch } from './web-calls.ts'

const page = (body: string | Buffer, facts: Partial<Fetched> = {}): Fetched => ({
  urls: ['https://e.example/'],
  address: '93.184.216.34',
  status: 200,
  contentType: 'text/html; charset=utf-8',
  cut: false,
  ...facts,
  body: Buffer.from(body),
})

const blobs = { keep: async (bytes: Uint8Array) => String(bytes.length), read: () => Promise.resolve(null) }

/** The call over an egress that answers from a script; the last answer stays. */
function web(...answers: readonly Fetched[]) {
  const requested: string[] = []
  const call = webFetch({
    fetch(url) {
      requested.push(url)
      return Promise.resolve(answers[Math.min(requested.length, answers.length) - 1]!)
    },
  })
  const run = async (input: object = {}, session = 's'): Promise<Done<any>> => {
    const id = '0198c0de-0000-7000-8000-00000000abcd.0'
    const context = { id, caller: { session }, signal: new AbortController().signal, blobs }
    const done = await call.run(call.input.parse({ url: 'https://e.example/', ...input }), context as unknown as CallContext)
    call.output.parse(done.output)
    return done
  }
  return { run, requested, call }
}

describe('web.fetch', () => {
  it('is offered only with network access', () => {
    const names = (egress?: Parameters<typeof webFetch>[0]) =>
      builtinCalls({ files: true, shell: true }, egress && { egress, robots: 'ignore' }).map((call) => call.name)
    assert.ok(!names().includes('web.fetch'))
    assert.ok(names({ fetch: () => Promise.reject(new Error('not now')) }).includes('web.fetch'))
  })

  it('is a sink, returns untrusted text, needs its right, and is recorded before it runs', () => {
    const { tier, right, effect, labels, input, example, summary } = web().call
    assert.deepEqual(
      [tier, right, effect, labels],
      ['side_effecting', 'web.read', 'idempotent', { adds: ['untrusted'], sink: true, loads: true }],
    )
    assert.equal(input.safeParse({ ...example, surplus: 1 }).success, false)
    input.parse(example)
    assert.match(summary, /^[A-Z].*\.$/)
    const { properties = {} } = z.toJSONSchema(input, { io: 'input' }) as { properties?: Record<string, { description?: string }> }
    for (const [field, { description }] of Object.entries(properties)) assert.ok(description, field)
  })

  it('shows a picture, or says why it cannot', async () => {
    const png = pngOf(30, 20)
    const picture = (body: Buffer, more: Partial<Fetched> = {}) =>
      web(page(body, { urls: ['https://e.example/a/ox.png?q=1'], contentType: 'image/png', ...more })).run()
    const { text, files, output } = await picture(png)
    assert.deepEqual(
      files?.map(({ name, media_type: type, bytes }) => [name, type, bytes]),
      [['ox.png', 'image/png', png.length]],
    )
    assert.match(text ?? '', /It is a picture \(image\/png, 30 × 20, \d+ bytes\): the picture is attached to this result\./)
    assert.equal(output.total_bytes, 0)
    const broken = await picture(png.subarray(0, 40))
    assert.deepEqual([broken.files, /It is a picture that cannot be shown\. It is damaged/.test(broken.text ?? '')], [undefined, true])
    assert.equal((await picture(png, { cut: true })).files, undefined)
    assert.equal((await picture(png, { status: 404 })).files, undefined)
  })

  it('names the origin of the page and labels it untrusted', async () => {
    const urls = ['http://e.example/', 'https://e.example/x']
    const { output, text, ok } = await web(page('<title>T</title><h1>A</h1><p>b <a href="y">c</a>', { urls })).run()
    assert.equal(ok, true)
    assert.equal(
      text,
      [
        'status 200, text/html; charset=utf-8, 48 bytes',
        'from https://e.example/x after 1 redirect',
        'title: T',
        '',
        '# A\n\nb [c](https://e.example/y)',
      ].join('\n'),
    )
    assert.deepEqual(output, {
      url: 'https://e.example/',
      final_url: 'https://e.example/x',
      redirects: 1,
      status: 200,
      content_type: 'text/html; charset=utf-8',
      bytes: 48,
      title: 'T',
      text: '# A\n\nb [c](https://e.example/y)',
      from_byte: 0,
      next_byte: null,
      total_bytes: 31,
      truncated: false,
      note: '',
    })
  })

  it('shows HTML in the requested format, and everything else unchanged', async () => {
    const html = page('<p>a <b>b</b>')
    const shown = async (fetched: Fetched, format: string) => (await web(fetched).run({ format })).output.text
    assert.equal(await shown(html, 'markdown'), 'a **b**')
    assert.equal(await shown(html, 'text'), 'a b')
    assert.equal(await shown(html, 'raw'), '<p>a <b>b</b>')
    for (const contentType of ['text/plain', 'application/json', 'application/ld+json', 'image/svg+xml', 'text/csv; charset=utf-8'])
      assert.equal(await shown(page('<p>a', { contentType }), 'markdown'), '<p>a')
  })

  it('describes content that is not text without showing it', async () => {
    for (const [contentType, body] of [
      ['image/png', 'x'],
      ['', 'a\0b'],
      ['application/octet-stream', '\0'],
    ] as const) {
      const { output, text } = await web(page(body, { contentType })).run({ format: 'raw' })
      assert.equal(output.text, '')
      assert.match(text!, /has no text that can be shown/)
    }
    assert.match((await web(page('')).run()).text!, /It is empty\.$/)
    assert.match((await web(page('%PDF', { contentType: 'application/pdf' })).run()).text!, /It is a PDF that cannot be read/)
  })

  it('reads a PDF page by page, whatever type the server reports', async () => {
    for (const contentType of ['application/pdf', 'application/octet-stream', '']) {
      const { output, text } = await web(page(makePdf([['one'], ['two']], 'A report'), { contentType })).run()
      assert.equal(output.text, '## Page 1 of 2\n\none\n\n## Page 2 of 2\n\ntwo')
      assert.equal(output.title, 'A report')
      assert.match(text!, /title: A report/)
    }
    assert.match((await web(page(makePdf([[]]), { contentType: 'application/pdf' })).run()).text!, /PDF of images/)
  })

  it('is not ok when the server answers with an error, and shows the beginning of the error page', async () => {
    const { output, text, ok } = await web(page(`<p>${'gone '.repeat(5_000)}`, { status: 404 })).run()
    assert.deepEqual([ok, output.status, output.text.length], [false, 404, 2_048])
    assert.match(text!, /^status 404/)
    assert.doesNotMatch(text!, /Continue with/)
  })

  it('says that a page exceeds the size limit', async () => {
    const { output, text } = await web(page('<p>a', { cut: true })).run()
    assert.equal(output.truncated, true)
    assert.match(text!, /its end is missing/)
  })

  it('removes control characters and invisible characters', async () => {
    const body = 'a\u001b[31mb\r\nc\u202ed\u0000e\u{e0041}\u{e0042}f\u0085\ttab'
    const { output } = await web(page(body, { contentType: 'text/plain\u001b' })).run()
    assert.equal(output.text, 'a[31mb\ncdef\ttab')
    const titled = await web(page('<title>a&#27;b</title>c')).run()
    assert.ok(!titled.text!.includes('\u001b'))
  })

  it('never exceeds what a model is shown of one result', async () => {
    const urls = [`https://e.example/${'u'.repeat(8_000)}`]
    const { text } = await web(
      page(`<title>${'t'.repeat(9_000)}</title>${'é '.repeat(90_000)}`, { urls, contentType: `text/html; ${'c'.repeat(190)}` }),
    ).run()
    assert.ok(Buffer.byteLength(text!) <= 16 * 1024, `${Buffer.byteLength(text!)}`)
  })
})

describe('reading on', () => {
  const long = Array.from({ length: 3_000 }, (_, i) => `line ${i} with some words`).join('\n')

  it('returns the rest of the same page, in whole lines, without another request', async () => {
    const { run, requested } = web(page(long, { contentType: 'text/plain' }), page('another', { contentType: 'text/plain' }))
    let got = ''
    for (let from: number | null = 0; from !== null;) {
      const { output, text } = await run({ from_byte: from })
      got += output.text
      assert.ok(output.next_byte === null || output.text.endsWith('\n'))
      if (output.next_byte !== null)
        assert.match(text!, new RegExp(`of ${long.length}\\.\\] Continue|Continue with from_byte ${output.next_byte}\\.`))
      from = output.next_byte
    }
    assert.equal(got, long)
    assert.equal(requested.length, 1)
    assert.equal((await run()).output.text, 'another')
    await assert.rejects(run({ from_byte: 7 }), (error) => isOxbowError(error, 'bad_input') && /7 bytes/.test(error.message))
  })

  it('never uses a cached page of another session, URL or format', async () => {
    const { run, requested } = web(page(long, { contentType: 'text/plain' }))
    await run()
    await run({ from_byte: 5 })
    assert.equal(requested.length, 1)
    await run({ from_byte: 5 }, 'other')
    await run({ from_byte: 5, url: 'https://e.example/2' })
    await run({ from_byte: 5, format: 'raw' })
    assert.equal(requested.length, 4)
  })

  it('never uses an error page', async () => {
    const { run, requested } = web(page(long, { status: 500 }))
    await run()
    await run({ from_byte: 5 })
    assert.equal(requested.length, 2)
  })

  it('caches only the latest pages', async () => {
    const { run, requested } = web(page(long))
    for (let i = 0; i < 9; i += 1) await run({ url: `https://e.example/${i}` })
    await run({ url: 'https://e.example/8', from_byte: 5 })
    assert.equal(requested.length, 9)
    await run({ url: 'https://e.example/0', from_byte: 5 })
    assert.equal(requested.length, 10)
  })

  it('caches at most its limit of bytes', async () => {
    const { run, requested } = web(page('€'.repeat(1024 * 1024), { contentType: 'text/plain' }))
    for (let i = 0; i < 3; i += 1) await run({ url: `https://e.example/${i}` })
    for (const i of [1, 2]) await run({ url: `https://e.example/${i}`, from_byte: 5 })
    assert.equal(requested.length, 3)
    await run({ url: 'https://e.example/0', from_byte: 5 })
    assert.equal(requested.length, 4)
  })

  it('loses no byte and splits no character, at any offset and any page size', async () => {
    const body = fc.array(fc.constantFrom('a', 'é', '€', '😀', '\n', 'word '), { minLength: 1, maxLength: 800 }).map((all) => all.join(''))
    await fc.assert(
      fc.asyncProperty(body, fc.integer({ min: 256, max: 400 }), async (text, max) => {
        const { run } = web(page(text, { contentType: 'text/plain' }))
        let got = ''
        for (let from: number | null = 0; from !== null;) {
          const { output } = await run({ from_byte: from, max_bytes: max })
          assert.equal(output.from_byte, from)
          got += output.text
          from = output.next_byte
        }
        assert.equal(got, text)
        const middle = Math.floor(Buffer.byteLength(text) / 2)
        const { output } = await run({ from_byte: middle, max_bytes: max })
        assert.ok(text.includes(output.text) && !output.text.includes('\ufffd'))
      }),
    )
  })
})

describe('the encoding of a page', () => {
  const shown = async (body: Buffer, contentType: string) =>
    (await web(page(body, { contentType })).run({ format: 'raw' })).output.text as string
  const cases: readonly (readonly [what: string, body: Buffer, contentType: string, text: string])[] = [
    ['is what the server says', Buffer.from('caf\u00e9', 'latin1'), 'text/plain; charset=ISO-8859-1', 'café'],
    ['is what the server says in quotes', Buffer.from([0x82, 0xa0]), 'text/plain; charset="Shift_JIS"', 'あ'],
    ['is what the page says', Buffer.from('<meta charset="windows-1251">\u00ff', 'latin1'), 'text/html', '<meta charset="windows-1251">я'],
    ['is what its mark says, whatever the server says', Buffer.from('\ufeffhé', 'utf16le'), 'text/plain; charset=utf-8', 'hé'],
    ['is UTF-8 otherwise', Buffer.from('é😀'), 'text/plain', 'é😀'],
    ['is the usual one of old pages when it is not UTF-8', Buffer.from('\u0093caf\u00e9\u0094', 'latin1'), 'text/plain', '“café”'],
    ['may be one that nobody knows', Buffer.from('é'), 'text/plain; charset=nosuch', 'é'],
    ['is not what the page cannot have', Buffer.from('<meta charset=utf-16>é'), 'text/html', '<meta charset=utf-16>é'],
    ['may be cut within a character', Buffer.from('aé').subarray(0, 2), 'text/plain', 'a\ufffd'],
  ]
  for (const [what, body, contentType, text] of cases) it(what, async () => assert.equal(await shown(body, contentType), text))

  it('and the type of a page that declares neither are detected from its content', async () => {
    assert.equal((await web(page(' <!DOCTYPE html><p>a', { contentType: '' })).run()).output.text, 'a')
    assert.equal((await web(page('<p>a', { contentType: '' })).run()).output.text, '<p>a')
  })
})
