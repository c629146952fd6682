/** Files as bytes over HTTP: downloads with ranges, uploads, hostile names and content, and slow or hostile clients. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { startGuest, type TestGuest } from '../support/guest-process.ts'
import { makeWorkspace } from '../support/workspace.ts'

const workspace = makeWorkspace()
const shared = join(workspace.root, 'shared')
let guest: TestGuest
let address = ''
let token = ''

before(async () => {
  guest = startGuest({ workspace })
  const started = await guest.started
  assert.ok(started.type === 'ready')
  address = started.url.replace('ws:', 'http:').replace('/ws', '')
  token = readFileSync(join(workspace.root, 'ipc/token'), 'utf8').trim()
})
after(async () => {
  await guest.kill()
  workspace[Symbol.dispose]()
})

function ask(
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body?: Uint8Array | string | ReadableStream,
): Promise<Response> {
  return fetch(`${address}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...headers },
    ...(body !== undefined && { body, duplex: 'half' }),
  })
}

const jsonOf = async (response: Response): Promise<any> => response.json()
const bytesOf = async (response: Response): Promise<Buffer> => Buffer.from(await response.arrayBuffer())
const get = (path: string, headers: Record<string, string> = {}): Promise<Response> => ask('GET', `/api/v1/files/${path}?raw=1`, headers)

describe('a file over HTTP', () => {
  const large = randomBytes(3_500_000)

  it('is uploaded in pieces and downloaded as the same bytes', async () => {
    const sent = await ask('PUT', '/api/v1/files/data/large.bin?raw=1', {}, large)
    assert.equal(sent.status, 201)
    assert.deepEqual((await jsonOf(sent)).bytes, large.length)
    assert.ok(readFileSync(join(shared, 'data/large.bin')).equals(large))
    const streamed = new ReadableStream({
      start(controller) {
        for (let at = 0; at < large.length; at += 70_000) controller.enqueue(large.subarray(at, at + 70_000))
        controller.close()
      },
    })
    assert.equal((await ask('PUT', '/api/v1/files/data/large.bin', { 'content-type': 'application/octet-stream' }, streamed)).status, 200)
    const whole = await ask('GET', '/api/v1/files/data/large.bin', { accept: 'application/octet-stream' })
    assert.deepEqual([whole.status, whole.headers.get('content-length')], [200, String(large.length)])
    assert.ok((await bytesOf(whole)).equals(large))
  })

  it('replaces nothing with If-None-Match: *, and may be empty', async () => {
    assert.equal((await ask('PUT', '/api/v1/files/empty?raw=1', { 'if-none-match': '*' }, '')).status, 201)
    assert.equal(statSync(join(shared, 'empty')).size, 0)
    assert.equal((await bytesOf(await get('empty'))).length, 0)
    const again = await ask('PUT', '/api/v1/files/empty?raw=1', { 'if-none-match': '*' }, 'x')
    assert.equal(again.status >= 400, true)
    assert.equal(statSync(join(shared, 'empty')).size, 0)
  })

  it('is sent in part where a range is wanted', async () => {
    const whole = await get('data/large.bin')
    const tag = whole.headers.get('etag')!
    await whole.body?.cancel()
    for (const [range, from, to] of [
      ['bytes=0-9', 0, 10],
      ['bytes=1048570-1048590', 1_048_570, 1_048_591],
      ['bytes=3499990-', 3_499_990, 3_500_000],
      ['bytes=-5', 3_499_995, 3_500_000],
      ['bytes=3499999-9999999', 3_499_999, 3_500_000],
    ] as const) {
      const part = await get('data/large.bin', { range, 'if-range': tag })
      assert.deepEqual([part.status, part.headers.get('content-range')], [206, `bytes ${from}-${to - 1}/3500000`], range)
      assert.ok((await bytesOf(part)).equals(large.subarray(from, to)), range)
    }
    const outside = await get('data/large.bin', { range: 'bytes=3500000-' })
    assert.deepEqual([outside.status, outside.headers.get('content-range')], [416, 'bytes */3500000'])
    for (const range of ['bytes=9-3', 'bytes=a-b', 'lines=1-2', 'bytes=0-1,4-5'])
      assert.equal((await bytesOf(await get('data/large.bin', { range }))).length, large.length, range)
    const other = await get('data/large.bin', { range: 'bytes=0-9', 'if-range': '"other"' })
    assert.equal(other.status, 200)
    await other.body?.cancel()
    assert.equal((await get('data/large.bin', { 'if-none-match': tag })).status, 304)
    const head = await ask('HEAD', '/api/v1/files/data/large.bin?raw=1')
    assert.deepEqual([head.status, head.headers.get('content-length')], [200, '3500000'])
  })

  it('is never a page: types come from the content, and nothing runs a script', async () => {
    const page = '<!doctype html><script>alert(1)</script>'
    const png = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex')
    for (const [name, content, type, disposition] of [
      ['page.html', page, 'text/plain; charset=utf-8', 'inline'],
      ['page.png', page, 'text/plain; charset=utf-8', 'inline'],
      ['picture.html', png, 'image/png', 'inline'],
      ['drawing.svg', '<svg onload="alert(1)"/>', 'image/svg+xml', 'attachment'],
      ['archive.zip', Buffer.from('504b0304', 'hex'), 'application/zip', 'attachment'],
    ] as const) {
      writeFileSync(join(shared, name), content)
      const { headers } = await get(name)
      assert.equal(headers.get('content-type'), type, name)
      assert.match(headers.get('content-disposition')!, new RegExp(`^${disposition};`), name)
      assert.match(headers.get('content-security-policy')!, /default-src 'none'.*sandbox$/)
      assert.deepEqual([headers.get('x-content-type-options'), headers.get('cross-origin-resource-policy')], ['nosniff', 'same-origin'])
    }
    assert.match((await ask('GET', '/api/v1/files/page.html?raw=1&download=1')).headers.get('content-disposition')!, /^attachment;/)
  })

  it('has a name that breaks neither a header nor out of the workspace', async () => {
    for (const name of ['a"b; c.txt', 'tab\tline\nend.txt', 'žluťoučký \u202e.txt', "it's (1)*%.txt", '雪.png', '..%2f.txt']) {
      const path = encodeURIComponent(name)
      assert.equal((await ask('PUT', `/api/v1/files/names/${path}?raw=1`, {}, 'x')).status, 201, name)
      assert.ok(existsSync(join(shared, 'names', name)), name)
      const response = await get(`names/${path}`)
      assert.equal(response.status, 200, name)
      assert.match(response.headers.get('content-disposition')!, /^inline; filename="[ !#-~]*"; filename\*=UTF-8''[\w.~!$&+^`|%-]+$/, name)
    }
    mkdirSync(join(shared, 'folder'))
    symlinkSync('/etc/passwd', join(shared, 'link'))
    for (const [path, code] of [
      ['..%2F..%2Finternal%2Foxbow.db', 'path_refused'],
      ['%2Fetc%2Fpasswd', 'path_refused'],
      ['%2Fvault%2Fkey', 'path_refused'],
      ['link', 'path_refused'],
      ['missing', 'not_found'],
      ['nul%00', 'bad_input'],
    ] as const) {
      assert.equal((await jsonOf(await get(path))).code, code, path)
      if (code !== 'not_found') assert.equal((await jsonOf(await ask('PUT', `/api/v1/files/${path}?raw=1`, {}, 'x'))).code, code, path)
    }
    assert.ok((await get('folder')).status >= 400)
    assert.ok((await ask('PUT', '/api/v1/files/folder?raw=1', {}, 'x')).status >= 400)
    assert.equal((await get('%E0%A4%A')).status, 400)
  })

  it('needs the right of the key, and its folder', async () => {
    const key = async (...rights: readonly string[]): Promise<Record<string, string>> => {
      const made = await ask(
        'POST',
        '/api/v1/keys',
        { 'content-type': 'application/json' },
        JSON.stringify({ name: rights[0]!.replaceAll(/\W/g, '-'), rights }),
      )
      return { authorization: `Bearer ${(await jsonOf(made)).key}` }
    }
    const reader = await key('file.read:/shared/names')
    assert.equal((await get('names/%E9%9B%AA.png', reader)).status, 200)
    assert.equal((await get('page.html', reader)).status, 403)
    assert.equal((await ask('PUT', '/api/v1/files/names/x?raw=1', reader, 'x')).status, 403)
    const writer = await key('file.write:/shared/names')
    assert.equal((await ask('PUT', '/api/v1/files/names/x?raw=1', writer, 'x')).status, 201)
    assert.equal((await ask('PUT', '/api/v1/files/y?raw=1', writer, 'x')).status, 403)
    assert.equal((await get('names/x', writer)).status, 403)
  })

  it('appears only when its last byte has arrived, and an upload that is too large is refused before it is read', async () => {
    const socket = connect(Number(new URL(address).port), '127.0.0.1')
    socket.write(
      `PUT /api/v1/files/cut.bin?raw=1 HTTP/1.1\r\nhost: ${new URL(address).host}\r\nauthorization: Bearer ${token}\r\ncontent-length: 3000000\r\n\r\n`,
    )
    await new Promise((resolve) => void socket.write(Buffer.alloc(2_500_000), resolve))
    socket.destroy()
    const refused = connect(Number(new URL(address).port), '127.0.0.1')
    refused.write(
      `PUT /api/v1/files/big.bin?raw=1 HTTP/1.1\r\nhost: ${new URL(address).host}\r\nauthorization: Bearer ${token}\r\ncontent-length: 99000000000\r\n\r\n`,
    )
    let answer = ''
    for await (const part of refused) answer += String(part)
    assert.match(answer, /^HTTP\/1.1 413 /)
    assert.match(answer, /"code":"limit_reached"/)
    assert.deepEqual(
      readdirSync(shared).filter((name) => /^(cut|big)\.bin/.test(name)),
      [],
    )
  })

  it('that a person attached is downloaded by the hashes of its pieces', async () => {
    const json = { 'content-type': 'application/json' }
    const put = async (content: Buffer): Promise<string> =>
      (await jsonOf(await ask('POST', '/api/v1/calls/attachment.put', json, JSON.stringify({ data: content.toString('base64') })))).piece
    const pieces = [await put(large.subarray(0, 1_500_000)), await put(large.subarray(1_500_000))]
    const whole = await ask('GET', `/api/v1/media/${pieces.join()}?name=${encodeURIComponent('../a"b.bin')}`)
    assert.deepEqual(
      [whole.status, whole.headers.get('content-disposition')],
      [200, `attachment; filename="a_b.bin"; filename*=UTF-8''a%22b.bin`],
    )
    assert.match(whole.headers.get('cache-control')!, /immutable/)
    assert.ok((await bytesOf(whole)).equals(large))
    const part = await ask('GET', `/api/v1/media/${pieces.join()}`, { range: 'bytes=1499998-1500002' })
    assert.ok((await bytesOf(part)).equals(large.subarray(1_499_998, 1_500_003)))
    assert.equal((await ask('GET', `/api/v1/media/${'0'.repeat(64)}`)).status, 404)
    assert.equal((await ask('GET', '/api/v1/media/00')).status, 400)
  })
})
