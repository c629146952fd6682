/** `oxbow embed pull` from a server that is laid out as the Hugging Face hub: names on one host, large files on another. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { setImmediate as nextRound } from 'node:timers/promises'
import { listEmbedders } from '../../runner/index.ts'
import { runProgram } from '../program.ts'
import type { Terminal } from '../terminal.ts'
import { program } from '../../../test/support/built.ts'

const large = Buffer.alloc(300_000, 'numbers ')
const small: Readonly<Record<string, Buffer>> = {
  'config.json': Buffer.from('{"model_type":"model2vec","normalize":true}'),
  'tokenizer.json': Buffer.from('{"model":{"type":"WordPiece","vocab":{}}}'),
}
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const gitHash = (bytes: Buffer): string => createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex')

interface Faults {
  /** What the hub says of the large file. */
  promised: string
  /** How the host of large files answers each request, in order; then as it should. */
  answers: ((request: IncomingMessage, response: ServerResponse) => void)[]
}

void describe('oxbow embed pull from a hub', () => {
  let home = ''
  let faults: Faults = { promised: '', answers: [] }
  const ranges: (string | undefined)[] = []
  const hub = createServer((request, response) => {
    const file = /^\/me\/model\/resolve\/main\/(\S+)$/.exec(request.url ?? '')?.[1]
    const kept = /^\/api\/resolve-cache\/(\S+)$/.exec(request.url ?? '')?.[1]
    const facts = { 'x-repo-commit': 'b'.repeat(40) }
    if (file === 'model.safetensors') {
      const linked = { 'x-linked-etag': `"${faults.promised}"`, 'x-linked-size': String(large.length) }
      response.writeHead(302, { ...facts, ...linked, location: `${addressOf(store)}/bytes` }).end()
    } else if (file !== undefined && small[file] !== undefined) {
      response.writeHead(307, { ...facts, location: `/api/resolve-cache/${file}` }).end()
    } else if (kept !== undefined && small[kept] !== undefined) {
      response.writeHead(200, { ...facts, etag: `"${gitHash(small[kept])}"` }).end(small[kept])
    } else response.writeHead(404).end()
  })
  const store = createServer((request, response) => {
    ranges.push(request.headers.range)
    const answer = faults.answers.shift() ?? whole
    answer(request, response)
  })
  const addressOf = (server: typeof hub): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  beforeEach(async () => {
    home = mkdtempSync(join(tmpdir(), 'oxbow-hub-'))
    faults = { promised: sha256(large), answers: [] }
    ranges.length = 0
    for (const server of [hub, store]) await once(server.listen(0, '127.0.0.1'), 'listening')
  })
  afterEach(async () => {
    for (const server of [hub, store]) {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    }
    rmSync(home, { recursive: true })
  })

  const pull = async (): Promise<{ code: number; errors: string; out: string }> => {
    const [output, errors] = [new PassThrough(), new PassThrough()]
    const terminal = { input: new PassThrough(), output, errors, env: { OXBOW_HOME: home }, version: '0' } as unknown as Terminal
    const code = await runProgram(['embed', 'pull', 'mine', '--from', `${addressOf(hub)}/me/model/resolve/main/`], terminal)
    return { code, errors: String(errors.read() ?? ''), out: String(output.read() ?? '') }
  }
  const left = (): string[] => readdirSync(join(home, 'embedders'))
  const kinds = (): string[] => left().map((name) => name.replace(/\d+$/, ''))
  const model = (): Buffer => readFileSync(join(home, 'embedders/mine/model.safetensors'))

  void it("follows redirects to the content, and compares it with the hub's hashes", async () => {
    const { code, errors } = await pull()
    assert.equal(code, 0, errors)
    assert.ok(model().equals(large))
    assert.deepEqual(left(), ['mine'])
  })

  void it('refuses content with another hash, large or small, and leaves nothing', async () => {
    faults.promised = sha256(Buffer.from('other'))
    const { code, errors } = await pull()
    assert.ok(code !== 0 && errors.includes('does not match the publisher') && errors.includes(faults.promised), errors)
    assert.deepEqual(left(), [])
    faults.promised = '0'.repeat(40)
    assert.match((await pull()).errors, /does not match the publisher/)
  })

  void it('resumes where the connection broke off, if the file is the same', async () => {
    faults.answers = [half, (request, response) => part(request, response, '"one"', 200_000)]
    assert.equal((await pull()).code, 0)
    assert.ok(model().equals(large))
    // What came is told by the client: of what was on its way when the connection broke, some may be lost.
    assert.equal(ranges.length, 3)
    assert.ok(ranges.slice(1).every((range) => range === undefined || /^bytes=\d+-$/.test(range)))
  })

  void it('starts over if the server supports no ranges, or has another version', async () => {
    faults.answers = [half, whole]
    assert.equal((await pull()).code, 0)
    assert.ok(model().equals(large))
    // A host that names a version of its own, behind a hub that names none.
    faults = { promised: '', answers: [half, (request, response) => part(request, response, '"two"'), whole] }
    ranges.length = 0
    assert.equal((await pull()).code, 0)
    assert.ok(model().equals(large))
    assert.ok(ranges.length === 3 || ranges[1] === undefined, String(ranges))
  })

  void it('gives up after repeated lost connections, and keeps the earlier model', async () => {
    await pull()
    const cut = (_: IncomingMessage, response: ServerResponse): void => void response.destroy()
    faults.answers = [half, cut, cut, cut, cut]
    const { code, errors } = await pull()
    assert.ok(code !== 0 && errors.includes('An earlier model is unchanged'), errors)
    assert.deepEqual(kinds(), ['.pulling-mine-', 'mine'])
    assert.ok(model().equals(large))
    // What has come is for the next one.
    assert.equal((await pull()).code, 0)
    assert.deepEqual(left(), ['mine'])
  })

  /** A pull in a process of its own, which is killed when it has written much of the large file. @returns how much */
  const killedPull = async (etag = '"one"'): Promise<number> => {
    const begun = Promise.withResolvers<void>()
    faults.answers = [(_, response) => void drip(response, etag, partial, begun.resolve)]
    const args = [program, 'embed', 'pull', 'mine', '--from', `${addressOf(hub)}/me/model/resolve/main/`]
    const child = spawn(process.execPath, args, { env: { PATH: process.env['PATH'], OXBOW_HOME: home }, stdio: 'ignore' })
    const gone = once(child, 'exit')
    await Promise.race([begun.promise, gone])
    child.kill('SIGKILL')
    await gone
    ranges.length = 0
    return partial().size
  }
  const partial = (): { readonly path: string; readonly size: number } => {
    const folder = existsSync(join(home, 'embedders')) ? left().find((name) => name.startsWith('.pulling-mine-')) : undefined
    const path = join(home, 'embedders', folder ?? '.none', 'model.safetensors')
    return { path, size: existsSync(path) ? statSync(path).size : 0 }
  }

  void it('killed midway, it leaves the old model in use; the next pull resumes it with ranges', async () => {
    await pull()
    const size = await killedPull()
    assert.ok(size >= enough && size < large.length)
    assert.deepEqual(kinds(), ['.pulling-mine-', 'mine'])
    assert.ok(model().equals(large))
    assert.equal(listEmbedders({ root: home }).length, 1)
    faults.answers = [(request, response) => part(request, response, '"one"')]
    const { code, errors, out } = await pull()
    assert.equal(code, 0, errors)
    assert.deepEqual(ranges, [`bytes=${size - 1}-`])
    assert.match(out, /model\.safetensors +300\.0 kB, resumed at \d+\.\d kB/)
    assert.ok(model().equals(large))
    assert.deepEqual([left(), readdirSync(join(home, 'embedders/mine')).length], [['mine'], 3])
  })

  void it('killed, it starts over at a server without ranges, and keeps nothing of the first attempt', async () => {
    await killedPull()
    faults.answers = [whole]
    assert.equal((await pull()).code, 0)
    assert.equal(ranges.length, 1)
    assert.ok(model().equals(large))
    assert.deepEqual(left(), ['mine'])
  })

  void it('killed, it does not resume with another or unknown version, or beyond the end of the file', async () => {
    // The hub names no hash: only the version of the host tells.
    faults.promised = ''
    await killedPull()
    faults.answers = [(request, response) => part(request, response, '"two"'), whole]
    assert.equal((await pull()).code, 0)
    assert.deepEqual(ranges.slice(1), [undefined])
    assert.ok(model().equals(large))

    await killedPull('')
    assert.equal((await pull()).code, 0)
    assert.deepEqual(ranges, [undefined])

    await killedPull()
    faults.answers = [(_, response) => response.writeHead(416, { etag: '"one"' }).end(), whole]
    assert.equal((await pull()).code, 0)
    assert.deepEqual([ranges.length, ranges[1]], [2, undefined])
    assert.ok(model().equals(large))
  })

  void it('killed, with the partial file changed since, it fails its hash, keeps nothing, and the next pull starts over', async () => {
    await killedPull()
    const bytes = readFileSync(partial().path)
    bytes[7] = (bytes[7] ?? 0) ^ 1
    writeFileSync(partial().path, bytes)
    faults.answers = [(request, response) => part(request, response, '"one"')]
    assert.match((await pull()).errors, /does not match the publisher/)
    assert.deepEqual(left(), [])
    assert.equal((await pull()).code, 0)
    assert.equal(ranges.at(-1), undefined)
    assert.ok(model().equals(large))
  })

  void it('removes a partial download after a week', async () => {
    await killedPull()
    const old = (Date.now() - 8 * 24 * 3_600_000) / 1_000
    utimesSync(dirname(partial().path), old, old)
    assert.deepEqual(listEmbedders({ root: home }), [])
    assert.deepEqual(left(), [])
  })

  void it('restores a model that a killed pull had moved aside', async () => {
    await pull()
    const dead = spawn(process.execPath, ['--version'], { stdio: 'ignore' })
    await once(dead, 'exit')
    const folder = join(home, 'embedders')
    mkdirSync(join(folder, `.old-other-${dead.pid}`))
    for (const name of [...Object.keys(small), 'model.safetensors']) writeFileSync(join(folder, `.old-other-${dead.pid}`, name), '')
    const { code } = await pull()
    assert.equal(code, 0)
    assert.deepEqual(left(), ['mine', 'other'])
  })
})

function whole(_: IncomingMessage, response: ServerResponse): void {
  response.writeHead(200, { etag: '"one"', 'content-length': large.length }).end(large)
}

/** Bytes after which a pull is killed. */
const enough = 150_000

/** Sends all but the end, and tells when much of it is on the disk. */
async function drip(response: ServerResponse, etag: string, partial: () => { size: number }, begun: () => void): Promise<void> {
  response.writeHead(200, { ...(etag !== '' && { etag }), 'content-length': large.length })
  await new Promise<void>((resolve) => response.write(large.subarray(0, large.length - 1_000), () => resolve()))
  while (partial().size < enough && !response.destroyed) await nextRound()
  begun()
}

/** The whole is promised, and half of it comes. */
function half(_: IncomingMessage, response: ServerResponse): void {
  response.writeHead(200, { etag: '"one"', 'content-length': large.length })
  response.write(large.subarray(0, 150_000), () => response.destroy())
}

/** @param to breaks off before this byte */
function part(request: IncomingMessage, response: ServerResponse, etag: string, to: number = large.length): void {
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
  const range = `bytes ${from}-${large.length - 1}/${large.length}`
  response.writeHead(206, { etag, 'content-range': range, 'content-length': large.length - from })
  if (to === large.length) response.end(large.subarray(from))
  else response.write(large.subarray(from, to), () => response.destroy())
}
