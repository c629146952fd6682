import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { runProgram } from '../program.ts'
import type { Terminal } from '../terminal.ts'

const bodies: Readonly<Record<string, string>> = {
  '/m/config.json': '{"normalize":true}',
  '/m/tokenizer.json': '{"model":{}}',
  '/m/model.safetensors': 'numbers',
}

void describe('oxbow embed', () => {
  let home = ''
  let listener: RequestListener = () => {}
  const server = createServer((request, response) => {
    listener(request, response)
  })
  let base = ''
  beforeEach(async () => {
    home = mkdtempSync(join(tmpdir(), 'oxbow-embed-'))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    listener = (request, response) => response.writeHead(bodies[request.url ?? ''] === undefined ? 404 : 200).end(bodies[request.url ?? ''])
  })
  afterEach(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
    rmSync(home, { recursive: true })
  })

  const run = async (...args: string[]): Promise<{ code: number; out: string; errors: string }> => {
    const [output, errors] = [new PassThrough(), new PassThrough()]
    const terminal = { input: new PassThrough(), output, errors, env: { OXBOW_HOME: home }, version: '0' } as unknown as Terminal
    const code = await runProgram(['embed', ...args], terminal)
    return { code, out: String(output.read() ?? ''), errors: String(errors.read() ?? '') }
  }
  const folder = (): string[] => (existsSync(join(home, 'embedders')) ? readdirSync(join(home, 'embedders')) : [])

  void it('pulls a model into the home, shows its hashes, and how it is used', async () => {
    const { code, out } = await run('pull', 'mine', '--from', `${base}/m`)
    assert.equal(code, 0)
    for (const body of Object.values(bodies)) assert.ok(out.includes(createHash('sha256').update(body).digest('hex')))
    assert.ok(out.includes(`memory.embedder = "folder:${join(home, 'embedders', 'mine')}"`))
    assert.equal(readFileSync(join(home, 'embedders/mine/model.safetensors'), 'utf8'), 'numbers')
    assert.deepEqual(folder(), ['mine'])
    const listed = await run('list')
    assert.ok(listed.out.includes('words-50k') && listed.out.includes('embedders/mine'))
  })

  void it('follows where large files are kept, and no other kind of address', async () => {
    listener = (request, response) => {
      const url = request.url ?? ''
      if (url.startsWith('/moved/')) response.writeHead(302, { location: `${base}/m/${url.slice(7)}` }).end()
      else if (url.startsWith('/away/')) response.writeHead(302, { location: 'http://example.org/x' }).end()
      else if (url.startsWith('/round/')) response.writeHead(302, { location: url }).end()
      else response.end(bodies[url])
    }
    assert.equal((await run('pull', 'moved', '--from', `${base}/moved/`)).code, 0)
    for (const bad of ['away', 'round']) {
      const { code, errors } = await run('pull', bad, '--from', `${base}/${bad}/`)
      assert.ok(code !== 0 && errors.includes('redirects'), errors)
    }
    assert.deepEqual(folder(), ['moved'])
  })

  void it('leaves what was there when a download fails, is too large or breaks off', async () => {
    await run('pull', 'mine', '--from', `${base}/m`)
    for (const failing of [
      (_: unknown, response: { writeHead(code: number): { end(): void } }) => response.writeHead(500).end(),
      (_: unknown, response: { end(text: string): void }) => response.end('x'.repeat(70_000)),
      (_: unknown, response: { writeHead(code: number, headers: object): void; write(text: string): void; destroy(): void }) => {
        response.writeHead(200, { 'content-length': '100' })
        response.write('x')
        setImmediate(() => response.destroy())
      },
    ]) {
      listener = failing as unknown as RequestListener
      const { code, errors } = await run('pull', 'mine', '--from', `${base}/m`)
      assert.ok(code !== 0 && errors.includes('What was there before is as it was'), errors)
      assert.deepEqual(folder(), ['mine'])
      assert.equal(readFileSync(join(home, 'embedders/mine/config.json'), 'utf8'), bodies['/m/config.json'])
    }
  })

  void it('says what is wrong with its folder where that cannot be used', async () => {
    writeFileSync(join(home, 'embedders'), 'no folder')
    for (const args of [['pull', 'mine', '--from', `${base}/m`], ['list']]) {
      const { code, errors } = await run(...args)
      assert.equal(code, 3)
      assert.match(errors, /a file of Oxbow cannot be used: (EEXIST|ENOTDIR).*\n?hint: See to/)
    }
  })

  void it('refuses names and addresses that it must not use', async () => {
    for (const args of [
      ['pull', '../x', '--from', base],
      ['pull', 'unknown'],
      ['pull', 'x', '--from', 'http://example.org/'],
      ['pull', 'x', '--from', 'file:///etc'],
    ]) {
      const { code, errors } = await run(...args)
      assert.ok(code !== 0 && errors.includes('potion-base-8M'), errors)
    }
    assert.deepEqual(folder(), [])
  })
})
